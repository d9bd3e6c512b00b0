//! The state of a run on disk (`state.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reports::outbox::Outbox;
use super::search::progress::{MatchCheckpoint, SavedCounts};
use crate::model::ProcessId;
use crate::model::command::CommandHistory;
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::run::dir::{RuntimeDir, RuntimeDirError, read_json, write_json};
use crate::run::forced_end::remaining;
use crate::run::saved::{STATE_VERSION, TmuxServer};
use crate::supervisor::Supervisor;
use crate::sys::{self, ProcInfo, clock};

/// The contents of `state.json`: saved by a supervisor before it acts, read by its adopter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersistedState {
    /// Format version.
    pub version: u32,
    /// Boot id of the machine; a run does not survive a reboot.
    pub boot: String,
    /// Pid namespace of the process ids below.
    pub pid_namespace: String,
    /// Pid and start time of the supervisor that saved this.
    pub keeper: Option<ProcessId>,
    /// The state machine.
    pub supervisor: Supervisor,
    pub tmux: Option<TmuxServer>,
    /// Whether tmux has yet to read the user's configuration.
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

impl PersistedState {
    /// The initial state, with the boot, the pid namespace and the process id of this supervisor.
    pub fn new(supervisor: Supervisor, first_record: u64) -> Self {
        Self {
            version: STATE_VERSION,
            boot: sys::boot_id(),
            pid_namespace: sys::pid_namespace(),
            keeper: ProcessId::now(std::process::id()),
            supervisor,
            first_record,
            ..Self::default()
        }
    }

    /// Read the state that the last supervisor of a run saved, which must fit this plan.
    pub fn load(runtime: &RuntimeDir, plan: &Plan) -> Result<Self, RuntimeDirError> {
        let path = runtime.state_file();
        let mut saved = read_json(path, STATE_VERSION, |saved: &Self| saved.version)?;
        if saved.supervisor.is_of(plan) && saved.outbox.is_of(plan.processes.len()) {
            // The plan is written before the state: a supervisor that added processes may have been
            // killed in between.
            saved.supervisor.grow(plan, clock::now());
            Ok(saved)
        } else {
            let why = "state.json lists different processes than plan.json".to_owned();
            Err(RuntimeDirError::Format { path: runtime.state_file(), why })
        }
    }

    /// Save the state of the supervisor.
    pub(super) fn save(&self, runtime: &RuntimeDir) -> Result<(), RuntimeDirError> {
        write_json(runtime.state_file(), self)
    }
}

/// Whether there is a run to adopt; an error if there is one that can't be adopted. Nothing may be
/// started beside a run whose files are gone, so the process table is searched for its parts.
pub fn adoptable(runtime: &RuntimeDir) -> Result<bool, RuntimeDirError> {
    if !runtime.has_survivors() {
        let parts = runtime.parts_in_the_way();
        let Some(ProcInfo { pid, comm, .. }) = remaining(&parts) else {
            return Ok(false);
        };
        return Err(runtime.of_other_session(*pid).unwrap_or_else(|| RuntimeDirError::Stray {
            dir: runtime.dir().to_owned(),
            pid: *pid,
            comm: comm.clone(),
        }));
    }
    match runtime.plan().and_then(|plan| PersistedState::load(runtime, &plan)) {
        Ok(saved) if saved.pid_namespace != sys::pid_namespace() => {
            Err(RuntimeDirError::Elsewhere { dir: runtime.dir().to_owned() })
        }
        Ok(_) => Ok(true),
        Err(error) => Err(RuntimeDirError::Lost { error: Box::new(error) }),
    }
}
