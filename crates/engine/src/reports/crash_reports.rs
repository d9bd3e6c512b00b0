//! Crash reports, and the lines in the log about the cause of a crash.
//!
//! The cause is logged at once. The report itself waits for a second (or until the run ends) so
//! that it can include how other processes react. Threads do both, since they read files.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout};

use super::outbox::{LoggedCrash, PendingCrash};
use crate::action::Action;
use crate::crash::access::CrashAccess;
use crate::crash::{self, CauseKind, CrashInput, CrashReport, LifeSummary, Log, Reports, Trigger};
use crate::journal::segment::Dirs;
use crate::model::event::{Event as LogEvent, ReportSummary, What};
use crate::model::plan::Plan;
use crate::model::{LifeId, ProcId};
use crate::persisted_state::PersistedState;
use crate::queue::{Finished, Queue};
use crate::run::dir::RuntimeDir;
use crate::supervisor::{Goal, Proc, RunPhase, Supervisor};

/// How long to collect output of other processes before the report is written.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The shortest time between two reports of a process that keeps failing.
const PAUSE: Duration = Duration::from_secs(10);
/// How long the end of a run waits for reports.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Crash reports in progress.
#[derive(Debug, Default)]
pub(crate) struct CrashReports {
    pending: Vec<(ProcId, JoinHandle<Option<CrashReport>>)>,
    /// When the last report of each process was begun.
    last: HashMap<ProcId, Instant>,
    /// Set when the run ends: reports are then written at once.
    hurry: watch::Sender<bool>,
    /// The failure detected in a life that had to be ended, by process.
    blame: HashMap<ProcId, (LifeId, Trigger)>,
    /// Lives whose report a killed supervisor had already logged.
    logged: HashSet<(ProcId, LifeId)>,
    /// Lives whose crash has an event in the log before that of the report.
    noticed: HashSet<(ProcId, LifeId)>,
    /// The OOM kill count of the system at the last crash.
    oom_kills: Option<u64>,
}

/// What crash reports read of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crashed<'a> {
    plan: &'a Plan,
    /// The journal.
    dirs: &'a Dirs,
    /// The first record of this run.
    first_record: u64,
    /// The state of the run as a whole.
    run_phase: RunPhase,
}

impl<'a> Crashed<'a> {
    pub(crate) const fn new(plan: &'a Plan, dirs: &'a Dirs, saved: &PersistedState) -> Self {
        let run_phase = saved.supervisor.run_phase;
        Self { plan, dirs, first_record: saved.first_record, run_phase }
    }
}

impl CrashReports {
    /// Read the initial OOM kill count.
    pub(crate) fn begin(&mut self) {
        self.oom_kills = crash::facts::oom_kills();
    }

    /// Remember what is wrong with a life, in case it is ended for that. Anything detected while it
    /// is already being ended is not the reason.
    pub(crate) fn blame(&mut self, id: ProcId, life: LifeId, trigger: Trigger, proc: &Proc) {
        if proc.marks.failed < Some(life) {
            self.blame.insert(id, (life, trigger));
        }
    }

    /// Whether a process that is being restarted has just had a report.
    pub(crate) fn is_early(&self, id: ProcId, supervisor: &Supervisor) -> bool {
        let proc = &supervisor.procs[id];
        let again = proc.restarts.due.is_some() || proc.goal == Goal::Run;
        again && self.last.get(&id).is_some_and(|last| last.elapsed() < PAUSE)
    }

    /// A process has crashed.
    pub(crate) fn crashed(&mut self, crash: PendingCrash, run: Crashed<'_>, queue: &Queue) {
        self.last.insert(crash.id, Instant::now());
        let mut input = input_of(crash, run);
        // A detected failure is not the cause of a life that ended by itself.
        let is_blamed = |(life, _): &(LifeId, _)| crash.failed && *life == crash.lived.life;
        let blame = self.blame.remove(&crash.id).filter(is_blamed);
        input.evidence.facts.trigger = blame.map(|(_, trigger)| trigger);
        let kills = crash::facts::oom_kills();
        let before = std::mem::replace(&mut self.oom_kills, kills);
        // Without an earlier count there is nothing to compare with.
        let more = kills.zip(before).map_or(0, |(kills, before)| kills.saturating_sub(before));
        input.evidence.facts.oom_kills = more;
        self.begin_report(crash, input, run, true, queue);
    }

    /// The same for a crash that a killed supervisor had not finished.
    pub(crate) fn crashed_before(
        &mut self,
        crash: PendingCrash,
        logged: LoggedCrash,
        run: Crashed<'_>,
        queue: &Queue,
    ) {
        self.last.insert(crash.id, Instant::now());
        if logged.report {
            self.logged.insert((crash.id, crash.lived.life));
        }
        self.begin_report(crash, input_of(crash, run), run, !logged.notice, queue);
    }

    fn begin_report(
        &mut self,
        crash: PendingCrash,
        input: CrashInput,
        run: Crashed<'_>,
        notice: bool,
        queue: &Queue,
    ) {
        // If the crash ends the run, the final message of the run contains the same.
        if notice && run.run_phase == RunPhase::Running {
            log_cause(crash, input.clone(), queue.clone());
        }
        if !notice || run.run_phase == RunPhase::Running {
            self.noticed.insert((crash.id, crash.lived.life));
        }
        let (mut hurry, queue) = (self.hurry.subscribe(), queue.clone());
        let dir = Reports::of_plan(run.plan, run.dirs).dir;
        let task = spawn_local(async move {
            // Continue after the time or when the run ends, whichever is first.
            let _ = timeout(AFTERMATH, hurry.wait_for(|hurry| *hurry)).await;
            let made = spawn_blocking(move || {
                let report = examine(crash, input);
                if let Err(error) = crash::store::write(&report, &dir) {
                    tracing::error!(%error, dir = %dir.display(), "a crash report can't be written");
                }
                report
            });
            let report = made.await.ok()?;
            queue.finished(Finished::Reported(Box::new(report.clone())));
            Some(report)
        });
        self.pending.retain(|(_, task)| !task.is_finished());
        self.pending.push((crash.id, task));
    }

    /// A report has been written: log that, unless a killed supervisor has done so.
    pub(crate) fn written(&mut self, id: ProcId, report: &CrashReport) -> Vec<Action> {
        let life = report.tmo.life;
        let noticed = self.noticed.remove(&(id, life));
        if self.logged.remove(&(id, life)) {
            return vec![];
        }
        let summary = ReportSummary {
            exit_code: report.exit_code,
            signal: report.signal.clone(),
            timestamp: report.timestamp.clone(),
            cause: report.cause().map(|cause| cause.text.clone()),
        };
        let what = What::CrashReport { life, noticed, summary };
        vec![Action::Log(LogEvent::of_process(&report.process_name, what))]
    }

    /// Nothing else is going to happen: write all reports now.
    pub(crate) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// Finish all reports. Returns the cause of the crash of `culprit`, which has ended the run.
    pub(crate) async fn finish(&mut self, culprit: Option<ProcId>) -> Option<String> {
        self.hurry();
        let mut cause = None;
        for (id, task) in std::mem::take(&mut self.pending) {
            match timeout(TIMEOUT, task).await {
                Ok(Ok(Some(report))) if Some(id) == culprit => {
                    let found = report.cause().filter(|cause| adds_to_status(cause.kind));
                    cause = found.map(|cause| cause.text.clone());
                }
                Ok(_) => {}
                Err(_) => tracing::error!("a crash report was not done in time"),
            }
        }
        cause
    }
}

fn input_of(crash: PendingCrash, run: Crashed<'_>) -> CrashInput {
    let process = &run.plan.processes[crash.id];
    let input = CrashInput::new(run.plan, process, run.dirs, crash.lived);
    CrashInput { first: run.first_record, ..input }
}

/// The clients' access to the reports.
pub(crate) fn access(plan: &Plan, runtime: &RuntimeDir) -> CrashAccess {
    let dirs = Dirs::of_run(plan, runtime.dir());
    let reports = Reports::of_plan(plan, &dirs);
    let runtime = runtime.clone();
    CrashAccess::new(dirs, reports, Box::new(move || runtime.plan().ok()))
}

/// Find the cause now.
fn log_cause(crash: PendingCrash, input: CrashInput, queue: Queue) {
    spawn_local(async move {
        if let Ok(report) = spawn_blocking(move || examine(crash, input)).await {
            let notice = crash::notice(&report);
            queue.finished(Finished::Examined(report.process_name, Box::new(notice)));
        }
    });
}

/// Create the report of a crash. If the life was ended for a failure that this supervisor did not
/// detect itself, that failure is looked up in the journal.
fn examine(crash: PendingCrash, mut input: CrashInput) -> CrashReport {
    if crash.failed && input.evidence.facts.trigger.is_none() {
        input.evidence.facts.trigger = logged_trigger(&input).unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal can't be read for a crash report");
            None
        });
    }
    crash::examine(&input)
}

fn logged_trigger(input: &CrashInput) -> std::io::Result<Option<Trigger>> {
    let log = Log::open(&input.dirs, input.first)?;
    let LifeSummary { life, ended, .. } = input.lived;
    match log.place(&input.evidence.name, life, ended)? {
        Some(place) => Ok(log.ended_by_tmo(&input.evidence.name, &input.lived, &place)?.failure),
        None => Ok(None),
    }
}

/// Whether a cause adds anything to the exit status, which is shown next to it.
const fn adds_to_status(kind: CauseKind) -> bool {
    !matches!(
        kind,
        CauseKind::ExitCode | CauseKind::Signal | CauseKind::EndedEarly | CauseKind::Other
    )
}
