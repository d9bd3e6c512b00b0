//! What identifies a process of the system.

use serde::{Deserialize, Serialize};

/// Exactly one process: its pid may be used again after its end. Stored as the list `[pid, start]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u64)", into = "(u32, u64)")]
pub struct ProcessId {
    /// Its pid.
    pub pid: u32,
    /// When it started, in the kernel's own unit.
    pub start: u64,
}

impl From<(u32, u64)> for ProcessId {
    fn from((pid, start): (u32, u64)) -> Self {
        Self { pid, start }
    }
}

impl From<ProcessId> for (u32, u64) {
    fn from(id: ProcessId) -> Self {
        (id.pid, id.start)
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessId;

    #[test]
    fn it_is_stored_as_a_list() {
        let id = ProcessId { pid: 7, start: 99 };
        assert_eq!(serde_json::to_string(&id).unwrap(), "[7,99]");
        assert_eq!(serde_json::from_str::<ProcessId>("[7,99]").unwrap(), id);
    }
}
