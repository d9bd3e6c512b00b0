//! A process as it appears in the process table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process among the descendants of a shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Process id.
    pub pid: u32,
    /// Short name of the executable.
    pub name: String,
    /// State letter of the kernel (`S`, `D`, `Z` …).
    pub state: char,
}

impl fmt::Display for Member {
    /// `node (pid 13, state D)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}, state {})", self.name, self.pid, self.state)
    }
}
