//! Desktop notifications, shown by a program of the system.
//!
//! Title and text are arguments of that program and never pass through a shell, and tmo does not
//! wait for it. If there is no such program, or it fails, that is logged once per run.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::action::Action;
use super::queue::{Finished, Queue};
use crate::crash::CrashReport;
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::sys;

/// How long the program may take: it passes the notification on to the desktop, which may hang.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between two notifications about crashes of a process.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest text, in characters; no desktop shows more.
const LONGEST: usize = 200;

/// The script for `osascript` that shows its two arguments as title and text.
const SCRIPT: [&str; 3] =
    ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];

/// The notifications shown so far.
#[derive(Debug, Default)]
pub(super) struct Notifications {
    /// When the last crash of each process was shown.
    reported: HashMap<ProcId, Instant>,
    /// Whether the log already reports that none can be shown.
    failed: bool,
}

/// A program that shows notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notifier {
    NotifySend,
    OsaScript,
}

impl Notifier {
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

impl Notifications {
    /// A process has crashed: show that, if notifications are enabled for it.
    pub(super) fn crash(&mut self, id: ProcId, plan: &Plan, report: &CrashReport) -> Vec<Action> {
        let now = Instant::now();
        let is_early = self.reported.get(&id).is_some_and(|last| now - *last < PAUSE);
        if !plan.processes[id].rules.notify || is_early {
            return vec![];
        }
        self.reported.insert(id, now);
        let cause = report.cause().map(|cause| cause.text.clone());
        let text = cause.unwrap_or_else(|| "`tmo why` tells more".to_owned());
        vec![Action::Notify { title: format!("{} has crashed", report.process_name), text }]
    }

    /// Show this on the desktop.
    pub(super) fn show(
        &mut self,
        (title, text): (&str, &str),
        plan: &Plan,
        queue: &Queue,
    ) -> Vec<Action> {
        let env = plan.env_of_own_programs();
        let path = env.get(&OsText::from("PATH")).map(|path| &path.0);
        let root = plan.root.as_path();
        let found = Notifier::ALL.into_iter().find_map(|notifier| {
            Some((notifier, which::which_in(notifier.name(), path, root).ok()?))
        });
        let Some((notifier, program)) = found else {
            return self.failed("neither notify-send nor osascript is there".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(notifier.arguments(title, text))
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
            Err(error) => return self.failed(format!("{}: {error}", notifier.name())),
        };
        let queue = queue.clone();
        spawn_local(async move {
            let why = match timeout(TIMEOUT, child.wait()).await {
                Ok(Ok(status)) if status.success() => return,
                Ok(Ok(status)) => format!("{} failed: {status}", notifier.name()),
                Ok(Err(error)) => format!("{}: {error}", notifier.name()),
                Err(_) => format!("{} took too long", notifier.name()),
            };
            queue.finished(Finished::NotNotified(why));
        });
        vec![]
    }

    /// A notification can't be shown: log that, once.
    pub(super) fn failed(&mut self, why: String) -> Vec<Action> {
        if std::mem::replace(&mut self.failed, true) {
            return vec![];
        }
        vec![Action::log_of_run(What::Notify { why })]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, Notifications, Notifier, SCRIPT};
    use crate::crash::{CrashInput, CrashReport};
    use crate::engine::action::Action;
    use crate::journal::segment::Dirs;
    use crate::model::time::Timestamp;
    use crate::model::{Exit, ProcId};

    #[test]
    fn what_is_told_stays_an_argument() {
        let text = "-u $(reboot) `x` <b>&\"'\n\0";
        let arguments = Notifier::NotifySend.arguments("--help", text);
        let reported = "-u $(reboot) `x` &lt;b&gt;&amp;\"'";
        assert_eq!(arguments[..3], ["--app-name=tmo", "--", "--help"]);
        assert_eq!(arguments[3].trim_end(), reported);
        let arguments = Notifier::OsaScript.arguments("web", "\" & (do shell script \"x\")");
        let script: Vec<_> = arguments[..6].iter().skip(1).step_by(2).collect();
        assert_eq!(script, SCRIPT.iter().collect::<Vec<_>>());
        assert_eq!(arguments[6..], ["web", "\" & (do shell script \"x\")"]);
    }

    fn report(process: &str) -> CrashReport {
        let place = tempfile::tempdir().unwrap();
        let mut plan = crate::supervisor::tests::plan(&[process]);
        plan.log.dir = place.path().into();
        let lived = crate::crash::LifeSummary {
            life: crate::model::LifeId::FIRST,
            pid: None,
            started: Timestamp::EPOCH,
            ended: Timestamp::EPOCH,
            exit: Exit::Code(1),
            restarts: 0,
        };
        let dirs = Dirs::of_run(&plan, place.path());
        crate::crash::examine(&CrashInput::new(&plan, &plan.processes[ProcId::at(0)], &dirs, lived))
    }

    #[test]
    fn a_crash_is_shown_once_within_the_pause_and_only_if_enabled() {
        let mut plan = crate::supervisor::tests::plan(&["web"]);
        let (mut notifications, web, report) =
            (Notifications::default(), ProcId::at(0), report("web"));
        assert!(notifications.crash(web, &plan, &report).is_empty(), "not enabled");
        plan.processes[web].rules.notify = true;
        let shown = notifications.crash(web, &plan, &report);
        let [Action::Notify { title, text }] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!((title.as_str(), text.contains("code 1")), ("web has crashed", true), "{text}");
        assert!(notifications.crash(web, &plan, &report).is_empty(), "too soon");
    }

    #[test]
    fn a_failure_is_logged_once() {
        let mut notifications = Notifications::default();
        assert!(matches!(notifications.failed("x".to_owned())[..], [Action::Log(_)]));
        assert!(notifications.failed("y".to_owned()).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_one_short_line(text in "(?s).{0,400}") {
            for shower in Notifier::ALL {
                let reported = shower.arguments("x", &text).pop().unwrap_or_default();
                prop_assert!(!reported.contains(char::is_control));
                prop_assert!(reported.chars().count() <= LONGEST * 5);
            }
        }
    }
}
