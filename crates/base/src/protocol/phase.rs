//! The states of a process and of a run, as `state.json` has them.

use serde::{Deserialize, Serialize};

use crate::model::ids::Member;
use crate::model::{Exit, LifeId};

/// The state of a process; each variant carries the data that is valid in that state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// It has not run yet in this run.
    #[default]
    Pending,
    /// A life was requested, and its shim has not reported anything about it yet.
    Starting { life: LifeId },
    /// It runs.
    Running {
        life: LifeId,
        /// Main process.
        pid: u32,
    },
    /// Its install command runs.
    Installing {
        life: LifeId,
        /// Main process.
        pid: u32,
    },
    /// The main process has ended, but the rest of its process tree has not.
    Ending {
        life: LifeId,
        /// How the main process ended.
        exit: Exit,
    },
    /// SIGKILL did not end the whole process tree.
    Stuck {
        life: LifeId,
        /// The processes that are left.
        members: Vec<Member>,
    },
    /// Nothing is left of its last life.
    Over {
        life: LifeId,
        /// How it ended.
        exit: Exit,
        /// Whether its end was intended: it was requested to stop, or it was an installation.
        asked: bool,
    },
}

impl Phase {
    /// The exit status of its main process.
    pub const fn exit(&self) -> Option<Exit> {
        let (Self::Ending { exit, .. } | Self::Over { exit, .. }) = self else { return None };
        Some(*exit)
    }

    /// What SIGKILL did not end.
    pub fn stuck_members(&self) -> &[Member] {
        if let Self::Stuck { members, .. } = self { members } else { &[] }
    }
}

/// The state of the run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunPhase {
    /// Processes are kept in their desired state.
    #[default]
    #[serde(rename = "keep")]
    Running,
    /// Everything is being stopped.
    #[serde(rename = "quit")]
    Stopping,
    /// Nothing is left; the exit code is known.
    #[serde(rename = "done")]
    Finished { code: u8 },
}
