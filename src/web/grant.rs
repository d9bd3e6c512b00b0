//! What a session may do: a role, and what it may see.

use serde::{Deserialize, Serialize};

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// Look at states, logs and terminals.
    Read,
    /// Also start, stop and restart processes.
    Operate,
    /// Everything that the user could do in a terminal.
    Admin,
}

impl Role {
    /// All roles, the least first.
    #[cfg(test)]
    pub(super) const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// Its name.
    pub(super) const fn word(self) -> &'static str {
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

/// The rights of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    /// What may be done.
    pub(super) role: Role,
    /// What may be seen.
    #[serde(default)]
    pub(super) scope: Scope,
}

impl Grant {
    /// The rights of the user who started the server.
    pub(super) const OWNER: Self = Self { role: Role::Admin, scope: Scope::All };
}
