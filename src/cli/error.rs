//! Errors of commands, and their exit codes.

use std::path::{Path, PathBuf};

use super::persona::Persona;
use crate::apps::change::AppError;
use crate::backend::TerminalError;
use crate::backend::tmux::version::VersionError;
use crate::client::ClientError;
use crate::client::address::Address;
use crate::config::env::BadValue;
use crate::config::error::ConfigError;
use crate::config::failures::EditError;
use crate::config::place::dirs::DirError;
use crate::config::place::socket::{BadAddress, SOCKET};
use crate::crash::why::WhyError;
use crate::export::ExportError;
use crate::fleet::inventory::InventoryError;
use crate::fleet::names::NameError;
use crate::import::ImportError;
use crate::journal::history::HistoryProblem;
use crate::model::name::nearest;
use crate::model::plan::ProcessPlan;
use crate::model::request::Unknown;
use crate::model::{ProcName, Untrusted};
use crate::plan::PlanError;
use crate::run::dir::RuntimeDirError;
use crate::run::find::FindError;

/// The exit codes and their meanings; the man page has the same table.
pub(super) const EXIT_CODES: [(&str, &str); 10] = [
    ("0", "It is done."),
    ("1", "It has failed, in whole or in part; for check and doctor: something is wrong."),
    ("2", "The command line is wrong, or names a process that does not exist."),
    ("3", "fleet: a host did not answer. Called as overmind: there is no such command."),
    ("124", "connect, wait, start --wait: timed out."),
    ("126", "run: the command can't be run. start: a process could not be started."),
    ("127", "run: there is no such command."),
    ("129", "start, connect: the terminal is gone; the processes keep running."),
    ("130", "start: it was interrupted before the processes ran."),
    (
        "other",
        "start, wait --for exit: the highest of the processes that ended by themselves, 128 and the \
         number for a signal; what tmo has stopped counts as 0. connect: that of the process, when its \
         run ends. run: that of the command.",
    ),
];

/// A command that failed: one line for the user, and one of the codes above.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An error in Procfile, env files or `tmo.toml`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of another tool can't be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The inventory of a fleet can't be used.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A word means no host or process of the fleet, or too many.
    #[error(transparent)]
    FleetName(#[from] NameError),
    /// The project can't be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// `failure_declarations.json` was not changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// An invalid variable.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// An invalid control address.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// An invalid plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A problem with one of tmo's directories.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// A problem with tmux.
    #[error(transparent)]
    Tmux(#[from] VersionError),
    /// There is no terminal.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// `tmo app` failed.
    #[error(transparent)]
    App(#[from] AppError),
    /// The users of the web interface can't be read or changed.
    #[error(transparent)]
    WebUsers(#[from] crate::web::access::users::UsersError),
    /// The request to the supervisor failed.
    #[error(transparent)]
    Client(ClientError),
    /// There is no listener on the socket.
    #[error("{}", nothing_runs(cause, left.as_deref(), others))]
    NothingRuns {
        /// Why the socket does not answer.
        #[source]
        cause: Box<ClientError>,
        /// What is alive of a run without a supervisor.
        left: Option<String>,
        /// How the last run ended, and where other runs of this user are.
        others: String,
    },
    /// There is a socket without a listener, and it was not left by a run of this machine.
    #[error(
        "nobody listens on {0} any more; if it was forwarded (`ssh -L`), that ssh has ended, and a \
         run at the other end may still be up"
    )]
    DeadSocket(Address),
    /// A problem with the supervisor's own files.
    #[error(transparent)]
    RuntimeDir(#[from] RuntimeDirError),
    /// overmind answers, which has no such command.
    #[error("overmind runs here and can't do that")]
    OvermindCannot,
    #[error("tmo is already running here (pid {pid}): {}", what_next(stopped, flags))]
    AlreadyRunning {
        stopped: Vec<ProcName>,
        /// The supervisor.
        pid: u32,
        /// The flags that select the run.
        flags: String,
    },
    /// No process has that name.
    #[error("{}", unknown(.0))]
    Unknown(Unknown),
    /// A request was carried out only in part, or not at all.
    #[error("{}", Untrusted::join(.0, "; "))]
    Problems(Vec<Untrusted>),
    /// The start failed in the background; the words are those of the supervisor.
    #[error("{message}")]
    Start {
        /// Why.
        message: String,
        /// Exit code.
        code: u8,
    },
    /// The system refuses a call that every run makes.
    #[error("{0}")]
    Refused(crate::sys::RefusedCall),
    /// A system call failed.
    #[error("{what}: {}", crate::sys::why(source))]
    Io {
        /// The operation and its object.
        what: String,
        source: std::io::Error,
    },
    /// A value can't be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A task of this program has panicked, or was cancelled.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
    /// Any other error.
    #[error("{0}")]
    Other(String),
    /// The awaited condition has become impossible: a process has ended.
    #[error("{what}")]
    Ended {
        /// The process, and how it ended.
        what: String,
        /// Its exit code.
        code: u8,
    },
    /// The run ended before the awaited condition was met.
    #[error("the run is over: {0}")]
    Over(String),
    /// The awaited condition was not met in time.
    #[error("{what} after {limit}")]
    TimedOut {
        /// What is still missing.
        what: String,
        /// The time limit.
        limit: String,
    },
    /// An invalid value of a flag.
    #[error("{0}")]
    Usage(String),
    /// The program was not found.
    #[error("exec: \"{name}\": executable file not found in $PATH{advice}")]
    NotFound {
        /// The name as typed.
        name: String,
        /// What to do instead, after `; `; may be empty.
        advice: String,
    },
    /// The program can't be executed.
    #[error("exec: \"{name}\": {why}")]
    NotExecutable {
        /// The name as typed.
        name: String,
        why: String,
    },
    /// There is nothing to start.
    #[error("there is no Procfile in {} or above it; {hint}", dir.display())]
    NoProcfile {
        dir: PathBuf,
        /// What to do.
        hint: String,
    },
    #[error("no run has logged anything here (looked in {}); `tmo start` starts one", .0.display())]
    NoLog(PathBuf),
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        if let ClientError::Unknown(unknown) = error {
            Self::Unknown(unknown)
        } else {
            Self::Client(error)
        }
    }
}

impl From<FindError> for CliError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Config(error) => error.into(),
            FindError::Address(error) => error.into(),
            FindError::NoDirectory(_) => Self::Usage(error.to_string()),
            FindError::SeveralCommands { .. } => Self::Other(error.to_string()),
        }
    }
}

impl From<WhyError> for CliError {
    fn from(error: WhyError) -> Self {
        match error {
            WhyError::Unknown(unknown) => Self::Unknown(*unknown),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<HistoryProblem> for CliError {
    fn from(problem: HistoryProblem) -> Self {
        match problem {
            HistoryProblem::Unknown(unknown) => Self::Unknown(unknown),
            HistoryProblem::Bad(text) => Self::Usage(text),
            HistoryProblem::NoRun { .. } => Self::Other(problem.to_string()),
            HistoryProblem::Io(error) => Self::io("the journal")(error),
        }
    }
}

impl CliError {
    /// The user has ended the command before anything was asked.
    pub(super) fn interrupted() -> Self {
        Self::Other("interrupted before anything was asked of a host".to_owned())
    }

    /// The exit code of the program.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Start { code, .. } => *code,
            Self::Unknown(_)
            | Self::Usage(_)
            | Self::FleetName(_)
            | Self::Client(ClientError::Mixed { .. }) => 2,
            // The same as timeout(1).
            Self::TimedOut { .. } => 124,
            Self::NotExecutable { .. } => 126,
            Self::NotFound { .. } => 127,
            _ => 1,
        }
    }

    /// The error for an unknown name, with suggestions from these.
    pub(super) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a ProcName>) -> Self {
        Self::Unknown(nearest::unknown(name, known))
    }

    /// Fail if a word selects no process of a plan; the error names the first such word.
    pub(super) fn refuse_unknown<'a>(
        words: &[String],
        known: impl Iterator<Item = &'a ProcessPlan> + Clone,
    ) -> Result<(), Self> {
        let known = known.map(|process| (&process.name, &process.rules.groups[..]));
        nearest::refuse_unknown(words, known).map_err(Self::Unknown)
    }

    /// For `map_err`: adds the operation and its object.
    pub fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { what, source }
    }
}

/// What can be done with a run, of which these processes were stopped.
fn what_next(stopped: &[ProcName], flags: &str) -> String {
    const MOST: usize = 5;
    let names: Vec<_> = stopped.iter().map(ProcName::as_str).collect();
    match names.len() {
        0 => format!(
            "`tmo connect{flags}` and `tmo echo{flags}` show it, `tmo restart{flags}` restarts, `tmo quit{flags}` ends it"
        ),
        1 => format!("{0} was stopped, `tmo start {0}{flags}` starts it", names[0]),
        2..=MOST => format!(
            "{} were stopped, `tmo start {}{flags}` starts them",
            names.join(", "),
            names.join(" ")
        ),
        more => format!("{more} were stopped, `tmo start '*'{flags}` starts them"),
    }
}

/// That nothing runs here, or only what a run has left. overmind's message begins with the socket.
fn nothing_runs(cause: &ClientError, left: Option<&str>, others: &str) -> String {
    let text = left.unwrap_or("nothing runs here, `tmo start` starts a run");
    match Persona::here() {
        Persona::Overmind => format!("{cause}; {text}"),
        Persona::Tmo => match no_socket(cause) {
            // The usual one, here.
            Some(path) if path == Path::new(".").join(SOCKET) => format!("{text}{others}"),
            Some(path) => format!("{text}{others} (there is no {})", path.display()),
            None if is_refused(cause) => format!("{text}{others}"),
            None => format!("{text}{others} ({cause})"),
        },
    }
}

/// The path at which there is no socket.
fn no_socket(cause: &ClientError) -> Option<&Path> {
    match cause {
        ClientError::Dial { at: Address::Unix(path), cause } => {
            (cause.kind() == std::io::ErrorKind::NotFound).then_some(path)
        }
        _ => None,
    }
}

/// Whether the socket exists and no process listens on it.
fn is_refused(cause: &ClientError) -> bool {
    matches!(cause, ClientError::Dial { at: Address::Unix(_), cause } if cause.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn unknown(unknown: &Unknown) -> String {
    let name = &unknown.name;
    match &unknown.nearest {
        None if *name == *"all" => {
            "Unknown process name: all; without a name, the command is about all processes"
                .to_owned()
        }
        Some(nearest) => format!("Unknown process name: {name}; did you mean {nearest}?"),
        None => format!(
            "Unknown process name: {name}; there are {}",
            Untrusted::join(&unknown.known, ", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{CliError, EXIT_CODES};

    #[test]
    fn every_code_is_in_the_table() {
        let name = || "x".to_owned();
        for error in [
            CliError::Other(name()),
            CliError::Usage(name()),
            CliError::TimedOut { what: name(), limit: name() },
            CliError::NotExecutable { name: name(), why: name() },
            CliError::NotFound { name: name(), advice: String::new() },
        ] {
            let code = error.exit_code().to_string();
            assert!(EXIT_CODES.iter().any(|(known, _)| *known == code), "{error}: {code}");
        }
    }
}
