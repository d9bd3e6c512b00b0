//! What is wrong in a run, found out from its state, its journal and its crash reports.
//!
//! `present` explains a run that goes on, `past` one that is over, `well` says that nothing is wrong;
//! [`trouble`]: processes that do not come up.

mod past;
mod present;
pub mod trouble;
mod well;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::life::LifePlace;
use super::record::examine_in;
use super::store::{Reports, StoredReport};
use super::{
    Cause, CauseKind, CrashInput, CrashReport, Evidence, Facts, LifeSummary, Log, Trigger,
};
use crate::journal::last_run::RecordedEnd;
use crate::journal::read::query;
use crate::journal::read::query::last_lines;
use crate::journal::search::runs;
use crate::journal::{Dirs, Filter, IndexReader};
use crate::model::plan::Plan;
use crate::model::request::{API, Unknown};
use crate::model::state::{ProcessState, State};
use crate::model::terminal::line::plain_text;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::{ProcName, ProcessStatus};

pub use self::well::time_of_day;

/// Number of last lines of a process that has no crash report.
pub const LAST_LINES: usize = 10;

/// The resolution of the timestamps of reports.
const MILLISECOND: Duration = Duration::from_millis(1);

/// What is wrong with a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The schema version.
    #[schema(example = 1)]
    pub api: u32,
    /// The process.
    pub process: ProcName,
    /// Whether something is wrong now, or was when the last run ended.
    pub wrong: bool,
    /// The current state; null if nothing runs, or if it has only printed an error.
    pub state: Option<ProcessState>,
    /// The causes, the most certain first.
    pub causes: Vec<Cause>,
    /// Its exit code, if it has ended with one.
    pub exit_code: Option<u8>,
    /// The signal that ended it (`SIGSEGV`), if one did.
    pub signal: Option<String>,
    /// When it ended, or printed the error; RFC 3339.
    pub timestamp: Option<String>,
    /// Its last lines without escape sequences.
    pub last_logs: Vec<String>,
    /// Other failing processes.
    pub others: Vec<ProcName>,
    /// The file with the full crash report, if there is one.
    #[schema(value_type = Option<String>)]
    pub report: Option<PathBuf>,
    /// How the run ended, in words that follow "the run"; null while it goes on.
    #[schema(example = "ended because api exited with code 1")]
    pub run_ended: Option<String>,
    /// What happened to it.
    #[serde(skip)]
    pub about: About,
    /// That the journal of the run can't be written, if that is so.
    #[serde(skip)]
    pub unwritable: Option<String>,
}

/// What happened to a process that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum About {
    /// It waits, was skipped or is not ready; its state says so.
    #[default]
    Waiting,
    /// It runs, and has printed an error.
    Error,
    End {
        /// How long it ran and how often it had been restarted, if known.
        lived: Option<(Duration, u64)>,
        /// That was in an earlier run.
        earlier: bool,
    },
    /// It had not started when the last run ended.
    NotStarted,
    /// It did not become ready in the last run.
    NotReady,
    /// The process was not installed in the last run.
    NotInstalled,
    /// It was skipped in the last run.
    Skipped,
}

/// The answer if nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Well {
    /// The schema version.
    #[schema(example = 1)]
    pub api: u32,
    /// What there is instead, for people.
    #[schema(example = "all processes are running")]
    pub well: String,
    /// How the run ended, in words that follow "the run"; absent while it goes on.
    #[serde(rename = "runEnded", default, skip_serializing_if = "Option::is_none")]
    pub run_ended: Option<String>,
    /// Whether the journal of the run can't be written; `well` says so.
    #[serde(skip)]
    pub unwritable: bool,
}

/// What is wrong, or that nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Explanation {
    /// Something is wrong, or was.
    Wrong(Box<Why>),
    /// Nothing is wrong.
    Well(Well),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// The journal can't be read.
    #[error("the journal: {}", crate::sys::why(.0))]
    Journal(#[from] io::Error),
    /// A crash report or their directory can't be read.
    #[error("{}: {}", .path.display(), crate::sys::why(.source))]
    Reports {
        /// The file or the directory.
        path: PathBuf,
        source: io::Error,
    },
    /// No process has this name.
    #[error("unknown process name: {}", .0.name)]
    Unknown(Box<Unknown>),
    /// The log does not show how this process ended.
    #[error("the log does not show how {0} ended")]
    NoEnd(String),
}

impl WhyError {
    /// No process has this name.
    pub(super) fn unknown(unknown: Unknown) -> Self {
        Self::Unknown(Box::new(unknown))
    }

    /// These reports, the newest last, or the error for their directory.
    pub(super) fn listed(reports: &Reports) -> Result<Vec<StoredReport>, Self> {
        let path = &reports.dir;
        reports.stored().map_err(|source| Self::Reports { path: path.clone(), source })
    }
}

/// What an analysis works on.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The directories of the journal.
    pub dirs: &'a Dirs,
    /// Opens the index of the journal.
    pub index: &'a dyn Fn() -> io::Result<IndexReader>,
    /// The crash reports of the project.
    pub reports: &'a Reports,
    /// The directory of the project, for a run whose plan is gone.
    pub root: &'a Path,
    /// How the last run ended, for a journal that could not be written.
    pub end: Option<&'a RecordedEnd>,
    /// What a start would run now, for a run whose plan is gone.
    pub fresh: Option<&'a Plan>,
}

/// The run, its journal and its crash reports.
pub struct Analysis<'a> {
    sources: Sources<'a>,
    /// The journal of the present run, or of the last one.
    log: Log<'a>,
    /// The first record of that run.
    first: u64,
    /// Its crash reports, and those of earlier runs.
    reports: Vec<Report>,
    earlier: Vec<StoredReport>,
    plan: Option<Plan>,
    state: Option<State>,
}

/// A report without its slice, and the file that it is in.
type Report = (CrashReport, Option<PathBuf>);

impl<'a> Analysis<'a> {
    /// Read what is needed. `plan` is that of the run if it can be read, `state` its state if it goes on.
    pub fn new(
        sources: Sources<'a>,
        plan: Option<Plan>,
        state: Option<State>,
    ) -> Result<Self, WhyError> {
        let Sources { dirs, index, reports: all, .. } = sources;
        let first = runs::newest(&mut index()?)?;
        let log = Log::with_index(dirs, first, index)?;
        let begun = index()?.find(first, |_, record| Some(record.time))?.unwrap_or_default();
        let is_earlier = |report: &CrashReport| {
            report.timestamp.parse().is_ok_and(|time: Timestamp| time + MILLISECOND < begun)
        };
        let mut reports = vec![];
        let mut earlier = WhyError::listed(all)?;
        while let Some(found) = earlier.pop() {
            match found.report() {
                Ok(report) if is_earlier(&report) => {
                    earlier.push(found);
                    break;
                }
                Ok(mut report) => {
                    // It may be long, and is not needed.
                    report.tmo.slice = vec![];
                    reports.push((report, Some(found.path)));
                }
                Err(_) => {}
            }
        }
        Ok(Self { sources, log, first, reports, earlier, plan, state })
    }

    /// What is wrong with this process, or with any. `flags` select the run; they are added to the commands in
    /// the text that nothing is wrong.
    pub fn explain(&self, name: Option<&str>, flags: &str) -> Result<Explanation, WhyError> {
        let (found, run_ended, unwritable) = match &self.state {
            Some(state) => {
                let found = self.of_run(state, name)?;
                (found, None, query::unwritable(self.log.open_index()?, self.first)?)
            }
            None => (self.afterwards(name)?, Some(self.ended()?.words()), None),
        };
        if let Some(why) = found {
            return Ok(Explanation::Wrong(Box::new(Why { run_ended, unwritable, ..why })));
        }
        let well = self.all_is_well(name, flags)?;
        let well = match &unwritable {
            Some(text) => format!("{text}; {well}"),
            None => well,
        };
        Ok(Explanation::Well(Well { api: API, well, run_ended, unwritable: unwritable.is_some() }))
    }

    /// The report of a process's last end in this run, from its file or generated from the journal.
    fn last_end(
        &self,
        name: &ProcName,
        run: &str,
        trigger: Option<Trigger>,
    ) -> Result<Option<Report>, WhyError> {
        let last = self.log.last_ended(name)?;
        if let Some(found) = self.report_of(name, last) {
            return Ok(Some(found.clone()));
        }
        let Some((lived, place)) = last else { return Ok(None) };
        // A process that ended by itself was not stopped, whatever followed.
        let by_tmo = self.log.ended_by_tmo(name, &lived, &place)?;
        let trigger = by_tmo.failure.or(trigger.filter(|_| by_tmo.was_stopping));
        let input = self.input(name, run, lived, trigger);
        Ok(Some((examine_in(&input, Some((&self.log, &place))), None)))
    }

    /// The report of this last end of a process, or of any of its ends if that is not known.
    fn report_of(
        &self,
        name: &ProcName,
        last: Option<(LifeSummary, LifePlace)>,
    ) -> Option<&Report> {
        let is_last = |life| last.is_none_or(|(lived, _)| lived.life == life);
        let is_it = |report: &CrashReport| report.process_name == *name && is_last(report.tmo.life);
        self.reports.iter().find(|(report, _)| is_it(report))
    }

    /// The input of a report for an end that has none.
    fn input(
        &self,
        name: &ProcName,
        run: &str,
        lived: LifeSummary,
        trigger: Option<Trigger>,
    ) -> CrashInput {
        if let Some(plan) = self.plan.as_ref().or(self.sources.fresh)
            && let Some(process) = plan.processes.iter().find(|process| process.name == *name)
        {
            let mut input = CrashInput::new(plan, process, self.sources.dirs, lived);
            input.evidence.facts.trigger = trigger;
            return input;
        }
        let root: OsText = self.sources.root.into();
        let evidence = Evidence {
            root: root.to_string(),
            cwd: root.to_string(),
            facts: Facts { trigger, ..Facts::default() },
            ..Evidence::new(name, lived.pid, lived.exit)
        };
        CrashInput {
            run: run.to_owned(),
            argv: None,
            cwd: root,
            env: vec![],
            dirs: self.sources.dirs.clone(),
            first: self.first,
            lived,
            evidence,
        }
    }

    fn answer_about(&self, name: &ProcName, cause: Cause) -> Why {
        let lines = self.last_lines(name).unwrap_or_default();
        let shown = |line: &[u8]| plain_text(line).lines().map(str::to_owned).collect::<Vec<_>>();
        let lines = lines.split_inclusive(|&b| b == b'\n').flat_map(shown);
        Why {
            api: API,
            process: name.clone(),
            wrong: true,
            causes: vec![cause],
            last_logs: lines.collect(),
            ..Why::default()
        }
    }

    /// The last lines of a process in this run.
    fn last_lines(&self, name: &ProcName) -> io::Result<Vec<u8>> {
        let names = [name.to_string()];
        let streams = self.log.streams();
        let filter = Filter::named(&names, streams).and_events_about(&names, streams);
        last_lines(self.log.open_index()?, filter, LAST_LINES as u64, self.first)
    }
}

/// The answer that a report gives.
fn of_report((report, path): Report, state: Option<&ProcessState>) -> Why {
    let lived = (Duration::from_millis(report.tmo.uptime_ms), report.tmo.restarts);
    let runs = state.is_some_and(|state| state.state == ProcessStatus::Running);
    Why {
        api: API,
        process: report.process_name,
        wrong: !runs
            && !report.tmo.cause.first().is_some_and(|cause| {
                matches!(cause.kind, CauseKind::StoppedByRequest | CauseKind::StoppedWithOther)
            }),
        state: state.cloned(),
        causes: report.tmo.cause,
        exit_code: report.exit_code,
        signal: report.signal,
        timestamp: Some(report.timestamp),
        last_logs: report.last_logs,
        report: path,
        about: About::End { lived: Some(lived), earlier: false },
        ..Why::default()
    }
}
