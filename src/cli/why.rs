//! `tmo why`: explains why a process has ended, or does not come up.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::args::WhyArgs;
use super::crashes::{causes, headline, strong};
use super::error::CliError;
use super::instance::Instance;
use super::log::{Source, last_events, unreadable};
use super::logs::index_of;
use super::start_failures::{Trouble, Troubles, asked, held_up, well};
use super::terminal::tmo_only;
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
use crate::model::request::{ProcessState, State};
use crate::model::run_end::Culprit;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::untrusted::shown_line;
use crate::model::{Exit, LifeId, ProcName, ProcessStatus};
use crate::sys::{clock, local};
use crate::view::paint::Stamp;

/// Number of last lines shown: with the rest, they fit on one screen.
const LAST: usize = 10;
/// Maximum number of causes.
const MOST: usize = 3;
/// Maximum number of other failing processes that are named.
const MOST_OTHERS: usize = 5;
const MILLISECOND: Duration = Duration::from_millis(1);

/// The content of the answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api: u32,
    process: ProcName,
    /// Whether something is wrong now, or was when the last run ended.
    wrong: bool,
    /// The current state; null if nothing runs.
    state: Option<ProcessState>,
    causes: Vec<Cause>,
    exit_code: Option<u8>,
    signal: Option<String>,
    timestamp: Option<String>,
    last_logs: Vec<String>,
    /// Other failing processes.
    others: Vec<ProcName>,
    /// The file with the full report, if there is one.
    report: Option<PathBuf>,
    #[serde(skip)]
    head: String,
}

/// Print the answer.
pub(super) fn why(args: &WhyArgs) -> Result<u8, CliError> {
    let mut instance = Instance::find(&args.client)?;
    let state = super::block_on(state_of(&mut instance))?;
    if let Some(far) = &instance.far {
        return super::far::why(far, args.name.as_deref());
    }
    let source = Source::of_instance(&instance)?;
    let style = Source::style(&instance.context.env, Stamp::None);
    let case = Case::new(&instance, &source, state, style.mode.color())?;
    let answer = match &case.state {
        Some(state) => case.of_run(state, args.name.as_deref())?,
        None => case.afterwards(args.name.as_deref())?,
    };
    let flags = instance.flags();
    let Some(mut answer) = answer else {
        let text = case.all_is_well(args.name.as_deref(), &flags)?;
        if args.json {
            return super::print_json(&Well { api: crate::model::request::API, well: &text });
        }
        return super::print(&(text + "\n"));
    };
    let editor = instance.context.env.caller("EDITOR").and_then(OsStr::to_str);
    for cause in &mut answer.causes {
        let next = cause.next.take().map(|next| about_this_run(next, &flags));
        cause.next = next.map(|next| with_editor(next, editor));
    }
    let printed = if args.json {
        super::print_json(&answer)?
    } else {
        super::print_painted(&screen(&answer, style.mode.color(), &flags))?
    };
    Ok(if answer.wrong { 1 } else { printed })
}

/// The state of the run, if there is one.
async fn state_of(instance: &mut Instance) -> Result<Option<State>, CliError> {
    match tmo_only(instance).await {
        Ok(()) => instance.state().await.map(Some),
        Err(CliError::NothingRuns(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The input of the analysis.
struct Case<'a> {
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

impl<'a> Case<'a> {
    fn new(
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
        // Timestamps of reports have milliseconds.
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
                answer = found.map(|found| self.answer(found, Some(process)));
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
            return Ok(found.map(|found| self.answer(found, Some(process))));
        }
        if process.state != ProcessStatus::Stopped {
            return Ok(None);
        }
        let found = self.last_end(&process.name, &state.run, Some(Trigger::Asked))?;
        Ok(found.map(|found| self.answer(found, Some(process))))
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
                return Ok(found.map(|found| self.answer(found, None)));
            }
            for (report, path) in &self.reports {
                // A process that had crashed and ran again was fine at the end.
                let last = self.log.last_ended(&report.process_name).map_err(unreadable)?;
                if last.is_none_or(|(lived, _)| lived.life == report.tmo.life) {
                    return Ok(Some(self.answer((report.clone(), path.clone()), None)));
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
        Ok(found.map(|found| self.answer(found, None)))
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
        let answer = self.answer((examine_in(&input, Some((&log, &place))), None), None);
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
        let answer = self.told_of(&process.name, cause);
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

    fn answer(&self, (report, path): Report, state: Option<&ProcessState>) -> Answer {
        let head = headline(&report, self.color);
        let stopped =
            |cause: &Cause| matches!(cause.kind, Kind::StoppedByRequest | Kind::StoppedWithOther);
        let runs = state.is_some_and(|state| state.state == ProcessStatus::Running);
        Answer {
            api: crate::model::request::API,
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
        Answer { state: Some(process.clone()), ..self.told_of(&process.name, cause) }
    }

    /// The answer about a process that did not come up in a run that is over.
    fn gave_up(&self, trouble: &Trouble) -> Answer {
        let head = trouble.head(self.color);
        Answer { head, ..self.told_of(&trouble.name, trouble.cause()) }
    }

    fn told_of(&self, name: &ProcName, cause: Cause) -> Answer {
        let lines = self.source.last_lines(name, LAST as u64, self.first).unwrap_or_default();
        let shown = |line: &[u8]| {
            let mut text = vec![];
            line::plain(without_break(line), &mut text);
            String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let lines = lines.split_inclusive(|&b| b == b'\n').flat_map(shown);
        Answer {
            api: crate::model::request::API,
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
    fn all_is_well(&self, name: Option<&str>, flags: &str) -> Result<String, CliError> {
        if let Some(state) = &self.state {
            return self.well(state, name, flags);
        }
        if let Some(name) = name {
            return Err(CliError::Other(format!("the log has no end of {name}")));
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
        let mut told: Vec<&ProcName> = vec![];
        for (report, _) in self.reports.iter().filter(|_| name.is_none()) {
            let name = &report.process_name;
            if !told.contains(&name) {
                told.push(name);
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

/// The answer if nothing is wrong.
#[derive(Serialize)]
struct Well<'a> {
    api: u32,
    well: &'a str,
}

/// A command that opens a file, with the line number in the syntax of this editor.
fn with_editor(next: String, editor: Option<&str>) -> String {
    /// Editors that take `file:line`, with the flag that enables it.
    const OTHERS: [(&str, &str); 10] = [
        ("code", "--goto "),
        ("code-insiders", "--goto "),
        ("codium", "--goto "),
        ("cursor", "--goto "),
        ("windsurf", "--goto "),
        ("hx", ""),
        ("helix", ""),
        ("subl", ""),
        ("zed", ""),
        ("micro", ""),
    ];
    let place = || {
        let (line, path) = next.strip_prefix("${EDITOR:-vi} +")?.split_once(' ')?;
        let program = editor?.split_whitespace().next()?.rsplit('/').next()?;
        let (_, flag) = OTHERS.iter().find(|(name, _)| *name == program)?;
        // The line number goes inside the closing quote.
        let path = match path.strip_suffix('\'') {
            Some(path) => format!("{path}:{line}'"),
            None => format!("{path}:{line}"),
        };
        Some(format!("$EDITOR {flag}{path}"))
    };
    place().unwrap_or(next)
}

/// The next command to type, with the flags that select this run if it needs them.
fn about_this_run(next: String, flags: &str) -> String {
    let about_a_run = ["tmo logs ", "tmo why ", "tmo start ", "tmo stop "];
    // The process that holds a port may belong to another run, which the command names already.
    let names_another = next.starts_with("tmo stop ") && next.contains(" -s ");
    if names_another || !about_a_run.iter().any(|words| next.starts_with(words)) {
        return next;
    }
    next + flags
}

/// The complete answer, for one screen.
fn screen(answer: &Answer, color: bool, flags: &str) -> String {
    let mut text = answer.head.clone();
    if let Some(state) = &answer.state {
        // Writing to a string does not fail.
        let pid = state.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let _ = writeln!(text, "state of {}: {}{pid}", state.name, state.state);
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
    if !answer.others.is_empty() {
        let others: Vec<_> = answer.others.iter().take(MOST_OTHERS).map(ProcName::as_str).collect();
        let more = if answer.others.len() > MOST_OTHERS { " and others" } else { "" };
        text.push_str(if text.ends_with("\n\n") { "" } else { "\n" });
        let _ = writeln!(
            text,
            "Something is wrong with {}{more} too: `tmo why NAME{flags}`",
            others.join(", ")
        );
    }
    if answer.report.is_some() {
        let name = &answer.process;
        text.push_str(if text.ends_with("\n\n") { "" } else { "\n" });
        let _ = writeln!(text, "Output of the others: `tmo crashes show {name}{flags}`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_editor;

    #[test]
    fn an_editor_gets_the_line_as_it_takes_it() {
        for (editor, next) in [
            (None, "${EDITOR:-vi} +4 a.py"),
            (Some("vim"), "${EDITOR:-vi} +4 a.py"),
            (Some("code --wait"), "$EDITOR --goto a.py:4"),
            (Some("/usr/bin/hx"), "$EDITOR a.py:4"),
        ] {
            assert_eq!(with_editor("${EDITOR:-vi} +4 a.py".into(), editor), next);
        }
        let quoted = with_editor("${EDITOR:-vi} +4 'my app/a.py'".into(), Some("code"));
        assert_eq!(quoted, "$EDITOR --goto 'my app/a.py:4'");
        assert_eq!(with_editor("tmo logs web".into(), Some("code")), "tmo logs web");
    }
}
