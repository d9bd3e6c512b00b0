//! What is known of a run by its `state.json`, without the engine that writes it (`PersistedState`).

use serde::{Deserialize, Serialize};

use crate::model::ProcessId;
use crate::model::ids::Member;
use crate::model::text::OsText;
use crate::protocol::phase::{Phase, RunPhase};
use crate::sys;

/// The version of `state.json` that this program writes.
pub const STATE_VERSION: u32 = 1;

/// The parts of `state.json` by which a command tells where a run is and what of it may be alive.
#[derive(Debug, Clone, Deserialize)]
pub struct SavedRun {
    pub version: u32,
    /// Boot id of the machine; a run does not survive a reboot.
    pub boot: String,
    /// Pid namespace of the process ids below.
    pub pid_namespace: String,
    /// Pid and start time of the supervisor that saved this.
    pub keeper: Option<ProcessId>,
    pub tmux: Option<TmuxServer>,
    supervisor: SavedMachine,
}

#[derive(Debug, Clone, Deserialize)]
struct SavedMachine {
    procs: Vec<SavedProc>,
    #[serde(rename = "course")]
    run_phase: RunPhase,
}

#[derive(Debug, Clone, Deserialize)]
struct SavedProc {
    phase: Phase,
}

/// A running tmux server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmuxServer {
    pub pid: u32,
    pub start_time: u64,
    /// Its socket, which tmux does not remove when it ends.
    pub socket: OsText,
}

impl TmuxServer {
    pub const fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start: self.start_time }
    }
}

impl SavedRun {
    /// Whether its pids belong to another pid namespace of this boot.
    pub fn is_elsewhere(&self) -> bool {
        self.pid_namespace != sys::pid_namespace()
    }

    /// Whether the run was being stopped.
    pub fn is_stopping(&self) -> bool {
        self.supervisor.run_phase == RunPhase::Stopping
    }

    /// The processes that SIGKILL did not end.
    pub(super) fn stuck_members(&self) -> impl Iterator<Item = &Member> {
        self.supervisor.procs.iter().flat_map(|proc| proc.phase.stuck_members())
    }
}
