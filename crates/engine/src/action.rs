//! The actions by which the subsystems answer.
//!
//! A subsystem owns its state and reads what its methods are given. What it wants from the rest of
//! the engine it returns as a list of actions, which [`Engine`](super::core) carries out in order.

use tokio::sync::oneshot;

use super::commands::command::FlagHook;
use super::reports::outbox::OutboxItem;
use crate::crash::Trigger;
use crate::model::event::{Event, Trouble, What};
use crate::model::request::{Outcome, Request};
use crate::model::{LifeId, ProcId};
use crate::supervisor::Input;

/// Something that a subsystem wants done.
#[derive(Debug)]
pub(super) enum Action {
    /// Process an input, save the new state, and carry out its effects.
    Input(Input),
    /// Process an input. The state is saved later, at the latest at the end of the turn.
    Decide(Input),
    /// Save the state, at the latest at the end of the turn.
    Save,
    /// Write an event into the log.
    Log(Event),
    /// Log a problem of a process, after the effects of everything that was decided before it.
    Trouble(ProcId, Trouble),
    /// Remember what is wrong with a life, in case it is ended for that.
    Blame(ProcId, LifeId, Trigger),
    /// Remove finished work from the outbox.
    Complete(OutboxItem),
    /// Show this on the desktop, if that is possible.
    Notify { title: String, text: String },
    /// Run the command of a flag that has matched.
    RunFlagHook(Box<FlagHook>),
    /// Process a request as if this client had sent it.
    Request(Request, String, oneshot::Sender<Outcome>),
}

impl Action {
    /// Write an event about the run into the log.
    pub(super) fn log_of_run(what: What) -> Self {
        Self::Log(Event::of_run(what))
    }
}
