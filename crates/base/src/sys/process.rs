//! Processes as the kernel shows them.

use std::path::Path;

use crate::model::{Exit, ProcessId};

/// One process of the process table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcInfo {
    pub pid: u32,
    /// Its parent.
    pub ppid: u32,
    pub pgid: u32,
    /// Its session.
    pub sid: u32,
    /// The kernel's state letter (`R`, `S`, `D`, `T`, `Z` …).
    pub state: char,
    pub threads: u32,
    /// Start time in the kernel's own unit; unique together with the pid.
    pub start_time: u64,
    /// The name it gives itself.
    pub comm: String,
    /// Base name of its executable, or [`ProcInfo::comm`] where that is not visible.
    pub name: String,
}

/// The listener on a TCP port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The process, if it is visible: another user's may not be.
    pub process: Option<ProcInfo>,
}

/// The other end of a TCP connection of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpPeer {
    /// A process holds the socket.
    Open {
        /// User id of its owner.
        owner: u32,
    },
    /// No process holds the socket any more, so its owner is unknown.
    Closed,
    /// The system does not provide it.
    Unknown,
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    /// Its bytes in the buffer.
    pub length: usize,
    /// The process that has sent it, if the kernel has named it.
    pub sender: Option<u32>,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time, in user mode and in the kernel.
    pub cpu: std::time::Duration,
    /// Resident memory in bytes. Shared memory counts for each process that shares it.
    pub resident: u64,
}

impl ProcInfo {
    /// Whether it can still run code. A process whose main thread has ended is shown as a zombie too, but
    /// lives as long as it has other threads.
    pub fn alive(&self) -> bool {
        match self.state {
            'Z' => self.threads > 1,
            'X' | 'x' => false,
            _ => true,
        }
    }

    /// Whether it has the name of this program, cut to 15 bytes as the kernel does.
    pub fn is_named_after(&self, program: &Path) -> bool {
        let name = program.file_name().map(std::ffi::OsStr::as_encoded_bytes);
        name.is_some_and(|name| name[..name.len().min(15)] == *self.name.as_bytes())
    }

    /// Whether it only waits to be scheduled: after SIGKILL it ends as soon as it is.
    pub const fn waits_for_processor(&self) -> bool {
        self.state == 'R'
    }

    /// Whether it has been stopped (SIGSTOP, SIGTSTP).
    pub const fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Which process it is.
    pub const fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start: self.start_time }
    }
}

impl ProcessId {
    /// The process that has this pid now.
    pub fn now(pid: u32) -> Option<Self> {
        super::start_time(pid).map(|start| Self { pid, start })
    }

    /// What is known of it, if it is there.
    pub fn info(self) -> Option<ProcInfo> {
        super::info(self.pid).filter(|process| process.start_time == self.start)
    }
}

/// A system call that this system refuses to this process.
#[derive(Debug, thiserror::Error)]
#[error(
    "this system refuses the system call `{name}` ({}); a container's seccomp profile may forbid it",
    super::why(error)
)]
pub struct RefusedCall {
    pub name: &'static str,
    /// The error that it returns.
    pub error: std::io::Error,
    /// What tmo does without it; `None` if nothing can run without it.
    pub instead: Option<&'static str>,
}

/// How a child ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildExit {
    /// Exit status or signal.
    pub exit: Exit,
    /// CPU time in user mode, its waited-for children included, microseconds.
    pub user_us: u64,
    /// The same in the kernel.
    pub system_us: u64,
    /// Largest resident set, KiB.
    pub max_rss_kib: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::ProcInfo;

    /// A living process in a group of its own.
    pub(crate) fn process(pid: u32, parent: u32, session: u32, name: &str) -> ProcInfo {
        ProcInfo {
            pid,
            ppid: parent,
            pgid: pid,
            sid: session,
            state: 'S',
            threads: 1,
            start_time: u64::from(pid) * 10,
            comm: name.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_zombie_with_threads_lives() {
        let mut some = process(5, 1, 5, "x");
        assert!(some.alive());
        some.state = 'Z';
        assert!(!some.alive());
        some.threads = 2;
        assert!(some.alive());
    }
}
