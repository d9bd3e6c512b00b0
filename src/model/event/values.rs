//! The values of events.

use serde::{Deserialize, Serialize};

use super::Skip;
use crate::model::{Exit, ProcName};

/// Where a run can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The name of its tmux socket.
    TmuxSocket(String),
    /// The name of its tmux session.
    TmuxSession(String),
    /// Its control socket.
    Listening(String),
}

/// What a new supervisor reports after it has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adoption {
    /// So many processes run.
    Living(usize),
    /// Something could not be taken over: for people.
    Note(String),
}

/// What a crash report says in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportSummary {
    /// The code with which the process exited.
    pub exit_code: Option<u8>,
    /// The signal that ended it.
    pub signal: Option<String>,
    /// When it ended.
    pub timestamp: String,
    /// The most likely cause.
    pub cause: Option<String>,
}

/// Why a run as a whole has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunProblem {
    /// A process that it needs won't come up.
    Start(Skip),
    /// A process of the cleanup has failed.
    CleanupEnded {
        /// Which.
        on: ProcName,
        /// How it ended.
        exit: Exit,
    },
    /// A process of the cleanup took too long.
    CleanupOverdue {
        /// Which.
        on: ProcName,
        /// The time it had.
        limit_ms: u64,
    },
}

/// Why a hook was of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookProblem {
    /// It failed.
    Failed(String),
    /// So many still ran at the end and were killed.
    Late {
        /// How many.
        count: usize,
        /// The time they had.
        seconds: u64,
    },
}

/// Processes that take long to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStop {
    /// Which.
    pub processes: Vec<Slow>,
    /// When SIGKILL follows.
    pub kill_in_s: u64,
    /// What kills them now; nothing where a first request would not.
    pub sooner: Option<Sooner>,
}

/// A process that takes long to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// Its name.
    pub process: ProcName,
    /// Its main process; none where only other processes of its tree are left.
    pub pid: Option<u32>,
}

/// What a user does to have processes killed that take long to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sooner {
    /// Stop them once more.
    StopAgain,
    /// Restart them once more.
    RestartAgain,
    /// `tmo kill`: everything stops, and nobody has asked for that.
    Kill,
    /// Ctrl-C once more, or `tmo kill`.
    CtrlCAgain,
}

/// What can go wrong with the apparatus of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Its output can't be read.
    Unread(String),
    /// Its life file can't be read.
    LifeFile(String),
    /// Its output can't be searched for patterns.
    Unsearched(String),
    /// It prints faster than its output can be searched, so a part of it is not.
    NotKeptUp,
    /// So much of it was not searched.
    Skipped {
        /// How many bytes.
        bytes: u64,
    },
    /// It would take too long to look for a pattern in some of its lines.
    SlowPattern {
        /// The pattern.
        pattern: String,
    },
    /// tmux does not pipe its output.
    NotPiped(String),
    /// No sink takes its output.
    NotTaken(String),
    /// Its pipe was broken, so output may be missing.
    PipeBroken,
    /// A signal could not be sent.
    NotSignalled {
        /// Which.
        signal: i32,
        /// Why.
        why: String,
    },
    /// Its shim was deaf and was killed.
    ShimDeaf,
    /// Processes were left running.
    LeftRunning(Vec<String>),
    /// A message from the shim, a check or a stop command, shown as it is.
    #[serde(untagged)]
    Text(String),
}
