//! The roles of users and programs at the page.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The permissions of a user on the page.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at states, logs and terminals.
    Read,
    /// Also start, stop and restart processes.
    Operate,
    /// Everything, including typing into terminals.
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
