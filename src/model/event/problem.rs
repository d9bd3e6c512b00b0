//! Reasons why a process is not in the expected state.
//!
//! Each is stored with its values in events and in the saved state. A plain string instead of the values
//! comes from version 0.1.0.

use serde::{Deserialize, Serialize};

use crate::model::member::Member;
use crate::model::rules::Probe;
use crate::model::{Exit, ProcName};

/// Why a process counts as failed, or will not become ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Problem {
    /// It printed a line that matches a failure pattern.
    Printed {
        /// The line.
        line: String,
    },
    /// It failed its liveness check.
    NotLive {
        /// The check.
        probe: Probe,
        /// The result of the last attempt.
        answer: String,
    },
    /// It failed too many times in a row.
    Failed {
        /// Number of consecutive failures.
        times: u32,
        /// The last failure.
        last: Box<Self>,
    },
    /// It has ended.
    Ended {
        /// How it ended.
        exit: Exit,
        /// Number of consecutive ends, if counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// It did not pass a readiness check in time.
    TimedOut {
        /// The check.
        probe: Probe,
        /// The time limit.
        within_ms: u64,
        /// The result of the last attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    /// A text written by version 0.1.0.
    #[serde(untagged)]
    Text(String),
}

/// Why a process was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Skip {
    /// It needs a process that will not come up.
    Needs {
        /// The other process.
        on: ProcName,
        /// Why the other process will not come up.
        why: Box<Unavailable>,
    },
    /// A text written by version 0.1.0.
    Text(String),
}

/// Why a process that another one waits for will not come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// It was skipped itself.
    Skipped(Skip),
    /// It is broken.
    Broken(Problem),
    /// It was not ready in time.
    NotReady(Problem),
    /// SIGKILL has not ended it.
    Stuck,
    /// A user has stopped it.
    Stopped,
    /// It has ended.
    Ended(Exit),
    /// It is not running; the reason may be known.
    Idle(Option<Box<Note>>),
}

/// Details of the state of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// It is running but fails its liveness check.
    NotLive {
        /// The check.
        probe: Probe,
        /// The result of the last attempt.
        answer: String,
    },
    /// It has failed and is not restarted automatically.
    Broken(Problem),
    /// It is not started because a process that it needs will not come up.
    Skipped(Skip),
    /// SIGKILL has not ended these of its processes.
    Stuck(Vec<Member>),
    /// Its shim is gone.
    ShimGone(ShimGone),
    /// Its command cannot be executed.
    NotRun(Exit),
    /// Its installation has failed.
    NotInstalled(InstallProblem),
    /// A message from elsewhere, shown unchanged.
    #[serde(untagged)]
    Text(String),
}

/// Why an installation has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum InstallProblem {
    /// The install command failed.
    Ended {
        /// How it ended.
        exit: Exit,
    },
    /// It exceeded its time limit.
    TimedOut {
        /// The time limit.
        limit_ms: u64,
    },
    /// It was stopped by a request.
    Interrupted,
}

/// What remains of a process whose shim is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShimGone {
    /// Its shims repeatedly ended before they could start the process.
    BeforeBegin,
    /// The shim was killed; `left` are the processes of its tree that are still alive.
    Killed {
        /// Processes that survived SIGKILL.
        left: Vec<Member>,
    },
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
    /// The process that it needs, if known.
    pub const fn needs(&self) -> Option<&ProcName> {
        match self {
            Self::Needs { on, .. } => Some(on),
            Self::Text(_) => None,
        }
    }

    /// The process that was not ready in time, if that is the reason. To start what was skipped does not help
    /// then.
    pub fn late(&self) -> Option<&ProcName> {
        let Self::Needs { on, why } = self else { return None };
        if let Unavailable::Skipped(skip) = &**why {
            return skip.late();
        }
        matches!(&**why, Unavailable::NotReady(Problem::TimedOut { .. })).then_some(on)
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
