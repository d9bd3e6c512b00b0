//! Waiting until processes are in a state, for `tmo wait`, `start --wait` and requests.

mod seen;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use self::seen::ConditionReader;
use super::instance::Instance;
use crate::cli::error::CliError;
use crate::cli::output::progress::with_details;
use crate::cli::reach::instance::tmo_only;
use crate::cli::runtime;
use crate::client::HeadEvent;
use crate::crash::port_owner::{OwnerCheck, Probed};
use crate::model::file_change::WatchState;
use crate::model::plan::rules::{PortOwner, Probe, Stage};
use crate::model::state::{ProcessState, State};
use crate::model::terminal::prompt::Prompt;
use crate::model::time::span;
use crate::model::{Exit, ProcName, ProcessStatus, Untrusted, units};
use crate::run::dir::RuntimeDir;
use crate::sys::{self, clock};

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum WaitFor {
    /// It runs.
    Running,
    /// It has ended.
    Exit,
    /// It has printed a line in its present life that matches this expression.
    Log(String),
    /// Its PORT accepts connections.
    Port,
    /// All its checks are passed.
    Ready,
    /// It waits for input at a prompt.
    Prompt,
    /// All run and are ready, and the named ones accept connections.
    Up(Vec<String>),
}

/// How often the progress shows what is still missing.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// How often what no event reports is looked at.
const POLL: Duration = Duration::from_millis(100);

/// What is missing before anything is known.
const UNMET: &str = "the condition is not met";

/// What is said if an older supervisor does not tell why.
const STOPPING: &str = "everything is being stopped";

/// The current state of the condition.
enum ConditionState {
    /// It is met; with the exit code.
    So(u8),
    /// Not yet, and what is missing.
    NotYet(String),
}

/// Wait for a condition of these processes, and show what is still missing.
pub(in crate::cli) fn wait_for(
    what: &WaitFor,
    stable: Duration,
    limit: Option<Duration>,
    instance: &mut Instance,
    names: &[String],
) -> Result<u8, CliError> {
    let missing = RefCell::new(UNMET.to_owned());
    let condition = WaitCondition { what, names, stable, missing: &missing };
    let waiting = condition.within(limit, instance);
    let progress = async || Some((missing.borrow().clone(), LOOK_AGAIN));
    runtime::block_on(with_details("waiting", waiting, progress))
}

/// The condition that a start waits for before it detaches.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Readiness {
    /// The processes whose ports must be open.
    pub(in crate::cli) listening: Vec<String>,
    /// The time limit.
    pub(in crate::cli) limit: Option<Duration>,
}

impl Readiness {
    /// Read `web,60s`: names, and how long at most.
    pub(in crate::cli) fn parse(words: &str) -> Result<Self, CliError> {
        let mut listening = vec![];
        let mut limit = None;
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match span(word) {
                Ok(time) => limit = Some(time),
                Err(error) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Err(CliError::Usage(format!("--wait: {error}")));
                }
                Err(_) => listening.push(word.to_owned()),
            }
        }
        Ok(Self { listening, limit })
    }

    /// Wait until these run and the condition is met. If one has ended, its own exit code is returned.
    pub(in crate::cli) async fn wait(
        self,
        mut instance: Instance,
        names: &[String],
    ) -> Result<(), CliError> {
        let what = WaitFor::Up(self.listening);
        let missing = RefCell::new(UNMET.to_owned());
        let stable = Duration::ZERO;
        let condition = WaitCondition { what: &what, names, stable, missing: &missing };
        match condition.within(self.limit, &mut instance).await {
            Err(CliError::Ended { what, code }) => Err(CliError::Start { message: what, code }),
            other => other.map(drop),
        }
    }
}

/// What is waited for.
struct WaitCondition<'a> {
    what: &'a WaitFor,
    names: &'a [String],
    /// How long it must hold.
    stable: Duration,
    /// What is missing at present.
    missing: &'a RefCell<String>,
}

/// Since when a condition holds, in these lives of the processes.
struct HeldSince {
    since: Instant,
    lives: Vec<u64>,
}

impl WaitCondition<'_> {
    /// Wait, with a time limit; returns the exit code.
    async fn within(
        &self,
        limit: Option<Duration>,
        instance: &mut Instance,
    ) -> Result<u8, CliError> {
        let Some(limit) = limit else { return self.met(instance).await };
        match tokio::time::timeout(limit, self.met(instance)).await {
            Ok(result) => result,
            Err(_) => {
                Err(CliError::TimedOut { what: self.missing.take(), limit: units::span(limit) })
            }
        }
    }

    /// Wait until it has held for long enough; returns the exit code.
    async fn met(&self, instance: &mut Instance) -> Result<u8, CliError> {
        let mut seen = match look_first(instance, self.names, self.what).await? {
            ControlFlow::Continue(seen) => seen,
            ControlFlow::Break(code) => return Ok(code),
        };
        let mut news = match instance.heads().await {
            Ok(news) => news,
            Err(error) => return seen.at_the_end()?.ok_or(error),
        };
        let mut ports = PortChecks { checks: HashMap::new(), runtime: instance.runtime.clone() };
        let mut held = None;
        // Output counts even if the process has ended since.
        let mut records = seen.search.as_ref().map_or(0, |search| search.upto);
        loop {
            let state = match instance.state().await {
                Ok(state) => state,
                Err(error) => return seen.at_the_end()?.ok_or(error),
            };
            // Do not wait for another run that replaces this one.
            instance.run = Some(state.run.clone());
            let wanted = chosen(self.names, &state)?;
            seen.note(&wanted);
            let verdict = match &mut seen.search {
                Some(search) => search.verdict(&wanted, records)?,
                None => self.verdict(&state, &wanted, &mut ports).await?,
            };
            let mut rest = Duration::MAX;
            match verdict {
                ConditionState::So(code) => {
                    rest = self.stable.saturating_sub(since_when(&mut held, &wanted).elapsed());
                    if rest.is_zero() {
                        return Ok(code);
                    }
                    let text = format!("it has not been so for {}", units::span(self.stable));
                    self.missing.replace(text);
                }
                ConditionState::NotYet(why) => {
                    held = None;
                    self.missing.replace(why);
                }
            }
            let patience = if self.is_polled(&state) { POLL } else { Duration::MAX };
            match tokio::time::timeout(patience.min(rest), news.next()).await {
                Err(_) => {}
                Ok(Some(Ok(HeadEvent::Head(head)))) => records = head.records,
                Ok(Some(Ok(HeadEvent::End(end)))) => {
                    let code = (*self.what == WaitFor::Exit).then_some(end.code);
                    return seen.at_the_end()?.or(code).ok_or_else(|| self.over());
                }
                // The supervisor was killed: another takes over, which may take longer, or the run is over.
                Ok(Some(Ok(HeadEvent::Leave) | Err(_)) | None) => match instance.heads().await {
                    Ok(fresh) => news = fresh,
                    Err(_) => return seen.at_the_end()?.ok_or_else(|| self.over()),
                },
            }
        }
    }

    /// Whether it is met, unless the journal shows that.
    async fn verdict(
        &self,
        state: &State,
        wanted: &[&ProcessState],
        ports: &mut PortChecks,
    ) -> Result<ConditionState, CliError> {
        let unnamed = self.names.is_empty();
        match self.what {
            WaitFor::Exit => Ok(all_ended(wanted)),
            // The end of the run is more informative than that of one process.
            WaitFor::Ready | WaitFor::Up(_) | WaitFor::Prompt if state.quitting => {
                Ok(stopping(state))
            }
            WaitFor::Running | WaitFor::Port if state.quitting && !self.stable.is_zero() => {
                Ok(stopping(state))
            }
            WaitFor::Prompt => asking(wanted, unnamed),
            WaitFor::Port => ports.open(wanted, &state.run).await,
            WaitFor::Ready => unless_changing(wanted, state, all_ready(wanted, unnamed)),
            WaitFor::Up(listening) => {
                match unless_changing(wanted, state, all_ready(wanted, true))? {
                    ConditionState::So(_) if !listening.is_empty() => {
                        ports.open(&chosen(listening, state)?, &state.run).await
                    }
                    verdict @ (ConditionState::So(_) | ConditionState::NotYet(_)) => Ok(verdict),
                }
            }
            WaitFor::Running | WaitFor::Log(_) => all_run(wanted, unnamed),
        }
    }

    /// Neither open ports are announced nor that changed files had no effect; the latter takes some seconds.
    fn is_polled(&self, state: &State) -> bool {
        matches!(self.what, WaitFor::Port | WaitFor::Up(_))
            || *self.what == WaitFor::Ready && state.processes.iter().any(is_changing)
    }

    fn over(&self) -> CliError {
        CliError::Over(self.missing.borrow().clone())
    }
}

fn chosen<'a>(names: &[String], state: &'a State) -> Result<Vec<&'a ProcessState>, CliError> {
    ProcessState::chosen(names, &state.processes).map_err(CliError::Unknown)
}

/// Since when a condition that holds now has held in these lives.
fn since_when(held: &mut Option<HeldSince>, wanted: &[&ProcessState]) -> Instant {
    let lives: Vec<_> = wanted.iter().map(|process| process.lives).collect();
    let same = held.take_if(|held| held.lives == lives);
    held.insert(same.unwrap_or_else(|| HeldSince { since: Instant::now(), lives })).since
}

/// Whether processes are ready, as if their changed files had already had their effect: these may start what has ended,
/// and what was skipped with it.
fn unless_changing(
    wanted: &[&ProcessState],
    state: &State,
    verdict: Result<ConditionState, CliError>,
) -> Result<ConditionState, CliError> {
    for ProcessState { name, watch, .. } in wanted {
        let Some((watch, note)) =
            watch.as_ref().and_then(|watch| Some((watch, watch.note.as_ref()?)))
        else {
            continue;
        };
        if watch.is_changing() {
            return Ok(ConditionState::NotYet(format!("{name}: {note}")));
        }
        if watch.failure.is_some() {
            let what = format!("{name}: {note}{}", tells_more(name));
            return Err(CliError::Ended { what, code: 1 });
        }
    }
    match verdict {
        Err(error) if state.processes.iter().any(is_changing) => {
            Ok(ConditionState::NotYet(error.to_string()))
        }
        verdict => verdict,
    }
}

fn is_changing(process: &ProcessState) -> bool {
    process.watch.as_ref().is_some_and(WatchState::is_changing)
}

/// That everything is being stopped.
fn stopping(state: &State) -> ConditionState {
    let note = state.quitting_note.as_ref().map(ToString::to_string);
    ConditionState::NotYet(note.unwrap_or_else(|| STOPPING.to_owned()))
}

/// Read the journal before the first query, so that it does not matter how soon the run ends. Returns the
/// exit code if the run ends before it has answered.
async fn look_first(
    instance: &mut Instance,
    names: &[String],
    what: &WaitFor,
) -> Result<ControlFlow<u8, ConditionReader>, CliError> {
    let was_there = instance.runtime.plan().is_ok();
    let seen = ConditionReader::new(instance, names, what);
    let asked = tmo_only(instance).await;
    match (what, instance.far()) {
        (WaitFor::Port, Some(far)) => return Err(far.lacks("its ports can be examined only")),
        (WaitFor::Log(_), Some(far)) => return Err(far.lacks("--for log needs its files")),
        _ => {}
    }
    match (asked, seen) {
        (Ok(()), seen) => seen.map(ControlFlow::Continue),
        (Err(error @ CliError::NothingRuns { .. }), Ok(mut seen)) if was_there => {
            seen.at_the_end()?.map(ControlFlow::Break).ok_or(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// An error if waiting is futile because the process has ended or was stopped.
fn still_comes(process: &ProcessState) -> Result<(), CliError> {
    let name = &process.name;
    let (what, code) = match (&process.state, process.ends.exit) {
        (ProcessStatus::Exited | ProcessStatus::Error, Some(exit)) => {
            (format!("{name} has ended ({exit})"), exit.shell_status().max(1))
        }
        (ProcessStatus::Error, None) => {
            let why = process.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            (format!("{name} could not be started{why}"), 1)
        }
        (ProcessStatus::Stopped, _) => {
            let what = format!("{name} was stopped; `tmo start {name}` starts it");
            return Err(CliError::Ended { what, code: 1 });
        }
        (ProcessStatus::Skipped | ProcessStatus::Broken, exit) => {
            let why = process.reason.clone().unwrap_or_else(|| process.state.word().into());
            let code = exit.map_or(1, |exit| exit.shell_status().max(1));
            (format!("{name} won't run: {why}"), code)
        }
        (ProcessStatus::Stuck, _) => (format!("{name} can't be ended"), 1),
        _ => return Ok(()),
    };
    Err(CliError::Ended { what: what + &tells_more(name), code })
}

/// What to ask next.
fn tells_more(name: &ProcName) -> String {
    format!("; `tmo why {name}` tells more")
}

/// Whether all of them run. `unnamed`: no process was named, so those that have already exited with 0 count as
/// done.
fn all_run(wanted: &[&ProcessState], unnamed: bool) -> Result<ConditionState, CliError> {
    for process in wanted {
        let is_done =
            process.state == ProcessStatus::Exited && process.ends.exit == Some(Exit::Code(0));
        // A process that does not start with the run is not waited for.
        let is_apart = process.state == ProcessStatus::Stopped && process.lives == 0;
        if unnamed && (is_done || is_apart) {
            continue;
        }
        still_comes(process)?;
        if process.state != ProcessStatus::Running {
            return Ok(ConditionState::NotYet(format!("{} is {}", process.name, process.state)));
        }
    }
    Ok(ConditionState::So(0))
}

/// Whether all of them wait for input. `unnamed`: no process was named, so one is enough.
fn asking(wanted: &[&ProcessState], unnamed: bool) -> Result<ConditionState, CliError> {
    let is_asking = |process: &&&ProcessState| process.prompt.is_some();
    if unnamed && wanted.iter().any(|process| is_asking(&process)) {
        return Ok(ConditionState::So(0));
    }
    let Some(first) = wanted.iter().find(|process| !is_asking(process)) else {
        return Ok(ConditionState::So(0));
    };
    if unnamed {
        return Ok(ConditionState::NotYet("no process waits for input".to_owned()));
    }
    still_comes(first)?;
    Ok(ConditionState::NotYet(format!("{} does not wait for input", first.name)))
}

/// Whether all of them run and all their checks have passed. A process may become ready by exiting.
fn all_ready(wanted: &[&ProcessState], unnamed: bool) -> Result<ConditionState, CliError> {
    let mut late = None;
    let mut open = vec![];
    for process in wanted {
        match (&process.readiness.not_ready, process.readiness.ready) {
            (Some(why), _) => {
                let name = &process.name;
                let what = format!("{name} is not ready: {why}{}", tells_more(name));
                return Err(CliError::Ended { what, code: 1 });
            }
            (None, Some(true)) if process.state == ProcessStatus::Exited => {}
            (None, Some(false)) if process.state == ProcessStatus::Running => late = Some(*process),
            (None, _) => open.push(*process),
        }
    }
    Ok(match (all_run(&open, unnamed)?, late) {
        (ConditionState::So(_), Some(late)) => {
            let lacks = Untrusted::join(&late.readiness.lacks, "; ");
            let colon = if lacks.is_empty() { "" } else { ": " };
            let name = &late.name;
            ConditionState::NotYet(late.prompt.as_ref().map_or_else(
                || format!("{name} is not ready{colon}{lacks}"),
                |Prompt { text, .. }| {
                    format!("{name} waits for input: {text}; `tmo connect {name}` answers it")
                },
            ))
        }
        (verdict @ (ConditionState::So(_) | ConditionState::NotYet(_)), _) => verdict,
    })
}

/// How many processes of a start are up, and which are still awaited; `None` if no check or dependency
/// holds it up.
pub(in crate::cli) fn how_far(processes: &[ProcessState]) -> Option<String> {
    const MOST: usize = 5;
    // Those that have not begun, and those that others wait for, perhaps until they have completed.
    let waiting: Vec<_> = processes.iter().filter(|process| process.pid.is_none()).collect();
    let is_awaited =
        |name: &ProcName| waiting.iter().any(|process| process.readiness.awaits.contains(name));
    let is_late = |process: &&ProcessState| {
        process.state == ProcessStatus::Running
            && (process.readiness.ready == Some(false) || is_awaited(&process.name))
            || process.state == ProcessStatus::Installing
    };
    let late: Vec<_> = processes.iter().filter(is_late).collect();
    if late.is_empty() {
        return None;
    }
    let comes = |process: &&ProcessState| {
        process.state != ProcessStatus::Stopped && process.config.phase != Some(Stage::Cleanup)
    };
    let is_up = |process: &&&ProcessState| {
        process.ends.finished || process.state == ProcessStatus::Running && !is_late(process)
    };
    let all: Vec<_> = processes.iter().filter(comes).collect();
    let done = all.iter().filter(is_up).count();
    let names: Vec<_> = late.iter().take(MOST).map(|process| process.name.as_str()).collect();
    let who = waiting.iter().filter(|process| !process.readiness.awaits.is_empty());
    let who: Vec<_> = who.take(MOST).map(|process| process.name.as_str()).collect();
    let all = all.len();
    let names = names.join(", ");
    Some(match &who[..] {
        [] => format!("{done} of {all} are up; waiting for {names}"),
        [one] => format!("{done} of {all} are up; {one} waits for {names}"),
        several => format!("{done} of {all} are up; {} wait for {names}", several.join(", ")),
    })
}

fn all_ended(wanted: &[&ProcessState]) -> ConditionState {
    let mut code = 0;
    for process in wanted {
        match (&process.state, process.ends.exit) {
            (
                ProcessStatus::Exited
                | ProcessStatus::Stopped
                | ProcessStatus::Error
                | ProcessStatus::Broken,
                Some(exit),
            ) => {
                code = code.max(exit.shell_status());
            }
            (ProcessStatus::Stopped | ProcessStatus::Skipped, None) => {}
            (ProcessStatus::Error, None) => code = code.max(1),
            (state, _) => return ConditionState::NotYet(format!("{} is {state}", process.name)),
        }
    }
    ConditionState::So(code)
}

/// Follows the ports of the processes that are waited for, each with the number of its life.
struct PortChecks {
    checks: HashMap<ProcName, (u64, OwnerCheck)>,
    /// Its plan says which listeners count.
    runtime: RuntimeDir,
}

impl PortChecks {
    /// Whether all of these listen at their port, by the rules of a readiness check.
    async fn open(
        &mut self,
        wanted: &[&ProcessState],
        run: &str,
    ) -> Result<ConditionState, CliError> {
        let runtime = &self.runtime;
        for process in wanted {
            still_comes(process)?;
            let Some(port) = process.config.port else {
                return Err(CliError::Other(format!("{} has no PORT", process.name)));
            };
            let Some(pid) = process.pid else {
                return Ok(ConditionState::NotYet(format!(
                    "{} is {}",
                    process.name, process.state
                )));
            };
            let fresh = || {
                let name = process.name.to_string();
                let run = run.to_owned();
                let shim = sys::info(pid).map(|main| main.ppid);
                let rule = owner(runtime, &process.name, port);
                let age = clock::now().since(process.since);
                (process.lives, OwnerCheck::new(rule, Probed { name, run, shim }, age))
            };
            let (life, check) = self.checks.entry(process.name.clone()).or_insert_with(fresh);
            if *life != process.lives {
                (*life, *check) = fresh();
            }
            if let Err(why) = check.reach(Probe::HERE, port).await {
                return Ok(ConditionState::NotYet(format!(
                    "{} is not listening on {port} ({})",
                    process.name, why.text
                )));
            }
        }
        Ok(ConditionState::So(0))
    }
}

/// Which listeners make a process ready, if it has a check of this port.
fn owner(runtime: &RuntimeDir, name: &ProcName, port: u16) -> PortOwner {
    let plan = runtime.plan().ok();
    let process =
        plan.iter().flat_map(|plan| &plan.processes).find(|process| process.name == *name);
    let mut checks = process.into_iter().flat_map(|process| &process.rules.ready);
    let of_port = checks.find_map(|check| {
        let Probe::Port { port: checked, owner, .. } = &check.probe else { return None };
        (*checked == port).then_some(*owner)
    });
    of_port.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{ConditionState, all_ready, how_far, unless_changing};
    use crate::model::file_change::{WatchMode, WatchState};
    use crate::model::state::{ProcessEnds, ProcessReadiness, ProcessState, State};
    use crate::model::{ProcName, ProcessStatus};

    #[test]
    fn what_was_skipped_may_still_come_while_files_of_another_process_change() {
        let process = |name: &str, state, mode| ProcessState {
            watch: Some(WatchState { mode, ..WatchState::default() }.noted()),
            ..ProcessState::new(ProcName::new(name).unwrap(), state, None)
        };
        for (mode, comes) in [(WatchMode::Changed, true), (WatchMode::Watching, false)] {
            let web = process("web", ProcessStatus::Skipped, WatchMode::Watching);
            let processes = vec![process("api", ProcessStatus::Exited, mode), web];
            let state = State { processes, ..State::default() };
            let wanted = [&state.processes[1]];
            let verdict = unless_changing(&wanted, &state, all_ready(&wanted, false));
            assert_eq!(matches!(verdict, Ok(ConditionState::NotYet(_))), comes, "{mode:?}");
        }
    }

    #[test]
    fn only_what_runs_or_has_finished_is_up() {
        let process = |name: &str, state, ready, finished| ProcessState {
            ends: ProcessEnds { finished, ..ProcessEnds::default() },
            readiness: ProcessReadiness { ready, ..ProcessReadiness::default() },
            ..ProcessState::new(ProcName::new(name).unwrap(), state, None)
        };
        let processes = [
            process("db", ProcessStatus::Running, Some(true), false),
            process("migrate", ProcessStatus::Exited, Some(true), true),
            process("web", ProcessStatus::Running, Some(false), false),
            process("seed", ProcessStatus::Skipped, None, false),
            process("api", ProcessStatus::Broken, None, false),
            process("crashed", ProcessStatus::Exited, None, false),
            process("later", ProcessStatus::Stopped, None, false),
        ];
        assert_eq!(how_far(&processes).unwrap(), "2 of 6 are up; waiting for web");
        let mut later = process("api", ProcessStatus::Pending, None, false);
        later.readiness.awaits = vec![ProcName::new("db").unwrap()];
        let db = process("db", ProcessStatus::Running, Some(true), false);
        let text = how_far(&[db, later]).unwrap();
        assert_eq!(text, "0 of 2 are up; api waits for db", "it may wait for its end");
    }
}
