//! The note of a process in the table of `tmo ps`: why it is in its state, and what to type next.

use super::process_table::ProcessRow;
use crate::figures::named;
use crate::model::file_change::{WatchMode, WatchState};
use crate::model::state::{ActionState, ProcessState};
use crate::model::{ProcName, ProcessStatus, Untrusted};
use crate::sys::clock;

/// How a command for a process of the run is typed.
pub(super) enum RunOfCommand {
    /// With these flags.
    Here(String),
    /// With the name of this host.
    OnHost(String),
}

/// What the notes of a run have in common.
pub(super) struct ProcessNotes {
    pub(super) run: RunOfCommand,
    /// The processes that run actions.
    pub(super) actions: Vec<ProcName>,
}

impl ProcessNotes {
    pub(super) fn new(run: RunOfCommand, actions: &[ActionState]) -> Self {
        let actions = actions.iter().map(|action| action.process.clone()).collect();
        Self { run, actions }
    }

    /// The host of the run, if it is not this one.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.run {
            RunOfCommand::Here(_) => None,
            RunOfCommand::OnHost(host) => Some(host),
        }
    }

    fn command(&self, verb: &str, name: &ProcName) -> String {
        match &self.run {
            RunOfCommand::Here(flags) => format!("`tmo {verb} {name}{flags}`"),
            RunOfCommand::OnHost(host) => format!("`tmo fleet {verb} {host}/{name}`"),
        }
    }

    pub(super) fn note(&self, row: &ProcessRow) -> String {
        let process = &row.process;
        let name = &process.name;
        if row.figures.as_ref().is_some_and(|figures| figures.stopped) {
            return format!(
                "stopped by a signal; {} continues it",
                self.command("signal CONT", name)
            );
        }
        if let Some(prompt) = &process.prompt {
            let answer = self.command("connect", name);
            let note = format!("waits for input: {}; {answer} answers it", prompt.text);
            let has_changed = process.watch.as_ref().is_some_and(|watch| watch.waits.is_some());
            return if has_changed {
                format!("{note}; its files have changed: {}", self.command("restart", name))
            } else {
                note
            };
        }
        let note = self
            .of_state(process)
            .filter(|note| !note.is_empty())
            .or_else(|| self.of_crashes(process))
            .or_else(|| self.of_watch(process))
            .or_else(|| self.of_program(row));
        let display = process.config.display.as_ref().map(|display| format!("({display})"));
        let parts: Vec<_> = display.into_iter().chain(note).collect();
        if parts.is_empty() {
            return row.port_holder.clone().unwrap_or_default();
        }
        parts.join(" ")
    }

    fn of_state(&self, process: &ProcessState) -> Option<String> {
        let name = &process.name;
        let reason =
            process.reason.as_ref().map(|reason| format!("{reason}; ")).unwrap_or_default();
        match &process.state {
            ProcessStatus::Skipped if self.actions.contains(name) => {
                Some(format!("{reason}{} runs it", self.command("act", name)))
            }
            ProcessStatus::Skipped => Some(match process.late_dependency() {
                Some(on) => format!("{reason}{} tries again", self.command("restart", on)),
                None => format!("{reason}{} starts it", self.command("start", name)),
            }),
            ProcessStatus::Restarting if process.ends.failing(clock::now()).is_some() => None,
            ProcessStatus::Exited | ProcessStatus::Error if process.ends.finished => None,
            ProcessStatus::Broken
            | ProcessStatus::Exited
            | ProcessStatus::Error
            | ProcessStatus::Restarting => {
                Some(format!("{reason}{} explains it", self.command("why", name)))
            }
            _ if process.watch.as_ref().is_some_and(WatchState::is_wrong) => None,
            _ => held_up_by(process),
        }
    }

    fn of_crashes(&self, process: &ProcessState) -> Option<String> {
        let story = process.ends.crash_story(clock::now())?;
        Some(format!("{story}; {} explains it", self.command("why", &process.name)))
    }

    fn of_watch(&self, process: &ProcessState) -> Option<String> {
        let watch = process.watch.as_ref()?;
        let note = watch.note.as_ref()?;
        let next = |verb: &str, what: &str| {
            format!("{note}; {} {what}", self.command(verb, &process.name))
        };
        Some(match watch.mode {
            _ if watch.failure.is_some() && !watch.is_changing() => next("why", "explains it"),
            WatchMode::Held => next("restart", "does it now"),
            WatchMode::Changed if watch.waits.is_some() => next("restart", "does it now"),
            WatchMode::Paused => next("watch resume", "resumes it"),
            WatchMode::Changed | WatchMode::Building | WatchMode::Watching => note.to_string(),
        })
    }

    /// What is odd about a program that runs.
    fn of_program(&self, row: &ProcessRow) -> Option<String> {
        let process = &row.process;
        if row.program_failed && process.state == ProcessStatus::Running {
            return Some(format!("its program has failed: {}", self.command("why", &process.name)));
        }
        match row.listens() {
            Some([_, others @ ..]) if !others.is_empty() => {
                Some(format!("also listens on {}", named(others)))
            }
            _ => None,
        }
    }
}

/// What a process that has not ended is missing or waiting for.
fn held_up_by(process: &ProcessState) -> Option<String> {
    let readiness = &process.readiness;
    if let Some(reason) = &process.reason {
        Some(reason.to_string())
    } else if !readiness.awaits.is_empty() {
        let names: Vec<_> = readiness.awaits.iter().map(ProcName::as_str).collect();
        Some(format!("waits for {}", names.join(", ")))
    } else if let (Some(why), ProcessStatus::Running) = (&readiness.not_ready, &process.state) {
        Some(format!("not ready: {why}"))
    } else if readiness.lacks.is_empty() {
        process.status_text.as_ref().map(ToString::to_string)
    } else {
        Some(format!("not ready yet: {}", Untrusted::join(&readiness.lacks, "; ")))
    }
}
