//! `tmo why`: what has ended a process, or keeps it from coming up.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::args::WhyArgs;
use super::crashes::{causes, headline};
use super::error::CliError;
use super::instance::Instance;
use super::log::{Source, last_events, unreadable};
use super::logs::index_of;
use super::terminal::tmo_only;
use super::troubles::{Trouble, Troubles, asked, held_up, well};
use crate::crash::record::examine_in;
use crate::crash::store::{self, Found};
use crate::crash::{Cause, CrashInput, CrashReport, Facts, Lived, Log, Trigger};
use crate::instance::lock;
use crate::journal::search::pattern::without_break;
use crate::model::event::What;
use crate::model::line;
use crate::model::request::{ProcessState, State};
use crate::model::run_end::Culprit;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::untrusted::shown_line;
use crate::model::{ProcName, ProcessStatus};

/// How many of the last lines are shown: with the rest, one screen.
const LAST: usize = 10;
/// How many causes.
const MOST: usize = 3;
/// A report is that of an end which was so near.
const NEAR: Duration = Duration::from_secs(2);

/// What there is to say.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api: u32,
    process: ProcName,
    /// As it is now; null where nothing runs.
    state: Option<ProcessState>,
    causes: Vec<Cause>,
    exit_code: Option<u8>,
    signal: Option<String>,
    timestamp: Option<String>,
    last_logs: Vec<String>,
    /// The file with all the rest, if there is one.
    report: Option<PathBuf>,
    #[serde(skip)]
    head: String,
}

/// Say it.
pub(super) fn why(args: &WhyArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let state = super::block_on(state_of(&mut instance))?;
    if let Some(far) = &instance.far {
        return super::far::why(far, args.name.as_deref());
    }
    let source = Source::of_instance(&instance)?;
    let style = Source::style(&instance.context.env, false);
    let case = Case::new(&instance, &source, state, style.mode.color())?;
    let answer = match &case.state {
        Some(state) => case.of_run(state, args.name.as_deref())?,
        None => case.afterwards(args.name.as_deref())?,
    };
    let Some(mut answer) = answer else {
        return case.all_is_well(args);
    };
    let flags = instance.flags();
    for cause in &mut answer.causes {
        cause.next = cause.next.take().map(|next| about_this_run(next, &flags));
    }
    if args.json {
        return super::print_json(&answer);
    }
    super::print_painted(&screen(&answer, style.mode.color(), &flags))
}

/// The state of the run, if there is one.
async fn state_of(instance: &mut Instance) -> Result<Option<State>, CliError> {
    match tmo_only(instance).await {
        Ok(()) => instance.state().await.map(Some),
        Err(CliError::NothingRuns(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All that is asked.
struct Case<'a> {
    instance: &'a Instance,
    source: &'a Source,
    log: Log<'a>,
    reports: Vec<Found>,
    state: Option<State>,
    color: bool,
}

/// How the last run ended.
#[derive(Debug)]
struct Ended {
    run: String,
    culprit: Option<Culprit>,
    troubles: Troubles,
}

/// A report, and the file that it is in.
type Report = (CrashReport, Option<PathBuf>);

impl<'a> Case<'a> {
    fn new(
        instance: &'a Instance,
        source: &'a Source,
        state: Option<State>,
        color: bool,
    ) -> Result<Self, CliError> {
        let supervised = lock::is_held(instance.runtime.dir()).unwrap_or(false);
        let index = move || index_of(source, supervised).map_err(std::io::Error::other);
        let log = Log::with_index(&source.dirs, index).map_err(unreadable)?;
        Ok(Self { instance, source, log, reports: source.reports.list()?, state, color })
    }

    /// While something runs: who of these has a crash, or does not come up.
    fn of_run(&self, state: &State, name: Option<&str>) -> Result<Option<Answer>, CliError> {
        let mut asked = asked(&state.processes, name)?;
        // What does not run comes first; of these, what happened last.
        asked.sort_by_key(|process| {
            (process.state == ProcessStatus::Running, std::cmp::Reverse(process.since))
        });
        for process in asked.iter().filter(|process| process.state.has_failed_or_exited()) {
            if let Some(found) = self.last_end(&process.name, &state.run, None)? {
                return Ok(Some(self.answer(found, Some(process))));
            }
        }
        if let Some((process, cause)) = asked.iter().find_map(|p| Some((p, held_up(p)?))) {
            return Ok(Some(self.waits(process, cause)));
        }
        let crash = self
            .reports
            .iter()
            .rev()
            .filter(|found| asked.iter().any(|process| found.matches(process.name.as_str())));
        let crash = crash.filter_map(|found| Some((store::read(&found.path).ok()?, found)));
        let mut crash = crash.take_while(|(report, _)| report.tmo.run == state.run);
        if let Some((report, found)) = crash.next() {
            let process = asked.iter().find(|process| process.name == report.process_name);
            return Ok(Some(self.answer((report, Some(found.path.clone())), process.copied())));
        }
        if let (Some(_), [process]) = (name, &asked[..])
            && let Some(found) = self.just_failed(process, &state.run)?
        {
            return Ok(Some(self.answer(found, Some(process))));
        }
        let stopped =
            asked.iter().find(|process| process.state == ProcessStatus::Stopped && name.is_some());
        let Some(process) = stopped else { return Ok(None) };
        let found = self.last_end(&process.name, &state.run, Some(Trigger::Asked))?;
        Ok(found.map(|found| self.answer(found, Some(process))))
    }

    /// When nothing runs: who ended everything, or the newest crash.
    fn afterwards(&self, name: Option<&str>) -> Result<Option<Answer>, CliError> {
        let (run, culprit, troubles) = self.ended()?.map_or_else(
            || (String::new(), None, Troubles::default()),
            |ended| (ended.run, ended.culprit, ended.troubles),
        );
        let Some(name) = name else {
            if let Some(culprit) = culprit {
                let found = self.last_end(&culprit.name, &run, None)?;
                return Ok(found.map(|found| self.answer(found, None)));
            }
            let newest = super::crashes::newest(&self.reports);
            let of_run = newest.as_ref().is_some_and(|(report, _)| report.tmo.run == run);
            if let Some(trouble) = troubles.first().filter(|_| !of_run) {
                return Ok(Some(self.gave_up(trouble)));
            }
            return Ok(newest.map(|(report, path)| self.answer((report, Some(path)), None)));
        };
        if let Some(trouble) = troubles.of(name) {
            return Ok(Some(self.gave_up(trouble)));
        }
        let named = || self.source.streams.iter().map(|stream| &stream.name);
        let mut last = vec![];
        for process in named().filter(|process| process.matches(name)) {
            let lived = self.log.last_ended(process).map_err(unreadable)?;
            last.push((lived.map_or(Timestamp::EPOCH, |(lived, _)| lived.ended), process));
        }
        let Some((_, process)) = last.into_iter().max_by_key(|(ended, _)| *ended) else {
            return Err(CliError::unknown(name, named()));
        };
        let trigger = match &culprit {
            Some(Culprit { name, .. }) if name == process => None,
            Some(Culprit { name, exit, .. }) => {
                Some(Trigger::StoppedWith { first: name.clone(), exit: *exit })
            }
            None if run.is_empty() => None,
            None => Some(Trigger::Asked),
        };
        let found = self.last_end(process, &run, trigger)?;
        Ok(found.map(|found| self.answer(found, None)))
    }

    /// The life before the present one, if it failed: there may be no report yet, or there is none
    /// because it fails again and again.
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

    /// The report of the last end of a process, from its file or made of the journal.
    fn last_end(
        &self,
        name: &ProcName,
        run: &str,
        trigger: Option<Trigger>,
    ) -> Result<Option<Report>, CliError> {
        let last = self.log.last_ended(name).map_err(unreadable)?;
        let same = |report: &CrashReport| {
            let time = report.timestamp.parse::<Timestamp>().unwrap_or_default();
            report.process_name == *name
                && last.is_none_or(|(lived, _)| {
                    lived.life == report.tmo.life && lived.ended.between(time) < NEAR
                })
        };
        let written = self.reports.iter().rev().filter(|found| found.matches(name.as_str()));
        let mut written = written
            .filter_map(|found| Some((store::read(&found.path).ok()?, Some(found.path.clone()))));
        if let Some(found) = written.find(|(report, _)| same(report)) {
            return Ok(Some(found));
        }
        let Some((lived, place)) = last else { return Ok(None) };
        // What ended by itself was not stopped, whatever followed.
        let stopped = self.log.was_stopped(name, &lived, &place).map_err(unreadable)?;
        let failed = self.log.failed_of(name, &lived, &place).map_err(unreadable)?;
        let trigger = failed.or(trigger.filter(|_| stopped));
        let input = self.input(name, run, lived, trigger);
        Ok(Some((examine_in(&input, Some((&self.log, &place))), None)))
    }

    /// What is known of an end that has no report.
    fn input(
        &self,
        name: &ProcName,
        run: &str,
        lived: Lived,
        trigger: Option<Trigger>,
    ) -> CrashInput {
        let facts = Facts { trigger, ..Facts::default() };
        if let Ok(plan) = self.instance.runtime.plan()
            && let Some(process) = plan.processes.iter().find(|process| process.name == *name)
        {
            let input = CrashInput::new(&plan, process, &self.source.dirs, lived);
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
            lived,
            facts,
        }
    }

    /// The end of the last run, if it came to one.
    fn ended(&self) -> Result<Option<Ended>, CliError> {
        let supervised = false;
        let index = index_of(self.source, supervised).map_err(std::io::Error::other);
        let events = index.and_then(last_events).map_err(unreadable)?;
        let (mut last, mut troubles) = (None, Troubles::default());
        for (_, event) in events {
            if event.begins_run() {
                // Of a run that was begun later there is no end.
                (last, troubles) = (None, Troubles::default());
            } else if let Some(What::End { run, end }) = event.what() {
                let (run, culprit) = (run.clone(), end.culprit.clone());
                let troubles = std::mem::take(&mut troubles);
                last = Some(Ended { run, culprit, troubles });
            } else {
                troubles.read(&event);
            }
        }
        Ok(last)
    }

    fn answer(&self, (report, path): Report, state: Option<&ProcessState>) -> Answer {
        let head = headline(&report, self.color);
        Answer {
            api: crate::model::request::API,
            process: report.process_name,
            state: state.cloned(),
            causes: report.tmo.cause.causes,
            exit_code: report.exit_code,
            signal: report.signal,
            timestamp: Some(report.timestamp),
            last_logs: report.last_logs,
            report: path,
            head,
        }
    }

    /// Something that has not ended, and why it is as it is.
    fn waits(&self, process: &ProcessState, cause: Cause) -> Answer {
        Answer { state: Some(process.clone()), ..self.told_of(&process.name, cause) }
    }

    /// Something that did not come up in a run that is over.
    fn gave_up(&self, trouble: &Trouble) -> Answer {
        let head = trouble.head(self.color);
        Answer { head, ..self.told_of(&trouble.name, trouble.cause()) }
    }

    fn told_of(&self, name: &ProcName, cause: Cause) -> Answer {
        let lines = self.source.last_lines(name, LAST as u64).unwrap_or_default();
        let shown = |line: &[u8]| {
            let mut text = vec![];
            line::plain(without_break(line), &mut text);
            String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let lines = lines.split_inclusive(|&b| b == b'\n').flat_map(shown);
        Answer {
            api: crate::model::request::API,
            process: name.clone(),
            state: None,
            causes: vec![cause],
            exit_code: None,
            signal: None,
            timestamp: None,
            last_logs: lines.collect(),
            report: None,
            head: String::new(),
        }
    }

    /// Nothing is wrong, which is no failure of this command.
    fn all_is_well(&self, args: &WhyArgs) -> Result<u8, CliError> {
        let name = args.name.as_deref();
        let text = match (&self.state, name) {
            (Some(_), name) => well(name),
            (None, None) => "the last run ended as it was asked to".to_owned(),
            (None, Some(name)) => {
                let text = format!("nothing is known of an end of {name}");
                return Err(CliError::Other(text));
            }
        };
        if args.json {
            return super::print_json(&Well { api: crate::model::request::API, well: &text });
        }
        super::print(&(text + "\n"))
    }
}

/// The answer where there is nothing to explain.
#[derive(Serialize)]
struct Well<'a> {
    api: u32,
    well: &'a str,
}

/// A command to be typed next, with the flags that name the run where it is about this one.
fn about_this_run(next: String, flags: &str) -> String {
    let about_a_run = ["tmo logs ", "tmo why ", "tmo start ", "tmo stop "];
    // What holds a port may belong to another run, which is named then.
    let names_another = next.starts_with("tmo stop ") && next.contains(" -s ");
    if names_another || !about_a_run.iter().any(|words| next.starts_with(words)) {
        return next;
    }
    next + flags
}

/// All of it on one screen.
fn screen(answer: &Answer, color: bool, flags: &str) -> String {
    let mut text = answer.head.clone();
    if let Some(state) = &answer.state {
        // Writing to a string does not fail.
        let pid = state.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let _ = writeln!(text, "{} is {} now{pid}", state.name, state.state);
    }
    text.push('\n');
    text += &causes(&answer.causes[..answer.causes.len().min(MOST)], color);
    let said = answer.last_logs.iter().rev().skip_while(|line| line.trim().is_empty());
    let mut last: Vec<&String> = said.take(LAST).collect();
    last.reverse();
    if !last.is_empty() {
        text.push_str("Its last lines:\n");
        for line in last {
            let _ = writeln!(text, "  {}", shown_line(line));
        }
    }
    if answer.report.is_some() {
        let name = &answer.process;
        text.push_str(if text.ends_with("\n\n") { "" } else { "\n" });
        let _ = writeln!(text, "What the others printed then: tmo crashes show {name}{flags}");
    }
    text
}
