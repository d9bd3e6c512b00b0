//! What can be typed. The doc comments of the fields are the help, the man pages and the
//! descriptions in shell completions.
//!
//! Variables are named in the help but not read here: env files may set them too, and a variable
//! has two names (`TMO_…` and `OVERMIND_…`), so `plan` resolves them.

mod settings;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Command, FromArgMatches as _, Parser, Subcommand, ValueHint};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

pub use settings::command;

use super::completions::{Shell, complete_list, complete_name};
use crate::config::StartOptions;
use crate::config::env::parse_bool;
use crate::config::options::parse_seconds;
use crate::model::network::Network;

/// Run the processes of a Procfile, each in a terminal of its own.
///
/// `tmo start` runs every line of ./Procfile in a window of a private tmux server and shows
/// what they print, merged, prefixed and coloured. Other commands, typed anywhere in the project,
/// look at the running processes or change them.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "tmo", version, disable_version_flag = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  tmo start                  run ./Procfile and show the merged log
  tmo start -l web,worker    run two of its processes
  tmo ps                     what is running?
  tmo restart web            stop it, start it again
  tmo connect web            its terminal: type, debug, leave with the keys it shows
  tmo logs web -n 50         its last 50 lines, also after it died")]
pub struct Args {
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What to do; without it the help is shown.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Run the processes of the Procfile and show what they print.
    #[command(
        visible_alias = "s",
        after_help = "\
Examples:
  tmo start                     run ./Procfile until Ctrl-C
  tmo start -f Procfile.dev     another Procfile; its directory is where the processes run
  tmo start -D                  in the background; `tmo echo` shows the log, `tmo quit` ends it
  tmo start -p 3000 -P 1        PORT=3000 for the first process, 3001 for the second
  OVERMIND_PROCESSES=web tmo start

Each process gets PORT, PS (its name), TMO_SOCKET and, for each other process,
OVERMIND_PROCESS_<name>_PORT. Variables may also stand in ./.env and ./.tmo.env."
    )]
    Start(Box<StartArgs>),
    /// Restart processes; without names, all of them.
    #[command(
        visible_alias = "r",
        after_help = "\
Examples:
  tmo restart web               done when the new one runs
  tmo restart 'worker*'         by pattern
  tmo restart                   all"
    )]
    Restart(NamesArgs),
    /// Stop processes, but keep the rest running; without names, all of them.
    #[command(visible_aliases = ["interrupt", "i"], after_help = "\
Examples:
  tmo stop worker               done when it and all it started are gone
  tmo restart worker            starts it again")]
    Stop(NamesArgs),
    /// Attach this terminal to a process; without a name, the first one.
    #[command(
        visible_alias = "c",
        after_help = "\
Examples:
  tmo connect web               type into it; leave with the keys the status line shows
  tmo connect -r web            look, but don't touch"
    )]
    Connect(ConnectArgs),
    /// Have `tmo start` leave its terminal; the processes run on.
    #[command(after_help = "\
Examples:
  tmo detach                    from another terminal
  tmo start                     shows the log again, with what came meanwhile")]
    Detach(ClientArgs),
    /// Stop everything and end, as Ctrl-C does.
    #[command(
        visible_alias = "q",
        after_help = "\
Examples:
  tmo quit                      done when all processes are gone"
    )]
    Quit(ClientArgs),
    /// Kill everything at once, without asking the processes to stop.
    #[command(
        visible_alias = "k",
        after_help = "\
Examples:
  tmo kill                      SIGKILL to every process, then end"
    )]
    Kill(ClientArgs),
    /// Show the merged log from now on.
    #[command(after_help = "\
Examples:
  tmo echo                      everything
  tmo echo -n 20                the last 20 lines, then what comes
  tmo echo web worker           only these")]
    Echo(EchoArgs),
    /// Print what was logged so far, also by processes that are gone.
    #[command(after_help = "\
Examples:
  tmo logs                      all there is, merged
  tmo logs web -n 50            the last 50 lines of one process
  tmo logs -n 10 -f             the last 10 lines, then what comes
  grep -i error $(tmo logs web --path)")]
    Logs(LogsArgs),
    /// Run a command in the environment of the env files, as the processes have it.
    #[command(
        visible_aliases = ["exec", "e"],
        after_help = "\
Examples:
  tmo run rails console         with what ./.env and ./.tmo.env set
  tmo run env                   what is that?

All that follows the command is its own. PORT and PS are not set: it is no process of the Procfile."
    )]
    Run(RunArgs),
    /// Show the processes and their states.
    #[command(
        visible_alias = "status",
        after_help = "\
Examples:
  tmo ps
  tmo ps --json | jq -r '.processes[] | select(.state == \"failed\").name'"
    )]
    Ps(PsArgs),
    /// Print the completion script of a shell.
    #[command(after_help = "\
Examples:
  tmo completions bash > ~/.local/share/bash-completion/completions/tmo
  tmo completions zsh > ~/.zfunc/_tmo          (with ~/.zfunc in $fpath)
  tmo completions fish > ~/.config/fish/completions/tmo.fish")]
    Completions(CompletionsArgs),
    /// Print a man page, or write all of them to a directory.
    #[command(after_help = "\
Examples:
  tmo man start | man -l -
  tmo man --dir ~/.local/share/man/man1")]
    Man(ManArgs),
}

/// `tmo start`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct StartArgs {
    /// Begin with these processes only; the others can be started later. Where a run is already
    /// there, start these in it.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Do nothing if a run is already there.
    #[arg(long)]
    pub if_needed: bool,
    /// Start nothing; print what flags, variables and files come to, as JSON.
    #[arg(long)]
    pub print_config: bool,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub procfile: Option<PathBuf>,
    /// The directory that the processes run in.
    #[arg(short = 'd', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Return as soon as the processes run, and leave them running.
    #[arg(short = 'D', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub daemonize: Option<bool>,
    /// The processes to run, separated by commas.
    #[arg(short = 'l', long, value_name = "NAMES", add = ArgValueCompleter::new(complete_list))]
    pub processes: Option<String>,
    /// The processes not to run, separated by commas; counts before --processes.
    #[arg(short = 'x', long, value_name = "NAMES", add = ArgValueCompleter::new(complete_list))]
    pub ignored_processes: Option<String>,
    /// The processes that may end without stopping the others.
    #[arg(short = 'c', long, value_name = "NAMES", add = ArgValueCompleter::new(complete_list))]
    pub can_die: Option<String>,
    /// Let every process end without stopping the others.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub any_can_die: Option<bool>,
    /// The processes to start again when they end, or `all`; at once, then after longer and longer
    /// pauses.
    #[arg(short = 'r', long, value_name = "NAMES", add = ArgValueCompleter::new(complete_list))]
    pub auto_restart: Option<String>,
    /// How many instances of each process to run: `web=2,all=1`.
    #[arg(short = 'm', long, value_name = "NAME=N,…")]
    pub formation: Option<String>,
    /// How far the ports of two instances of one process are apart.
    #[arg(long, value_name = "N")]
    pub formation_port_step: Option<u16>,
    /// The signals that ask processes to stop: `web=TERM,worker=QUIT`.
    #[arg(short = 'i', long, value_name = "NAME=SIG,…")]
    pub stop_signals: Option<String>,
    /// The colours of the names, as xterm numbers (0 to 255) separated by commas.
    #[arg(short = 'b', long, value_name = "CODES")]
    pub colors: Option<String>,
    /// The port of the first line, told to the process as PORT.
    #[arg(short = 'p', long)]
    pub port: Option<u16>,
    /// How far the ports of one line and the next are apart.
    #[arg(short = 'P', long, value_name = "N")]
    pub port_step: Option<u16>,
    /// Tell the processes no PORT; an inherited one stays.
    #[arg(short = 'N', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub no_port: Option<bool>,
    /// Seconds from the request to stop to SIGKILL.
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// The control socket to open; with `--network tcp`, HOST:PORT.
    #[arg(short = 's', long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6. Over TCP only this user of this machine is let
    /// in; with `TMO_TOKEN` set, whoever has the same.
    #[arg(short = 'S', long, value_name = "KIND", add = networks())]
    pub network: Option<String>,
    /// The title of the terminal and the name of the tmux session.
    #[arg(short = 'w', long)]
    pub title: Option<String>,
    /// The tmux configuration with your keys and colours.
    #[arg(short = 'F', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tmux_config: Option<PathBuf>,
    /// Show the time of each line.
    #[arg(short = 'T', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub show_timestamps: Option<bool>,
    /// The shell that runs the commands.
    #[arg(short = 'H', long, value_hint = ValueHint::CommandName)]
    pub shell: Option<OsString>,
}

impl From<StartArgs> for StartOptions {
    fn from(args: StartArgs) -> Self {
        Self {
            names: args.names,
            procfile: args.procfile,
            root: args.root,
            daemonize: args.daemonize,
            processes: args.processes,
            ignored_processes: args.ignored_processes,
            can_die: args.can_die,
            any_can_die: args.any_can_die,
            auto_restart: args.auto_restart,
            colors: args.colors,
            formation: args.formation,
            formation_port_step: args.formation_port_step,
            stop_signals: args.stop_signals,
            port: args.port,
            port_step: args.port_step,
            no_port: args.no_port,
            timeout: args.timeout,
            socket: args.socket,
            network: args.network,
            title: args.title,
            tmux_config: args.tmux_config,
            show_timestamps: args.show_timestamps,
            shell: args.shell,
        }
    }
}

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
fn networks() -> ArgValueCandidates {
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
    /// Begin with the last N lines.
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
    /// Only the last N lines; all of them if not given.
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

/// Read a command line, its first word being the name of the program.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let command = command();
    let args: Vec<OsString> = go_style(&command, args);
    let mut matches = command.try_get_matches_from(args)?;
    Args::from_arg_matches_mut(&mut matches)
}

/// Flags as Go's programs take them: `-port 3000` is `--port 3000`. And `h` is `help`.
fn go_style(command: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let verbs = command.get_subcommands().flat_map(Command::get_arguments);
    let flags: Vec<&str> =
        verbs.filter_map(clap::Arg::get_long).chain(["help", "version"]).collect();
    let long = |text: &str| {
        let name = text.strip_prefix('-')?.split('=').next()?;
        (name.len() > 1 && flags.contains(&name)).then(|| format!("-{text}").into())
    };
    let mut literal = false;
    let word = |(index, arg): (usize, OsString)| {
        literal |= arg == "--";
        match arg.to_str() {
            Some("h") if index == 1 => "help".into(),
            Some("run" | "exec" | "e") if index == 1 => {
                // What follows is the command's.
                literal = true;
                arg
            }
            Some(text) if !literal => long(text).unwrap_or(arg),
            Some(_) | None => arg,
        }
    };
    args.into_iter().enumerate().map(word).collect()
}

fn truth(text: &str) -> Result<bool, &'static str> {
    if text.is_empty() { Ok(false) } else { parse_bool(text).ok_or("true or false is needed") }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    parse_seconds(text).ok_or("a number of seconds is needed")
}
