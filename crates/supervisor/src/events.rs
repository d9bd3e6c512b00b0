//! Inputs and effects of the state machine.

use super::RunStage;
use crate::model::event::What;
use crate::model::file_change::{BuildFailure, FileChange};
use crate::model::ids::Member;
use crate::model::plan::rules::FailureAction;
use crate::model::request::{Outcome, Request};
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId, Untrusted};
use crate::protocol::life::LifeEntry;
use crate::protocol::spec::Want;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The run begins: open all panes.
    Begin,
    /// The shim is up (its `Up` entry was read) and a sink records its output.
    PaneReady(ProcId),
    /// The next entry of the life file, after all output before it has been read.
    Life(ProcId, LifeEntry),
    /// The shim was killed. All processes found of its process tree have been ended, except for
    /// these.
    ShimGone(ProcId, Vec<Member>),
    /// The pane could not be opened, and why.
    NoPane(ProcId, String),
    /// The spec of the shim could not be written, and why. The shim still has the spec with this want and
    /// life, if any.
    SpecWriteFailed(ProcId, String, Option<(Want, Option<LifeId>)>),
    /// A life has passed the check with this number.
    Passed(ProcId, LifeId, usize),
    /// A life has not passed the check with this number yet. The text is the answer that was received.
    CheckFailed(ProcId, LifeId, usize, String),
    /// The result of a liveness check of a life: what was wrong, if anything.
    LivenessChecked(ProcId, LifeId, Option<String>),
    /// A life has printed a failure pattern; with the action to take and the line.
    Failing(ProcId, LifeId, FailureAction, String),
    Changed(Vec<(ProcId, FileChange)>),
    /// Files of exactly these processes are changing; [`Self::Changed`] follows if any of them differs in the end.
    /// For the other processes, all that was written until this time has been reported.
    Unsettled(Vec<ProcId>, Timestamp),
    /// The command before a restart, which [`Supervisor::builds`](super::Supervisor::builds) names with the time when
    /// it had to begin, has ended; with its failure, if it has failed.
    Built(ProcId, Timestamp, Option<BuildFailure>),
    /// A life waits for input at a prompt with this text, or not any more.
    Prompt(ProcId, LifeId, Option<Untrusted>),
    /// A hook after which the run should end has ended, with this exit code.
    StopAfterHook(u8),
    /// The tmux server is gone.
    TmuxGone,
    /// [`next_due`](super::Supervisor::next_due) may have been reached.
    TimerFired,
    /// A request of a client. Requests with the same key are one request that was sent again.
    Request(u64, Request, Option<String>),
}

/// Something that the engine must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open these panes.
    Open(Vec<ProcId>),
    /// Set the desired state of a pane.
    Want(ProcId, ShimRequest),
    /// Close the window of a process that is no longer part of the run.
    Close(ProcId),
    /// Send a signal to the process group of a running process.
    Signal {
        /// Which.
        id: ProcId,
        /// Its main process.
        pid: u32,
        signal: i32,
    },
    /// Log an event about a process, or about the run.
    Say(Option<ProcId>, What),
    /// A life has ended in a failure.
    Crashed(Crash),
    Reached(RunStage),
    /// Report the outcome of a request to the client.
    Answer(u64, Outcome),
    /// Nothing is left to do: finish the run with this exit code.
    Finish(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShimRequest {
    /// The desired state.
    pub want: Want,
    /// The life that is wanted.
    pub life: Option<LifeId>,
    /// Lives up to this one are killed without a grace period.
    pub kill: Option<LifeId>,
}

impl Effect {
    /// Whether this effect is about this process.
    pub fn concerns(&self, process: ProcId) -> bool {
        match self {
            Self::Open(ids) => ids.contains(&process),
            Self::Want(id, _) | Self::Signal { id, .. } | Self::Close(id) => *id == process,
            Self::Say(id, _) => *id == Some(process),
            Self::Crashed(crash) => crash.id == process,
            Self::Reached(_) | Self::Answer(..) | Self::Finish(_) => false,
        }
    }
}

/// A life that has ended in a failure. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    pub id: ProcId,
    pub life: LifeId,
    /// How it ended.
    pub exit: Exit,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}
