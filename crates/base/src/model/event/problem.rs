//! Reasons why a process is not in the expected state.
//!
//! Each is stored with its values in events and in the saved state.

use serde::{Deserialize, Serialize};

use super::words::{behind, expected, list};
use crate::model::ids::Member;
use crate::model::plan::rules::Probe;
use crate::model::units::{in_a_row, limit};
use crate::model::{Exit, ProcName};

/// Why a process counts as failed, or will not become ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Problem {
    /// It printed a line that matches a failure pattern.
    #[error("printed `{line}`")]
    Printed { line: String },
    /// It failed its liveness check.
    #[error("does not work: {answer}")]
    NotLive {
        /// The check.
        probe: Probe,
        /// The result of the last attempt.
        answer: String,
    },
    /// It failed too many times in a row.
    #[error("failed {}, most recently it {last}", in_a_row(*times))]
    Failed {
        /// Number of consecutive failures.
        times: u32,
        /// The last failure.
        last: Box<Self>,
    },
    #[error("ended with {}{}", exit.describe(), behind(", ", times.map(in_a_row)))]
    Ended {
        /// How it ended.
        exit: Exit,
        /// Number of consecutive ends, if counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// It did not pass a readiness check in time.
    #[error("{} within {}{}", expected(probe), limit(*within_ms), behind(": ", answer.as_ref()))]
    TimedOut {
        /// The check.
        probe: Probe,
        /// The time limit.
        within_ms: u64,
        /// The result of the last attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
}

/// Why a process was skipped: it needs a process that will not come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{on} {why}")]
pub struct Skip {
    /// The other process.
    pub on: ProcName,
    /// Why the other process will not come up.
    pub why: Box<Unavailable>,
}

/// Why a process that another one waits for will not come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// It was skipped itself.
    #[error("was skipped: {0}")]
    Skipped(Skip),
    #[error("is broken: {0}")]
    Broken(Problem),
    /// It was not ready in time.
    #[error("is not ready: {0}")]
    NotReady(Problem),
    /// SIGKILL has not ended it.
    #[error("can't be ended")]
    Stuck,
    /// A user has stopped it.
    #[error("was stopped")]
    Stopped,
    #[error("ended with {}", .0.describe())]
    Ended(Exit),
    /// It is not running; the reason may be known.
    #[error("does not run{}", behind(": ", .0.as_ref()))]
    Idle(Option<Box<Note>>),
}

/// Details of the state of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// It is running but fails its liveness check.
    #[error("does not work: {answer}")]
    NotLive {
        /// The check.
        probe: Probe,
        /// The result of the last attempt.
        answer: String,
    },
    /// It has failed and is not restarted automatically.
    #[error("broken: {0}")]
    Broken(Problem),
    /// It is not started because a process that it needs will not come up.
    #[error("skipped: {0}")]
    Skipped(Skip),
    /// SIGKILL has not ended these of its processes.
    #[error("SIGKILL did not end {}", list(.0))]
    Stuck(Vec<Member>),
    #[error("{0}")]
    ShimGone(ShimGone),
    /// Its command cannot be executed.
    #[error("{}", .0.describe())]
    NotRun(Exit),
    /// Its installation has failed.
    #[error("{0}")]
    NotInstalled(InstallProblem),
    /// A message from elsewhere, shown unchanged.
    #[serde(untagged)]
    #[error("{0}")]
    Text(String),
}

/// Why an installation has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum InstallProblem {
    /// The install command failed.
    #[error("installation failed ({})", in_brackets(*exit))]
    Ended {
        /// How it ended.
        exit: Exit,
    },
    /// It exceeded its time limit.
    #[error("installation timed out after {}", limit(*limit_ms))]
    TimedOut {
        /// The time limit.
        limit_ms: u64,
    },
    /// It was stopped by a request.
    #[error("installation was interrupted")]
    Interrupted,
}

/// What remains of a process whose shim is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ShimGone {
    /// Its shims repeatedly ended before they could start the process.
    #[error("Its shim ended before the process could begin, again and again")]
    BeforeBegin,
    /// The shim was killed; `left` are the processes of its tree that are still alive.
    #[error("Its shim was killed; {}", outcome(left))]
    Killed {
        /// Processes that survived SIGKILL.
        left: Vec<Member>,
    },
}

/// `exit 3`, or `signal 9 (SIGKILL)`.
fn in_brackets(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(_) => exit.to_string(),
    }
}

/// What became of the processes of a shim.
fn outcome(left: &[Member]) -> String {
    if left.is_empty() {
        // A process that has left its session and cleared its environment cannot be found.
        return "all of its processes that could be found have been ended".to_owned();
    }
    format!("SIGKILL did not end {}", list(left))
}

impl Note {
    /// The failed check, if known.
    pub fn probe(&self) -> Option<&Probe> {
        if let Self::NotLive { probe, .. } = self {
            return Some(probe);
        }
        let Self::Broken(why) = self else { return None };
        why.probe()
    }
}

impl Skip {
    /// The process that was not ready in time, if that is the reason. To start what was skipped does not help
    /// then.
    pub fn late(&self) -> Option<&ProcName> {
        if let Unavailable::Skipped(skip) = &*self.why {
            return skip.late();
        }
        matches!(&*self.why, Unavailable::NotReady(Problem::TimedOut { .. })).then_some(&self.on)
    }
}

impl Problem {
    /// The failed check, if known.
    pub fn probe(&self) -> Option<&Probe> {
        let (Self::TimedOut { probe, .. } | Self::NotLive { probe, .. }) = self.root() else {
            return None;
        };
        Some(probe)
    }

    /// The innermost problem: the last of several failures.
    pub fn root(&self) -> &Self {
        if let Self::Failed { last, .. } = self { last.root() } else { self }
    }
}
