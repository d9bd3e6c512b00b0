//! What may have led to an end.

use serde::{Deserialize, Serialize};

/// The causes of an end, the surest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diagnosis {
    /// All that were found.
    pub causes: Vec<Cause>,
}

impl Diagnosis {
    /// The one that explains the end best.
    pub fn first(&self) -> Option<&Cause> {
        self.causes.first()
    }
}

/// Something that may have led to an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What kind of thing.
    pub kind: Kind,
    /// How surely this is it.
    pub certainty: Certainty,
    /// A sentence for people, without a full stop.
    pub text: String,
    /// What shows it.
    pub evidence: Option<Clue>,
    /// Where in the project: `app/main.py:12`.
    pub place: Option<String>,
    /// What to type next.
    pub next: Option<String>,
}

/// Kinds of causes; later versions may have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Another process ended first, and tmo stopped this one.
    StoppedWithOther,
    /// Somebody had tmo stop it.
    StoppedByRequest,
    /// It printed what means that it has failed.
    FailurePattern,
    /// What it needs did not come so far.
    DependencyNotReady,
    /// It did not become ready in time.
    ReadinessTimedOut,
    /// It did not answer any more.
    NotLive,
    /// A command that there is not.
    CommandNotFound,
    /// A shared library that there is not.
    LibraryNotFound,
    /// A file that can't be run.
    NotExecutable,
    /// The shell does not understand the command.
    BadSyntax,
    /// Somebody else listens where it wanted to.
    PortTaken,
    /// Nobody listens where it wanted to connect.
    ConnectionRefused,
    /// Memory ran out.
    OutOfMemory,
    /// A module or package that there is not.
    MissingModule,
    /// A file that there is not.
    MissingFile,
    /// A variable that is not set.
    MissingVariable,
    /// An exception, a panic.
    Exception,
    /// An error that it logged.
    LoggedError,
    /// A signal.
    Signal,
    /// It exited with code 0, but was expected to keep running.
    EndedEarly,
    /// Nothing but its exit code.
    ExitCode,
    /// A kind of a later version.
    #[serde(other)]
    Other,
}

/// How surely a cause explains an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// It may be, or not.
    Possible,
    /// It is probably so.
    Likely,
    /// It is so.
    Certain,
}

/// What shows a cause: a line of the log, or something that the system said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clue {
    /// The words.
    pub text: String,
    /// When they came, RFC 3339, if they are of the log.
    pub time: Option<String>,
    /// Where they stand in the log, as `tmo logs --json` has it.
    pub cursor: Option<String>,
}
