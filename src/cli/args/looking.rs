//! Arguments of the commands that show the current state of a run.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::span;
use super::target::ClientArgs;
use crate::cli::completions::values;
use crate::config::options::port;
use crate::model::name::role::Role;

/// `tmo flags`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct FlagsArgs {
    /// The processes; without names, all.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// Show the last matching lines, with context.
    #[arg(short = 'C', long)]
    pub context: bool,
    /// At most this many for each flag; 50 are kept.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, requires = "context")]
    pub last: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// The words that `tmo wait --for` takes.
pub const WAIT_FOR: [&str; 6] = ["running", "ready", "exit", "port", "prompt", "log"];

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// It runs.
    Running,
    /// It has ended.
    Exit,
    /// It has printed a line in its present life that matches this expression.
    Log(String),
    /// Its PORT accepts connections.
    Port,
    /// All its checks are passed.
    Ready,
    /// It waits for input at a prompt.
    Prompt,
    /// All run and are ready, and the named ones accept connections.
    Up(Vec<String>),
}

/// `tmo wait`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct WaitArgs {
    /// The processes; without names, all.
    #[arg(value_name = "NAME", value_delimiter = ',', add = values::process())]
    pub names: Vec<String>,
    /// The condition: running, ready, exit, port, prompt, or log and a regular expression, also as
    /// `--for=log=RE`.
    #[arg(long = "for", value_name = "WHAT", num_args = 1..=2, add = values::waited_for())]
    pub what: Vec<String>,
    /// How long the condition must hold, as for a process that may die at once.
    #[arg(long, value_name = "TIME")]
    pub stable: Option<String>,
    /// How long to wait (30s, 2m); the exit code is 124 when the time is over.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

impl WaitArgs {
    /// The condition and the processes. Only after `log` is the second word part of the condition.
    pub fn what(&self) -> Result<(WaitFor, Vec<String>), String> {
        let (first, second) = (self.what.first().map(String::as_str), self.what.get(1));
        let what = match (first, second) {
            (None | Some("running"), _) => WaitFor::Running,
            (Some("exit"), _) => WaitFor::Exit,
            (Some("port"), _) => WaitFor::Port,
            (Some("ready"), _) => WaitFor::Ready,
            (Some("prompt"), _) => WaitFor::Prompt,
            (Some("log"), Some(expression)) => {
                return Ok((WaitFor::Log(expression.clone()), self.names.clone()));
            }
            (Some(word), name) if let Some(expression) = word.strip_prefix("log=") => {
                let names = self.names.iter().chain(name).cloned().collect();
                return Ok((WaitFor::Log(expression.to_owned()), names));
            }
            (Some("log"), None) => {
                return Err("--for log needs a regular expression after it".to_owned());
            }
            (Some(other), _) => {
                return Err(format!(
                    "--for takes running, ready, exit, port, prompt or log RE, not `{other}`"
                ));
            }
        };
        Ok((what, self.names.iter().chain(second).cloned().collect()))
    }
}

/// `tmo screen`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct ScreenArgs {
    /// The process.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: String,
    /// Include colours.
    #[arg(long)]
    pub color: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo open`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct OpenArgs {
    /// The process; without it, the addresses of all are listed.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: Option<String>,
    /// Only print the address; in a pipe, that of the port, as not every program finds a host below
    /// `localhost`.
    #[arg(short = 'n', long)]
    pub no_open: bool,
    /// With --no-open, print the address with the name of the process in a pipe, too.
    #[arg(id = "by_name", long = "name", requires = "no_open")]
    pub by_name: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with = "name")]
    pub json: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo ls`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct LsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `tmo top`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct TopArgs {
    /// Print each sample as a line of JSON.
    #[arg(long)]
    pub json: bool,
    /// End after this many samples.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo ui`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct UiArgs {
    /// The process whose log is shown at first.
    #[arg(value_name = "NAME", add = values::process())]
    pub name: Option<String>,
    /// Begin at this time: 10m (ago), 14:05, 2026-11-20T14:05:00Z.
    #[arg(long, value_name = "TIME", add = values::moment())]
    pub at: Option<String>,
    /// Show only lines that match this expression.
    #[arg(long, value_name = "RE")]
    pub grep: Option<String>,
    /// Print the keys.
    #[arg(long, conflicts_with_all = ["name", "at", "grep"])]
    pub keys: bool,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `tmo web`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub struct WebArgs {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub verb: Option<WebVerb>,
    /// The directory of a project, to show only its run. One that is called `user` is `./user`.
    #[arg(value_name = "PATH", add = values::directory(), conflicts_with = "project")]
    pub path: Option<PathBuf>,
    /// Listen at this port (0: any free one) from now on. Without it, the page keeps its port, at first the first free
    /// one from 10000 on.
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
    /// Open the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// Open the page in a window without tabs, if Chromium, Chrome, Edge or Brave is installed.
    #[arg(long)]
    pub window: bool,
    /// Don't open the page, even if other options or variables request it.
    #[arg(long, visible_alias = "no-ui", conflicts_with_all = ["open", "window"],
        overrides_with = "no_open")]
    pub no_open: bool,
    /// Stop the web server. The runs continue.
    #[arg(long, conflicts_with_all = ["open", "window", "link", "share"])]
    pub stop: bool,
    /// Also listen at this address, for a TLS proxy on another machine; needs --public-url.
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<IpAddr>,
    /// The public address of a TLS proxy in front of tmo, as `https://NAME[:PORT]`.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// With --public-url: also serve the names of processes, without a login, to programs of this user on this
    /// machine. A proxy that forwards bytes (stunnel, socat, ssh -R) is such a program for whoever it serves.
    #[arg(long, requires = "public_url")]
    pub names: bool,
    /// The IP address of a proxy; its X-Forwarded-For header is trusted for the address of the browser.
    #[arg(long, value_name = "ADDRESS")]
    pub trusted_proxy: Vec<IpAddr>,
    /// Accept API requests with the token in this file (`Authorization: Bearer`).
    #[arg(long, value_name = "FILE", requires = "role", add = values::file())]
    pub token_file: Option<PathBuf>,
    /// The role of these programs.
    #[arg(long, value_enum, value_name = "ROLE", requires = "token_file")]
    pub role: Option<Role>,
    /// Also show the runs of the hosts in this file; without one, in `TMO_FLEET` or the nearest fleet.toml.
    #[arg(long, alias = "config", overrides_with = "fleet", value_name = "FILE", num_args = 0..=1, require_equals = true, add = values::file(),
        conflicts_with_all = ["path", "socket", "project", "link", "share", "stop"])]
    pub fleet: Option<Option<PathBuf>>,
    /// Print a login link for the running server.
    #[arg(long)]
    pub link: bool,
    /// Print a read-only link to these processes of the run, for another person.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', add = values::process())]
    pub share: Vec<String>,
    /// With --share: how long the link and its session are valid.
    #[arg(long = "for", value_name = "TIME", value_parser = span, default_value = "30m", requires = "share")]
    pub time: Duration,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// The subcommands of `tmo web`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum WebVerb {
    /// Manage who logs in with a password, at the address of --public-url.
    User {
        /// What to do.
        #[command(subcommand)]
        verb: WebUserVerb,
    },
    /// List who is logged in to your web servers.
    Sessions {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a session that `tmo web sessions` lists, or all.
    Logout {
        /// The id of the session; its first digits are enough.
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// End all sessions.
        #[arg(long)]
        all: bool,
    },
}

/// The subcommands of `tmo web user`. A password is asked for at a terminal, else it is the first line of standard input.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum WebUserVerb {
    /// Add a user; asks for the password, or reads it from standard input.
    Add {
        /// The name of the user.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Role,
    },
    /// Change the password of a user, whose sessions end.
    Passwd {
        /// The name of the user.
        name: String,
    },
    /// Remove a user, whose sessions end.
    Remove {
        /// The name of the user.
        name: String,
    },
    /// List the users and their roles.
    List,
}

/// `tmo server`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ServerArgs {
    /// The directory of the project; without it, the current one.
    #[arg(value_name = "PATH", add = values::directory())]
    pub path: Option<PathBuf>,
    /// Listen at this port (0: any free one) from now on, instead of at the one that the page has.
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
    /// Open the page in a window without tabs, if Chromium, Chrome, Edge or Brave is installed.
    #[arg(long)]
    pub window: bool,
    /// Don't open the page in a browser.
    #[arg(long, visible_alias = "no-ui", conflicts_with = "window", overrides_with = "no_open")]
    pub no_open: bool,
    /// Accept API requests with the token in this file (`Authorization: Bearer`).
    #[arg(long, value_name = "FILE", requires = "role", add = values::file())]
    pub token_file: Option<PathBuf>,
    /// The role of the programs with the token.
    #[arg(long, value_enum, value_name = "ROLE", requires = "token_file")]
    pub role: Option<Role>,
    /// Have the terminals of the processes in tmux, as `tmo start --backend tmux`.
    #[arg(long)]
    pub overmind: bool,
}

/// `tmo ps`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct PsArgs {
    /// Print the whole state as JSON.
    #[arg(long)]
    pub json: bool,
    /// Also show how long each process has been in its state.
    #[arg(short = 'w', long, conflicts_with = "json")]
    pub wide: bool,
    /// Sort by this, and add a column for it.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub by: Option<Order>,
    /// Which run.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// A sort order of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Dependencies first, then the main processes, then the cleanup.
    Phase,
}
