//! Arguments of the commands that show output and events.

use super::target::ClientArgs;
use crate::cli::completions::values;
use crate::journal::history::OutputStream;
use crate::journal::read::cursor::Position;
use crate::model::units;
use crate::view::paint::Stamp;

/// `tmo echo`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct EchoArgs {
    /// Show only these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// Start with the last N lines of output.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Only standard error (err) of processes that keep it apart, or only the other output (out).
    #[arg(long, value_name = "STREAM", value_enum, hide_possible_values = true)]
    pub stream: Option<OutputStream>,
    /// Show the time of each line.
    #[arg(short = 'T', long, short_alias = 't')]
    pub timestamps: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo logs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[command(group = clap::ArgGroup::new("expression").args(["grep", "around"]))]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct LogsArgs {
    /// Print only these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// The last N lines, of any run; tmo's own messages count, too.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Keep following new output.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only lines since this time: 10m (ago), 14:05, 2026-11-20T14:05:00Z.
    #[arg(long, value_name = "TIME", add = values::moment())]
    pub since: Option<String>,
    /// Only lines until this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow", add = values::moment())]
    pub until: Option<String>,
    /// Only lines whose text, as shown and without colours, matches this regular expression.
    #[arg(long, value_name = "RE", allow_hyphen_values = true, value_parser = expression)]
    pub grep: Option<String>,
    /// Ignore case.
    #[arg(short = 'i', long, requires = "expression")]
    pub ignore_case: bool,
    /// Only lines that do not match.
    #[arg(short = 'v', long, requires = "grep")]
    pub invert_match: bool,
    /// Include N lines after each match.
    #[arg(short = 'A', long, value_name = "N", requires = "grep")]
    pub after_context: Option<usize>,
    /// Include N lines before each match.
    #[arg(short = 'B', long, value_name = "N", requires = "grep")]
    pub before_context: Option<usize>,
    /// Include N lines around each match; with --around, a span of time (2s).
    #[arg(short = 'C', long, value_name = "N", requires = "expression")]
    pub context: Option<String>,
    /// What all processes printed within two seconds of each matching line; with NAMEs, only lines
    /// of these processes can match.
    #[arg(long, value_name = "RE", allow_hyphen_values = true, value_parser = expression,
        conflicts_with_all = ["grep", "follow", "lines"])]
    pub around: Option<String>,
    /// Only this run: 1 is the newest, 2 the one before it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub run: Option<u64>,
    /// All runs, not only the newest one.
    #[arg(long, conflicts_with_all = ["run", "since_restart"])]
    pub all_runs: bool,
    /// Only what comes after this place, the `cursor` of a line of `--json`; with --max-bytes, the
    /// first lines that fit.
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["around"])]
    pub after: Option<Position>,
    /// With --max-bytes: the last lines before this place.
    #[arg(long, value_name = "CURSOR", requires = "max_bytes",
        conflicts_with_all = ["after", "raw", "around", "context", "before_context", "after_context"])]
    pub before: Option<Position>,
    /// With --follow, end when standard input does: a container engine neither ends what it has started for a client nor
    /// closes its output when the client is gone.
    #[arg(long, hide = true)]
    pub until_input_ends: bool,
    /// Only what each process printed since its last start.
    #[arg(long, conflicts_with = "run")]
    pub since_restart: bool,
    /// Only standard error (err) of processes that keep it apart, or only the other output (out).
    #[arg(long, value_name = "STREAM", value_enum, hide_possible_values = true)]
    pub stream: Option<OutputStream>,
    /// Only tmo's own messages: starts, exits, restarts.
    #[arg(long, conflicts_with = "stream")]
    pub events: bool,
    /// One JSON object per line.
    #[arg(long)]
    pub json: bool,
    /// Raw bytes as they were printed, with escape sequences, without names.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Print lines without the names before them.
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    pub no_prefix: bool,
    /// Print at most the last N bytes (10k, 1M), and say how to read on in both directions.
    #[arg(long, value_name = "N", value_parser = size, conflicts_with = "follow")]
    pub max_bytes: Option<u64>,
    /// Show the time of each line.
    #[arg(short = 'T', long, short_alias = 't')]
    pub timestamps: bool,
    /// Print the paths of the log files instead of their contents.
    #[arg(long, conflicts_with_all = ["lines", "follow", "no_prefix"])]
    pub path: bool,
    /// Delete the log so far, of all processes and runs. Crash reports are kept.
    #[arg(long, conflicts_with_all = ["names", "lines", "follow", "since", "until", "grep", "around",
        "run", "since_restart", "stream", "events", "json", "raw", "no_prefix", "max_bytes", "timestamps", "path"])]
    pub clear: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo events`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct EventsArgs {
    /// Only of these processes.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// Keep following new events.
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only the last N events.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// One JSON object per event.
    #[arg(long)]
    pub json: bool,
    /// Events always have their times.
    #[arg(short = 'T', long, short_alias = 't', hide = true)]
    pub timestamps: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl LogsArgs {
    /// How the time before each line is shown: with the date, since a log may cover several days.
    pub(crate) const fn stamp(&self) -> Stamp {
        if self.timestamps { Stamp::Date } else { Stamp::None }
    }
}

impl From<EventsArgs> for LogsArgs {
    fn from(args: EventsArgs) -> Self {
        let EventsArgs { names, follow, lines, json, client, .. } = args;
        let (events, timestamps) = (true, true);
        Self { names, lines, follow, events, json, timestamps, client, ..Self::default() }
    }
}

/// `tmo why`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct WhyArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: Option<String>,
    /// Print the change to `tmo.toml` that mends it, as a patch for `git apply`.
    #[arg(long, conflicts_with = "json")]
    pub fix: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What is asked of the crash reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrashAsk {
    /// All of them, or those of a process.
    List(Option<String>),
    /// The newest report, the newest one of the named process, or the one in the named file.
    Show(Option<String>),
}

/// `tmo crashes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct CrashesArgs {
    /// `list` (the default) or `show`; then a process, or the file to show.
    #[arg(value_name = "WHAT", num_args = 0..=2, add = values::crash())]
    pub what: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl CrashesArgs {
    /// What is asked for. Any other first word is the name of a process whose reports to list.
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

/// `10`, `10k`, `1MB`, `2GiB`.
fn size(text: &str) -> Result<u64, &'static str> {
    units::parse_bytes(text).ok_or("a number of bytes is needed, as in 10k or 1MiB")
}

/// A regular expression, which may begin with `-`, and not the flag that is often typed in its place.
fn expression(text: &str) -> Result<String, String> {
    match text {
        "-i" | "-v" => Err(format!("an expression is needed: {text} stands before this flag")),
        _ => Ok(text.to_owned()),
    }
}
