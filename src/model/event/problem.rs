//! Why a process is not as it should be.
//!
//! Each of these is stored with its values in events and in the saved state. A plain text in its
//! place comes from version 0.1.0.

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
    /// It did not pass its liveness check.
    NotLive {
        /// The check.
        probe: Probe,
        /// The answer to the last attempt.
        answer: String,
    },
    /// It has failed too often.
    Failed {
        /// How often in a row.
        times: u32,
        /// The last time.
        last: Box<Self>,
    },
    /// It has ended.
    Ended {
        /// How.
        exit: Exit,
        /// How often in a row, where that is counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// It has not passed a readiness check in time.
    TimedOut {
        /// The check.
        probe: Probe,
        /// The time it had.
        within_ms: u64,
        /// The answer to the last attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    /// In the words of version 0.1.0.
    #[serde(untagged)]
    Text(String),
}

/// Why a process was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Skip {
    /// It needs a process that won't come up.
    Needs {
        /// That process.
        on: ProcName,
        /// Why it won't.
        why: Box<Unavailable>,
    },
    /// In the words of version 0.1.0.
    Text(String),
}

/// Why a process that another one waits for won't come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// It was skipped itself.
    Skipped(Skip),
    /// It is broken.
    Broken(Problem),
    /// It was not ready in time.
    NotReady(Problem),
    /// SIGKILL does not end it.
    Stuck,
    /// A user has stopped it.
    Stopped,
    /// It has ended.
    Ended(Exit),
    /// It does not run, perhaps for a known reason.
    Idle(Option<Box<Note>>),
}

/// What the state of a process says beside its word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// It runs, but does not pass its liveness check.
    NotLive {
        /// The check.
        probe: Probe,
        /// The answer to the last attempt.
        answer: String,
    },
    /// It has failed and is not restarted automatically.
    Broken(Problem),
    /// It does not run, because a process that it needs won't come up.
    Skipped(Skip),
    /// SIGKILL did not end these of its processes.
    Stuck(Vec<Member>),
    /// Its shim is gone.
    ShimGone(ShimGone),
    /// Its command can't be run.
    NotRun(Exit),
    /// A message from elsewhere, shown as it is.
    #[serde(untagged)]
    Text(String),
}

/// What is left of a process whose shim is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShimGone {
    /// The shims ended before they could begin the process, again and again.
    BeforeBegin,
    /// The shim was killed; of its processes these are still alive.
    Killed {
        /// Those that SIGKILL did not end.
        left: Vec<Member>,
    },
}

impl Note {
    /// The check that is not passed, where that is known.
    pub fn probe(&self) -> Option<&Probe> {
        match self {
            Self::NotLive { probe, .. } => Some(probe),
            Self::Broken(why) => why.probe(),
            Self::Skipped(_)
            | Self::Stuck(_)
            | Self::ShimGone(_)
            | Self::NotRun(_)
            | Self::Text(_) => None,
        }
    }
}

impl Skip {
    /// The process that it needs, where that is known.
    pub const fn needs(&self) -> Option<&ProcName> {
        match self {
            Self::Needs { on, .. } => Some(on),
            Self::Text(_) => None,
        }
    }
}

impl Problem {
    /// The check that was not passed, where that is known.
    pub fn probe(&self) -> Option<&Probe> {
        let (Self::TimedOut { probe, .. } | Self::NotLive { probe, .. }) = self.root() else {
            return None;
        };
        Some(probe)
    }

    /// The last of several failures.
    pub fn root(&self) -> &Self {
        if let Self::Failed { last, .. } = self { last.root() } else { self }
    }
}
