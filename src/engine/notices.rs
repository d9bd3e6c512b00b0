//! Desktop notices, shown by a program of the system.
//!
//! Title and text are arguments of that program and never pass through a shell, and tmo does not
//! wait for it. If there is no such program, or it fails, that is logged once per run.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::core::Engine;
use super::queue::Event;
use crate::crash::CrashReport;
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::text::OsText;
use crate::sys;

/// How long the program may take: it passes the notice on to the desktop, which may hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// The shortest time between two notices about crashes of a process.
const REST: Duration = Duration::from_secs(10);
/// The longest text, in characters; no desktop shows more.
const LONGEST: usize = 200;

/// The script for `osascript` that shows its two arguments as title and text.
const SCRIPT: [&str; 3] =
    ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];

/// The notices shown so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// When the last crash of each process was shown.
    reported: HashMap<ProcId, Instant>,
    /// Whether the log already reports that notices can't be shown.
    said: bool,
}

/// A program that shows notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shower {
    NotifySend,
    OsaScript,
}

impl Shower {
    const ALL: [Self; 2] = [Self::NotifySend, Self::OsaScript];

    const fn name(self) -> &'static str {
        match self {
            Self::NotifySend => "notify-send",
            Self::OsaScript => "osascript",
        }
    }

    fn arguments(self, title: &str, text: &str) -> Vec<String> {
        let (title, text) = (shown(title), shown(text));
        match self {
            // notify-send interprets markup in the text.
            Self::NotifySend => {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                vec!["--app-name=tmo".to_owned(), "--".to_owned(), title, text]
            }
            Self::OsaScript => {
                let script = SCRIPT.iter().flat_map(|line| ["-e".to_owned(), (*line).to_owned()]);
                script.chain([title, text]).collect()
            }
        }
    }
}

/// One line, without control characters.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(LONGEST).map(plain).collect()
}

impl Engine {
    /// Show the crash of a process, if notices are enabled for it.
    pub(super) fn notify_crash(&mut self, report: &CrashReport) {
        let Some(id) = self.id_of(&report.process_name) else { return };
        let now = Instant::now();
        let is_early = self.notices.reported.get(&id).is_some_and(|last| now - *last < REST);
        if !self.plan.processes[id].rules.notify || is_early {
            return;
        }
        self.notices.reported.insert(id, now);
        let cause = report.cause().map(|cause| cause.text.clone());
        let text = cause.unwrap_or_else(|| "`tmo why` tells more".to_owned());
        self.notify(&format!("{} has crashed", report.process_name), &text);
    }

    /// Show this on the desktop.
    pub(super) fn notify(&mut self, title: &str, text: &str) {
        let env = self.plan.env_of_own_programs();
        let path = env.get(&OsText::from("PATH")).map(|path| &path.0);
        let root = self.plan.root.as_path();
        let found = Shower::ALL
            .into_iter()
            .find_map(|shower| Some((shower, which::which_in(shower.name(), path, root).ok()?)));
        let Some((shower, program)) = found else {
            return self.not_notified("neither notify-send nor osascript is there");
        };
        let mut command = Command::new(program);
        command
            .args(shower.arguments(title, text))
            .env_clear()
            .envs(env.iter().map(|(name, value)| (&name.0, &value.0)))
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        sys::end_with_parent(command.as_std_mut());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return self.not_notified(&format!("{}: {error}", shower.name())),
        };
        let queue = self.queue.clone();
        spawn_local(async move {
            let why = match timeout(PATIENCE, child.wait()).await {
                Ok(Ok(status)) if status.success() => return,
                Ok(Ok(status)) => format!("{} failed: {status}", shower.name()),
                Ok(Err(error)) => format!("{}: {error}", shower.name()),
                Err(_) => format!("{} took too long", shower.name()),
            };
            queue.push(Event::NotNotified(why));
        });
    }

    /// Log, once, that notices can't be shown.
    pub(super) fn not_notified(&mut self, why: &str) {
        if !std::mem::replace(&mut self.notices.said, true) {
            self.say_system(What::Notify { why: why.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, SCRIPT, Shower};

    #[test]
    fn what_is_told_stays_an_argument() {
        let text = "-u $(reboot) `x` <b>&\"'\n\0";
        let arguments = Shower::NotifySend.arguments("--help", text);
        let reported = "-u $(reboot) `x` &lt;b&gt;&amp;\"'";
        assert_eq!(arguments[..3], ["--app-name=tmo", "--", "--help"]);
        assert_eq!(arguments[3].trim_end(), reported);
        let arguments = Shower::OsaScript.arguments("web", "\" & (do shell script \"x\")");
        let script: Vec<_> = arguments[..6].iter().skip(1).step_by(2).collect();
        assert_eq!(script, SCRIPT.iter().collect::<Vec<_>>());
        assert_eq!(arguments[6..], ["web", "\" & (do shell script \"x\")"]);
    }

    proptest! {
        #[test]
        fn any_text_is_one_short_line(text in "(?s).{0,400}") {
            for shower in Shower::ALL {
                let reported = shower.arguments("x", &text).pop().unwrap_or_default();
                prop_assert!(!reported.contains(char::is_control));
                prop_assert!(reported.chars().count() <= LONGEST * 5);
            }
        }
    }
}
