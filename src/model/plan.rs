//! The resolved plan of a run: all that a supervisor, or the one that adopts it, needs to know.
//!
//! It is written once, before anything starts (`plan.json`, mode 0600), and an adopter uses only
//! it, whatever directory, shell or environment it is started from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::network::TcpAddress;
use super::rules::{Hooks, Rules};
use super::{ProcName, text::OsText};
use crate::model::time::Timestamp;

/// The version of `plan.json` that this program writes.
pub const PLAN_VERSION: u32 = 1;

/// Everything that was decided before the first process started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Format version, [`PLAN_VERSION`].
    pub version: u32,
    /// Unique per run (start to quit, adoptions included); processes see it as `TMO_SESSION`.
    pub run: String,
    /// When the run was started, nanoseconds since the Unix epoch.
    pub started: Timestamp,
    /// The title: base name of the root unless given.
    pub title: String,
    /// The tmux session: the title with every run of other characters replaced by one `-`.
    pub session: String,
    /// Name of the tmux server (`tmux -L`).
    pub tmux_socket: String,
    /// The tmux program, absolute.
    pub tmux: OsText,
    /// This program, absolute: what panes and pipes run.
    pub tmo: OsText,
    /// Working directory of the processes.
    pub root: OsText,
    /// The Procfile as the user named it.
    pub procfile: OsText,
    /// The control socket, absolute.
    pub socket: OsText,
    /// The control socket as the user named it (for messages).
    pub socket_shown: OsText,
    /// The address on TCP, if clients shall come over that as well.
    #[serde(default)]
    pub tcp: Option<TcpAddress>,
    /// The user's tmux configuration: `None` means `~/.tmux.conf`.
    pub tmux_config: Option<OsText>,
    /// The caller's complete environment (env files included).
    pub env: Vec<(OsText, OsText)>,
    /// What the processes inherit besides.
    pub inherit: Inherit,
    /// Columns and rows of new panes.
    pub size: (u16, u16),
    /// Seconds from the stop signal to SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// Where the journal is and how much of it is kept.
    pub log: LogPolicy,
    /// The longest name of the formation, those that do not run included: how wide the names of
    /// the merged log are at least.
    #[serde(default)]
    pub name_width: usize,
    /// How far the ports of two instances of one entry are apart.
    #[serde(default)]
    pub formation_port_step: u16,
    /// The colours that processes have in turn.
    #[serde(default)]
    pub colors: Vec<u8>,
    /// What is run when something happens.
    #[serde(default)]
    pub hooks: Hooks,
    /// Where crash reports go, absolute, if not beside the journal.
    #[serde(default)]
    pub crash_dir: Option<OsText>,
    /// The file that records where journal and crash reports are, absolute.
    #[serde(default)]
    pub last_run: Option<OsText>,
    /// The exit code of the run is that of this process, whose end ends it.
    #[serde(default)]
    pub exit_code_from: Option<ProcName>,
    /// The entries by which ports are counted: those of the Procfile at the start, then those that
    /// a reload has brought. One that is gone keeps its place.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What a reload reads again; nothing in a run of a version that did not know of that.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// How often the plan was changed while the run went on.
    #[serde(default)]
    pub generation: u64,
    /// The processes, in the order of the Procfile; behind them those that came later.
    pub processes: Vec<ProcessPlan>,
}

/// How a run was asked for: with this the same files are read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The directory that the start works in: its env files are read, and its Procfile.
    pub dir: OsText,
    /// Its path without symbolic links at the start; nothing in a run of a version that did not tell.
    #[serde(default)]
    pub real_dir: Option<OsText>,
    /// Which directory that is; nothing in a run of a version that did not tell.
    #[serde(default)]
    pub identity: Option<DirIdentity>,
    /// The directory that it was typed in, if that is another one.
    #[serde(default)]
    pub typed_in: Option<OsText>,
    /// The first word of the command named the directory.
    #[serde(default)]
    pub directory_named: bool,
    /// The whole command line.
    pub arguments: Vec<OsText>,
    /// The variables of [`Plan::env`] that env files have set, with what the caller had there.
    pub from_files: Vec<(OsText, Option<OsText>)>,
    /// Where the ports begin, if they were moved to where they are free.
    pub first_port: Option<u16>,
}

/// Which directory a path names: in another container, the same path may name another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirIdentity {
    /// Its device and its inode, if it was there.
    pub number: Option<(u64, u64)>,
    /// The mount namespace and the root directory that the path was looked up in.
    pub namespace: String,
}

impl Plan {
    /// The environment for the processes of the run: without the token of the control address,
    /// which a program is not to print with its environment.
    pub fn env_to_pass_on(&self) -> impl Iterator<Item = &(OsText, OsText)> + Clone {
        let withheld = self.withheld();
        self.env.iter().filter(move |(name, _)| !withheld(name))
    }

    /// Whether a variable is kept from all other programs: the token is, and, if this run was started by a
    /// process of another run, so are the variables that identify that run.
    fn withheld(&self) -> impl Fn(&OsText) -> bool + Clone + use<> {
        let is_inside = self.env.iter().any(|(name, _)| name.as_bytes() == b"TMO_SESSION");
        move |name| is_token(name) || is_inside && is_of_run(name)
    }

    /// The caller's own environment, without the variables of env files.
    pub fn caller_env(&self) -> BTreeMap<&OsText, &OsText> {
        let mut env: BTreeMap<_, _> = self.env.iter().map(|(name, value)| (name, value)).collect();
        for (name, value) in self.origin.iter().flat_map(|origin| &origin.from_files) {
            match value {
                Some(value) => env.insert(name, value),
                None => env.remove(name),
            };
        }
        env
    }

    /// The environment of the programs that tmo runs for itself, tmux for one: that of the caller,
    /// since a variable of an env file (`LD_PRELOAD`, `TZ`) could block or steer them.
    pub fn env_of_own_programs(&self) -> BTreeMap<&OsText, &OsText> {
        let mut env = self.caller_env();
        let withheld = self.withheld();
        env.retain(|name, _| !withheld(name));
        env
    }

    /// The processes of the configuration, and those that were added to them.
    pub fn present(&self) -> impl Iterator<Item = &ProcessPlan> + Clone {
        self.processes.iter().filter(|process| !process.removed)
    }
}

/// Whether a variable identifies the run to its processes. Inherited by a run that such a process starts, it
/// would direct commands to the outer run.
fn is_of_run(name: &OsText) -> bool {
    const OF_RUN: [&[u8]; 7] = [
        b"TMO_SESSION",
        b"TMO_PROCESS",
        b"TMO_SOCKET",
        b"TMO_NETWORK",
        b"OVERMIND_SOCKET",
        b"OVERMIND_NETWORK",
        b"PS",
    ];
    OF_RUN.contains(&name.as_bytes())
}

/// Whether a variable holds the token of the control address.
fn is_token(name: &OsText) -> bool {
    [&b"TMO_TOKEN"[..], b"OVERMIND_TOKEN"].contains(&name.as_bytes())
}

/// One process of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// Its full name.
    pub name: ProcName,
    /// The command, byte for byte as in the Procfile; run by `shell -c`.
    pub command: OsText,
    /// Instead of the command: a program and its arguments, without a shell.
    #[serde(default)]
    pub argv: Option<Vec<OsText>>,
    /// Its working directory, absolute; that of the plan where none is given.
    #[serde(default)]
    pub cwd: Option<OsText>,
    /// Variables of its own, over those of the plan.
    #[serde(default)]
    pub env: Vec<(OsText, OsText)>,
    /// The shell that runs the command.
    pub shell: OsText,
    /// The port it is told (`PORT`), if any.
    pub port: Option<u16>,
    /// The xterm colour of its prefix.
    pub color: u8,
    /// The signal that asks it to stop.
    pub stop_signal: i32,
    /// Milliseconds from that signal to SIGKILL; those of the plan where none are given.
    #[serde(default)]
    pub grace_ms: Option<u64>,
    /// What follows when it ends by itself.
    #[serde(default)]
    pub on_exit: OnExit,
    /// It does not begin with the others, but only when it is asked for.
    #[serde(default)]
    pub waits: bool,
    /// It came when its entry was scaled, while the run went on: no configuration has it.
    #[serde(default)]
    pub added: bool,
    /// No configuration has it any more.
    #[serde(default)]
    pub removed: bool,
    /// How often it came into the configuration while the run went on.
    #[serde(default)]
    pub came: u32,
    /// How often what it runs was changed while the run went on.
    #[serde(default)]
    pub edition: u32,
    /// What a `tmo.toml` says of it besides.
    #[serde(default)]
    pub rules: Rules,
}

impl ProcessPlan {
    /// Whether a word means it: its name, its entry, or `@` and one of its groups.
    pub fn is_meant(&self, word: &str) -> bool {
        self.name.is_meant(word, &self.rules.groups)
    }
}

/// What follows when a process ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExit {
    /// Everything else is stopped.
    #[default]
    StopAll,
    /// Nothing: the others run on without it.
    #[serde(alias = "ignore")]
    Remain,
    /// It is started again.
    Restart,
}

/// Attributes of the launching process that its children inherit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inherit {
    /// File mode creation mask.
    pub umask: u32,
    /// Niceness (`getpriority`).
    pub nice: i32,
    /// Resource limits: number of the resource (`setrlimit`), soft, hard.
    pub limits: Vec<(u32, u64, u64)>,
    /// Signals that the launcher ignored (`nohup`): children ignore them too.
    pub ignored: Vec<i32>,
}

/// Where the journal is and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// The directory of the journal.
    pub dir: OsText,
    /// Bytes kept per process; 0 keeps everything.
    pub per_process: u64,
    /// Bytes kept in all; 0 keeps everything.
    pub total: u64,
}

impl LogPolicy {
    /// Default number of bytes kept per process: 64 MiB.
    pub const PER_PROCESS: u64 = 64 << 20;
    /// Default number of bytes kept in all: 512 MiB.
    pub const TOTAL: u64 = 512 << 20;
    /// The largest size at which a stream goes on in a new segment: 16 MiB.
    pub const LARGEST_SEGMENT: u64 = 16 << 20;

    /// The size at which a stream goes on in a new segment: a quarter of the quota, within limits.
    pub const fn segment(&self) -> u64 {
        let quarter = self.per_process / 4;
        if self.per_process == 0 || quarter > Self::LARGEST_SEGMENT {
            Self::LARGEST_SEGMENT
        } else if quarter < 4096 {
            4096
        } else {
            quarter
        }
    }
}
