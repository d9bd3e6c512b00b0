//! The copy mode of a terminal of tmux, in which tmux takes keys for itself. Turning the wheel on a page enters it.
//!
//! The mode belongs to the pane, not to a client. It is ended before typed input is passed on, so that a key reaches the
//! process, and when the last page leaves. The supervisor ends it: typing nothing does that.
//!
//! The tmux session of a page that has left a terminal is ended, if tmux does not do so itself.

use std::collections::VecDeque;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use crate::config::Env;
use crate::config::place::paths::OwnPath;
use crate::model::plan::Backend;
use crate::model::state::State;
use crate::model::text::OsText;
use crate::web::runs::{Run, exactly, state};
use crate::web::terminal::{Terminal, Typists};

/// For so long after a check, no other client is expected to have entered copy mode.
const CHECKED: Duration = Duration::from_millis(250);
/// Input waits no longer than this for the supervisor.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(1);

/// A request that ends copy mode.
pub(crate) type Leaving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where in the input of a page copy mode has to end.
pub(crate) struct CopyMode {
    terminal: Arc<Terminal>,
    typists: tokio::sync::watch::Receiver<Typists>,
    /// How much of the input is in the terminal.
    written: u64,
    /// The places in the input before which copy mode has to end.
    ends: VecDeque<u64>,
    /// When it was last ended.
    ended: Option<Instant>,
    /// The page has used the mouse since then.
    scrolls: bool,
}

impl CopyMode {
    /// That of this terminal; these are the pages that type into it.
    pub(crate) fn new(
        terminal: &Arc<Terminal>,
        typists: tokio::sync::watch::Receiver<Typists>,
    ) -> Self {
        let (terminal, ends) = (Arc::clone(terminal), VecDeque::new());
        Self { terminal, typists, written: 0, ends, ended: None, scrolls: false }
    }

    /// Note input of the page, which comes after this much that is not in the terminal yet.
    pub(crate) fn note(&mut self, input: &[u8], before: usize) {
        let reports = reports(input);
        self.scrolls |= reports > 0;
        let is_checked = self.ended.is_some_and(|ended| ended.elapsed() < CHECKED);
        if reports < input.len() && (self.scrolls || !is_checked) {
            self.ends.push_back(self.written + (before + reports) as u64);
            self.scrolls = false;
            self.ended = Some(Instant::now());
        }
    }

    /// The part of the waiting input that may be passed on now: none of it while copy mode has to end first, by this
    /// request.
    pub(crate) fn next<'a>(&mut self, input: &'a [u8], leaving: &mut Option<Leaving>) -> &'a [u8] {
        if leaving.is_none() && self.ends.front() == Some(&self.written) {
            self.ends.pop_front();
            *leaving = Some(self.leave());
        }
        if leaving.is_some() {
            return &[];
        }
        let until = self.ends.front().map_or(u64::MAX, |end| end - self.written);
        &input[..input.len().min(usize::try_from(until).unwrap_or(usize::MAX))]
    }

    /// Note that so much input is in the terminal.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    fn leave(&self) -> Leaving {
        let terminal = Arc::clone(&self.terminal);
        Box::pin(async move {
            if terminal.run.known.plan.as_ref().is_none_or(|plan| plan.backend != Backend::Tmux) {
                return;
            }
            let type_nothing = async {
                let client = terminal.run.client().await?.ok()?;
                client.type_into(&exactly(terminal.name.as_str()), "", false).await.ok()
            };
            // On an error, the process does not run or the terminal is gone: no key gets lost then.
            let _ = timeout(SUPERVISOR_PATIENCE, type_nothing).await;
        })
    }
}

impl Drop for CopyMode {
    fn drop(&mut self) {
        if self.scrolls && self.typists.borrow().count <= 1 {
            tokio::spawn(self.leave());
        }
    }
}

/// The length of the reports with which this input begins: of the mouse, and answers of the page's terminal. The rest
/// is typed.
fn reports(input: &[u8]) -> usize {
    let mut rest = input;
    while let Some(length) = report(rest) {
        rest = &rest[length..];
    }
    input.len() - rest.len()
}

fn report(input: &[u8]) -> Option<usize> {
    match input {
        [0x1b, b'[', b'M', _, _, _, ..] => Some(6),
        [0x1b, b'[', b'<' | b'?' | b'>', rest @ ..] => {
            let last = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            Some(3 + last + 1)
        }
        [0x1b, b']' | b'P', rest @ ..] => {
            let last = rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b))?;
            let end = if rest[last] == 0x07 { 1 } else { 2 };
            Some((2 + last + end).min(input.len()))
        }
        _ => None,
    }
}

/// How long tmux may take to notice that a client is gone. It sends no notification of that.
const GONE_FOR_TMUX: Duration = Duration::from_secs(1);

/// Ends the tmux session of a page when dropped. Normally a hook of tmux does that, but tmux 3.3a sometimes does not
/// run the hook.
pub(crate) struct LeftoverSession {
    pub(crate) run: Arc<Run>,
    /// The process that is attached to the session.
    pub(crate) client: Option<u32>,
}

impl Drop for LeftoverSession {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let run = Arc::clone(&self.run);
        tokio::spawn(async move {
            // Ending the session while its client is detaching sometimes crashes tmux 3.3a.
            sleep(GONE_FOR_TMUX).await;
            end_session(&run, &format!("c-{client}")).await;
        });
    }
}

/// The variable that says where tmux has its sockets.
const TMUX_DIR: &str = "TMUX_TMPDIR";

/// End this session if no client is attached to it. Usually it no longer exists.
async fn end_session(run: &Run, session: &str) {
    let Some(runtime) = run.known.runtime.clone() else { return };
    let Ok(State { tmux: Some(address), .. }) = state(&run.known).await else { return };
    let root = run.known.root().into_iter();
    let Some(tmux) = OwnPath::new(&Env::real(), root).find("tmux") else { return };
    let mut command = Command::new(tmux);
    let dir = move || {
        let plan = runtime.plan().ok()?;
        plan.caller_env().get(&OsText::from(TMUX_DIR)).map(|dir| dir.0.clone())
    };
    match spawn_blocking(dir).await {
        Ok(Some(dir)) => command.env(TMUX_DIR, dir),
        Ok(None) => command.env_remove(TMUX_DIR),
        Err(_) => return,
    };
    command.arg("-L").arg(&address.socket);
    command.args(["if-shell", "-F", "-t", &format!("={session}:"), "#{session_attached}", ""]);
    command.arg(format!("kill-session -t '={session}'"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.status().await {
        tracing::warn!("can't run tmux: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::reports;

    #[test]
    fn reports_of_the_terminal_are_not_typed() {
        for (input, length) in [
            (&b"echo"[..], 0),
            (b"\x1b[A", 0),
            (b"\x1b[1;5R", 0),
            (b"\x1b[<64;10;10M", 12),
            (b"\x1b[<64;10;10M\x1b[<0;1;1mx", 21),
            (b"\x1b[M`!!y", 6),
            (b"\x1b[?1;2c", 7),
            (b"\x1b[>0;276;0c", 11),
            (b"\x1b]10;rgb:0/0/0\x1b\\z", 16),
            (b"\x1b]10;rgb:0/0/0\x07", 15),
            (b"\x1bPx\x1b", 4),
            (b"", 0),
            (b"\x1b", 0),
            (b"\x1b[<64", 0),
        ] {
            assert_eq!(reports(input), length, "{input:?}");
        }
    }
}
