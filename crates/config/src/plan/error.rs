//! Why a project can't be planned: the errors of all modules here.

use crate::config::env::BadValue;
use crate::model::ProcName;
use crate::model::limits::{PROCESS_EXPRESSIONS, PROCESSES, TOTAL_BYTES};
use crate::model::name::{BadName, LongName};

/// The largest variable that Linux passes to a program: name, `=`, value and NUL. Other systems have limits
/// of the same order for all variables together.
pub(super) const LARGEST_VARIABLE: usize = 128 << 10;

/// Why there is nothing to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A variable has an invalid value.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// A colour that xterm does not know.
    #[error("Invalid xterm color code: {0}; the codes are 0 to 255")]
    Color(String),
    /// A variable that is too large for the kernel to pass to a program.
    #[error(
        "the variable {name} is too large to be passed to a program: {size} bytes, where the limit is \
         {LARGEST_VARIABLE}; shorten it"
    )]
    Large {
        /// The variable.
        name: String,
        /// The length of its name and its value.
        size: usize,
    },
    /// The formation is invalid.
    #[error("Invalid formation format; it is `web=2,worker=3`, or `all=2`")]
    Formation,
    /// The number of instances is invalid.
    #[error("Invalid number of processes: {0}")]
    Instances(String),
    /// There would be too many processes.
    #[error("there would be more than {PROCESSES} processes, which is the most a run may have")]
    Many,
    /// The list of names of this flag or variable is too long.
    #[error("{0} names more than {PROCESSES} processes, which is the most a run may have")]
    Names(String),
    /// The plan would be too large from this process on.
    #[error(
        "the plan exceeds {limit} MiB at `{0}`, counting commands, variables and all else of each \
         process; shorten `[defaults]`, or run fewer processes", limit = TOTAL_BYTES >> 20
    )]
    Total(ProcName),
    /// The expressions to search for exceed the limit from this process on.
    #[error(
        "the expressions of all processes are too large together by `{0}`; {PROCESS_EXPRESSIONS} \
         characters and ranges of characters are possible, all repetitions written out and counted \
         for each process"
    )]
    Expressions(ProcName),
    /// A group that no process is in.
    #[error("{by} names the group {name}, which no process is in{}", groups(known))]
    Group {
        /// The flag or variable.
        by: String,
        /// The group, with its `@`.
        name: String,
        /// The groups there are.
        known: String,
    },
    /// The ports of the instances would run into those of the next line.
    #[error(
        "You can spawn only {most} instances of the same process with port step of {step} and formation port step of {instance}"
    )]
    Crowd {
        /// How many there may be.
        most: u16,
        /// `--port-step`.
        step: u16,
        /// `--formation-port-step`.
        instance: u16,
    },
    /// The list of stop signals is invalid.
    #[error("Invalid stop-signals format; it is `web=TERM,worker=QUIT`")]
    StopSignals,
    /// The signal is not a stop signal.
    #[error("Invalid signal: {0}; use ABRT, INT, KILL, QUIT, STOP, TERM, USR1 or USR2")]
    Signal(String),
    /// An invalid name that was not caught earlier.
    #[error(transparent)]
    Name(#[from] BadName),
    /// An instance has a name that is too long with its number.
    #[error("{place}: {why}")]
    LongName {
        /// The file and the line of its entry.
        place: String,
        /// How long it is.
        why: LongName,
    },
    /// The Procfile has no entry.
    #[error("No entries were found in Procfile")]
    NoEntries,
    /// All entries are excluded.
    #[error("No processes to run")]
    NoProcesses,
    #[error("Can't find tmux. Did you forget to install it?")]
    NoTmux,
    /// In tmux, a process can have neither no terminal nor two of them.
    #[error(
        "{place}: `{setting}` is not possible in tmux; write `backend = \"native\"` at the top of tmo.toml, or \
         start with --backend native"
    )]
    NotInTmux {
        /// The file and the line.
        place: String,
        /// The line.
        setting: &'static str,
    },
    /// A process that reports that it is ready, on a system that does not tell who reports.
    #[error(
        "{place}: `notify` works only on Linux: elsewhere it is unknown which process has sent a report; use \
         another check, such as `port` or `log`"
    )]
    UnknownSenders {
        /// The file and the line.
        place: String,
    },
    /// The shell for the commands is missing.
    #[error("can't find the shell `{0}`; install it, or name another with --shell")]
    NoShell(String),
    /// The port of this process would be above 65535.
    #[error("the port of `{0}` would be above 65535; choose a lower --port or --port-step")]
    Port(ProcName),
    /// A placeholder is for the port of a process that has none.
    #[error(
        "{place}: `{{{name}.{what}}}`: {name} has no PORT; start at least one of it, and without --no-port"
    )]
    Placeholder {
        /// The file and the line.
        place: String,
        /// The process.
        name: String,
        /// The word behind its name.
        what: &'static str,
    },
    /// A check uses the port of a process that has none.
    #[error("{place}: {asked} needs the PORT of `{name}`, which gets none ({by}); name a port")]
    NoPort {
        /// The file and the line.
        place: String,
        /// The check, as it is written there.
        asked: String,
        /// The process.
        name: String,
        /// The flag or variable that causes it.
        by: String,
    },
}

fn groups(known: &str) -> String {
    if known.is_empty() {
        "; `groups` in tmo.toml puts processes into groups".to_owned()
    } else {
        format!("; there are {known}")
    }
}
