//! A report of each crash, and a word in the log about it.
//!
//! What can be said at once is said at once; the report itself waits a second for what the others
//! have to say about it, or until the run ends. Both are made on threads: they read files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout};

use super::core::Engine;
use super::queue::Event;
use crate::crash::{self, CrashInput, CrashReport, Kind, Lived, Oom, Trigger};
use crate::supervisor::{Course, Crash, Goal, ProcId, Word};

/// How long the others are listened to before the report is written.
const AFTERMATH: Duration = Duration::from_secs(1);
/// A process that fails again and again is reported no more often.
const REST: Duration = Duration::from_secs(10);
/// How long the end of a run waits for reports.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reports that are being made.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    pending: Vec<(ProcId, JoinHandle<Option<CrashReport>>)>,
    /// When the last one of a process was begun.
    last: HashMap<ProcId, Instant>,
    /// Whether the run ends.
    hurry: watch::Sender<bool>,
    /// What somebody saw of a life that had to be ended, by its number.
    blame: HashMap<ProcId, (u64, Trigger)>,
    /// How often the system had killed for want of memory by the last crash.
    oom_kills: Option<u64>,
}

impl Crashes {
    /// Know how things stand before anything happens.
    pub(super) fn begin(&mut self) {
        self.oom_kills = crash::facts::oom_kills();
    }
}

impl Engine {
    /// Remember what is wrong with a life: it may be ended because of that. What is seen of one
    /// that is being ended already is not why.
    pub(super) fn blame(&mut self, id: ProcId, life: u64, trigger: Trigger) {
        if self.saved.supervisor.procs[id].failed < life {
            self.crashes.blame.insert(id, (life, trigger));
        }
    }

    /// A process has ended as it should not.
    pub(super) fn crashed(&mut self, crash: &Crash) {
        let Crash { id, life, exit, started, ended } = *crash;
        let proc = &self.saved.supervisor.procs[id];
        let again = proc.due.is_some() || proc.goal == Goal::Run;
        let failed = proc.failed == life;
        let now = Instant::now();
        let rests = self.crashes.last.get(&id).is_some_and(|last| now - *last < REST);
        if again && rests {
            return;
        }
        self.crashes.last.insert(id, now);
        let lived = Lived {
            life: u32::try_from(life).unwrap_or(u32::MAX),
            pid: proc.last_pid,
            started,
            ended,
            exit,
            restarts: proc.begun.saturating_sub(1),
        };
        let process = &self.plan.processes[id];
        let mut input = CrashInput::new(&self.plan, process, self.ingest.dirs(), lived);
        // What was seen of one that has ended by itself was not the end of it.
        let blame = self.crashes.blame.remove(&id).filter(|(of, _)| failed && *of == life);
        input.facts.trigger = blame.map(|(_, trigger)| trigger);
        let kills = crash::facts::oom_kills();
        let before = std::mem::replace(&mut self.crashes.oom_kills, kills);
        input.facts.oom =
            Oom { kills: kills.unwrap_or(0).saturating_sub(before.unwrap_or(0)), ..Oom::default() };
        // The last words of a run that ends by it tell the same.
        if self.saved.supervisor.course == Course::Keep {
            self.look_into(id, input.clone());
        }
        self.report(id, input);
    }

    /// Find out at once why, and say it.
    fn look_into(&self, id: ProcId, input: CrashInput) {
        let queue = self.queue.clone();
        spawn_local(async move {
            if let Ok(report) = spawn_blocking(move || crash::examine(&input)).await {
                queue.push(Event::Examined(id, crash::notice(&report)));
            }
        });
    }

    /// What was found out.
    pub(super) fn examined(&mut self, id: ProcId, notice: Vec<String>) {
        for text in notice {
            self.say(&Word { id: Some(id), event: "crash", text, error: true });
        }
    }

    fn report(&mut self, id: ProcId, input: CrashInput) {
        let (mut hurry, queue) = (self.crashes.hurry.subscribe(), self.queue.clone());
        let dir = self.crash_dir();
        let task = spawn_local(async move {
            // Either will do.
            let _ = timeout(AFTERMATH, hurry.wait_for(|hurry| *hurry)).await;
            let made = spawn_blocking(move || {
                let report = crash::examine(&input);
                if let Err(error) = crash::store::write(&report, &dir) {
                    tracing::error!(%error, dir = %dir.display(), "a crash report can't be written");
                }
                report
            });
            let report = made.await.ok()?;
            queue.push(Event::Reported(Box::new(report.clone())));
            Some(report)
        });
        self.crashes.pending.retain(|(_, task)| !task.is_finished());
        self.crashes.pending.push((id, task));
    }

    /// A report is made.
    pub(super) fn reported(&mut self, report: &CrashReport) {
        self.note(&serde_json::json!({
            "event": "crash-report",
            "name": report.process_name,
            "exitCode": report.exit_code,
            "signal": report.signal,
            "timestamp": report.timestamp,
            "cause": report.cause().map(|cause| &cause.text),
        }));
        self.on_crash(report);
    }

    fn crash_dir(&self) -> PathBuf {
        let named = self.plan.crash_dir.as_ref().map(|dir| dir.as_path().to_owned());
        named.unwrap_or_else(|| crash::store::dir_of(self.ingest.dirs()))
    }

    /// Have all reports written; returns why the process ended that made everything stop.
    pub(super) async fn finish_reports(&mut self) -> Option<String> {
        self.crashes.hurry.send_replace(true);
        let culprit = self.saved.supervisor.culprit.as_ref().map(|culprit| culprit.id);
        let mut cause = None;
        for (id, task) in std::mem::take(&mut self.crashes.pending) {
            match timeout(PATIENCE, task).await {
                Ok(Ok(Some(report))) if Some(id) == culprit => {
                    let told = report.cause().filter(|cause| says_more(cause.kind));
                    cause = told.map(|cause| cause.text.clone());
                }
                Ok(_) => {}
                Err(_) => tracing::error!("a crash report was not done in time"),
            }
        }
        cause
    }
}

/// Whether a cause is more than how it ended, which is told beside it.
const fn says_more(kind: Kind) -> bool {
    !matches!(kind, Kind::ExitCode | Kind::Signal | Kind::EndedEarly | Kind::Other)
}
