//! How a run ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::nanos;
use super::{Exit, ProcName, is_default};

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// The exit code of the whole run.
    pub code: u8,
    /// The process that ended first without being told to, and so stopped everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<Culprit>,
    /// The process that the exit code comes from, if it is not 0 and comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decider: Option<Decider>,
    /// It ended because all its processes had completed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub completed: bool,
    /// The processes that had ended by themselves, as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<ProcName>,
    /// The processes that were to start and had not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<ProcName>,
    /// The processes that had failed again and again, and were not stable yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Failing>,
}

impl End {
    /// Why, to follow "the run"; `None` if no process was the reason.
    pub fn reason(&self) -> Option<String> {
        if self.completed {
            return Some("ended because all its processes had completed".to_owned());
        }
        let Culprit { name, exit, .. } = self.culprit.as_ref()?;
        Some(format!("ended because {name} {} {}", exit.verb(), exit.describe()))
    }
}

/// A process that had failed again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failing {
    /// Its name.
    pub name: ProcName,
    /// How often in a row.
    pub times: u32,
}

/// The process that the exit code of a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decider {
    /// Its name.
    pub name: ProcName,
    /// How it ended.
    pub exit: Exit,
    /// It was asked to stop because another process had ended with success.
    pub interrupted: bool,
}

/// The process whose end made everything stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Culprit {
    /// Its name.
    pub name: ProcName,
    /// How it ended.
    pub exit: Exit,
    /// How long it had run, nanoseconds.
    #[serde(rename = "ran_ns", with = "nanos")]
    #[schema(value_type = u64)]
    pub ran: Duration,
    /// Why, in a sentence, if that could be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}
