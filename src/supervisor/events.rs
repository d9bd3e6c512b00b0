//! What goes into the machine, and what comes out.

use super::Milepost;
use crate::model::event::What;
use crate::model::member::Member;
use crate::model::request::{Outcome, Request};
use crate::model::rules::FailureAction;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId};
use crate::protocol::life::Entry;
use crate::protocol::spec::Want;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run begins: open everything.
    Begin,
    /// The shim is up (its `Up` entry) and a sink takes its output.
    PaneReady(ProcId),
    /// The next entry of its life file, after the output before it has been read.
    Life(ProcId, Entry),
    /// Its shim was killed; whatever was found of what it had been running has been ended, but for
    /// these.
    ShimGone(ProcId, Vec<Member>),
    /// Its pane could not be opened.
    NoPane(ProcId, String),
    /// Its shim can't be told to run what it shall run, and why; what it was told last (a wish
    /// and a life) stands.
    Untold(ProcId, String, Option<(Want, Option<LifeId>)>),
    /// A life has passed a check, by its number.
    Passed(ProcId, LifeId, usize),
    /// A life does not pass a check yet, by its number, and what was answered instead.
    Unmet(ProcId, LifeId, usize, String),
    /// Whether a life still works was asked; what was wrong, if anything.
    Looked(ProcId, LifeId, Option<String>),
    /// A life has printed what means that it has failed.
    Failing(ProcId, LifeId, FailureAction, String),
    /// A command has ended behind which the run is to end, with this code.
    Enough(u8),
    /// The tmux server is gone.
    TmuxGone,
    /// It may be [`next_due`](super::Supervisor::next_due).
    Alarm,
    /// A client asks; by the same key it has asked for the same before.
    Ask(u64, Request, Option<String>),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open these panes.
    Open(Vec<ProcId>),
    /// Make this the desired state of a pane.
    Want {
        /// Which.
        id: ProcId,
        /// What.
        want: Want,
        /// Which life.
        life: Option<LifeId>,
        /// Lives up to this one without grace.
        kill: Option<LifeId>,
    },
    /// Close the window of a process that is none of the run any more.
    Close(ProcId),
    /// Send a signal to the process group of a process that runs.
    Signal {
        /// Which.
        id: ProcId,
        /// Its main process.
        pid: u32,
        /// The number of the signal.
        signal: i32,
    },
    /// Write an event into the log: about a process, or about the run.
    Say(Option<ProcId>, What),
    /// A life has ended as it should not.
    Crashed(Crash),
    /// The run has come to this.
    Reached(Milepost),
    /// Tell a client how its request went.
    Answer(u64, Outcome),
    /// Nothing is left to do: end with this code.
    Finish(u8),
}

impl Effect {
    /// Whether it is about this process.
    pub fn concerns(&self, process: ProcId) -> bool {
        match self {
            Self::Open(ids) => ids.contains(&process),
            Self::Want { id, .. } | Self::Signal { id, .. } | Self::Close(id) => *id == process,
            Self::Say(id, _) => *id == Some(process),
            Self::Crashed(crash) => crash.id == process,
            Self::Reached(_) | Self::Answer(..) | Self::Finish(_) => false,
        }
    }
}

/// A life that has ended as it should not. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Whose.
    pub id: ProcId,
    /// The life.
    pub life: LifeId,
    /// How it ended.
    pub exit: Exit,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}
