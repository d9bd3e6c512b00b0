//! The rights of a session: a role, and the visible runs and processes.

use serde::{Deserialize, Serialize};

pub(crate) use crate::model::name::role::Role;
use crate::model::state::{ProcessConfig, ProcessEnds, ProcessReadiness, ProcessState, State};
use crate::model::time::Timestamp;

/// The runs and processes that are visible.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scope {
    /// All runs of the user.
    #[default]
    All,
    /// These processes of one run.
    Processes {
        /// The id of the instance.
        run: String,
        /// The names of the processes.
        names: Vec<String>,
    },
}

impl Scope {
    /// Whether any part of this run is visible.
    pub(crate) fn has_run(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Processes { run, .. } => run == id,
        }
    }

    /// Whether this process of a visible run is visible.
    pub(crate) fn has_process(&self, name: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|known| known == name))
    }

    /// The only visible processes of a run; `None` if all are visible.
    pub(crate) fn names(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Processes { names, .. } => Some(names),
        }
    }

    /// The visible part of a state. A limited session sees no fields that can name other processes or files.
    pub(crate) fn of_state(&self, state: State) -> State {
        if self.names().is_none() {
            return state;
        }
        State {
            root: "".into(),
            procfile: None,
            origin: None,
            socket: "".into(),
            tmux: None,
            journal: "".into(),
            runtime: None,
            host: None,
            processes: state.processes.into_iter().map(|one| self.of_process(one)).collect(),
            left_out: vec![],
            actions: vec![],
            ..state
        }
    }

    /// The visible part of a process's state.
    pub(crate) fn of_process(&self, process: ProcessState) -> ProcessState {
        if self.names().is_none() {
            return process;
        }
        ProcessState {
            ends: ProcessEnds {
                exit: process.ends.exit,
                finished: process.ends.finished,
                ..ProcessEnds::default()
            },
            since: process.since,
            lives: process.lives,
            config: ProcessConfig {
                port: process.config.port,
                color: process.config.color,
                ..ProcessConfig::default()
            },
            readiness: ProcessReadiness {
                ready: process.readiness.ready,
                ..ProcessReadiness::default()
            },
            output_bytes: process.output_bytes,
            ..ProcessState::new(process.name, process.state, process.pid)
        }
    }
}

/// The rights of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The allowed actions.
    pub(crate) role: Role,
    /// The visible runs and processes.
    #[serde(default)]
    pub(crate) scope: Scope,
    /// When the rights end; `None` if they last as long as the session.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
}

/// The session that a request proves, with its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvenSession {
    /// Its id; empty for a token, which begins no session.
    pub(crate) id: String,
    pub(crate) grant: Grant,
}

impl Grant {
    /// The rights of the user who started the server.
    pub(crate) const OWNER: Self = Self { role: Role::Admin, scope: Scope::All, until: None };
}
