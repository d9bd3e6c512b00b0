//! Possible causes of an end.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::ProcName;

/// A possible cause of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// The kind of cause: `port-taken`, `exception` …; later versions may have more.
    #[schema(value_type = String)]
    pub kind: CauseKind,
    /// How certain it is: `certain`, `likely` or `possible`.
    #[schema(value_type = String)]
    pub certainty: Certainty,
    /// A sentence for people, without a full stop.
    pub text: String,
    /// The evidence for it.
    pub evidence: Option<Clue>,
    /// The place in the project: `app/main.py:12`.
    pub place: Option<String>,
    /// A command to type next.
    pub next: Option<String>,
    /// The change to `tmo.toml` that `tmo why --fix` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// A change to `tmo.toml`: a process waits until another one listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// The other process.
    #[schema(value_type = String)]
    pub depends_on: ProcName,
    /// Its port; null if it is its PORT.
    pub port: Option<u16>,
}

impl Cause {
    /// A cause that is certain, without evidence and place.
    pub fn certain(kind: CauseKind, text: String, next: Option<String>) -> Self {
        Self {
            kind,
            certainty: Certainty::Certain,
            text,
            evidence: None,
            place: None,
            next,
            fix: None,
        }
    }
}

/// Kinds of causes; later versions may have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// Another process ended first, and tmo stopped this one.
    StoppedWithOther,
    /// A user or client had tmo stop it.
    StoppedByRequest,
    /// It printed a failure pattern.
    FailurePattern,
    DependencyNotReady,
    /// It did not become ready in time.
    ReadinessTimedOut,
    /// It failed its liveness check.
    NotLive,
    /// It waits for input at a prompt.
    WaitsForInput,
    /// A command that does not exist.
    CommandNotFound,
    /// A shared library that does not exist.
    LibraryNotFound,
    /// A file that can't be executed.
    NotExecutable,
    /// A syntax error in the command.
    BadSyntax,
    /// Another process listens on its port.
    PortTaken,
    /// Nothing listens on the port it wanted to connect to.
    ConnectionRefused,
    /// Memory ran out.
    OutOfMemory,
    /// A module or package that does not exist.
    MissingModule,
    /// A file that does not exist.
    MissingFile,
    /// A variable that is not set.
    MissingVariable,
    /// An exception or a panic.
    Exception,
    LoggedError,
    /// It was ended by a signal.
    Signal,
    /// It exited with code 0, but was expected to keep running.
    EndedEarly,
    /// Nothing is known but its exit code.
    ExitCode,
    /// A kind from a later version.
    #[serde(other)]
    Other,
}

/// How certain it is that a cause explains the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Perhaps the cause.
    Possible,
    /// Probably the cause.
    Likely,
    /// Certainly the cause.
    Certain,
}

/// Evidence for a cause: a line of the log, or information from the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Clue {
    /// The text.
    pub text: String,
    /// When it was printed, RFC 3339, if it is from the log.
    pub time: Option<String>,
    /// Its place in the log, in the format of `tmo logs --json`.
    pub cursor: Option<String>,
}
