//! What the commands that look at a run or change it take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueHint;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use super::truth;
use crate::cli::completions::{Shell, complete_name};
use crate::model::network::Network;

/// Which instance a command talks to.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ClientArgs {
    /// The control socket of the instance.
    #[arg(short = 's', long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6.
    #[arg(short = 'S', long, value_name = "KIND", add = networks())]
    pub network: Option<String>,
}

/// What completes `--network`. What else is typed is refused as overmind does, when it is used.
pub(super) fn networks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        Network::ALL.map(|network| CompletionCandidate::new(network.name())).into()
    })
}

/// `tmo stop`, `tmo restart`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct NamesArgs {
    /// Processes: names, `*` patterns, or an entry for all its instances.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Return when the request is made, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo connect`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ConnectArgs {
    /// The process.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub name: Option<String>,
    /// Show the terminal, but send it no keys.
    #[arg(short = 'r', long)]
    pub read_only: bool,
    /// Speak tmux's control mode (`tmux -CC`), for terminals that show tmux windows as their own.
    #[arg(short = 'c', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub control_mode: Option<bool>,
    /// Print the tmux command instead of becoming it.
    #[arg(long)]
    pub print: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo echo`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct EchoArgs {
    /// Show only these processes.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Begin with the last N lines of output.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo logs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct LogsArgs {
    /// Print only these processes.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Only the last N lines of output, with what tmo says among them; all if not given.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Then go on with what comes.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Print the lines as they were printed, without names before them.
    #[arg(long, conflicts_with = "follow")]
    pub no_prefix: bool,
    /// Print the names of the files that hold the log, not what is in them.
    #[arg(long, conflicts_with_all = ["lines", "follow", "no_prefix"])]
    pub path: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo run`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct RunArgs {
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true,
        value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// `tmo ps`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct PsArgs {
    /// Print the whole state as JSON.
    #[arg(long)]
    pub json: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo completions`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `tmo man`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ManArgs {
    /// The page of this command; without it the page of tmo itself.
    #[arg(value_name = "COMMAND")]
    pub verb: Option<String>,
    /// Write all pages to this directory instead.
    #[arg(long, conflicts_with = "verb", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
