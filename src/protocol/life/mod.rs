//! The life file: what happened to a pane's process, in order, written by the shim.
//!
//! Append-only JSON lines, mode 0600, one per event, numbered from 1 without gaps for as long as
//! the run lasts, over all shims of the pane. A line is written by one `write` call, before the
//! marker of the same number goes to the terminal. A last line without its newline is torn (the
//! shim was killed while writing it, or the disk was full); who goes on spoils it, should it lack
//! nothing else, and ends it, and it is skipped.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use serde::{Deserialize, Serialize};

use crate::model::member::Member;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, is_default};
pub use reader::{LifeReader, Lines, Traces};
pub use writer::LifeWriter;

/// One line of a life file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Sequence number, from 1.
    pub seq: u64,
    /// When, nanoseconds since the Unix epoch.
    pub at: Timestamp,
    /// Of a marked event: what distinguishes its marker from all that could be printed before it
    /// was written down here. 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: u32,
    /// What.
    #[serde(flatten)]
    pub event: LifeEvent,
}

/// What can happen to a pane's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LifeEvent {
    /// A shim is there, its signal handlers are installed: the doorbell may be rung.
    Up {
        /// The shim's process id.
        pid: u32,
        /// Its start time in the kernel's own unit, to know it again.
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
        /// Number of the life.
        life: LifeId,
        /// The main child, also its process group.
        pid: u32,
        /// Its start time.
        start_time: u64,
        /// Nonce of this life's markers, 16 hex digits.
        nonce: String,
    },
    /// The terminal is gone: somebody closed the window, or tmux died. The tree is being ended.
    Hangup {},
    /// The stop signal was sent.
    Stopping {
        /// Number of the life.
        life: LifeId,
        /// Which signal.
        signal: i32,
    },
    /// The grace period is over: SIGKILL to whatever is left.
    Killing {
        /// Number of the life.
        life: LifeId,
    },
    /// The main child ended. Marked: everything it printed comes before the marker.
    Exit {
        /// Number of the life.
        life: LifeId,
        /// How.
        exit: Exit,
        /// Why it never became the command, where `execve` failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// CPU time spent in user mode by it and its waited-for children, microseconds.
        user_us: u64,
        /// The same in the kernel.
        system_us: u64,
        /// Largest resident set, KiB.
        max_rss_kib: u64,
    },
    /// It ended by itself and left these behind; they are being ended.
    Leftovers {
        /// Number of the life.
        life: LifeId,
        /// Who.
        members: Vec<Member>,
    },
    /// Nothing is left of this life but what is spared. Marked.
    End {
        /// Number of the life.
        life: LifeId,
        /// Left alone on purpose (a tmux server, ssh-agent …).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        spared: Vec<Member>,
    },
    /// SIGKILL did not empty the tree in time.
    Stuck {
        /// Number of the life.
        life: LifeId,
        /// What is still there.
        members: Vec<Member>,
    },
    /// The marker of this event could not be written: nobody need wait for it.
    Unmarked {
        /// Sequence number of that event.
        of: u64,
        /// Because the terminal is gone: what was printed before may still be on its way, and
        /// nothing comes behind it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
    },
    /// The shim goes; nothing follows from it.
    Down {},
    /// Told to stop before it had begun this life: it will not begin it any more.
    Skipped {
        /// Number of the life.
        life: LifeId,
    },
    /// The shim could not do what the spec says.
    Trouble {
        /// What and why.
        message: String,
    },
}

impl LifeEvent {
    /// Whether a marker with this event's number follows in the output.
    pub const fn marked(&self) -> bool {
        matches!(self, Self::Start { .. } | Self::Exit { .. } | Self::End { .. })
    }
}
