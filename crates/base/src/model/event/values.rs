//! The values of events.

use serde::{Deserialize, Serialize};

use super::Skip;
use super::words::list;
use crate::model::units::{limit, processes};
use crate::model::{Exit, ProcName};

/// Where the run can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The name of its tmux socket.
    #[error("Tmux socket name: {0}")]
    TmuxSocket(String),
    /// The name of its tmux session.
    #[error("Tmux session ID: {0}")]
    TmuxSession(String),
    /// Its control socket.
    #[error("Listening at {0}")]
    Listening(String),
}

/// What a new supervisor reports after it has taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Adoption {
    /// This many processes are running.
    #[error("The supervisor was killed; a new one goes on with {}", processes(*.0, ""))]
    Living(usize),
    /// Something could not be taken over; the text is for users.
    #[error("{0}")]
    Note(String),
}

/// Summary of a crash report.
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

/// Why the run as a whole failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RunProblem {
    /// A process that the start needs will not come up.
    #[error("The start failed: {0}")]
    Start(Skip),
    /// A process could not be started.
    #[error("The start failed: {on} could not be started: {why}")]
    NotStarted { on: ProcName, why: String },
    /// A process of the cleanup failed.
    #[error("The cleanup failed: {on} ended with {}", exit.describe())]
    CleanupEnded {
        on: ProcName,
        /// How it ended.
        exit: Exit,
    },
    /// A process of the cleanup took too long.
    #[error("The cleanup failed: {on} has not ended within {}", limit(*limit_ms))]
    CleanupOverdue {
        on: ProcName,
        /// The time limit.
        limit_ms: u64,
    },
}

/// Why a hook did not have its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookProblem {
    Failed(String),
    /// Some hooks were still running at the end of the run and were killed.
    Late {
        /// Number of hooks.
        count: usize,
        /// The time limit.
        seconds: u64,
    },
}

/// Processes that take long to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStop {
    pub processes: Vec<Slow>,
    /// Seconds until SIGKILL.
    pub kill_in_s: u64,
    /// What kills them sooner; `None` if repeating the request would not.
    pub sooner: Option<Sooner>,
}

/// A process that takes long to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    pub process: ProcName,
    /// Its main process; `None` if only descendants remain.
    pub pid: Option<u32>,
}

/// What a user can do to kill processes that take long to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sooner {
    StopAgain,
    RestartAgain,
    /// `tmo kill`: everything is stopping, but not at a user's request that could be repeated.
    Kill,
    /// Press Ctrl-C again, or `tmo kill`.
    CtrlCAgain,
}

/// Problems in the parts of tmo that serve a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Its output cannot be read.
    #[error("its output can't be read: {0}")]
    Unread(String),
    /// Its life file cannot be read.
    #[error("its life file: {0}")]
    LifeFile(String),
    /// Its output cannot be searched for patterns.
    #[error("its output can't be searched: {0}")]
    Unsearched(String),
    /// It prints faster than its output can be searched, so part of the output is skipped.
    #[error("Its output comes too fast to be searched for patterns: part of it is skipped")]
    NotKeptUp,
    /// Part of its output was not searched.
    #[error("{bytes} bytes of its output were not searched for patterns")]
    Skipped {
        /// How many bytes.
        bytes: u64,
    },
    /// Searching some of its lines for a pattern would take too long.
    #[error(
        "It takes too long to look for `{pattern}` in some of its lines, so these are not searched for it; counted repetitions such as {{100}} make a pattern slow"
    )]
    SlowPattern { pattern: String },
    /// tmux cannot pipe its output.
    #[error("its output can't be piped: {0}")]
    NotPiped(String),
    /// No sink is reading its output.
    #[error("its output can't be recorded: {0}")]
    NotTaken(String),
    /// The pipe to its sink broke, so output may be missing.
    #[error("Its pipe was broken: output may be missing here")]
    PipeBroken,
    /// A signal could not be sent.
    #[error("Can't send it signal {signal}: {why}")]
    NotSignalled { signal: i32, why: String },
    /// Its shim did not react and was killed.
    #[error("Its shim does not carry out a request: killed the shim")]
    ShimDeaf,
    /// Processes were left running.
    #[error("Left running: {}", list(.0))]
    LeftRunning(Vec<String>),
    /// A message from the shim, a check or a stop command, shown unchanged.
    #[serde(untagged)]
    #[error("{0}")]
    Text(String),
}
