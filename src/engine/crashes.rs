//! Crash reports, and the lines in the log about the cause of a crash.
//!
//! The cause is logged at once. The report itself waits for a second (or until the run ends) so
//! that it can include how other processes react. Threads do both, since they read files.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout};

use super::core::Engine;
use super::owed::{Debt, OwedCrash};
use super::queue::Event;
use crate::crash::{self, CrashInput, CrashReport, Kind, Lived, Log, Trigger};
use crate::model::event::{Event as LogEvent, ReportSummary, What};
use crate::model::{LifeId, ProcId};
use crate::supervisor::{Course, Crash, Goal};

/// How long to collect output of other processes before the report is written.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The shortest time between two reports of a process that keeps failing.
const REST: Duration = Duration::from_secs(10);
/// How long the end of a run waits for reports.
const PATIENCE: Duration = Duration::from_secs(3);

/// Crash reports in progress.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    pending: Vec<(ProcId, JoinHandle<Option<CrashReport>>)>,
    /// When the last report of each process was begun.
    last: HashMap<ProcId, Instant>,
    /// Set when the run ends: reports are then written at once.
    hurry: watch::Sender<bool>,
    /// The failure detected in a life that had to be ended, by process.
    blame: HashMap<ProcId, (LifeId, Trigger)>,
    /// Lives whose report a killed supervisor had already logged.
    reported: HashSet<(ProcId, LifeId)>,
    /// The OOM kill count of the system at the last crash.
    oom_kills: Option<u64>,
}

impl Crashes {
    /// Read the initial OOM kill count.
    pub(super) fn begin(&mut self) {
        self.oom_kills = crash::facts::oom_kills();
    }
}

impl Engine {
    /// Remember what is wrong with a life, in case it is ended for that. Anything detected while it
    /// is already being ended is not the reason.
    pub(super) fn blame(&mut self, id: ProcId, life: LifeId, trigger: Trigger) {
        if self.saved.supervisor.procs[id].failed < Some(life) {
            self.crashes.blame.insert(id, (life, trigger));
        }
    }

    /// Whether a process that is being restarted has just had a report.
    pub(super) fn rests(&self, id: ProcId) -> bool {
        let proc = &self.saved.supervisor.procs[id];
        let again = proc.due.is_some() || proc.goal == Goal::Run;
        again && self.crashes.last.get(&id).is_some_and(|last| last.elapsed() < REST)
    }

    /// A process has crashed.
    pub(super) fn crashed(&mut self, crash: &Crash) {
        let Crash { id, life, .. } = *crash;
        let Some(owed) = self.saved.owed.crash(id, life) else { return };
        self.crashes.last.insert(id, Instant::now());
        let mut input = self.input_of(owed);
        // A detected failure is not the cause of a life that ended by itself.
        let blame = self.crashes.blame.remove(&id).filter(|(of, _)| owed.failed && *of == life);
        input.facts.trigger = blame.map(|(_, trigger)| trigger);
        let kills = crash::facts::oom_kills();
        let before = std::mem::replace(&mut self.crashes.oom_kills, kills);
        // Without an earlier count there is nothing to compare with.
        let more = kills.zip(before).map_or(0, |(kills, before)| kills.saturating_sub(before));
        input.facts.oom_kills = more;
        self.tell_crash(owed, input);
    }

    /// The same for a crash that a killed supervisor had not finished. The flags tell whether the
    /// journal has its log lines and its report.
    pub(super) fn crashed_before(&mut self, owed: OwedCrash, (said, reported): (bool, bool)) {
        self.crashes.last.insert(owed.id, Instant::now());
        if reported {
            self.crashes.reported.insert((owed.id, owed.lived.life));
        }
        let input = self.input_of(owed);
        if said {
            self.report(owed, input);
        } else {
            self.tell_crash(owed, input);
        }
    }

    fn input_of(&self, owed: OwedCrash) -> CrashInput {
        let process = &self.plan.processes[owed.id];
        let first = self.saved.first_record;
        CrashInput { first, ..CrashInput::new(&self.plan, process, self.ingest.dirs(), owed.lived) }
    }

    fn tell_crash(&mut self, owed: OwedCrash, input: CrashInput) {
        // If the crash ends the run, the final message of the run contains the same.
        if self.saved.supervisor.course == Course::Keep {
            self.look_into(owed, input.clone());
        }
        self.report(owed, input);
    }

    /// Find the cause now and log it.
    fn look_into(&self, owed: OwedCrash, input: CrashInput) {
        let queue = self.queue.clone();
        spawn_local(async move {
            if let Ok(report) = spawn_blocking(move || examine(owed, input)).await {
                queue.push(Event::Examined(owed.id, owed.lived.life, crash::notice(&report)));
            }
        });
    }

    /// Log the cause. The event contains the life so that an adopter can tell what was logged.
    pub(super) fn examined(&mut self, id: ProcId, life: LifeId, notice: Vec<String>) {
        for text in notice {
            self.say(id, What::Crash { life, text });
        }
    }

    fn report(&mut self, owed: OwedCrash, input: CrashInput) {
        let (mut hurry, queue) = (self.crashes.hurry.subscribe(), self.queue.clone());
        let dir = self.crash_dir();
        let task = spawn_local(async move {
            // Continue after the time or when the run ends, whichever is first.
            let _ = timeout(AFTERMATH, hurry.wait_for(|hurry| *hurry)).await;
            let made = spawn_blocking(move || {
                let report = examine(owed, input);
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
        self.crashes.pending.push((owed.id, task));
    }

    /// A report has been written.
    pub(super) fn reported(&mut self, report: &CrashReport) {
        let Some(id) = self.id_of(&report.process_name) else { return };
        let life = report.tmo.life;
        if !self.crashes.reported.remove(&(id, life)) {
            self.note_report(report);
        }
        self.on_crash(Debt::Crash(id, life), report);
    }

    fn note_report(&mut self, report: &CrashReport) {
        let summary = ReportSummary {
            exit_code: report.exit_code,
            signal: report.signal.clone(),
            timestamp: report.timestamp.clone(),
            cause: report.cause().map(|cause| cause.text.clone()),
        };
        let what = What::CrashReport { life: report.tmo.life, summary };
        self.write_event(&LogEvent::of(&report.process_name, what));
    }

    fn crash_dir(&self) -> PathBuf {
        let named = self.plan.crash_dir.as_ref().map(|dir| dir.as_path().to_owned());
        named.unwrap_or_else(|| crash::store::dir_of(self.ingest.dirs()))
    }

    /// Finish all reports. Returns the cause of the crash that ended the run.
    pub(super) async fn finish_reports(&mut self) -> Option<String> {
        self.crashes.hurry.send_replace(true);
        let culprit = self.saved.supervisor.culprit.as_ref().map(|culprit| culprit.id);
        let mut cause = None;
        for (id, task) in std::mem::take(&mut self.crashes.pending) {
            match timeout(PATIENCE, task).await {
                Ok(Ok(Some(report))) if Some(id) == culprit => {
                    let reported = report.cause().filter(|cause| says_more(cause.kind));
                    cause = reported.map(|cause| cause.text.clone());
                }
                Ok(_) => {}
                Err(_) => tracing::error!("a crash report was not done in time"),
            }
        }
        cause
    }
}

/// Create the report of a crash. If the life was ended for a failure that this supervisor did not
/// detect itself, that failure is looked up in the journal.
fn examine(owed: OwedCrash, mut input: CrashInput) -> CrashReport {
    if owed.failed && input.facts.trigger.is_none() {
        input.facts.trigger = said_of(&input).unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal can't be read for a crash report");
            None
        });
    }
    crash::examine(&input)
}

fn said_of(input: &CrashInput) -> std::io::Result<Option<Trigger>> {
    let log = Log::open(&input.dirs, input.first)?;
    let Lived { life, ended, .. } = input.lived;
    match log.place(&input.name, life, ended)? {
        Some(place) => log.failed_of(&input.name, &input.lived, &place),
        None => Ok(None),
    }
}

/// Whether a cause adds anything to the exit status, which is shown next to it.
const fn says_more(kind: Kind) -> bool {
    !matches!(kind, Kind::ExitCode | Kind::Signal | Kind::EndedEarly | Kind::Other)
}
