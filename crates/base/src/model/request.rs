//! Requests of clients and answers of the supervisor, the same for every transport.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plan::{AfterInstall, Plan};
use super::signal::SignalName;
use super::{Exit, ProcName, Untrusted};
use crate::model::StreamNo;

/// A second stop request within this time counts as the same request: `timeout` and other wrappers send two
/// signals, keys repeat, and two scripts may request the same stop.
pub const SAME_REQUEST: Duration = Duration::from_millis(300);

/// An action that a client requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Request {
    /// Start these processes, unless they are running.
    Start {
        /// Names, globs or entries; empty means all.
        names: Vec<String>,
        /// The order in which that is done.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Stop these processes and leave them stopped.
    Stop {
        /// Names, globs or entries; empty means all.
        names: Vec<String>,
        /// The order in which that is done.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Stop these processes, then start them again.
    Restart {
        /// Names, globs or entries; empty means all.
        names: Vec<String>,
        /// The order in which that is done.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Run an action. Refused while it runs, so the outcome is that of the life that this request begins.
    Act {
        /// The full name of its process.
        name: String,
        /// Whether the user has confirmed it, as `confirm = true` requires.
        confirmed: bool,
    },
    /// Install a process that does not run.
    Install {
        /// Its full name.
        name: String,
        /// The next step.
        then: AfterInstall,
    },
    /// Send a signal to the process groups of these processes.
    Signal {
        /// The signal.
        signal: SignalName,
        /// Names, globs or entries; empty means all.
        names: Vec<String>,
    },
    /// Have changed files restart these processes, or not.
    Watch {
        /// Names, globs or entries; empty means all that are watched.
        names: Vec<String>,
        /// Whether they do.
        on: bool,
    },
    /// Note that a lazy process is in use, so that it is not stopped as idle.
    Use {
        /// Its full name.
        name: String,
    },
    /// Run exactly this many instances of entries of the Procfile.
    Scale {
        /// Number of instances by entry.
        counts: BTreeMap<String, u16>,
    },
    /// Continue with this configuration and apply its changes.
    Reload {
        /// The newly resolved plan, with the run id and generation of the plan that it replaces.
        plan: Box<Plan>,
    },
    /// Stop everything and end the run; if repeated, without further grace.
    Quit,
    /// SIGKILL everything and end the run.
    Kill,
    /// The size of the terminal that shows the log has changed.
    Resize {
        /// Columns of a pane.
        columns: u16,
        /// Rows of a pane.
        rows: u16,
    },
}

/// The order in which the processes of a request are stopped and started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeOrder {
    /// Dependents stop first, and start after what they need.
    #[default]
    Dependencies,
    /// All at once; nothing else is started.
    Unordered,
    /// As in overmind: all at once, including what was stopped or has completed.
    Overmind,
}

/// Version of the format of requests and answers, which each answer contains as `api`. It is incremented
/// only when a client of the previous version would misinterpret an answer.
pub const API: u32 = 1;

/// The outcome of a request, told when the thing is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// Whether all of it was done.
    pub ok: bool,
    /// One line per process that failed, or the reason of a refusal.
    #[schema(value_type = Vec<String>)]
    pub problems: Vec<Untrusted>,
    /// The processes it was about.
    pub names: Vec<ProcName>,
    /// Processes that were skipped, and wait again because their dependency is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub following: Vec<ProcName>,
    /// A word that matched no process, with the nearest name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Unknown>,
    /// How a one-shot process has ended, if the request was to run one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
}

/// The result of clearing the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Cleared {
    /// Bytes on disk that are free again.
    pub freed: u64,
    /// Bytes on disk that the log still takes: its index, and what was printed meanwhile.
    pub kept: u64,
    /// Where cleared output may still be, for people.
    #[serde(default)]
    pub stays: Vec<String>,
}

/// A name that no process has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unknown {
    /// What was asked for.
    #[schema(value_type = String)]
    pub name: Untrusted,
    /// The nearest existing name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub nearest: Option<Untrusted>,
    /// All names there are.
    #[schema(value_type = Vec<String>)]
    pub known: Vec<Untrusted>,
}

/// The current end of the journal: all that a view needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// Number of records in the merged index.
    pub records: u64,
    /// Unfinished lines: stream, first byte, end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partials: Vec<Partial>,
    /// Everything is being stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
}

/// A line whose newline has not come yet (a prompt, a progress bar).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partial {
    /// Number of the stream.
    #[schema(value_type = u16)]
    pub stream: StreamNo,
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset behind its last byte.
    pub end: u64,
}

impl Outcome {
    /// Everything was done.
    pub fn done(names: Vec<ProcName>) -> Self {
        Self { ok: true, names, ..Self::default() }
    }

    /// Nothing was done, with the reason.
    pub fn refused(problem: String) -> Self {
        Self { problems: vec![problem.into()], ..Self::default() }
    }
}
