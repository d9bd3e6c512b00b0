//! Settings of a process that `tmo.toml` has and a Procfile cannot express: its dependencies, when it
//! counts as ready, what happens when it ends, and the patterns to search for in its output.
//!
//! Times are in milliseconds. The defaults are the behaviour of a bare Procfile.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::model::signal::SignalName;
use crate::model::terminal::prompt::PromptRule;
use crate::model::text::OsText;
use crate::model::text::shell::quoted;
use crate::model::{Exit, ProcName, is_default};

/// These settings for one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessPolicy {
    /// The phase of the run in which it runs.
    pub stage: Stage,
    /// Conditions on other processes that must hold before it starts.
    pub needs: Vec<Need>,
    /// Readiness checks, all of which must pass; with none, it is ready as soon as it runs.
    pub ready: Vec<Check>,
    /// The liveness check, which is repeated while it is ready.
    pub live: Option<Liveness>,
    /// The files whose changes restart it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<FileWatch>,
    /// Whether the first request to its name starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lazy: Option<LazyStart>,
    /// When it is restarted; `None` means as the command line requests ([`super::OnExit`]).
    pub restart: Option<RestartPolicy>,
    /// Exit codes besides 0 that count as success.
    pub success_codes: Vec<u8>,
    /// Exit codes of failures that do not count towards [`RestartPolicy::max_failures`].
    pub soft_codes: Vec<u8>,
    /// A command that stops it, executed before the stop signal by its shell in its directory and
    /// environment. The time it takes is part of the grace period.
    pub stop_command: Option<OsText>,
    /// Failure patterns to search for in its output.
    pub failures: Vec<FailurePattern>,
    /// Flags to search for in its output.
    pub flags: Vec<Flag>,
    /// Which of its unfinished lines are prompts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompt: PromptRule,
    /// Whether its crashes are reported as desktop notifications.
    pub notify: bool,
    /// Its groups; `@GROUP` selects all processes of a group.
    pub groups: Vec<String>,
    /// A display name.
    pub display: Option<String>,
    /// Its output goes to a pipe instead of a terminal, and it reads from `/dev/null`.
    pub no_terminal: bool,
    /// Its standard error is a stream of its own.
    pub split_stderr: bool,
    /// The host name that requests through `tmo web` have for it, if it is not its own one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_host: Option<String>,
    /// Its variable `TERM`, if it is not that of its terminal.
    pub term: Option<String>,
}

/// The first request to the name of a process starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LazyStart {
    /// It is stopped when nothing has used it for so long, in milliseconds; `None`: it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
}

impl ProcessPolicy {
    /// Whether this exit code is a success.
    pub fn is_success(&self, code: u8) -> bool {
        code == 0 || self.success_codes.contains(&code)
    }

    /// Whether an exit is a success. The exit that makes the process ready always is.
    pub fn is_good(&self, exit: Exit) -> bool {
        match exit {
            Exit::Code(code) => self.is_success(code) || self.is_ready_by(Some(code)),
            Exit::Signal(_) => false,
        }
    }

    /// Whether it is to keep running, because something is to be seen of it while it runs.
    pub fn is_to_stay(&self) -> bool {
        let ends = |probe: &Probe| matches!(probe, Probe::Exit { .. } | Probe::Delay { .. });
        self.live.is_some() || self.ready.iter().any(|check| !ends(&check.probe))
    }

    /// What its checks ask.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let live = self.live.iter().map(|live| &live.probe);
        self.ready.iter().map(|check| &check.probe).chain(live)
    }

    /// Whether it has a `NOTIFY_SOCKET`, to which it reports that it is ready.
    pub fn is_notified(&self) -> bool {
        self.ready.iter().any(|check| check.probe == Probe::Notify {})
    }

    /// The longest time between two `WATCHDOG=1`, in milliseconds.
    pub fn watchdog_ms(&self) -> Option<u64> {
        let Probe::Watchdog { ms } = self.live.as_ref()?.probe else { return None };
        Some(ms)
    }

    /// The ports that its checks connect to.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.probes().filter_map(Probe::local_port)
    }

    /// Whether the process is ready once it has exited with this code; `None` means with any code.
    pub fn is_ready_by(&self, code: Option<u8>) -> bool {
        self.ready.iter().any(|check| {
            matches!(check.probe, Probe::Exit { code: wanted } if code.is_none_or(|code| code == wanted))
        })
    }
}

/// When in a run a process has its turn.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Starts first. The main processes wait until all of these are ready.
    Dependency,
    /// The processes that the run is for.
    #[default]
    Main,
    /// Runs once at the end instead of at the start: after the main processes, before the dependencies are
    /// stopped.
    Cleanup,
}

/// A condition on another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The other process: an instance of the plan.
    pub on: ProcName,
    /// What it must have reached.
    pub until: DependencyCondition,
    /// Whether the process is restarted after a user or a reload has restarted the other one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: bool,
}

/// The progress of a process that others can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyCondition {
    /// It is running.
    Started,
    /// It is running and has passed all its checks.
    Ready,
    /// It has exited successfully.
    Completed,
}

/// A readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What to check.
    pub probe: Probe,
    /// Deadline after the start of the process. If the check has not passed by then, the process has failed
    /// to become ready.
    pub timeout_ms: u64,
    /// Pause between two attempts, for probes that poll.
    pub every_ms: u64,
}

impl Check {
    /// Default deadline of a check.
    pub const TIMEOUT_MS: u64 = 60_000;
    /// Default pause between two attempts.
    pub const EVERY_MS: u64 = 250;
}

/// A way to check a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// It has printed this text since it started.
    Log(Text),
    /// Something accepts connections on a port.
    Port {
        /// A name or an address.
        host: String,
        port: u16,
        /// Which listeners count, for readiness.
        #[serde(default)]
        owner: PortOwner,
    },
    /// A GET request is answered with a status from 200 to 399.
    Http {
        /// `http://host:port/path`. In a `tmo.toml` that has been read, `/path` is one at the PORT of the process.
        url: String,
    },
    /// A command, executed by the shell of the process in its directory and environment, exits with 0.
    Exec { command: OsText },
    /// It has exited with this code.
    Exit { code: u8 },
    /// It has been running for this long.
    Delay { ms: u64 },
    /// For readiness: it has sent `READY=1` to its `NOTIFY_SOCKET`.
    Notify {},
    /// For liveness: it sends `WATCHDOG=1` there at least this often.
    Watchdog { ms: u64 },
}

impl Probe {
    /// In a `tmo.toml` that has been read, stands for the PORT of the process, which only the plan knows. No check can
    /// name this port.
    pub const ITS_PORT: u16 = 0;
    /// The default host of a port.
    pub const HERE: &str = "127.0.0.1";
    /// The hosts that mean this machine.
    const LOCAL: [&str; 5] = ["127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0"];

    /// The port of this machine that it connects to.
    pub fn local_port(&self) -> Option<u16> {
        let (host, port) = match self {
            Self::Port { host, port, .. } => (host.as_str(), *port),
            Self::Http { url } => {
                let (scheme, rest) = url.split_once("://")?;
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let usual = if scheme == "https" { 443 } else { 80 };
                let named = rest[..end].rsplit_once(':');
                let named = named.and_then(|(host, port)| Some((host, port.parse().ok()?)));
                named.unwrap_or((&rest[..end], usual))
            }
            Self::Log(_)
            | Self::Exec { .. }
            | Self::Exit { .. }
            | Self::Delay { .. }
            | Self::Notify {}
            | Self::Watchdog { .. } => return None,
        };
        Self::is_local(host).then_some(port)
    }

    /// Whether a host means this machine.
    pub fn is_local(host: &str) -> bool {
        Self::LOCAL.contains(&host)
    }

    /// A command with which a user can run the same check, if there is one.
    pub fn by_hand(&self) -> Option<String> {
        match self {
            Self::Http { url } => Some(format!("curl -i {}", quoted(url))),
            Self::Exec { command } => Some(command.to_string()),
            Self::Log(_)
            | Self::Port { .. }
            | Self::Exit { .. }
            | Self::Delay { .. }
            | Self::Notify {}
            | Self::Watchdog { .. } => None,
        }
    }
}

/// Which listeners on a port make a process ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortOwner {
    /// A listener in the process's own tree counts, and one of another managed process never does. Any
    /// other listener counts too, but if it is older than the process, only after some time.
    #[default]
    Auto,
    /// Only a listener in the process's own tree.
    Tree,
    /// Any listener.
    Any,
}

/// A text to search for in a line, after its colours were removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text {
    /// A plain text, or a regular expression (syntax of the `regex` crate).
    pub pattern: String,
    /// Whether the pattern is a regular expression.
    pub regex: bool,
    /// Whether to ignore case.
    pub any_case: bool,
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.regex {
            write!(f, "what matches /{}/", self.pattern)
        } else {
            write!(f, "`{}`", self.pattern)
        }
    }
}

/// What a file watcher prints about the program that it runs: regular expressions for a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherPatterns {
    /// The program has failed.
    pub failed: Text,
    /// The program is started again, or runs.
    pub recovered: Text,
}

/// A liveness check: whether a ready process still works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// What to check: [`Probe::Port`], [`Probe::Http`], [`Probe::Exec`] or [`Probe::Watchdog`].
    pub probe: Probe,
    /// Deadline of an attempt.
    pub timeout_ms: u64,
    /// Pause between two attempts.
    pub every_ms: u64,
    /// Number of consecutive failed attempts that count as a failure of the process.
    pub failures: u32,
    /// What happens then.
    pub action: Reaction,
}

/// What happens after a match or a failed liveness check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// The process is stopped and stays stopped until a user starts it.
    Break,
    /// The process is restarted.
    Restart,
    /// It is only reported.
    Notify,
}

/// The files whose changes restart a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileWatch {
    /// The directory that the paths are relative to, absolute: that of the project.
    pub dir: OsText,
    /// Files, directories with all that is in them, and globs.
    pub paths: Vec<String>,
    /// Patterns of files that do not count, in the syntax of a `.gitignore`.
    pub ignore: Vec<String>,
    /// Whether files that git ignores do not count.
    pub gitignore: bool,
    /// How long there has to be no further change.
    pub debounce_ms: u64,
    /// A command that has to succeed before the restart.
    pub run: Option<OsText>,
    /// A signal that is sent instead of a restart.
    pub signal: Option<SignalName>,
}

/// When a process is restarted after it has ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// After which exits.
    pub when: Restart,
    /// The pause before a restart.
    pub delay_ms: u64,
    /// How this pause grows.
    pub backoff: Backoff,
    /// Upper limit of the pause.
    pub max_delay_ms: u64,
    /// Number of consecutive failures after which it is broken; 0 means never.
    pub max_failures: u32,
    /// A life of at least this duration resets the count of consecutive failures.
    pub stable_ms: u64,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: Restart::No,
            delay_ms: 1000,
            backoff: Backoff::Fixed,
            max_delay_ms: 30_000,
            max_failures: 10,
            stable_ms: 60_000,
        }
    }
}

/// After which exits a process is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After failures.
    OnFailure,
    /// After every exit.
    Always,
}

/// How the pause between restarts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backoff {
    /// It does not grow.
    #[default]
    Fixed,
    /// The pause doubles each time. A random deviation of up to a tenth keeps processes from restarting all
    /// at once.
    Exponential,
}

/// A text in the output of a process that means failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailurePattern {
    pub text: Text,
    /// What happens after a match.
    pub action: FailureAction,
}

/// What happens when a process prints a failure pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// The process is stopped and stays stopped until a user starts it.
    #[default]
    Break,
    /// The process is restarted.
    Restart,
}

/// A text in the output of a process whose matches are counted and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    pub name: String,
    pub text: Text,
    /// The colour it is shown in.
    pub color: FlagColor,
    /// Number of lines kept before and after each match.
    pub context: u16,
    /// The flag is exceeded when it has more matches than this.
    pub target: Option<u64>,
    /// A command to run after a match, at most once in [`Self::every_ms`].
    pub on_match: Option<OsText>,
    /// Whether a match is reported as a desktop notification, with the same limit.
    #[serde(default)]
    pub notify: bool,
    /// The minimum time between two runs of [`Self::on_match`].
    pub every_ms: u64,
    /// What else happens after a match.
    pub action: Reaction,
}

impl Flag {
    /// Default minimum time between two runs of a command.
    pub const EVERY_MS: u64 = 1000;

    /// A flag that only counts and is named after its text.
    pub fn new(text: Text) -> Self {
        Self {
            name: text.pattern.clone(),
            text,
            color: FlagColor::default(),
            context: 0,
            target: None,
            on_match: None,
            notify: false,
            every_ms: Self::EVERY_MS,
            action: Reaction::Notify,
        }
    }
}

/// The colours of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are colours")]
pub enum FlagColor {
    Green,
    Red,
    #[default]
    Yellow,
    Blue,
    Purple,
    Orange,
}

/// How pages show a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebRules {
    /// Its name on pages, if it differs from its title.
    pub title: Option<String>,
    /// Whether a start serves its page.
    pub start: bool,
    /// Whether pages show the resource use of its processes.
    pub metrics: bool,
    /// Whether they take apps at the public address, too.
    pub uploads: bool,
}

impl Default for WebRules {
    fn default() -> Self {
        Self { title: None, start: false, metrics: true, uploads: false }
    }
}

/// Commands that `sh` runs in the root of the plan on events of the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// A process has crashed.
    pub on_crash: Option<OsText>,
    /// All processes of [`Stage::Dependency`] are ready.
    pub dependencies_ready: Option<OsText>,
    /// All processes of [`Stage::Main`] have been started.
    pub main_started: Option<OsText>,
    /// The processes of [`Stage::Cleanup`] are about to start.
    pub cleanup: Option<OsText>,
    /// The hook after which the run ends.
    pub stop_after: Option<StopAfter>,
}

/// A hook after which a run may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopAfter {
    /// [`Hooks::dependencies_ready`].
    DependenciesReady,
    /// [`Hooks::main_started`].
    MainStarted,
}

/// The assessment of an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitVerdict {
    /// A success.
    Good,
    Failure,
    /// A failure that is acceptable now and then and is not counted.
    Soft,
    /// The command could not be run, and retrying is pointless.
    StartError,
}

impl ProcessPolicy {
    /// Assess an exit. The shell's exit codes 126 and 127 are an ordinary failure if no restart
    /// policy is set, as in overmind.
    pub fn judge(&self, exit: Exit) -> ExitVerdict {
        match exit {
            Exit::Code(_) if self.is_good(exit) => ExitVerdict::Good,
            Exit::Code(code) if self.soft_codes.contains(&code) => ExitVerdict::Soft,
            Exit::Code(126 | 127) if self.restart.is_some() => ExitVerdict::StartError,
            Exit::Code(_) | Exit::Signal(_) => ExitVerdict::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PortOwner, Probe};

    #[test]
    fn what_a_check_asks_can_be_typed_where_a_command_does_it() {
        let http = |url: &str| Probe::Http { url: url.into() };
        let exec = |command: &str| Probe::Exec { command: command.into() };
        let port = Probe::Port { host: "::1".into(), port: 80, owner: PortOwner::default() };
        for (probe, command) in [
            (http("http://[::1]:80/x"), Some("curl -i 'http://[::1]:80/x'")),
            (http("http://a/it's"), Some(r"curl -i 'http://a/it'\''s'")),
            (exec("echo `id`; exit 4"), Some("echo `id`; exit 4")),
            (port, None),
        ] {
            assert_eq!(probe.by_hand().as_deref(), command);
        }
    }
}
