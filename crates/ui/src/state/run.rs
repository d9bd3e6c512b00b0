//! The run whose log and processes are shown.

use crate::model::action::ActionName;
use crate::model::run_end::End;
use crate::model::state::{ActionState, State};
use crate::model::time::Timestamp;

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
    /// Its title.
    pub title: String,
    /// When it began.
    pub started: Timestamp,
    /// It is being stopped.
    pub quitting: bool,
    /// Leaving stops it too, by default.
    pub is_owned: bool,
    /// Its actions.
    pub actions: Vec<ActionState>,
    /// The connection to its supervisor.
    pub link: SupervisorLink,
}

impl ShownRun {
    /// Whether it is over.
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
