//! The flags of `tmo start`, and their conversion to options.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::typed::{port, seconds, truth};
use crate::cli::completions::values;
use crate::config::StartOptions;
use crate::config::options::BackendChoice;

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
    pub(in crate::cli) const fn number(self) -> Option<u16> {
        match self {
            Self::Any => None,
            Self::At(port) => Some(port),
        }
    }
}

fn page_port(text: &str) -> Result<PagePort, String> {
    if text.is_empty() { Ok(PagePort::Any) } else { port(text).map(PagePort::At) }
}

/// `tmo start`.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags that are given or not")]
pub struct StartArgs {
    /// Start only these processes; the others can be started later. If a run is already up, start
    /// them in it.
    #[arg(value_name = "NAME", add = values::process())]
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
    #[arg(short = 'f', long, value_name = "FILE", add = values::file())]
    pub procfile: Option<PathBuf>,
    /// The working directory of the processes.
    #[arg(short = 'd', long, value_name = "DIR", add = values::directory())]
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
        default_missing_value = "", add = values::processes())]
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
    #[arg(long, value_name = "NAME", add = values::process())]
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
    #[arg(short = 'l', long, alias = "only", value_name = "NAMES", add = values::processes())]
    pub processes: Option<String>,
    /// The processes not to run, separated by commas; overrides --processes.
    #[arg(short = 'x', long, value_name = "NAMES", add = values::processes())]
    pub ignored_processes: Option<String>,
    /// The processes that may exit without stopping the others.
    #[arg(short = 'c', long, value_name = "NAMES", add = values::processes())]
    pub can_die: Option<String>,
    /// Let every process exit without stopping the others.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub any_can_die: Option<bool>,
    /// The processes to restart when they exit, or `all`; immediately, then with growing delays.
    #[arg(short = 'r', long, value_name = "NAMES", add = values::processes_or_all())]
    pub auto_restart: Option<String>,
    /// How many instances of each process to run: `web=2,all=1`.
    #[arg(short = 'm', long, value_name = "NAME=N,…", add = values::formation())]
    pub formation: Option<String>,
    /// The gap between the ports of two instances of a process.
    #[arg(long, value_name = "N")]
    pub formation_port_step: Option<u16>,
    /// The signals used to stop processes: `web=TERM,worker=QUIT`.
    #[arg(short = 'i', long, value_name = "NAME=SIG,…", add = values::stop_signals())]
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
    #[arg(short = 's', long, value_name = "PATH", add = values::socket())]
    pub socket: Option<PathBuf>,
    /// What kind of socket: unix, tcp, tcp4 or tcp6. Over TCP, clients of other users or on other
    /// machines need the same `TMO_TOKEN`.
    #[arg(short = 'S', long, value_name = "KIND", add = values::network())]
    pub network: Option<String>,
    /// The title of the terminal and the name of the tmux session.
    #[arg(short = 'w', long)]
    pub title: Option<String>,
    /// The tmux configuration with your keys and colours.
    #[arg(short = 'F', long, value_name = "FILE", add = values::file())]
    pub tmux_config: Option<PathBuf>,
    /// Show the time of each line.
    #[arg(short = 'T', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = truth)]
    pub show_timestamps: Option<bool>,
    /// The shell that runs the commands.
    #[arg(short = 'H', long, add = values::shell())]
    pub shell: Option<OsString>,
}

impl StartArgs {
    /// Whether a command is to be the only process.
    pub(in crate::cli) const fn is_command(&self) -> bool {
        !self.until_ready && !self.command.is_empty()
    }
}

/// The names in one word: several may be separated by commas.
fn listed(word: &str) -> impl Iterator<Item = String> {
    word.split(',').filter(|name| !name.is_empty()).map(str::to_owned)
}

impl From<StartArgs> for StartOptions {
    fn from(args: StartArgs) -> Self {
        Self {
            names: args.names.iter().flat_map(|name| listed(name)).collect(),
            command: if args.until_ready { vec![] } else { args.command },
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
            port_auto: args.port_auto,
            timeout: args.timeout,
            socket: args.socket,
            network: args.network,
            title: args.title,
            tmux_config: args.tmux_config,
            show_timestamps: args.show_timestamps,
            shell: args.shell,
            backend: if args.overmind { Some(BackendChoice::Tmux) } else { args.backend },
        }
    }
}
