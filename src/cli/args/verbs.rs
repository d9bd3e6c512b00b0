//! What the commands that look at a run or change it take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueHint;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use super::start::StartArgs;
use super::truth;
use crate::cli::completions::{Shell, complete_entry, complete_name};
use crate::model::network::Network;
use crate::model::signal::SignalName;

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

/// `tmo check`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct CheckArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `tmo config`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ConfigArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `tmo graph`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct GraphArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// For graphviz.
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
    /// With the states of the run that is there.
    #[arg(long, conflicts_with = "dot")]
    pub live: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
}

/// `tmo init`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct InitArgs {
    /// With flags: patterns that are counted and kept in the output of every process.
    #[arg(long)]
    pub with_flags: bool,
    /// Replace a tmo.toml that is there.
    #[arg(long)]
    pub force: bool,
    /// The Procfile; its directory is where the file goes.
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub procfile: Option<PathBuf>,
}

/// `tmo doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct DoctorArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// The start that is asked about.
    #[command(flatten)]
    pub start: StartArgs,
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
#[command(group = clap::ArgGroup::new("expression").args(["grep", "around"]))]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
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
    /// Nothing older: 10m (ago), 14:05, 2026-11-20T14:05:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Nothing younger.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub until: Option<String>,
    /// Only lines that match this regular expression; colours don't count.
    #[arg(long, value_name = "RE")]
    pub grep: Option<String>,
    /// Whatever the case.
    #[arg(short = 'i', long, requires = "expression")]
    pub ignore_case: bool,
    /// Only lines that do not match.
    #[arg(short = 'v', long, requires = "grep")]
    pub invert_match: bool,
    /// With N lines behind each match.
    #[arg(short = 'A', long, value_name = "N", requires = "grep")]
    pub after_context: Option<usize>,
    /// With N lines before each match.
    #[arg(short = 'B', long, value_name = "N", requires = "grep")]
    pub before_context: Option<usize>,
    /// With N lines before and behind each match; with --around, a span of time (2s).
    #[arg(short = 'C', long, value_name = "N", requires = "expression")]
    pub context: Option<String>,
    /// What all processes said at the time of each line that matches, two seconds before and after
    /// it; NAMEs say whose lines.
    #[arg(long, value_name = "RE", conflicts_with_all = ["grep", "follow", "lines"])]
    pub around: Option<String>,
    /// Only this run: 1 is the newest, 2 the one before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub run: Option<u64>,
    /// Only the last life of each process.
    #[arg(long, conflicts_with = "run")]
    pub since_restart: bool,
    /// Only what tmo itself has to say: starts, ends, restarts.
    #[arg(long)]
    pub events: bool,
    /// One JSON object for each line.
    #[arg(long)]
    pub json: bool,
    /// Byte for byte as it was printed, without names.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Print the lines alone, without names before them.
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    pub no_prefix: bool,
    /// Print at most so many bytes, the last ones (10k, 1M).
    #[arg(long, value_name = "N", value_parser = size, conflicts_with = "follow")]
    pub max_bytes: Option<u64>,
    /// Show the time of each line.
    #[arg(short = 'T', long)]
    pub timestamps: bool,
    /// Print the names of the files that hold the log, not what is in them.
    #[arg(long, conflicts_with_all = ["lines", "follow", "no_prefix"])]
    pub path: bool,
    /// Forget what was logged so far, by all processes in all runs, and say what that came to.
    #[arg(long, exclusive = true)]
    pub clear: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo events`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct EventsArgs {
    /// Only of these processes.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Then go on with what comes.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only the last N.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// One JSON object for each.
    #[arg(long)]
    pub json: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl From<EventsArgs> for LogsArgs {
    fn from(args: EventsArgs) -> Self {
        let EventsArgs { names, follow, lines, json, client } = args;
        Self {
            names,
            follow,
            lines,
            json,
            client,
            events: true,
            timestamps: true,
            ..Self::default()
        }
    }
}

/// `tmo why`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct WhyArgs {
    /// The process.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub name: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo flags`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct FlagsArgs {
    /// Which processes; without names, all.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What is asked of the crash reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrashAsk {
    /// All of them, or those of a process.
    List(Option<String>),
    /// The newest, or the newest of a process, or one in a file.
    Show(Option<String>),
}

/// `tmo crashes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct CrashesArgs {
    /// `list`, which is meant where nothing is said, or `show`; then a process, or the file to show.
    #[arg(value_name = "WHAT", num_args = 0..=2, add = ArgValueCompleter::new(complete_name))]
    pub what: Vec<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl CrashesArgs {
    /// What is asked for: a word that is neither list nor show names whose list.
    pub fn what(&self) -> Result<CrashAsk, String> {
        let (first, second) = (self.what.first().map(String::as_str), self.what.get(1));
        match (first, second) {
            (None | Some("list"), name) => Ok(CrashAsk::List(name.cloned())),
            (Some("show"), name) => Ok(CrashAsk::Show(name.cloned())),
            (Some(name), None) => Ok(CrashAsk::List(Some(name.to_owned()))),
            (Some(first), Some(_)) => Err(format!("crashes takes list or show, not `{first}`")),
        }
    }
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// It runs.
    Running,
    /// It has ended.
    Exit,
    /// A line that matches this expression, of its present life.
    Log(String),
    /// Its PORT takes connections.
    Port,
    /// All its checks are passed.
    Ready,
    /// All run and are ready, and those of them that are named take connections.
    Up(Vec<String>),
}

/// `tmo wait`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct WaitArgs {
    /// Which processes; without names, all.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// What for: running, ready, exit, port, or log and a regular expression.
    #[arg(long = "for", value_name = "WHAT", num_args = 1..=2)]
    pub what: Vec<String>,
    /// How long at most (30s, 2m); then the exit code is 124.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl WaitArgs {
    /// What is waited for, and of whom: only behind `log` the second word is part of it.
    pub fn what(&self) -> Result<(WaitFor, Vec<String>), String> {
        let (first, second) = (self.what.first().map(String::as_str), self.what.get(1));
        let what = match (first, second) {
            (None | Some("running"), _) => WaitFor::Running,
            (Some("exit"), _) => WaitFor::Exit,
            (Some("port"), _) => WaitFor::Port,
            (Some("ready"), _) => WaitFor::Ready,
            (Some("log"), Some(expression)) => {
                return Ok((WaitFor::Log(expression.clone()), self.names.clone()));
            }
            (Some("log"), None) => {
                return Err("--for log needs a regular expression behind it".to_owned());
            }
            (Some(other), _) => {
                return Err(format!(
                    "--for takes running, ready, exit, port or log RE, not `{other}`"
                ));
            }
        };
        Ok((what, self.names.iter().chain(second).cloned().collect()))
    }
}

/// `tmo signal`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SignalArgs {
    /// The signal: USR1, HUP, 10 …
    pub signal: SignalName,
    /// Which processes; without names, all that run.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub names: Vec<String>,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo scale`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ScaleArgs {
    /// Entries and how many instances of each: worker=3.
    #[arg(value_name = "NAME=N", required = true, value_parser = instances,
        add = ArgValueCompleter::new(complete_entry))]
    pub counts: Vec<(String, u16)>,
    /// Return when the request is made, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `worker=3`.
fn instances(text: &str) -> Result<(String, u16), String> {
    let Some((name, count)) = text.split_once('=') else {
        return Err(format!("say how many, as in {text}=3"));
    };
    let count = count.parse().map_err(|_| format!("`{count}` is no number up to 65535"))?;
    Ok((name.to_owned(), count))
}

/// `tmo reload`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ReloadArgs {
    /// Change nothing; tell what would be done.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Return when the request is made, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo send`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct SendArgs {
    /// The process.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub name: String,
    /// What to type; `-` is what comes on standard input.
    #[arg(allow_hyphen_values = true)]
    pub text: String,
    /// Then press Enter.
    #[arg(long)]
    pub enter: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo screen`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ScreenArgs {
    /// The process.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name))]
    pub name: String,
    /// With its colours.
    #[arg(long)]
    pub color: bool,
    /// Which instance.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo ls`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct LsArgs {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tmo failures`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct FailuresArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    pub what: FailuresDo,
    /// The process: an entry of the Procfile, or one of its instances.
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete_name),
        required_if_eq_any([("what", "add"), ("what", "remove")]))]
    pub name: Option<String>,
    /// The text, as it stands in one line.
    #[arg(value_name = "TEXT", required_if_eq_any([("what", "add"), ("what", "remove")]))]
    pub text: Option<String>,
    /// The list as JSON, as in the file.
    #[arg(long)]
    pub json: bool,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub procfile: Option<PathBuf>,
}

/// What `tmo failures` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailuresDo {
    /// Show what is declared.
    List,
    /// Declare one more text.
    Add,
    /// Declare a text no more.
    Remove,
}

/// `10`, `10k`, `1M`, `2GiB`.
fn size(text: &str) -> Result<u64, &'static str> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err("a number of bytes is needed, as in 10k or 1M"),
    };
    let number: Result<u64, _> = digits.parse();
    number.ok().and_then(|n| n.checked_mul(unit)).ok_or("a number of bytes is needed")
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
    /// With state, since when, restarts, exit, port, CPU and memory of all that each has started.
    #[arg(short = 'w', long, conflicts_with = "json")]
    pub wide: bool,
    /// In this order, which the table then has a column for.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub by: Option<super::super::ps::Order>,
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
