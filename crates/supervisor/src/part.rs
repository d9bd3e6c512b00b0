//! What a change does to one process, and what of that is still to come.

use serde::{Deserialize, Serialize};

use crate::model::rules::DependencyCondition;
use crate::model::{LifeId, ProcId};

/// A process that another one needs, and what it must have reached.
pub(super) type Awaited = (ProcId, DependencyCondition);

/// What a change does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Start it, unless it runs.
    Start,
    /// Stop it.
    Stop,
    /// Stop it, because it is no longer part of the run.
    Leave,
    /// Stop it if it runs, then start it.
    Restart,
    /// It is being restarted already.
    Keep,
}

impl Action {
    pub(super) const fn starts(self) -> bool {
        matches!(self, Self::Start | Self::Restart | Self::Keep)
    }
}

/// The part of a process in the last change that it belongs to: what is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangePart {
    /// The life that is to be stopped when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stops: Option<LifeId>,
    /// The processes of the change that have to be gone before that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dependents: Vec<ProcId>,
    /// What its next life waits for; `None` means all that the process needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) awaits: Option<Vec<Awaited>>,
    /// It was skipped, and a user has stopped it since: it does not return with its dependency.
    pub(super) stays_down: bool,
}

impl ChangePart {
    /// The part in the start of a run, with or without an order.
    pub(super) fn of_start(no_deps: bool) -> Self {
        Self { awaits: no_deps.then(Vec::new), ..Self::default() }
    }

    /// Whether its next life waits for no other process.
    pub(super) fn is_unordered(&self) -> bool {
        self.awaits.as_ref().is_some_and(Vec::is_empty)
    }

    /// The processes that it refers to.
    pub(super) fn concerns(&self) -> impl Iterator<Item = ProcId> {
        let awaited = self.awaits.iter().flatten().map(|(on, _)| *on);
        self.dependents.iter().copied().chain(awaited)
    }
}
