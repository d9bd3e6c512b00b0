//! The list of processes, and the run that they belong to.

use std::collections::BTreeSet;

use crate::model::exit::End;
use crate::model::name::action::ActionName;
use crate::model::state::{ActionState, ProcessState, State};
use crate::model::time::Timestamp;
use crate::model::{Condition, ProcName, ProcessStatus};

/// The list: a row for all processes, then one for each.
#[derive(Debug, Default)]
pub struct List {
    /// All processes, in the order of the Procfile.
    pub processes: Vec<ProcessState>,
    /// The selected process; `None` is the row of all.
    pub selected: Option<ProcName>,
    /// Whose log is shown; `None` is that of all.
    pub open: Option<ProcName>,
    /// Processes whose logs are shown together.
    pub marked: BTreeSet<ProcName>,
    /// Only those that run are listed.
    pub hides_stopped: bool,
    /// Requests that are not answered yet: the process, and what it is doing therefore.
    pub pending: Vec<(ProcName, &'static str)>,
}

impl List {
    /// The listed processes.
    pub fn rows(&self) -> impl Iterator<Item = &ProcessState> {
        self.processes.iter().filter(|process| {
            !self.hides_stopped
                || process.pid.is_some()
                || self.selected.as_ref() == Some(&process.name)
        })
    }

    /// The number of the selected row; 0 is the row of all.
    pub fn selected_row(&self) -> usize {
        let Some(selected) = &self.selected else { return 0 };
        self.rows().position(|process| process.name == *selected).map_or(0, |at| at + 1)
    }

    /// Select a row. If a process is open, the selected one becomes it.
    pub fn select_row(&mut self, row: usize) {
        let name = row.checked_sub(1).and_then(|at| self.rows().nth(at)).map(|p| p.name.clone());
        self.selected = name;
        if self.open.is_some() {
            self.open.clone_from(&self.selected);
        }
    }

    /// Move the selection.
    pub fn step(&mut self, rows: isize) {
        let last = self.rows().count();
        self.select_row(self.selected_row().saturating_add_signed(rows).min(last));
    }

    pub fn get(&self, name: &ProcName) -> Option<&ProcessState> {
        self.processes.iter().find(|process| process.name == *name)
    }

    /// The process that keys act on: the open one, or the selected one.
    pub fn target(&self) -> Option<&ProcessState> {
        self.selected.as_ref().or(self.open.as_ref()).and_then(|name| self.get(name))
    }

    /// The names of the processes whose log is shown; empty for all.
    pub fn chosen(&self) -> Vec<String> {
        if !self.marked.is_empty() {
            return self.marked.iter().map(ToString::to_string).collect();
        }
        self.open.iter().map(ToString::to_string).collect()
    }

    /// Take the state of all processes.
    pub fn set(&mut self, processes: Vec<ProcessState>) {
        self.processes = processes;
        let exists = |name: &ProcName| self.processes.iter().any(|p| p.name == *name);
        self.selected = self.selected.take().filter(exists);
        self.open = self.open.take().filter(exists);
        self.marked.retain(exists);
    }

    /// The run is over. How its last processes ended was not reported.
    pub fn end(&mut self, now: Timestamp) {
        self.pending.clear();
        for process in &mut self.processes {
            if matches!(process.condition(), Condition::Running | Condition::Waiting) {
                (process.state, process.pid, process.since) = (ProcessStatus::Stopped, None, now);
            }
        }
    }

    /// Take the state of one process.
    pub fn update(&mut self, process: ProcessState) {
        if let Some(known) = self.processes.iter_mut().find(|known| known.name == process.name) {
            *known = process;
        } else {
            self.processes.push(process);
        }
    }
}

/// The connection to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SupervisorLink {
    /// It answers.
    #[default]
    Live,
    /// It does not, since then.
    Away(Timestamp),
    /// The run is over; its exit code, if known, and who decided it.
    Over(Option<Box<End>>),
}

/// What is known of the run.
#[derive(Debug, Default)]
pub struct ShownRun {
    /// Its id; empty until its state is known.
    pub id: String,
    pub title: String,
    /// When it began.
    pub started: Timestamp,
    /// It is being stopped.
    pub quitting: bool,
    /// Leaving stops it too, by default.
    pub is_owned: bool,
    pub actions: Vec<ActionState>,
    /// The connection to its supervisor.
    pub link: SupervisorLink,
}

impl ShownRun {
    pub const fn is_over(&self) -> bool {
        matches!(self.link, SupervisorLink::Over(_))
    }

    /// Whether its supervisor does not answer.
    pub(super) const fn is_away(&self) -> bool {
        matches!(self.link, SupervisorLink::Away(_))
    }

    /// Its actions, each with the shortest word for it.
    pub fn named_actions(&self) -> impl Iterator<Item = (String, &ActionState)> {
        let names: Vec<_> = self.actions.iter().map(ActionState::action_name).collect();
        ActionName::words(&names).into_iter().zip(&self.actions)
    }

    /// Take its state, or that of another run.
    pub(super) fn set(&mut self, state: &State) {
        self.quitting = state.quitting || self.quitting && self.id == state.run;
        self.id.clone_from(&state.run);
        self.title = state.title.to_string();
        self.started = state.started;
        self.actions.clone_from(&state.actions);
        self.link = SupervisorLink::Live;
    }
}
