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

use crate::action::Action;
use crate::crash::CrashReport;
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::units::in_a_row;
use crate::queue::{Finished, Queue};
use crate::supervisor::Proc;
use crate::sys;

/// How long the program may take: it passes the notification on to the desktop, which may hang.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between two notifications about crashes of a process whose failures are not counted.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest text, in characters; no desktop shows more.
const LONGEST_TEXT: usize = 200;

/// The script for `osascript` that shows its two arguments as title and text.
const SCRIPT: [&str; 3] =
    ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];

/// The notifications shown so far.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    /// What was shown last of each process.
    shown: HashMap<ProcId, ShownCrash>,
    /// Whether the log already reports that none can be shown.
    failed: bool,
}

#[derive(Debug, Clone, Copy)]
struct ShownCrash {
    at: Instant,
    /// The begin of the failures in a row that it belongs to; `None` if its failures are not counted.
    since: Option<Timestamp>,
    is_broken: bool,
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
        let (title, text) = (one_line(title), one_line(text));
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
fn one_line(text: &str) -> String {
    text.trim().chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl ShownCrash {
    /// Whether this one need not be shown after it.
    fn covers(&self, next: &Self) -> bool {
        match next.since {
            Some(_) => self.since == next.since && self.is_broken == next.is_broken,
            None => next.at - self.at < PAUSE,
        }
    }
}

impl Notifications {
    /// A process has crashed: show that, if notifications are enabled for it. Of failures in a row the first is shown,
    /// and the last if it is not started again.
    pub(crate) fn crash(
        &mut self,
        id: ProcId,
        proc: &Proc,
        plan: &Plan,
        report: &CrashReport,
    ) -> Vec<Action> {
        let crash = ShownCrash {
            at: Instant::now(),
            since: (proc.failures.times > 0).then_some(proc.failures.first),
            is_broken: proc.failures.broken.is_some(),
        };
        let is_known = self.shown.get(&id).is_some_and(|last| last.covers(&crash));
        if !plan.processes[id].rules.notify || is_known {
            return vec![];
        }
        self.shown.insert(id, crash);
        let cause = report.cause().map(|cause| cause.text.clone());
        let text = cause.unwrap_or_else(|| "`tmo why` tells more".to_owned());
        let name = &report.process_name;
        let title = if crash.is_broken && proc.failures.times > 1 {
            format!("{name} crashed {}, and is not started again", in_a_row(proc.failures.times))
        } else {
            format!("{name} has crashed")
        };
        vec![Action::Notify { title, text }]
    }

    /// Show this on the desktop.
    pub(crate) fn show(
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
    pub(crate) fn failed(&mut self, why: String) -> Vec<Action> {
        if std::mem::replace(&mut self.failed, true) {
            return vec![];
        }
        vec![Action::log_of_run(What::Notify { why })]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_TEXT, Notifications, Notifier, SCRIPT};
    use crate::action::Action;
    use crate::crash::{CrashInput, CrashReport};
    use crate::journal::segment::Dirs;
    use crate::model::event::Problem;
    use crate::model::time::Timestamp;
    use crate::model::{Exit, ProcId};
    use crate::supervisor::{Broken, Supervisor};

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
        let mut plan = tmo_base::testing::plan(&[process]);
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
        let mut plan = tmo_base::testing::plan(&["web"]);
        let (mut notifications, web, report) =
            (Notifications::default(), ProcId::at(0), report("web"));
        let supervisor = Supervisor::new(&plan, Timestamp::EPOCH);
        let proc = &supervisor.procs[web];
        assert!(notifications.crash(web, proc, &plan, &report).is_empty(), "not enabled");
        plan.processes[web].rules.notify = true;
        let shown = notifications.crash(web, proc, &plan, &report);
        let [Action::Notify { title, text }] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!((title.as_str(), text.contains("code 1")), ("web has crashed", true), "{text}");
        assert!(notifications.crash(web, proc, &plan, &report).is_empty(), "too soon");
    }

    #[test]
    fn of_failures_in_a_row_the_first_and_the_last_are_shown() {
        let mut plan = tmo_base::testing::plan(&["web"]);
        let (mut notifications, web, report) =
            (Notifications::default(), ProcId::at(0), report("web"));
        plan.processes[web].rules.notify = true;
        let mut supervisor = Supervisor::new(&plan, Timestamp::EPOCH);
        let mut titles = |failures, since, broken: Option<Broken>| {
            let proc = &mut supervisor.procs[web];
            (proc.failures.times, proc.failures.first, proc.failures.broken) =
                (failures, Timestamp::from_nanos(since), broken);
            let shown = notifications.crash(web, proc, &plan, &report);
            let title = |action| {
                let Action::Notify { title, .. } = action else { panic!("{action:?}") };
                title
            };
            shown.into_iter().map(title).collect::<Vec<_>>()
        };
        // The second failure may come before the report of the first.
        assert_eq!(titles(2, 7, None), ["web has crashed"]);
        assert!(titles(2, 7, None).is_empty() && titles(3, 7, None).is_empty());
        let broken = Broken { why: Problem::Ended { exit: Exit::Code(1), times: Some(4) } };
        assert_eq!(
            titles(4, 7, Some(broken)),
            ["web crashed 4 times in a row, and is not started again"]
        );
        assert_eq!(titles(1, 9, None), ["web has crashed"], "it was stable meanwhile");
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
                prop_assert!(reported.chars().count() <= LONGEST_TEXT * 5);
            }
        }
    }
}
