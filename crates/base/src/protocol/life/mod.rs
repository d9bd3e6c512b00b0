//! The life file: what happened to a pane's process, in order, written by the shim.
//!
//! Append-only JSON lines, mode 0600, one per event. The sequence numbers start at 1 and continue
//! without gaps for the whole run, over all shims of the pane. Each line is written by one `write`
//! call, before the marker of the same number goes to the terminal. A last line without its newline
//! is torn (the shim was killed while writing it, or the disk was full). The next writer appends `#`
//! and a newline, so that it is invalid even if only the newline was missing; readers skip it.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use serde::{Deserialize, Serialize};

use crate::model::ids::Member;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, is_default};
pub use reader::{LifeReader, Lines, Traces};
pub use writer::LifeWriter;

/// One line of a life file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeEntry {
    /// Sequence number, from 1.
    pub seq: u64,
    /// The time of the event, nanoseconds since the Unix epoch.
    pub at: Timestamp,
    /// For a marked event: a random number that makes its marker different from anything printed
    /// before this entry was written. 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: u32,
    #[serde(flatten)]
    pub event: LifeEvent,
}

/// What can happen to a pane's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LifeEvent {
    /// A shim has started and installed its signal handlers: from now on it may be sent SIGUSR1.
    Up {
        /// The shim's process id.
        pid: u32,
        /// Its start time in the kernel's unit; together with the pid it identifies the process.
        start_time: u64,
        /// The tmux pane (`%3`).
        pane: String,
        /// The terminal device.
        tty: String,
        /// Version of the program.
        version: String,
    },
    /// A life began: the child has been forked. Marked.
    Start {
        life: LifeId,
        /// The main child, also its process group.
        pid: u32,
        start_time: u64,
        /// Nonce of this life's markers, 16 hex digits.
        nonce: String,
    },
    /// The terminal is gone: the window was closed, or tmux died. The process tree is being ended.
    Hangup {},
    /// The stop signal was sent.
    Stopping { life: LifeId, signal: i32 },
    /// The grace period is over: everything left gets SIGKILL.
    Killing { life: LifeId },
    /// The main child ended. Marked: all its output precedes the marker.
    Exit {
        life: LifeId,
        /// Its exit status.
        exit: Exit,
        /// Why the command could not be executed, if `execve` failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// CPU time spent in user mode by it and the children it has waited for, microseconds.
        user_us: u64,
        /// The same in kernel mode.
        system_us: u64,
        /// Largest resident set, KiB.
        max_rss_kib: u64,
    },
    /// It has reported that it is ready.
    Ready { life: LifeId },
    /// Its watchdog was not fed in time, or is fed again.
    Watchdog {
        life: LifeId,
        /// Whether it is fed.
        fed: bool,
    },
    /// These processes are being ended besides the main child: all that it left behind when it ended by
    /// itself, or those that were not in its group when it was stopped.
    Leftovers {
        life: LifeId,
        /// The processes.
        members: Vec<Member>,
    },
    /// Nothing is left of this life except spared processes. Marked.
    End {
        life: LifeId,
        /// Processes left alone on purpose (a tmux server, ssh-agent …).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spared: Vec<Member>,
    },
    /// SIGKILL did not empty the tree in time.
    Stuck {
        life: LifeId,
        /// The processes that are left.
        members: Vec<Member>,
    },
    /// The marker of this event could not be written: readers must not wait for it.
    Unmarked {
        /// Sequence number of that event.
        of: u64,
        /// Whether that was because the terminal is gone. Earlier output may still be on its way, but
        /// nothing follows it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
    },
    /// The shim exits; this is its last entry.
    Down {},
    /// The shim was told to stop before it began this life, or could not begin it. It never will.
    Skipped { life: LifeId },
    /// The shim could not carry out its spec.
    Trouble {
        /// What failed, and why.
        message: String,
    },
}

impl LifeEvent {
    /// Whether a marker with this event's number follows in the output.
    pub const fn marked(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Exit { .. } | Self::End { .. })
    }
}
