//! Calling the project's tmux server.
//!
//! Each call is a separate tmux client with the caller's own environment, without env files. It runs in its
//! own process group, so a Ctrl-C in the launching terminal does not reach it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::command::{self, TmuxCommand};
use super::config::Environ;
use super::restored_socket::Running;
use super::{config, version};
use crate::backend::{Listed, Server, Survey};
use crate::model::plan::Plan;
use crate::model::terminal::emulator::{Screen, ScreenCursor};
use crate::protocol::tmux_socket as socket;
use crate::sys::files;

/// The format for size, cursor and kind of a pane's screen, as numbers.
const SCREEN: &str =
    "#{pane_width} #{pane_height} #{cursor_x} #{cursor_y} #{cursor_flag} #{alternate_on}";

/// A tmux call that failed.
#[derive(Debug, thiserror::Error)]
pub enum TmuxError {
    /// The program did not start.
    #[error("can't run {}: {}", program.display(), crate::sys::why(source))]
    Spawn {
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It had not answered when the run was about to end.
    #[error("tmux did not answer before the run was stopped")]
    GivenUp,
    /// It reported an error.
    #[error("tmux {what}: {words}")]
    Refused {
        /// Which command.
        what: String,
        /// tmux's own words.
        words: String,
    },
    /// Its socket is gone and can't be made again.
    #[error("the socket {} of tmux is gone and can't be made again: {}", path.display(), crate::sys::why(source))]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its configuration could not be written.
    #[error("{}: {}", path.display(), crate::sys::why(source))]
    Config {
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The tmux server of one run.
#[derive(Debug, Clone)]
pub struct Tmux {
    program: PathBuf,
    socket: String,
    pub(super) session: String,
    pub(super) tmo: PathBuf,
    pub(super) root: PathBuf,
    pub(super) environ: Environ,
    pub(super) config: PathBuf,
    pub(super) menu: PathBuf,
    pub(super) control: PathBuf,
    user_config: Option<PathBuf>,
    pub(super) size: (u16, u16),
    /// Held while checking which panes exist and adding the missing ones.
    pub(super) opening: Arc<Mutex<()>>,
    /// Held while typing; the value is whether tmux has no buffer left over from that.
    pub(super) typing: Arc<Mutex<bool>>,
    pub(super) running: Arc<Running>,
}

impl TmuxError {
    /// It succeeded, but printed something else than it was asked for.
    fn malformed(what: &str, answer: &str) -> Self {
        let words = match &*version::one_line(answer.as_bytes()) {
            "" => "it printed nothing".to_owned(),
            line => format!("its answer is malformed: {line}"),
        };
        Self::Refused { what: what.to_owned(), words }
    }

    /// The session to be created exists already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { words, .. } if words.contains("duplicate session"))
    }

    /// Nothing listens on the socket of the server.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Refused { words, .. } if socket::is_unreachable(words))
    }

    /// The server ended during the call.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Refused { words, .. } if (words.contains("server exited") || words.contains("lost server")))
    }
}

/// What users of tmux give as the configuration if they want none, not even their own.
pub const NO_TMUX_CONFIG: &str = "/dev/null";

impl Tmux {
    /// The server of this plan; nothing is started yet.
    pub fn new(plan: &Plan, runtime: &Path) -> Self {
        let environ = Environ::new(plan, runtime);
        let home = environ.get("HOME");
        let user_config = match &plan.tmux_config {
            Some(path) => {
                Some(path.as_path().to_owned()).filter(|path| path != Path::new(NO_TMUX_CONFIG))
            }
            None => home.map(|home| home.join(".tmux.conf")).filter(|p| p.exists()),
        };
        Self {
            program: plan.tmux.as_path().to_owned(),
            socket: plan.tmux_socket.clone(),
            session: plan.session.clone(),
            tmo: plan.tmo.as_path().to_owned(),
            root: plan.root.as_path().to_owned(),
            environ,
            config: runtime.join("tmux.conf"),
            menu: runtime.join("menu"),
            control: plan.socket.as_path().to_owned(),
            user_config,
            size: plan.size,
            opening: Arc::default(),
            typing: Arc::default(),
            running: Arc::default(),
        }
    }

    /// The user's own configuration, if there is one.
    pub fn user_config(&self) -> Option<&Path> {
        self.user_config.as_deref()
    }

    /// The server, if it runs.
    pub async fn survey(&self) -> Result<Survey, TmuxError> {
        self.surveyed(&[self.ask_survey()]).await
    }

    pub(super) fn ask_survey(&self) -> Vec<TmuxCommand> {
        let server = TmuxCommand::new("display-message -p").arg("#{pid} #{socket_path}");
        vec![server, self.ask_panes()]
    }

    /// Run these commands, of which only the last group produces output.
    pub(super) async fn surveyed(&self, groups: &[Vec<TmuxCommand>]) -> Result<Survey, TmuxError> {
        let mut said = String::new();
        for call in command::batches(groups) {
            said = self.call(call).await?;
        }
        let refused = || TmuxError::malformed("display-message", &said);
        let (server, panes) = said.split_once('\n').ok_or_else(refused)?;
        let (pid, socket) = server.split_once(' ').ok_or_else(refused)?;
        let pid = pid.parse().map_err(|_| refused())?;
        let panes = panes.lines().filter_map(parse_listed).collect();
        let server = Some(Server { pid, socket: socket.into() });
        Ok(Survey { server, panes })
    }

    /// All panes; none if the session is gone.
    pub async fn list_panes(&self) -> Result<Vec<Listed>, TmuxError> {
        let no_session =
            |words: &str| words.contains("no sessions") || words.contains("no current target");
        match self.call(self.ask_panes().words().to_vec()).await {
            Ok(said) => Ok(said.lines().filter_map(parse_listed).collect()),
            Err(TmuxError::Refused { words, .. }) if no_session(&words) => Ok(vec![]),
            Err(error) => Err(error),
        }
    }

    fn ask_panes(&self) -> TmuxCommand {
        let ours = format!("#{{==:#{{session_name}},{}}}", self.session);
        let pane = "#{pane_id} #{pane_pid} #{pane_dead}";
        let format = format!("{pane} {ours} #{{@tmo_name}} #{{window_id}}");
        TmuxCommand::new("list-panes -a -F").arg(format)
    }

    /// Source the user's own configuration (for their keys in `connect`), then make sure that none of it
    /// can lose output: unset hooks, and set tmo's options and hooks again. Its settings for the status
    /// line stay.
    pub async fn source_user_config(&self) -> Result<(), TmuxError> {
        let Some(path) = &self.user_config else { return Ok(()) };
        // On a FIFO tmux would block, and every pane with it.
        files::open_project(path)
            .map_err(|source| TmuxError::Config { path: path.clone(), source })?;
        let unset = self.unset_hooks().await;
        let status = self.status_options().await?;
        let ours = vec![TmuxCommand::new("source-file").arg(&self.config), keep_empty()];
        let mut all = vec![TmuxCommand::new("source-file -q").arg(path)];
        all.extend(unset.iter().chain(&ours).cloned());
        // In one call, so that the user's settings are never in effect without ours: their options could
        // end the session, their hooks could do anything.
        let verdict = self.call_all(vec![all]).await;
        if verdict.is_err() {
            // An error in the user's file keeps the commands after it from running.
            self.call_all(unset.into_iter().map(|command| vec![command]).collect()).await?;
            self.call_all(vec![ours]).await?;
        }
        if self.status_options().await? != status {
            let mark = TmuxCommand::new("set-option -gq @tmo_own_status 1");
            self.call(mark.words().to_vec()).await?;
        }
        verdict
    }

    /// The options of the status line, with their values.
    async fn status_options(&self) -> Result<Vec<String>, TmuxError> {
        let ask = ["-g", "-gw"].map(|scope| TmuxCommand::new("show-options").arg(scope));
        let mut found = vec![];
        for call in command::batches(&[ask.to_vec()]) {
            let said = self.call(call).await?;
            let status =
                |line: &&str| line.starts_with("status") || line.starts_with("window-status");
            found.extend(said.lines().filter(status).map(ToOwned::to_owned));
        }
        Ok(found)
    }

    /// Commands that unset every global hook that this tmux knows.
    async fn unset_hooks(&self) -> Vec<TmuxCommand> {
        let mut unset = vec![];
        for scope in ["-g", "-g -w", "-g -p"] {
            let ask = TmuxCommand::new(&format!("show-hooks {scope}"));
            // Older versions do not know all of these scopes.
            let Ok(hooks) = self.call(ask.words().to_vec()).await else { continue };
            let mut names: Vec<&str> = hooks.lines().map(hook_name).collect();
            names.dedup();
            let base = TmuxCommand::new(&format!("set-hook -u {scope}"));
            unset.extend(names.iter().map(|name| base.clone().arg(name)));
        }
        unset
    }

    pub(super) async fn call_all(&self, groups: Vec<Vec<TmuxCommand>>) -> Result<(), TmuxError> {
        for call in command::batches(&groups) {
            self.call(call).await?;
        }
        Ok(())
    }

    /// Give this size to all panes that no client shows, and to the others once no client shows them any
    /// more.
    pub async fn resize(&self, columns: u16, rows: u16) -> Result<(), TmuxError> {
        let set = |option: TmuxCommand| option.arg("default-size").arg(format!("{columns}x{rows}"));
        // `new-session` has set this option on the session of the run too.
        let own = TmuxCommand::new("set-option -q -t").arg(format!("={}:", self.session));
        let size = vec![set(TmuxCommand::new("set-option -gq")), set(own)];
        let checked = [&*size, &[config::check(&self.session)]].concat();
        if self.call_all(vec![checked]).await.is_ok() {
            return Ok(());
        }
        // Before 3.2, tmux can't run commands that result from a format.
        let mut groups = vec![size];
        for listed in self.list_panes().await? {
            let resize = TmuxCommand::new(&format!("resize-window -x {columns} -y {rows} -t"));
            let resize = resize.arg(&listed.pane);
            // resize-window pins the window; unpinned, it follows a client that attaches.
            let unpin = TmuxCommand::new("set-option -uwq -t").arg(&listed.pane);
            groups.push(vec![resize, unpin.arg("window-size")]);
        }
        self.call_all(groups).await
    }

    /// Close a pane, unless it is the last one: the server would end with it.
    pub async fn close(&self, pane: &str) -> Result<(), TmuxError> {
        // A concurrent request to open a pane would otherwise reuse this one.
        let _one = self.opening.lock().await;
        let others = "#{!=:#{session_windows},1}";
        let close = TmuxCommand::new("if-shell -F -t").arg(pane).arg(others);
        let close = close.arg(format!("kill-pane -t {pane}"));
        self.call(close.words().to_vec()).await.map(drop)
    }

    /// Forget what has left the top of the panes.
    pub async fn clear_scrollback(&self) -> Result<(), TmuxError> {
        for listed in self.list_panes().await? {
            let clear = TmuxCommand::new("clear-history -t").arg(&listed.pane);
            // The pane may be gone by now.
            let _ = self.call(clear.words().to_vec()).await;
        }
        Ok(())
    }

    /// Capture the screen of a pane, with colours if `color` is set. Without `blanks`, trailing spaces are
    /// removed, and lines that tmux has wrapped are divided.
    pub async fn screen(&self, pane: &str, color: bool, blanks: bool) -> Result<Screen, TmuxError> {
        // If the pane is gone, this answers for another pane, but then the capture fails.
        let ask = TmuxCommand::new("display-message -p -t").arg(pane).arg(SCREEN);
        let mut capture = TmuxCommand::new("capture-pane -p -t").arg(pane);
        for (flag, _) in [("-e", color), ("-J", blanks)].into_iter().filter(|(_, is_set)| *is_set) {
            capture = capture.arg(flag);
        }
        let answer = self.call(command::batches(&[vec![ask, capture]]).concat()).await?;
        parse_screen(&answer).ok_or_else(|| TmuxError::malformed("capture-pane", &answer))
    }

    pub(super) async fn call(&self, words: Vec<OsString>) -> Result<String, TmuxError> {
        self.call_with(words, None).await
    }

    /// Run a tmux command with this on its standard input. If the server can't be reached because its socket is gone,
    /// have it make the socket again, and try once more.
    pub(super) async fn call_with(
        &self,
        words: Vec<OsString>,
        input: Option<&[u8]>,
    ) -> Result<String, TmuxError> {
        match self.call_once(&words, input).await {
            Err(error) if self.restore_socket(&error).await? => self.call_once(&words, input).await,
            done => done,
        }
    }

    async fn call_once(
        &self,
        words: &[OsString],
        input: Option<&[u8]>,
    ) -> Result<String, TmuxError> {
        let what = words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
        let mut client = tokio::process::Command::new(&self.program);
        client.arg("-L").arg(&self.socket).arg("-f").arg(&self.config).args(words);
        client.env_clear().envs(self.environ.own.iter().map(|(name, value)| (&name.0, &value.0)));
        client.current_dir("/");
        let answer = version::run_client(&mut client, input).await;
        let output =
            answer.map_err(|source| TmuxError::Spawn { program: self.program.clone(), source })?;
        let mut words = version::one_line(&output.stderr);
        if words.is_empty() && !output.status.success() {
            // Errors in a configuration are reported on standard output.
            words = version::one_line(&output.stdout);
        }
        tracing::debug!(what, status = %output.status, words, "tmux");
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = if words.is_empty() { output.status.to_string() } else { words };
        Err(TmuxError::Refused { what, words })
    }
}

/// Let the server outlive its last session. Set only once it has a session: if its client were killed
/// before that, an empty server would run unnoticed forever.
pub(super) fn keep_empty() -> TmuxCommand {
    TmuxCommand::new("set-option -gq exit-empty off")
}

pub(super) fn write(path: &Path, text: &[u8]) -> Result<(), TmuxError> {
    crate::protocol::spec::replace(path, text)
        .map_err(|source| TmuxError::Config { path: path.to_owned(), source })
}

/// Parse the answer to [`SCREEN`] and the captured lines after it.
fn parse_screen(answer: &str) -> Option<Screen> {
    let (head, screen) = answer.split_once('\n')?;
    let numbers: Vec<u16> = head.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [columns, rows, column, row, is_visible, is_alternate] = *numbers else { return None };
    let cursor = ScreenCursor { column, row, is_visible: is_visible == 1 };
    let is_alternate = is_alternate == 1;
    Some(Screen { screen: screen.to_owned(), columns, rows, cursor, is_alternate })
}

fn parse_listed(line: &str) -> Option<Listed> {
    let mut fields = line.splitn(6, ' ');
    Some(Listed {
        pane: fields.next()?.to_owned(),
        pid: fields.next()?.parse().ok()?,
        dead: fields.next()? == "1",
        ours: fields.next()? == "1",
        process: fields.next()?.to_owned(),
        window: fields.next()?.to_owned(),
    })
}

/// `after-new-window[0] run-shell "…"` → `after-new-window`; an unset hook has no value.
fn hook_name(line: &str) -> &str {
    line.split([' ', '[']).next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::{Listed, Screen, ScreenCursor, hook_name, parse_listed, parse_screen};

    #[test]
    fn what_tmux_says_is_read() {
        let (pane, process, window) = ("%3".into(), "web".into(), "@5".into());
        let listed = Listed { pane, pid: 77, dead: false, ours: true, process, window };
        assert_eq!(parse_listed("%3 77 0 1 web @5"), Some(listed));
        assert_eq!(
            parse_listed("%3 77 0 1  @5").map(|l| (l.process, l.window)),
            Some((String::new(), "@5".into()))
        );
        assert_eq!(parse_listed("rubbish"), None);
        assert_eq!(hook_name("after-new-window[0] run-shell 'sleep 1'"), "after-new-window");
        assert_eq!(hook_name("alert-bell"), "alert-bell");
    }

    #[test]
    fn a_screen_is_read_with_size_and_cursor() {
        let cursor = ScreenCursor { column: 4, row: 2, is_visible: true };
        let screen = "one\n\n  two\n".to_owned();
        let screen = Screen { screen, columns: 80, rows: 3, cursor, is_alternate: false };
        assert_eq!(parse_screen("80 3 4 2 1 0\none\n\n  two\n"), Some(screen));
        assert_eq!(parse_screen("80 3 4 2 1\none\n"), None);
        assert_eq!(parse_screen(""), None);
    }
}
