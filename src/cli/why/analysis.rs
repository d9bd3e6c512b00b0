//! What is wrong in a run, from its state, its journal and its crash reports.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::super::crashes::{headline, strong};
use super::super::error::CliError;
use super::super::instance::Instance;
use super::super::log::{Source, last_events, unreadable};
use super::super::logs::index_of;
use super::super::start_failures::{Trouble, Troubles, asked, held_up, well};
use super::LAST;
use crate::crash::record::{self, examine_in};
use crate::crash::store::{self, Found};
use crate::crash::watcher::LastError;
use crate::crash::{Cause, CrashInput, CrashReport, Facts, Kind, LifeSummary, Log, Trigger};
use crate::instance::lock;
use crate::journal::IndexReader;
use crate::journal::search::pattern::without_break;
use crate::journal::search::runs;
use crate::model::event::What;
use crate::model::line;
use crate::model::plan::Plan;
use crate::model::request::{API, ProcessState, State};
use crate::model::run_end::Culprit;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcName, ProcessStatus};
use crate::sys::{clock, local};

/// The resolution of the timestamps of reports.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The content of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) api: u32,
    pub(super) process: ProcName,
    /// Whether something is wrong now, or was when the last run ended.
    pub(super) wrong: bool,
    /// The current state; null if nothing runs.
    pub(super) state: Option<ProcessState>,
    pub(super) causes: Vec<Cause>,
    pub(super) exit_code: Option<u8>,
    pub(super) signal: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) last_logs: Vec<String>,
    /// Other failing processes.
    pub(super) others: Vec<ProcName>,
    /// The file with the full report, if there is one.
    pub(super) report: Option<PathBuf>,
    #[serde(skip)]
    pub(super) head: String,
}
/// The input of the analysis: the run, its journal and its crash reports.
pub(super) struct Analysis<'a> {
    instance: &'a Instance,
    source: &'a Source,
    /// The journal of the present run, or of the last one.
    log: Log<'a>,
    /// The first record of that run.
    first: u64,
    /// Its crash reports, and those of earlier runs.
    reports: Vec<Report>,
    earlier: Vec<Found>,
    plan: Option<Plan>,
    state: Option<State>,
    color: bool,
}

/// How the last run ended.
#[derive(Debug, Default)]
struct Ended {
    /// Its id; `None` if its end was not recorded.
    run: Option<String>,
    culprit: Option<Culprit>,
    troubles: Troubles,
}

/// A report, and the file that it is in.
type Report = (CrashReport, Option<PathBuf>);

/// The index of a journal.
fn index_in(source: &Source, supervised: bool) -> io::Result<IndexReader> {
    index_of(source, supervised).map_err(io::Error::other)
}

impl<'a> Analysis<'a> {
    pub(super) fn new(
        instance: &'a Instance,
        source: &'a Source,
        state: Option<State>,
        color: bool,
    ) -> Result<Self, CliError> {
        let supervised = lock::is_held(instance.runtime.dir()).unwrap_or(false);
        let index = move || index_in(source, supervised);
        let first = runs::newest(index).map_err(unreadable)?;
        let log = Log::with_index(&source.dirs, first, index).map_err(unreadable)?;
        let begun = index().and_then(|mut index| index.find(first, |_, record| Some(record.time)));
        let begun = begun.map_err(unreadable)?.unwrap_or_default();
        let is_earlier = |report: &CrashReport| {
            report.timestamp.parse().is_ok_and(|time: Timestamp| time + MILLISECOND < begun)
        };
        let (mut reports, mut earlier) = (vec![], source.reports.list()?);
        while let Some(found) = earlier.pop() {
            match store::read(&found.path) {
                Ok(report) if is_earlier(&report) => {
                    earlier.push(found);
                    break;
                }
                Ok(report) => reports.push((report, Some(found.path))),
                Err(_) => {}
            }
        }
        let plan = instance.runtime.plan().ok();
        Ok(Self { instance, source, log, first, reports, earlier, plan, state, color })
    }

    /// What is wrong with this process, or with any; `None` if nothing is.
    pub(super) fn answer(&self, name: Option<&str>) -> Result<Option<Answer>, CliError> {
        match &self.state {
            Some(state) => self.of_run(state, name),
            None => self.afterwards(name),
        }
    }

    /// For a running run: which of these has crashed, does not come up, or has failed under a watcher; for
    /// a single process also past failures.
    fn of_run(&self, state: &State, name: Option<&str>) -> Result<Option<Answer>, CliError> {
        let mut asked = asked(&state.processes, name)?;
        // The most recent change first.
        asked.sort_by_key(|process| std::cmp::Reverse(process.since));
        let ended = |process: &&&ProcessState| process.state.has_failed_or_exited();
        let mut wrong: Vec<&ProcessState> = vec![];
        let mut answer = None;
        for process in asked.iter().filter(ended).filter(|process| !process.finished) {
            wrong.push(process);
            if answer.is_none() {
                let found = self.last_end(&process.name, &state.run, None)?;
                answer = found.map(|found| self.of_report(found, Some(process)));
            }
        }
        for process in &asked {
            if let Some(cause) = held_up(process).filter(|_| !wrong.contains(process)) {
                wrong.push(process);
                answer = answer.or_else(|| Some(self.waits(process, cause)));
            }
        }
        let mut past = None;
        for process in self.that_may_have_errors(&asked)? {
            match self.last_error(process, &state.run)? {
                Some(error) if error.wrong && !wrong.contains(&process) => {
                    wrong.push(process);
                    answer = answer.or(Some(error));
                }
                error => past = past.or(error),
            }
        }
        if let Some(answer) = answer {
            let others = wrong.iter().filter(|process| process.name != answer.process);
            let others = others.map(|process| process.name.clone()).collect();
            return Ok(Some(Answer { others, ..answer }));
        }
        let (Some(_), [process]) = (name, &asked[..]) else { return Ok(past) };
        let crash = self.reports.iter().find(|(report, _)| report.process_name == process.name);
        let found = match (past, crash) {
            (Some(error), _) => return Ok(Some(error)),
            (None, Some(crash)) => Some(crash.clone()),
            (None, None) => self.just_failed(process, &state.run)?,
        };
        if found.is_some() {
            return Ok(found.map(|found| self.of_report(found, Some(process))));
        }
        if process.state != ProcessStatus::Stopped {
            return Ok(None);
        }
        let found = self.last_end(&process.name, &state.run, Some(Trigger::Asked))?;
        Ok(found.map(|found| self.of_report(found, Some(process))))
    }

    /// The running processes whose output is searched: if there are many, only those known to have failed.
    fn that_may_have_errors<'p>(
        &self,
        asked: &[&'p ProcessState],
    ) -> Result<Vec<&'p ProcessState>, CliError> {
        const MANY: usize = 50;
        let running = asked.iter().filter(|process| process.state == ProcessStatus::Running);
        let mut running: Vec<_> = running.copied().collect();
        if running.len() > MANY {
            let failed = self.log.failed_below_watchers().map_err(unreadable)?;
            running.retain(|process| failed.contains(&process.name));
        }
        Ok(running)
    }

    /// If nothing runs: which process ended everything, or what was wrong at the end.
    fn afterwards(&self, name: Option<&str>) -> Result<Option<Answer>, CliError> {
        let Ended { run, culprit, troubles } = self.ended()?;
        let run = run.unwrap_or_default();
        let Some(name) = name else {
            if let Some(culprit) = culprit {
                let found = self.last_end(&culprit.name, &run, None)?;
                return Ok(found.map(|found| self.of_report(found, None)));
            }
            for (report, path) in &self.reports {
                // A process that had crashed and ran again was fine at the end.
                let last = self.log.last_ended(&report.process_name).map_err(unreadable)?;
                if last.is_none_or(|(lived, _)| lived.life == report.tmo.life) {
                    return Ok(Some(self.of_report((report.clone(), path.clone()), None)));
                }
            }
            return Ok(troubles.first().map(|trouble| self.gave_up(trouble)));
        };
        if let Some(trouble) = troubles.of(name) {
            return Ok(Some(self.gave_up(trouble)));
        }
        let Some(process) = self.last_to_end(name, &self.log)? else {
            return self.in_an_earlier_run(name);
        };
        let trigger = match &culprit {
            Some(Culprit { name, .. }) if *name == process => None,
            Some(Culprit { name, exit, .. }) => {
                Some(Trigger::StoppedWith { first: name.clone(), exit: *exit })
            }
            None if run.is_empty() => None,
            None => Some(Trigger::Asked),
        };
        let found = self.last_end(&process, &run, trigger)?;
        Ok(found.map(|found| self.of_report(found, None)))
    }

    /// The process that this word means; of several, the one that ended last.
    fn last_to_end(&self, name: &str, log: &Log<'_>) -> Result<Option<ProcName>, CliError> {
        let named = || self.source.streams.iter().map(|stream| &stream.name);
        let mut last = None;
        for process in named().filter(|process| process.matches(name)) {
            let ended = log.last_ended(process).map_err(unreadable)?;
            last = last.max(ended.map(|(lived, _)| (lived.ended, process.clone())));
        }
        if last.is_none() && !named().any(|process| process.matches(name)) {
            return Err(CliError::unknown(name, named()));
        }
        Ok(last.map(|(_, process)| process))
    }

    /// The end of a process that was not part of the last run.
    fn in_an_earlier_run(&self, name: &str) -> Result<Option<Answer>, CliError> {
        let index = || index_in(self.source, false);
        let log = Log::with_index(&self.source.dirs, 0, index).map_err(unreadable)?;
        let Some(process) = self.last_to_end(name, &log)? else { return Ok(None) };
        let Some((lived, place)) = log.last_ended(&process).map_err(unreadable)? else {
            return Ok(None);
        };
        let input = self.input(&process, "", lived, None);
        let answer = self.of_report((examine_in(&input, Some((&log, &place))), None), None);
        let head = format!("{}{}", "In an earlier run: ", answer.head);
        Ok(Some(Answer { head, wrong: false, ..answer }))
    }

    /// The previous life, if it failed: its report may not be written yet, or is omitted because it fails
    /// again and again.
    fn just_failed(&self, process: &ProcessState, run: &str) -> Result<Option<Report>, CliError> {
        let last = self.log.last_ended(&process.name).map_err(unreadable)?;
        let Some((lived, place)) = last.filter(|_| process.lives > 1) else { return Ok(None) };
        let failed = self.log.failed_of(&process.name, &lived, &place).map_err(unreadable)?;
        let stopped = self.log.was_stopped(&process.name, &lived, &place).map_err(unreadable)?;
        if failed.is_none() && (stopped || lived.exit.success()) {
            return Ok(None);
        }
        self.last_end(&process.name, run, None)
    }

    /// The last error of a running process, unless it has recovered.
    fn last_error(&self, process: &ProcessState, run: &str) -> Result<Option<Answer>, CliError> {
        let Some(place) = self.log.present(&process.name).map_err(unreadable)? else {
            return Ok(None);
        };
        let now = clock::now();
        let lived = LifeSummary {
            life: LifeId::nth(u32::try_from(process.lives).unwrap_or(u32::MAX)),
            pid: process.pid,
            started: process.since,
            ended: now,
            // The exit code that it would have if the error ended it.
            exit: Exit::Code(1),
            restarts: process.lives.saturating_sub(1),
        };
        let input = self.input(&process.name, run, lived, None);
        let found = record::last_error(&input, &self.log, &place).map_err(unreadable)?;
        let Some((LastError { cause, waits }, last_logs)) = found else { return Ok(None) };
        let at = cause.place.as_ref().map_or(String::new(), |place| format!(" at {place}"));
        let time = cause.evidence.as_ref().and_then(|clue| clue.time.clone());
        let clock =
            time.as_deref().map_or(String::new(), |time| format!(", {}", time_of_day(time)));
        let name = strong(process.name.as_str(), self.color);
        let waiting = if waits { " below a watcher, which waits for a change" } else { "" };
        let head = format!("{name} runs{waiting}; its last error{clock}: {}{at}\n", cause.text);
        let answer = self.answer_about(&process.name, cause);
        Ok(Some(Answer { wrong: waits, timestamp: time, last_logs, head, ..answer }))
    }

    /// The report of a process's last end in this run, from its file or generated from the journal.
    fn last_end(
        &self,
        name: &ProcName,
        run: &str,
        trigger: Option<Trigger>,
    ) -> Result<Option<Report>, CliError> {
        let last = self.log.last_ended(name).map_err(unreadable)?;
        let same = |report: &CrashReport| {
            report.process_name == *name
                && last.is_none_or(|(lived, _)| lived.life == report.tmo.life)
        };
        if let Some(found) = self.reports.iter().find(|(report, _)| same(report)) {
            return Ok(Some(found.clone()));
        }
        let Some((lived, place)) = last else { return Ok(None) };
        // A process that ended by itself was not stopped, whatever followed.
        let stopped = self.log.was_stopped(name, &lived, &place).map_err(unreadable)?;
        let failed = self.log.failed_of(name, &lived, &place).map_err(unreadable)?;
        let trigger = failed.or(trigger.filter(|_| stopped));
        let input = self.input(name, run, lived, trigger);
        Ok(Some((examine_in(&input, Some((&self.log, &place))), None)))
    }

    /// The input of a report for an end that has none.
    fn input(
        &self,
        name: &ProcName,
        run: &str,
        lived: LifeSummary,
        trigger: Option<Trigger>,
    ) -> CrashInput {
        let facts = Facts { trigger, ..Facts::default() };
        if let Some(plan) = &self.plan
            && let Some(process) = plan.processes.iter().find(|process| process.name == *name)
        {
            let input = CrashInput::new(plan, process, &self.source.dirs, lived);
            return CrashInput { facts, ..input };
        }
        let root = self.instance.socket.path.parent().unwrap_or(Path::new("/"));
        CrashInput {
            run: run.to_owned(),
            name: name.clone(),
            command: OsText::default(),
            argv: None,
            cwd: root.into(),
            root: root.into(),
            env: vec![],
            port: None,
            others: vec![],
            dirs: self.source.dirs.clone(),
            first: self.first,
            lived,
            facts,
        }
    }

    /// How the last run ended, as far as that was recorded.
    fn ended(&self) -> Result<Ended, CliError> {
        let events = index_in(self.source, false).and_then(|index| last_events(index, self.first));
        let mut ended = Ended::default();
        for (_, event) in events.map_err(unreadable)? {
            match event.what() {
                Some(What::End { run, end }) => {
                    (ended.run, ended.culprit) = (Some(run.clone()), end.culprit.clone());
                }
                Some(_) | None => ended.troubles.read(&event),
            }
        }
        Ok(ended)
    }

    /// The answer that a report gives.
    fn of_report(&self, (report, path): Report, state: Option<&ProcessState>) -> Answer {
        let head = headline(&report, self.color);
        let stopped =
            |cause: &Cause| matches!(cause.kind, Kind::StoppedByRequest | Kind::StoppedWithOther);
        let runs = state.is_some_and(|state| state.state == ProcessStatus::Running);
        Answer {
            api: API,
            process: report.process_name,
            wrong: !runs && !report.tmo.cause.first().is_some_and(stopped),
            state: state.cloned(),
            causes: report.tmo.cause.causes,
            exit_code: report.exit_code,
            signal: report.signal,
            timestamp: Some(report.timestamp),
            last_logs: report.last_logs,
            others: vec![],
            report: path,
            head,
        }
    }

    /// The answer about a process that has not ended, with the cause of its state.
    fn waits(&self, process: &ProcessState, cause: Cause) -> Answer {
        Answer { state: Some(process.clone()), ..self.answer_about(&process.name, cause) }
    }

    /// The answer about a process that did not come up in a run that is over.
    fn gave_up(&self, trouble: &Trouble) -> Answer {
        let head = trouble.head(self.color);
        Answer { head, ..self.answer_about(&trouble.name, trouble.cause()) }
    }

    fn answer_about(&self, name: &ProcName, cause: Cause) -> Answer {
        let lines = self.source.last_lines(name, LAST as u64, self.first).unwrap_or_default();
        let shown = |line: &[u8]| {
            let mut text = vec![];
            line::plain(without_break(line), &mut text);
            String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let lines = lines.split_inclusive(|&b| b == b'\n').flat_map(shown);
        Answer {
            api: API,
            process: name.clone(),
            wrong: true,
            state: None,
            causes: vec![cause],
            exit_code: None,
            signal: None,
            timestamp: None,
            last_logs: lines.collect(),
            others: vec![],
            report: None,
            head: String::new(),
        }
    }

    /// The text if nothing is wrong, which is not a failure of this command.
    pub(super) fn all_is_well(&self, name: Option<&str>, flags: &str) -> Result<String, CliError> {
        if let Some(state) = &self.state {
            return self.well(state, name, flags);
        }
        if let Some(name) = name {
            return Err(CliError::Other(format!("the log does not show how {name} ended")));
        }
        let ended = self.ended()?.run.map_or("was killed", |_| "ended as it was asked to");
        let crash = self.earlier.last().and_then(|found| store::read(&found.path).ok());
        let crash = crash.map_or(String::new(), |report| {
            let name = &report.process_name;
            format!("; {name} crashed in an earlier run: `tmo crashes show {name}{flags}`")
        });
        Ok(format!("the last run {ended}{crash}"))
    }

    fn well(&self, state: &State, name: Option<&str>, flags: &str) -> Result<String, CliError> {
        let asked = asked(&state.processes, name)?;
        let mut text = well(&asked, name.is_some());
        let mut named: Vec<&ProcName> = vec![];
        for (report, _) in self.reports.iter().filter(|_| name.is_none()) {
            let name = &report.process_name;
            if !named.contains(&name) {
                named.push(name);
                let time = time_of_day(&report.timestamp);
                // Writing to a string does not fail.
                let _ = write!(text, "; {name} crashed at {time}: `tmo why {name}{flags}`");
            }
        }
        Ok(text)
    }
}

/// The local time of day of a timestamp in the log.
fn time_of_day(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| local::zone().to_datetime(time.utc()).strftime("%H:%M:%S").to_string(),
    )
}
