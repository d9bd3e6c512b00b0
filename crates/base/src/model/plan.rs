//! The plan of a run: everything that a supervisor or its adopter needs to know.
//!
//! It is saved before anything starts (`plan.json`, mode 0600). An adopter uses only the plan, whatever its
//! own working directory, shell or environment is.

pub mod detach_keys;
pub mod expression;
pub mod file_patterns;
pub mod process_env;
pub mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::detach_keys::DetachKeys;
use self::rules::{Hooks, ProcessPolicy, WatcherPatterns, WebRules};
use super::name::action::ActionName;
use super::network::TcpAddress;
use super::text::shell::{quoted, quoted_words};
use super::{ProcName, is_default, text::OsText};
use crate::model::time::Timestamp;

/// The latest version of `plan.json` that this program reads.
pub const PLAN_VERSION: u32 = 2;

/// What [`Plan::procfile`] names in the run of a COMMAND.
pub const COMMAND: &str = "--";

/// All settings of a run, as computed before the first process starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Format version: that of its [`backend`](Backend::plan_version).
    pub version: u32,
    /// Unique id of the run, kept across takeovers; processes see it as `TMO_SESSION`.
    pub run: String,
    /// When the run was started, nanoseconds since the Unix epoch.
    pub started: Timestamp,
    /// The title: the base name of the root unless specified.
    pub title: String,
    /// What stands for the project in the host names of its processes; `None` in a plan that is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port of the page that the start serves, at which browsers reach processes by their host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_port: Option<u16>,
    /// Whether it was started under the name overmind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_overmind: bool,
    /// The tmux session: the title in lower case, with each sequence of characters other than ASCII
    /// letters and digits replaced by `-`.
    pub session: String,
    /// What provides the terminals; tmux in a run of a version without a choice.
    #[serde(default)]
    pub backend: Backend,
    /// Name of the tmux server (`tmux -L`).
    pub tmux_socket: String,
    /// The tmux program, absolute; empty if tmux is not used.
    pub tmux: OsText,
    /// The tmo program, absolute; panes and pipes run it.
    pub tmo: OsText,
    /// Working directory of the processes.
    pub root: OsText,
    /// The Procfile as the user named it.
    pub procfile: OsText,
    /// The control socket, absolute.
    pub socket: OsText,
    /// The control socket as the user named it, for messages.
    pub socket_shown: OsText,
    /// The TCP address, if clients may also connect over TCP.
    pub tcp: Option<TcpAddress>,
    /// The user's tmux configuration: `None` means `~/.tmux.conf`.
    pub tmux_config: Option<OsText>,
    /// The caller's complete environment (env files included).
    pub env: Vec<(OsText, OsText)>,
    /// Attributes that the processes inherit besides the environment.
    pub inherit: Inherit,
    /// Columns and rows of new panes.
    pub size: (u16, u16),
    /// The grace period from the stop signal to SIGKILL, in milliseconds.
    pub grace_ms: u64,
    /// Where the journal is and how much of it is retained.
    pub log: LogPolicy,
    /// Length of the longest process name, including processes that do not run: the minimum width of the
    /// name column of the merged log.
    pub name_width: usize,
    /// The difference between the ports of two consecutive instances of an entry.
    pub formation_port_step: u16,
    /// The colours that are assigned to processes in turn.
    pub colors: Vec<u8>,
    /// Commands to run on events of the run.
    pub hooks: Hooks,
    /// How pages show the run.
    #[serde(default)]
    pub web: WebRules,
    /// Watchers of the project, besides those that tmo knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watchers: Vec<WatcherPatterns>,
    /// The keys that leave a terminal without tmux, if they were chosen.
    pub detach_keys: Option<DetachKeys>,
    /// The directory of crash reports, absolute, if it is not next to the journal.
    pub crash_dir: Option<OsText>,
    /// The directory of the apps of the project, absolute.
    pub apps: OsText,
    /// The file that records where journal and crash reports are, absolute.
    pub last_run: Option<OsText>,
    /// The process whose exit code becomes the exit code of the run, and whose end ends the run.
    pub exit_code_from: Option<ProcName>,
    /// Whether the run ends when all its processes have completed, or one of them has failed and nothing can
    /// follow.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ends_when_done: bool,
    /// Whether the processes start at once, whatever they need (`--no-deps`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_deps: bool,
    /// The entries by which ports are assigned: those of the Procfile at the start, followed by those added
    /// by reloads. A removed entry keeps its place.
    pub lines: Vec<String>,
    /// What a reload reads again; `None` in a run of a version without reload.
    pub origin: Option<Origin>,
    /// How often the plan has been changed during the run.
    pub generation: u64,
    /// The ports on which other programs listened when the run was started.
    #[serde(default)]
    pub taken_ports: Vec<TakenPort>,
    /// The processes in the order of the Procfile, followed by those added later.
    pub processes: Vec<ProcessPlan>,
    /// What `-l`, `-x` or the names of the start have left out. One that is started later moves to the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ProcessPlan>,
    /// The actions of processes and of the project. One that is requested is added to the processes, and stays here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ProcessPlan>,
}

/// A port of a process on which another program listened when the run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("port {port} of {process} is taken: {by} listens on it")]
pub struct TakenPort {
    /// The process that is to listen there.
    pub process: ProcName,
    pub port: u16,
    /// The other program, for display.
    pub by: String,
}

/// What provides the terminals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// A tmux server.
    #[default]
    Tmux,
    /// tmo itself.
    Native,
}

impl Backend {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tmux => "tmux",
            Self::Native => "native",
        }
    }

    /// The version of a plan with this backend. A program that does not know terminals without tmux must
    /// not take over such a run, but can still take over one in tmux.
    pub const fn plan_version(self) -> u32 {
        match self {
            Self::Tmux => 1,
            Self::Native => PLAN_VERSION,
        }
    }
}

/// How the run was started. A reload uses this to read the same files again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The directory that the start works in; its env files and Procfile are read.
    pub dir: OsText,
    /// The path of `dir` without symbolic links, at the start; `None` in a run of a version that did not
    /// save it.
    pub real_dir: Option<OsText>,
    /// The identity of `dir`; `None` in a run of a version that did not save it.
    pub identity: Option<DirIdentity>,
    /// The directory in which the command was typed, if different.
    pub typed_in: Option<OsText>,
    /// Whether the first word of the command named the directory.
    #[serde(default)]
    pub directory_named: bool,
    /// The whole command line.
    pub arguments: Vec<OsText>,
    /// The variables of [`Plan::env`] set by env files, each with the caller's own value.
    pub from_files: Vec<(OsText, Option<OsText>)>,
    /// The first port, if ports were moved to a free range.
    pub first_port: Option<u16>,
}

/// Identifies a directory: in another container, the same path may name another directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirIdentity {
    /// Its device and inode, if it existed.
    pub number: Option<(u64, u64)>,
    /// The mount namespace and root directory in which the path was resolved.
    pub namespace: String,
}

impl Plan {
    /// The environment for the processes of the run. It excludes the token of the control address, so that
    /// a program that prints its environment does not leak it.
    pub fn env_to_pass_on(&self) -> impl Iterator<Item = &(OsText, OsText)> + Clone {
        let withheld = self.withheld();
        self.env.iter().filter(move |(name, _)| !withheld(name))
    }

    /// Whether a variable is withheld from all other programs. The token is. If this run was started by a
    /// process of another run, so are the variables that identify the outer run.
    fn withheld(&self) -> impl Fn(&OsText) -> bool + Clone + use<> {
        let is_inside = self.env.iter().any(|(name, _)| name.as_bytes() == b"TMO_SESSION");
        move |name| is_token(name) || is_inside && is_of_run(name)
    }

    /// The caller's own environment, without the changes made by env files.
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

    /// The environment of programs that tmo runs for itself, such as tmux: that of the caller, since a
    /// variable of an env file (`LD_PRELOAD`, `TZ`) could block or steer them.
    pub fn env_of_own_programs(&self) -> BTreeMap<&OsText, &OsText> {
        let mut env = self.caller_env();
        let withheld = self.withheld();
        env.retain(|name, _| !withheld(name));
        env
    }

    /// The command that starts this run again without ending it with this process, which has ended with success.
    /// `None` if the run was to end with it.
    pub fn way_to_end(&self, name: &ProcName) -> Option<String> {
        let is_wanted = self.exit_code_from.as_ref() == Some(name);
        let is_alone = self.present().count() < 2;
        (!is_wanted && !is_alone).then(|| start_and_let_end(name))
    }

    /// Whether it is the run of a COMMAND (`tmo start -- COMMAND`), which no file configures.
    pub fn is_of_command(&self) -> bool {
        self.procfile.as_bytes() == COMMAND.as_bytes()
    }

    /// The COMMAND that it is the run of.
    pub fn command(&self) -> Option<String> {
        let process = self.processes.first().filter(|_| self.is_of_command())?;
        Some(quoted_words(process.argv.iter().flatten().map(OsText::as_bytes)))
    }

    /// Whether `word` means a process that the start has left out.
    pub fn leaves_out(&self, word: &str) -> bool {
        self.left_out.iter().any(|process| process.is_meant(word))
    }

    /// The processes of the configuration and those added by scaling, without removed ones.
    pub fn present(&self) -> impl Iterator<Item = &ProcessPlan> + Clone {
        self.processes.iter().filter(|process| !process.removed)
    }
}

/// The command that starts a run which the end of this process does not end.
pub fn start_and_let_end(name: &ProcName) -> String {
    format!("tmo start -c {}", quoted(name.as_str()))
}

/// Whether a variable identifies the run to its processes. If a process started another run and passed the
/// variable on, commands there would be directed to the outer run.
fn is_of_run(name: &OsText) -> bool {
    const OF_RUN: [&[u8]; 8] = [
        b"TMO_SESSION",
        b"TMO_PROCESS",
        b"TMO_SOCKET",
        b"TMO_NETWORK",
        b"OVERMIND_SOCKET",
        b"OVERMIND_NETWORK",
        b"TMO_URL",
        b"PS",
    ];
    let name = name.as_bytes();
    OF_RUN.contains(&name) || name.starts_with(b"TMO_PROCESS_") && name.ends_with(b"_URL")
}

/// Whether a variable holds the token of the control address.
fn is_token(name: &OsText) -> bool {
    [&b"TMO_TOKEN"[..], b"OVERMIND_TOKEN"].contains(&name.as_bytes())
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessPlan {
    /// Its full name.
    pub name: ProcName,
    /// The command, byte for byte as in the Procfile; run by `shell -c`.
    pub command: OsText,
    /// A program with arguments, executed without a shell instead of the command.
    pub argv: Option<Vec<OsText>>,
    /// Its working directory, absolute; `None` means that of the plan.
    pub cwd: Option<OsText>,
    /// Its own variables, which override those of the plan.
    pub env: Vec<(OsText, OsText)>,
    /// The shell that runs the command.
    pub shell: OsText,
    /// The port passed to it as `PORT`, if any.
    pub port: Option<u16>,
    /// Whether that is `port` of its table in `tmo.toml`, which `--port-auto` does not change.
    #[serde(default, skip_serializing_if = "is_default")]
    pub has_own_port: bool,
    /// The xterm colour of its prefix.
    pub color: u8,
    /// The signal that requests it to stop.
    pub stop_signal: i32,
    /// Its grace period in milliseconds; `None` means that of the plan.
    pub grace_ms: Option<u64>,
    /// What happens when it exits by itself.
    pub on_exit: OnExit,
    /// What it reads from.
    #[serde(default)]
    pub stdin: Stdin,
    /// Whether it is not started with the others, but only on request.
    pub waits: bool,
    /// Whether it was added by scaling its entry during the run, so that it is in no configuration.
    pub added: bool,
    /// Whether it was removed from the configuration.
    pub removed: bool,
    /// How often it was added to the configuration during the run.
    #[serde(rename = "came")]
    pub additions: u32,
    /// How often its command or other settings of its execution were changed during the run.
    #[serde(rename = "edition")]
    pub revision: u32,
    /// How often settings were changed during the run that are its own: its command, its directory, or
    /// variables that do not change for all processes alike.
    #[serde(default)]
    pub own_revision: u32,
    /// Its installation, if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// What it is, if it is an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionRole>,
    /// Its settings from `tmo.toml` that a Procfile cannot express.
    pub rules: ProcessPolicy,
}

/// An action: a command that runs on request, in the environment of a process or of the project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActionRole {
    pub name: String,
    /// The entry of its process; `None` if it belongs to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether it asks before it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub confirm: bool,
}

impl ProcessPlan {
    /// How it is named, if it is an action.
    pub fn action_name(&self) -> Option<ActionName<'_>> {
        let role = self.action.as_ref()?;
        Some(ActionName { of: role.of.as_deref(), name: &role.name })
    }

    /// Whether `word` selects it: by its name, its entry, or `@` and one of its groups.
    pub fn is_meant(&self, word: &str) -> bool {
        self.name.is_selected_by(word, &self.rules.groups)
    }
}

/// The installation of a process. It is a life of the process, in its pane and directory, but with this command and
/// environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// The program and its arguments, executed without a shell.
    pub command: Vec<OsText>,
    /// The complete environment. Only the variables of the pane are added, not those of the plan or of the
    /// process.
    pub env: Vec<(OsText, OsText)>,
    /// The time limit in milliseconds. After it, the process tree is ended and the installation has failed.
    pub timeout_ms: u64,
    /// Identifies the installed version. An installation is valid only for this version.
    pub version: String,
    /// Whether the version must be installed before the process can run.
    pub pending: bool,
    /// The next step after an installation that begins because the process was added to the run.
    pub then: AfterInstall,
}

impl Install {
    /// Default time limit of an installation.
    pub const TIMEOUT_MS: u64 = 300_000;
}

/// The next step after a successful installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterInstall {
    /// The process runs.
    #[default]
    Run,
    /// The process stays stopped.
    Stop,
}

/// The standard input of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// The terminal of its pane.
    #[default]
    Terminal,
    /// `/dev/null`, for programs that ask questions when they can read from a terminal.
    Null,
}

/// What happens when a process exits by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExit {
    /// Everything else is stopped.
    #[default]
    StopAll,
    /// Nothing: the other processes keep running.
    #[serde(alias = "ignore")]
    Remain,
    Restart,
}

/// Attributes of the launching process that its children inherit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inherit {
    /// File mode creation mask.
    pub umask: u32,
    /// Niceness (`getpriority`).
    pub nice: i32,
    /// Resource limits: number of the resource (`setrlimit`), soft limit, hard limit.
    pub limits: Vec<(u32, u64, u64)>,
    /// Signals that the launching process ignored (`nohup`) and its children ignore too.
    pub ignored: Vec<i32>,
}

/// Where the journal is and how much of it is retained.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogPolicy {
    /// The directory of the journal.
    pub dir: OsText,
    /// Bytes retained per process; 0 means everything.
    pub per_process: u64,
    /// Bytes retained in total; 0 means everything.
    pub total: u64,
    /// How long output is retained at most, in milliseconds; 0 means however old.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_age_ms: u64,
}

impl LogPolicy {
    /// Default for bytes retained per process: 64 MiB.
    pub const PER_PROCESS: u64 = 64 << 20;
    /// Default for bytes retained in total: 512 MiB.
    pub const TOTAL: u64 = 512 << 20;
    /// Maximum segment size: 16 MiB.
    pub const LARGEST_SEGMENT: u64 = 16 << 20;

    /// How long a stream is written to one segment: a quarter of the greatest age, as only whole segments are deleted.
    pub fn period(&self) -> Option<Duration> {
        (self.max_age_ms > 0).then(|| Duration::from_millis((self.max_age_ms / 4).max(1000)))
    }

    /// The size at which a stream continues in a new segment: a quarter of the quota, within limits.
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
