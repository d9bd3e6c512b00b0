//! The state of a run on disk (`state.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flag_counts::SavedCounts;
use super::match_checkpoint::MatchCheckpoint;
use super::outbox::Outbox;
use crate::model::command::CommandHistory;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::supervisor::Supervisor;
use crate::sys;

/// The version of `state.json` that this program writes.
pub(super) const STATE_VERSION: u32 = 1;

/// The contents of `state.json`: saved by a supervisor before it acts, read by its adopter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedState {
    /// Format version.
    pub version: u32,
    /// Boot id of the machine; a run does not survive a reboot.
    pub boot: String,
    /// Pid namespace of the process ids below.
    pub pid_namespace: String,
    /// Pid and start time of the supervisor that saved this.
    #[serde(default)]
    pub keeper: Option<(u32, u64)>,
    /// The state machine.
    pub supervisor: Supervisor,
    /// The tmux server.
    pub tmux: Option<TmuxServer>,
    /// Whether tmux has yet to read the user's configuration.
    #[serde(default)]
    pub config_due: bool,
    /// The first record of this run in the index.
    pub first_record: u64,
    /// Since when no view has been attached, nanoseconds since the epoch.
    pub headless_since: Option<Timestamp>,
    /// The latest commands of clients.
    #[serde(default, skip_serializing_if = "CommandHistory::is_empty")]
    pub commands: CommandHistory,
    /// Decisions whose work is not finished yet: crash reports and hooks.
    #[serde(default, rename = "owed", skip_serializing_if = "Outbox::is_empty")]
    pub outbox: Outbox,
    /// Up to where the output of each process (by name) has been acted upon.
    #[serde(default, rename = "looked", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_checkpoints: BTreeMap<String, MatchCheckpoint>,
    /// Flag counts, by process name.
    #[serde(default, rename = "counted", skip_serializing_if = "BTreeMap::is_empty")]
    pub flag_counts: BTreeMap<String, SavedCounts>,
}

/// A running tmux server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmuxServer {
    /// Its process id.
    pub pid: u32,
    /// Its start time.
    pub start_time: u64,
    /// Its socket, which tmux does not remove when it ends.
    pub socket: OsText,
}

impl PersistedState {
    /// The initial state, with the boot, the pid namespace and the process id of this supervisor.
    pub fn new(supervisor: Supervisor, first_record: u64) -> Self {
        Self {
            version: STATE_VERSION,
            boot: sys::boot_id(),
            pid_namespace: sys::pid_namespace(),
            keeper: Self::own_id(),
            supervisor,
            tmux: None,
            config_due: false,
            first_record,
            headless_since: None,
            commands: CommandHistory::default(),
            outbox: Outbox::default(),
            match_checkpoints: BTreeMap::new(),
            flag_counts: BTreeMap::new(),
        }
    }

    /// Whether its pids belong to another pid namespace of this boot.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.pid_namespace != sys::pid_namespace()
    }

    /// Pid and start time of this process, which saves the state from now on.
    pub(super) fn own_id() -> Option<(u32, u64)> {
        let pid = std::process::id();
        Some((pid, sys::start_time(pid)?))
    }
}
