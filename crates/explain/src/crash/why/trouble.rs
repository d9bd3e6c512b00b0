//! Finds processes that do not come up, or, from the log of a past run, did not.

use super::{About, WhyError};
use crate::crash::{Cause, CauseKind};
use crate::journal::streams::{Stream, is_meant};
use crate::model::event::{InstallProblem, Logged, Note, Problem, Skip, What};
use crate::model::file_change::WatchState;
use crate::model::plan::rules::Probe;
use crate::model::state::{ProcessState, State};
use crate::model::{ProcName, ProcessStatus};

/// All troubles of a run, in order.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<Trouble>);

/// A process that was not ready in time, or was skipped.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) name: ProcName,
    /// The record of its event.
    pub(super) record: u64,
    why: Failure,
}

/// Why a process did not come up.
#[derive(Debug)]
enum Failure {
    NotReady(Problem),
    NotInstalled(InstallProblem),
    Skipped(Skip),
}

impl Troubles {
    /// Process an event, which is in this record.
    pub(super) fn add_event(&mut self, record: u64, event: &Logged) {
        let why = match event.what() {
            Some(What::NotReady { why }) => Some(Failure::NotReady(why.clone())),
            Some(What::Skipped { why }) => Some(Failure::Skipped(why.clone())),
            // It has become ready or is installed after all, is being restarted, or was stopped by request.
            Some(
                What::Ready
                | What::Installed { .. }
                | What::Restarting
                | What::InstallFailed { why: InstallProblem::Interrupted, .. },
            ) => None,
            Some(What::InstallFailed { why, .. }) => Some(Failure::NotInstalled(why.clone())),
            Some(_) | None => return,
        };
        let Some(name) = event.name().cloned() else { return };
        self.0.retain(|trouble| trouble.name != name);
        self.0.extend(why.map(|why| Trouble { name, record, why }));
    }

    /// Drop the troubles of processes that have been started since then: they had another chance.
    pub(super) fn forget_started(&mut self, last_start: impl Fn(&ProcName) -> Option<u64>) {
        self.0.retain(|trouble| last_start(&trouble.name).is_none_or(|at| at < trouble.record));
    }

    /// Drop the troubles of processes that have ended as expected.
    pub(super) fn forget_finished(&mut self, finished: &[ProcName]) {
        self.0.retain(|trouble| !finished.contains(&trouble.name));
    }

    /// The trouble that caused the others.
    pub(super) fn first(&self) -> Option<&Trouble> {
        self.0.first()
    }

    /// The trouble of a process.
    pub(super) fn trouble_of(&self, name: &str, streams: &[Stream]) -> Option<&Trouble> {
        // If it has ended, its end is the explanation.
        let is_it = |trouble: &&Trouble| is_meant(name, &trouble.name, streams);
        self.0.iter().filter(is_it).find(|trouble| !trouble.has_ended())
    }

    /// Whether this process had any.
    pub(super) fn had(&self, name: &ProcName) -> bool {
        self.0.iter().any(|trouble| trouble.name == *name)
    }
}

impl Trouble {
    /// Whether it did not become ready because it ended.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.why, Failure::NotReady(Problem::Ended { .. }))
    }

    /// What the answer about it is about.
    pub(super) fn about(&self) -> About {
        match self.why {
            Failure::Skipped(_) => About::Skipped,
            Failure::NotInstalled(_) => About::NotInstalled,
            Failure::NotReady(_) => About::NotReady,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        let logs = || format!("tmo logs {} -n 100", self.name);
        let (kind, text, next) = match &self.why {
            Failure::Skipped(skip) => {
                let next = format!("tmo why {}", skip.on);
                (CauseKind::DependencyNotReady, skip.to_string(), next)
            }
            Failure::NotInstalled(why) => (CauseKind::Other, format!("its {why}"), logs()),
            Failure::NotReady(why) => {
                let next = why.probe().and_then(Probe::by_hand).unwrap_or_else(logs);
                (CauseKind::ReadinessTimedOut, format!("{why}{}", if_slow(Some(why))), next)
            }
        };
        Cause::certain(kind, text, Some(next))
    }
}

/// The requested processes: all, or those with this name.
pub fn asked<'a>(
    processes: &'a [ProcessState],
    name: Option<&str>,
) -> Result<Vec<&'a ProcessState>, WhyError> {
    let words: Vec<String> = name.into_iter().map(str::to_owned).collect();
    ProcessState::chosen(&words, processes).map_err(WhyError::unknown)
}

/// What to do about a check that it would have passed later.
const fn if_slow(why: Option<&Problem>) -> &'static str {
    match why {
        Some(Problem::TimedOut { .. }) => {
            "; if it only needs longer, raise `timeout` in its `ready`"
        }
        _ => "",
    }
}

/// Why a running process does not work: one that it depends on has ended.
pub(super) fn depends_on(processes: &[ProcessState], name: &ProcName) -> Option<Cause> {
    let on = processes.iter().find(|process| process.ends.missed_by.contains(name))?;
    let text = format!("it depends on {}, which ended with {}", on.name, on.ends.exit?.describe());
    let next = Some(format!("tmo why {}", on.name));
    Some(Cause::certain(CauseKind::DependencyNotReady, text, next))
}

/// Why a process of this run that has not ended is in trouble, if it is.
pub fn held_up(process: &ProcessState, run: &State) -> Option<Cause> {
    let ProcessState { name, problem, readiness, .. } = process;
    let is_running = process.state == ProcessStatus::Running;
    let by_hand = |probe: Option<&Probe>| probe.and_then(Probe::by_hand);
    let (kind, text, next) = if let Some(Note::NotInstalled(InstallProblem::Interrupted)) = problem
    {
        // The interruption was requested.
        return None;
    } else if let Some(prompt) = &process.prompt {
        let text = format!("it waits for input: {}", prompt.text.raw());
        (CauseKind::WaitsForInput, text, Some(format!("tmo connect {name}")))
    } else if let Some(Note::Skipped(skip)) = problem {
        let (text, next) = skipped(name, skip, run);
        (CauseKind::DependencyNotReady, text, Some(next))
    } else if let Some(reason) = &process.reason {
        let kind = if is_running { CauseKind::NotLive } else { CauseKind::Other };
        (kind, reason.raw().to_owned(), by_hand(problem.as_ref().and_then(Note::probe)))
    } else if let Some(why) = readiness.not_ready.as_ref().filter(|_| is_running) {
        let unready = readiness.unready.as_ref();
        let text = format!("it did not become ready: {}{}", why.raw(), if_slow(unready));
        (CauseKind::ReadinessTimedOut, text, by_hand(unready.and_then(Problem::probe)))
    } else if let Some(lacks) = readiness.lacks.first() {
        let text = format!("it is not ready yet: {}", lacks.raw());
        (CauseKind::Other, text, by_hand(readiness.open.first()))
    } else if let Some(watch) = process.watch.as_ref().filter(|watch| watch.is_wrong()) {
        let (text, next) = not_restarted(name, watch);
        (CauseKind::Other, text, Some(next))
    } else {
        let first = readiness.awaits.first()?;
        let names: Vec<_> = readiness.awaits.iter().map(ToString::to_string).collect();
        let text = format!("it waits for {}", names.join(", "));
        (CauseKind::DependencyNotReady, text, Some(format!("tmo why {first}")))
    };
    let next = next.unwrap_or_else(|| format!("tmo logs {name}"));
    Some(Cause::certain(kind, text, Some(next)))
}

/// Why a process was skipped, and the next command.
fn skipped(name: &ProcName, skip: &Skip, run: &State) -> (String, String) {
    let works = |on: &ProcessState| on.ends.finished || on.readiness.ready == Some(true);
    match run.processes.iter().find(|on| on.name == skip.on && works(on)) {
        Some(on) => {
            let verb = if run.is_action(name) { "act" } else { "start" };
            let text = format!("it was skipped because {skip}; {} works now", on.name);
            (text, format!("tmo {verb} {name}"))
        }
        None => (skip.to_string(), format!("tmo why {}", skip.on)),
    }
}

/// Why a process was not restarted after a change of its files, and the next command.
fn not_restarted(name: &ProcName, watch: &WatchState) -> (String, String) {
    let Some(failure) = &watch.failure else {
        let text = watch.note.as_ref().map(|note| note.raw().to_owned()).unwrap_or_default();
        return (text, format!("tmo restart {name}"));
    };
    let command = failure.command.raw();
    let text = format!(
        "its files have changed, but `{command}` failed: {}; what runs is as before",
        failure.why
    );
    (text, command.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Troubles;
    use crate::model::event::{Event, Logged, Problem, Skip, Unavailable, What};
    use crate::model::plan::rules::Probe;
    use crate::model::{Exit, ProcName};

    fn troubles(events: &[(&str, What)]) -> Troubles {
        let mut troubles = Troubles::default();
        for (name, what) in events {
            let event = Event::of_process(&ProcName::new(*name).unwrap(), what.clone());
            troubles.add_event(0, &Logged::from_json(event.to_json().as_bytes()).unwrap());
        }
        troubles
    }

    fn timed_out() -> Problem {
        let probe = Probe::Exec { command: "pg_isready".into() };
        Problem::TimedOut { probe, within_ms: 1000, answer: None }
    }

    #[test]
    fn the_first_of_those_that_lasted_is_told() {
        let on = ProcName::new("db").unwrap();
        let why = Skip { on, why: Box::new(Unavailable::NotReady(timed_out())) };
        let troubles = troubles(&[
            ("slow", What::NotReady { why: timed_out() }),
            ("db", What::NotReady { why: timed_out() }),
            ("web", What::Skipped { why }),
            ("slow", What::Ready),
        ]);
        assert_eq!(troubles.first().map(|trouble| trouble.name.as_str()), Some("db"));
        assert!(troubles.trouble_of("slow", &[]).is_none());
        let cause = troubles.trouble_of("web", &[]).unwrap().cause();
        assert_eq!(cause.text, "db is not ready: `pg_isready` did not succeed within 1 s");
        assert_eq!(cause.next.as_deref(), Some("tmo why db"));
        assert_eq!(
            troubles.trouble_of("db", &[]).unwrap().cause().next.as_deref(),
            Some("pg_isready")
        );
    }

    #[test]
    fn what_has_ended_explains_itself() {
        let why = Problem::Ended { exit: Exit::Code(3), times: None };
        let troubles = troubles(&[("db", What::NotReady { why })]);
        assert!(troubles.trouble_of("db", &[]).is_none());
        assert!(troubles.first().is_some());
    }
}
