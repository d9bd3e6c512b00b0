//! Requests of clients and answers of the supervisor, the same for every transport.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};

use super::plan::{AfterInstall, Plan};
use super::signal::SignalName;
use super::{Exit, ProcName, Untrusted};
use crate::model::StreamNo;

/// A second stop request within this time counts as the same request: `timeout` and other wrappers send two
/// signals, keys repeat, and two scripts may request the same stop.
pub const SAME_REQUEST: Duration = Duration::from_millis(300);

/// An action that a client requests.
///
/// The comments on the variants and their fields are those of the description of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Request {
    /// Start processes that are not running.
    ///
    /// Without a body: all.
    Start {
        /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
        #[serde(default)]
        names: Vec<String>,
        /// The order in which they are stopped and started.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Stop processes and leave them stopped.
    ///
    /// Without a body: all.
    Stop {
        /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
        #[serde(default)]
        names: Vec<String>,
        /// The order in which they are stopped and started.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Stop processes, then start them again.
    ///
    /// Without a body: all.
    Restart {
        /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
        #[serde(default)]
        names: Vec<String>,
        /// The order in which they are stopped and started.
        #[serde(default)]
        order: ChangeOrder,
    },
    /// Run an action. Refused while it runs, so the outcome is that of the life that this request begins.
    Act {
        name: String,
        /// Whether the user has confirmed it, as an action with `confirm = true` requires.
        #[serde(default)]
        confirmed: bool,
    },
    /// Install a process that does not run.
    ///
    /// The request is refused if the process runs, is being installed, or has nothing to install. It is complete when
    /// the installation has succeeded.
    Install { name: String, then: AfterInstall },
    /// Send a signal to the process groups of processes.
    Signal {
        signal: SignalName,
        /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
        #[serde(default)]
        names: Vec<String>,
    },
    /// Have changed files restart these processes, or not.
    Watch {
        /// Names, patterns with `*`, or entries of the Procfile; none means all that are watched.
        #[serde(default)]
        names: Vec<String>,
        on: bool,
    },
    /// Note that a lazy process is in use, so that it is not stopped as idle.
    Use { name: String },
    /// Set the number of instances of entries of the Procfile.
    ///
    /// Missing instances are started, with names and ports as in a formation; surplus ones are stopped and
    /// removed from the run, except for the first one, which is only stopped.
    Scale {
        #[schema(schema_with = schema_of_counts)]
        counts: BTreeMap<String, u16>,
    },
    /// Switch to a new plan, and apply its changes.
    ///
    /// `tmo reload` asks for this when it has read the configuration again. Other clients should run that
    /// command: only the program that runs here can make a plan.
    Reload {
        /// The newly resolved plan, with the run id and generation of the plan that it replaces.
        #[schema(schema_with = schema_of_plan)]
        plan: Box<Plan>,
    },
    /// Stop everything and end the run; a second call does so without further grace.
    Quit,
    /// SIGKILL everything and end the run.
    Kill,
    /// Tell the panes the size of the terminal that shows the log.
    Resize {
        /// Columns of a pane.
        #[schema(minimum = 1, maximum = 65535)]
        columns: u16,
        /// Rows of a pane.
        #[schema(minimum = 1, maximum = 65535)]
        rows: u16,
    },
}

fn schema_of_counts() -> Object {
    let count = ObjectBuilder::new().schema_type(Type::Integer);
    let count = count.minimum(Some(0)).maximum(Some(u16::MAX));
    let text = "By entry of the Procfile; entries that are not named stay as they are.";
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(Schema::from(count)))
        .description(Some(text))
        .examples([json!({ "worker": 3 })])
        .build()
}

/// The properties of a plan depend on the version.
fn schema_of_plan() -> Object {
    let text = "The configuration as `tmo reload` has read and resolved it, addressed to this very run. \
        Its contents are private to the version that made it, and may differ in each.";
    ObjectBuilder::new().schema_type(Type::Object).description(Some(text)).build()
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
