//! Arguments of the commands that change a run, one of its processes or its apps.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::span;
use super::target::ClientArgs;
use crate::cli::completions::values;
use crate::config::options::truth;
use crate::model::plan::detach_keys::DetachKeys;
use crate::model::signal::SignalName;

/// `tmo restart`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct RestartArgs {
    /// Which processes.
    #[command(flatten)]
    pub of: NamesArgs,
    /// Restart them all at once, whatever they depend on.
    #[arg(long)]
    pub no_deps: bool,
    /// Restart what `tmo ps` marks with `*`: settings or programs that have changed since they were
    /// read. New settings apply, as with `tmo reload`.
    #[arg(long, conflicts_with_all = ["names", "no_deps"])]
    pub drifted: bool,
}

/// `tmo stop`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct NamesArgs {
    /// Process names, `*` patterns, or Procfile entries (all their instances).
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo connect`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct ConnectArgs {
    /// The process; without a name, the first one.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: Option<String>,
    /// Show the terminal, but send it no keys.
    #[arg(short = 'r', long)]
    pub read_only: bool,
    /// Keep the size of the process's terminal, even if this terminal has another size.
    #[arg(long)]
    pub keep_size: bool,
    /// Show no status line, and no keys in the title.
    #[arg(long, hide = true)]
    pub no_status: bool,
    /// The keys that leave a terminal of tmo's own, such as `ctrl-p,ctrl-q` (default ctrl-b,d). Those of a
    /// terminal of tmux are set in its own configuration.
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<DetachKeys>,
    /// Speak tmux's control mode (`tmux -CC`), for terminals that integrate tmux windows.
    #[arg(short = 'c', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub control_mode: Option<bool>,
    /// How long to wait for a process that is starting (10s, 2m; default 30s) before exiting with
    /// code 124.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Print the tmux command instead of running it.
    #[arg(long)]
    pub print: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo signal`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SignalArgs {
    /// The signal: USR1, HUP, 10 …
    #[arg(add = values::signal())]
    pub signal: SignalName,
    /// The processes; without names, all that run.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo watch`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct WatchArgs {
    /// What to do.
    #[arg(value_name = "DO", default_value = "status")]
    pub what: WatchDo,
    /// The processes; without names, all that are watched.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// With status: print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What `tmo watch` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WatchDo {
    /// Have changed files not restart processes.
    Pause,
    /// Have them restart processes again; what has changed meanwhile does not count.
    Resume,
    /// Show which processes changed files restart.
    Status,
}

/// `tmo act`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ActArgs {
    /// The action, or PROCESS.ACTION where several have the same name; without it, all are listed.
    #[arg(value_name = "ACTION", add = values::action())]
    pub action: Option<String>,
    /// Return as soon as it has been started; its output is in the log.
    #[arg(long)]
    pub no_wait: bool,
    /// Do not ask, even if tmo.toml says `confirm = true`.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "action")]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo scale`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ScaleArgs {
    /// Processes and how many instances of each: worker=3.
    #[arg(value_name = "NAME=N", required = true, value_parser = instances,
        add = values::count())]
    pub counts: Vec<(String, u16)>,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `worker=3`.
fn instances(text: &str) -> Result<(String, u16), String> {
    let Some((name, count)) = text.split_once('=') else {
        return Err(format!("say how many, as in {text}=3"));
    };
    let count = count.parse().map_err(|_| format!("`{count}` is not a number up to 65535"))?;
    Ok((name.to_owned(), count))
}

/// `tmo reload`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub struct ReloadArgs {
    /// Change nothing; show what would be done.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Only the apps that were added, updated or removed; other changes wait.
    #[arg(long)]
    pub apps: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Return as soon as the request is accepted, not when it is done.
    #[arg(long)]
    pub no_wait: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo send`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct SendArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: String,
    /// What to type; `-` reads it from standard input, which keeps secrets out of the process list.
    #[arg(allow_hyphen_values = true)]
    pub text: String,
    /// Then press Enter.
    #[arg(long)]
    pub enter: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo failures`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct FailuresArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    pub what: FailuresDo,
    /// The process: an entry of the Procfile, or one of its instances.
    #[arg(value_name = "NAME", add = values::process(),
        required_if_eq_any([("what", "add"), ("what", "remove")]))]
    pub name: Option<String>,
    /// The text, which must be within one line.
    #[arg(value_name = "TEXT", required_if_eq_any([("what", "add"), ("what", "remove")]))]
    pub text: Option<String>,
    /// The list as JSON, as in the file.
    #[arg(long)]
    pub json: bool,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
}

/// What `tmo failures` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailuresDo {
    /// Show what is declared.
    List,
    /// Declare one more text.
    Add,
    /// Remove a declared text.
    Remove,
}

/// `tmo run`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct RunArgs {
    /// With the variables of this process and in its directory.
    #[arg(long = "as", value_name = "PROCESS", add = values::process())]
    pub process: Option<String>,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// `tmo app`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub struct AppArgs {
    /// What to do.
    #[arg(value_name = "DO")]
    pub what: AppDo,
    /// The name of the app. In the name of its process, spaces become `_`.
    #[arg(value_name = "NAME", add = values::process(),
        required_if_eq_any([("what", "add"), ("what", "update"), ("what", "remove")]))]
    pub name: Option<String>,
    /// The ZIP archive.
    #[arg(long, value_name = "FILE", add = values::file(),
        required_if_eq_any([("what", "add"), ("what", "update")]))]
    pub zip: Option<PathBuf>,
    /// With add: the path of the program within the archive.
    #[arg(long, value_name = "PATH", default_value = "main.py")]
    pub script: String,
    /// With add: an argument of the program; can be repeated.
    #[arg(long = "arg", value_name = "WORD", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// With add: an environment variable of the program; can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// With add: start the app neither after its installation nor with the run.
    #[arg(long)]
    pub no_start: bool,
    /// With add: how long an installation may take.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "5m")]
    pub install_timeout: Duration,
    /// With remove: don't ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Return once the files are in place, before the installation.
    #[arg(long)]
    pub no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The Procfile of the project, if the project is not running.
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What `tmo app` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AppDo {
    /// Show the apps.
    List,
    /// Add an app.
    Add,
    /// Replace the files of an app; its settings stay.
    Update,
    /// Remove an app and its files.
    Remove,
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.filter(|_| !text.contains('\0'));
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("NAME=VALUE is needed")
}
