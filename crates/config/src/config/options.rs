//! The command line of `tmo start`, and the row of each of its settings.
//!
//! The doc comments of the fields are the help of the flags. Variables are not read here, since env files may also set
//! them: `plan::settings` does that. What completes a value is in `src/cli/args/values.rs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::env::parse_bool;
use crate::model::plan::Backend;

/// `tmo start` as it was typed; `None` if a flag was not given.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct StartOptions {
    /// Start only these processes; the others can be started later. If a run is already up, start
    /// them in it.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The NAMEs come from elsewhere: none of them is a directory.
    #[arg(long, hide = true)]
    pub by_name: bool,
    /// If a run is already up, only start what someone has stopped in it. If its supervisor was killed,
    /// replace it; if the run is stopping, wait for its end, then start it again.
    #[arg(long)]
    pub if_needed: bool,
    /// Start nothing; print the resulting configuration as JSON.
    #[arg(long)]
    pub print_config: bool,
    /// The Procfile.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub procfile: Option<PathBuf>,
    /// The working directory of the processes.
    #[arg(short = 'd', long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Show the run in the interface of `tmo ui`.
    #[arg(long, conflicts_with_all = ["daemonize", "wait", "until_ready", "print_config"])]
    pub ui: bool,
    /// Also serve the page that shows your runs in a browser, unless `tmo web` does, until no run is left; at this
    /// port from now on, or else at the one that the page has, at first the first free one from 10000 on.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true,
        default_missing_value = "", value_parser = page_port,
        conflicts_with_all = ["print_config", "until_ready"])]
    pub web: Option<PagePort>,
    /// Return when each process is ready or has lived for a second, leaving them in the background until
    /// `tmo quit`. The exit code is 1 if one has failed, or was skipped for lack of a dependency. If a run is up,
    /// start what someone has stopped in it.
    #[arg(short = 'D', long, alias = "detach", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub daemonize: Option<bool>,
    /// With -D or names, return as soon as all is started.
    #[arg(long, conflicts_with_all = ["wait", "until_ready", "print_config"])]
    pub no_wait: bool,
    /// Show the log until all processes run, then return as -D does; those named here must also
    /// accept connections on their PORT. The value is a list of names and a time limit: `web,60s`.
    #[arg(long, value_name = "NAME,…,TIME", num_args = 0..=1, require_equals = true,
        default_missing_value = "")]
    pub wait: Option<String>,
    /// Show the log until all processes are ready, run the command after `--`, stop everything,
    /// and return the command's exit code; `tmo` in the command refers to this run. `--wait=TIME`
    /// limits the wait for readiness.
    #[arg(long, requires = "command", conflicts_with_all = ["daemonize", "if_needed", "print_config"])]
    pub until_ready: bool,
    /// Run this command as the only process, without a Procfile; with --until-ready, the command to run
    /// beside the processes.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Stop everything when this process exits, and return its exit code, even if the process was
    /// stopped or killed.
    #[arg(long, value_name = "NAME")]
    pub exit_code_from: Option<String>,
    /// Start the processes at once, whatever they depend on; start no others for them.
    #[arg(long)]
    pub no_deps: bool,
    /// What provides the terminals of the processes: tmux, tmo itself (native), or tmux if a usable
    /// one is installed (auto).
    #[arg(long, value_name = "KIND", value_enum, hide_possible_values = true)]
    pub backend: Option<BackendChoice>,
    /// The same as `--backend tmux`.
    #[arg(long, conflicts_with = "backend")]
    pub overmind: bool,
    /// The processes to run, separated by commas.
    #[arg(short = 'l', long, alias = "only", value_name = "NAMES")]
    pub processes: Option<String>,
    /// The processes not to run, separated by commas; overrides --processes.
    #[arg(short = 'x', long, value_name = "NAMES")]
    pub ignored_processes: Option<String>,
    /// The processes that may exit without stopping the others.
    #[arg(short = 'c', long, value_name = "NAMES")]
    pub can_die: Option<String>,
    /// Let every process exit without stopping the others.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub any_can_die: Option<bool>,
    /// The processes to restart when they exit, or `all`; immediately, then with growing delays.
    #[arg(short = 'r', long, value_name = "NAMES")]
    pub auto_restart: Option<String>,
    /// How many instances of each process to run: `web=2,all=1`.
    #[arg(short = 'm', long, value_name = "NAME=N,…")]
    pub formation: Option<String>,
    /// The gap between the ports of two instances of a process.
    #[arg(long, value_name = "N")]
    pub formation_port_step: Option<u16>,
    /// The signals used to stop processes: `web=TERM,worker=QUIT`.
    #[arg(short = 'i', long, value_name = "NAME=SIG,…")]
    pub stop_signals: Option<String>,
    /// The colours of the names, as xterm numbers (0 to 255) separated by commas.
    #[arg(short = 'b', long, value_name = "CODES")]
    pub colors: Option<String>,
    /// The port of the first process, passed to it as PORT.
    #[arg(short = 'p', long)]
    pub port: Option<u16>,
    /// The gap between the ports of consecutive lines of the Procfile.
    #[arg(short = 'P', long, value_name = "N")]
    pub port_step: Option<u16>,
    /// Don't set PORT; an inherited one is kept.
    #[arg(short = 'N', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub no_port: Option<bool>,
    /// Use the first free range of ports at or above --port, and the same one at each start. The range
    /// at --port is for the main git worktree, so linked ones skip it. In those it is on unless a flag
    /// or a variable names a port.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub port_auto: Option<bool>,
    /// Seconds between the stop signal and SIGKILL.
    #[arg(short = 't', long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// The control socket to listen on; with `--network tcp`, HOST:PORT.
    #[arg(short = 's', long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6. Over TCP, clients of other users or on other
    /// machines need the same `TMO_TOKEN`.
    #[arg(short = 'S', long, value_name = "KIND")]
    pub network: Option<String>,
    /// The title of the terminal and the name of the tmux session.
    #[arg(short = 'w', long)]
    pub title: Option<String>,
    /// The tmux configuration with your keys and colours.
    #[arg(short = 'F', long, value_name = "FILE")]
    pub tmux_config: Option<PathBuf>,
    /// Show the time of each line.
    #[arg(short = 'T', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub show_timestamps: Option<bool>,
    /// The shell that runs the commands.
    #[arg(short = 'H', long)]
    pub shell: Option<OsString>,
}

impl StartOptions {
    /// Whether a command is to be the only process.
    pub const fn is_command(&self) -> bool {
        !self.until_ready && !self.command.is_empty()
    }

    /// Each name apart where commas join them, no command that runs beside the processes, and the backend that
    /// `--overmind` means.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let words = self.names.iter().flat_map(|word| word.split(','));
        self.names = words.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if self.until_ready {
            self.command.clear();
        }
        if self.overmind {
            self.backend = Some(BackendChoice::Tmux);
        }
        self
    }

    /// The flags given here that had another value, or none, when the run was started.
    pub fn new_flags(&self, begun: &Self) -> Vec<String> {
        let is_new = |setting: &&Setting| setting.is_compared && (setting.is_new)(self, begun);
        SETTINGS.iter().filter(is_new).map(Setting::flag).collect()
    }
}

/// A setting that a flag or a variable gives.
#[derive(Debug)]
pub struct Setting {
    /// The id of the flag, which with capital letters is the variable, after `TMO_` or `OVERMIND_`.
    pub id: &'static str,
    /// Whether it has variables.
    pub has_variable: bool,
    /// The default, as the help shows it.
    pub default: &'static str,
    /// Whether a start where a run is up warns that it can't apply it.
    is_compared: bool,
    pub(crate) is_given: fn(&StartOptions) -> bool,
    is_new: fn(&StartOptions, &StartOptions) -> bool,
}

impl Setting {
    /// The setting of this id.
    pub fn with_id(id: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.id == id)
    }

    /// Its default; empty if there is no such setting.
    pub fn default_of(id: &str) -> &'static str {
        Self::with_id(id).map_or("", |setting| setting.default)
    }

    /// `--any-can-die`.
    pub fn flag(&self) -> String {
        format!("--{}", self.id.replace('_', "-"))
    }

    /// `ANY_CAN_DIE`.
    pub fn variable(&self) -> String {
        self.id.to_ascii_uppercase()
    }
}

/// A row: the id of the flag, whether it has variables, its default, and whether it is compared with a run that is up.
macro_rules! settings {
    ($($id:ident: $variable:literal, $default:literal, $compared:literal;)*) => {
        /// All settings, in the order of the warning about flags that can't be applied.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            id: stringify!($id),
            has_variable: $variable,
            default: $default,
            is_compared: $compared,
            is_given: |typed| typed.$id.is_some(),
            is_new: |typed, begun| typed.$id.is_some() && typed.$id != begun.$id,
        }),*];
    };
}

settings! {
    procfile: true, "./Procfile", false;
    root: false, "the directory of the Procfile", true;
    daemonize: true, "false", false;
    processes: true, "all", true;
    ignored_processes: true, "none", true;
    can_die: true, "none", true;
    any_can_die: true, "false", true;
    auto_restart: true, "none", true;
    colors: true, "2,3,4,5,6,29,131,63,163,98", true;
    formation: true, "all=1", true;
    formation_port_step: true, "10", true;
    stop_signals: true, "INT for all", true;
    port: true, "5000", true;
    port_step: true, "100", true;
    no_port: true, "false", true;
    port_auto: true, "true in a linked worktree", true;
    timeout: true, "5", true;
    socket: true, "./.overmind.sock", false;
    network: true, "unix", false;
    title: true, "the name of the root directory", true;
    tmux_config: true, "~/.tmux.conf", true;
    show_timestamps: true, "false", false;
    shell: true, "sh", true;
    backend: true, "auto", false;
}

/// The port of the page beside a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePort {
    /// The first one that is free.
    Any,
    /// This one.
    At(u16),
}

impl PagePort {
    /// The port, if a certain one is wanted.
    pub const fn number(self) -> Option<u16> {
        match self {
            Self::Any => None,
            Self::At(port) => Some(port),
        }
    }
}

fn page_port(text: &str) -> Result<PagePort, String> {
    if text.is_empty() { Ok(PagePort::Any) } else { port(text).map(PagePort::At) }
}

/// A port in an argument.
pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535".to_owned())
}

/// What Go takes for a truth value, as overmind does.
pub fn truth(text: &str) -> Result<bool, &'static str> {
    if text.is_empty() { Ok(false) } else { parse_bool(text).ok_or("true or false is needed") }
}

/// A number of seconds in an argument.
pub fn seconds(text: &str) -> Result<Duration, &'static str> {
    parse_seconds(text).ok_or("a number of seconds is needed")
}

/// What is to provide the terminals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// tmux if a usable one is installed, else tmo itself.
    #[default]
    Auto,
    /// A private tmux server.
    Tmux,
    /// tmo itself; tmux is not needed.
    Native,
}

impl BackendChoice {
    /// All names, as in [`by_name`](Self::by_name).
    pub const NAMES: &[&str] = &["auto", "tmux", "native"];

    /// Whether a run may have these terminals.
    pub const fn allows(self, backend: Backend) -> bool {
        match self {
            Self::Auto => true,
            Self::Tmux => matches!(backend, Backend::Tmux),
            Self::Native => matches!(backend, Backend::Native),
        }
    }

    /// The choice of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        clap::ValueEnum::from_str(name, false).ok()
    }
}

/// A number of seconds, fractions allowed.
pub fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds <= 1e9).then_some(seconds).and_then(|s| Duration::try_from_secs_f64(s).ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_seconds;

    #[test]
    fn seconds_may_have_fractions() {
        assert_eq!(parse_seconds("5"), Some(Duration::from_secs(5)));
        assert_eq!(parse_seconds("0.25"), Some(Duration::from_millis(250)));
        for bad in ["", "-1", "nan", "inf", "1e99", "5s"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }
}
