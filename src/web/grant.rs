//! What a session may do: a role, and what it may see.

use serde::{Deserialize, Serialize};

use crate::model::request::{ProcessState, State, TmuxAddress};
use crate::model::time::Timestamp;

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at states, logs and terminals.
    Read,
    /// Also start, stop and restart processes.
    Operate,
    /// Everything that the user could do in a terminal.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// What may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scope {
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
    /// Whether any part of this run may be seen.
    pub(super) fn has_run(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Processes { run, .. } => run == id,
        }
    }

    /// Whether this process of a run that may be seen may be seen.
    pub(super) fn has_process(&self, name: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|known| known == name))
    }

    /// The only processes of a run that may be seen; `None` if there is no limit.
    pub(super) fn names(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Processes { names, .. } => Some(names),
        }
    }
}

impl Scope {
    /// What of a state may be seen: with a limit, only what can't name other processes or files.
    pub(super) fn of_state(&self, state: State) -> State {
        if self.names().is_none() {
            return state;
        }
        State {
            root: "".into(),
            procfile: None,
            origin: None,
            socket: "".into(),
            tmux: TmuxAddress { socket: String::new(), session: String::new(), program: "".into() },
            journal: "".into(),
            runtime: None,
            host: None,
            processes: state.processes.into_iter().map(|one| self.of_process(one)).collect(),
            ..state
        }
    }

    /// The same of a process.
    pub(super) fn of_process(&self, process: ProcessState) -> ProcessState {
        if self.names().is_none() {
            return process;
        }
        ProcessState {
            exit: process.exit,
            finished: process.finished,
            since: process.since,
            lives: process.lives,
            port: process.port,
            color: process.color,
            ready: process.ready,
            output_bytes: process.output_bytes,
            ..ProcessState::new(process.name, process.state, process.pid)
        }
    }
}

/// The rights of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// What may be done.
    pub(super) role: Role,
    /// What may be seen.
    #[serde(default)]
    pub(super) scope: Scope,
    /// When they end; `None` if only the session does.
    #[serde(default)]
    pub(super) until: Option<Timestamp>,
}

impl Grant {
    /// The rights of the user who started the server.
    pub(super) const OWNER: Self = Self { role: Role::Admin, scope: Scope::All, until: None };
}
