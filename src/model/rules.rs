//! What a `tmo.toml` says of a process and a Procfile can't: what it waits for, when it counts as
//! ready, what follows its end, and what is looked for in its output.
//!
//! Times are milliseconds. The default is what a bare Procfile means.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::shell::quoted;
use super::text::OsText;
use super::{Exit, ProcName};

/// All of it, for one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// When in a run it has its turn.
    pub stage: Stage,
    /// What must be true of others before it begins.
    pub needs: Vec<Need>,
    /// All of these make it ready; none means that it is ready once it runs.
    pub ready: Vec<Check>,
    /// Whether it still works, looked at again and again.
    pub live: Option<Liveness>,
    /// When it is started again; nothing: as the flags say ([`super::plan::OnExit`]).
    pub restart: Option<RestartPolicy>,
    /// Exit codes besides 0 that are no failure.
    pub success_codes: Vec<u8>,
    /// Exit codes of failures that don't count towards [`RestartPolicy::max_failures`].
    pub soft_codes: Vec<u8>,
    /// What asks it to stop, run by its shell in its directory and environment, before the stop
    /// signal; the grace period includes it.
    pub stop_command: Option<OsText>,
    /// What in its output means that it has failed.
    pub failures: Vec<FailurePattern>,
    /// What in its output is to be counted and kept.
    pub flags: Vec<Flag>,
    /// Whether its crashes are shown on the desktop.
    pub notify: bool,
    /// `@GROUP` means all processes of a group.
    pub groups: Vec<String>,
    /// A name for people.
    pub display: Option<String>,
}

impl Rules {
    /// Whether this exit code is no failure.
    pub fn is_success(&self, code: u8) -> bool {
        code == 0 || self.success_codes.contains(&code)
    }

    /// Whether an end is no failure. The one that makes it ready never is.
    pub fn is_good(&self, exit: Exit) -> bool {
        match exit {
            Exit::Code(code) => self.is_success(code) || self.is_ready_by(Some(code)),
            Exit::Signal(_) => false,
        }
    }

    /// Whether it is ready once it has ended with this code, or with any.
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
    /// First; the main processes wait until all of these are ready.
    Dependency,
    /// What the run is about.
    #[default]
    Main,
    /// Not at the start, but once at the end: after the main processes, before the dependencies
    /// are stopped.
    Cleanup,
}

/// Something that must be true of another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Which: an instance of the plan.
    pub on: ProcName,
    /// What.
    pub until: Milestone,
}

/// How far a process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// It runs.
    Started,
    /// It runs and all its checks are passed.
    Ready,
    /// It has ended with success.
    Completed,
}

/// Something that must be seen of a process before it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub probe: Probe,
    /// How long after the start of the process it may take; then the process has failed to become
    /// ready.
    pub timeout_ms: u64,
    /// Pause between two attempts of a probe that has to ask.
    pub every_ms: u64,
}

impl Check {
    /// How long a check may take where nothing is said.
    pub const TIMEOUT_MS: u64 = 60_000;
    /// Pause between two attempts where nothing is said.
    pub const EVERY_MS: u64 = 250;
}

/// A way to find out about a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// It has printed this since it began.
    Log(Text),
    /// Somebody takes connections there.
    Port {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// Whose listener counts, for readiness.
        #[serde(default)]
        owner: PortOwner,
    },
    /// A GET is answered with a status from 200 to 399.
    Http {
        /// `http://host:port/path`.
        url: String,
    },
    /// A command, run by the shell of the process in its directory and environment, ends with 0.
    Exec {
        /// The command.
        command: OsText,
    },
    /// It has ended with this code.
    Exit {
        /// The code.
        code: u8,
    },
    /// So long has it run.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
}

impl Probe {
    /// What a person types to ask the same, where a command does that.
    pub fn by_hand(&self) -> Option<String> {
        match self {
            Self::Http { url } => Some(format!("curl -i {}", quoted(url))),
            Self::Exec { command } => Some(command.to_string()),
            Self::Log(_) | Self::Port { .. } | Self::Exit { .. } | Self::Delay { .. } => None,
        }
    }
}

/// Whose listener on a port makes a process ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortOwner {
    /// One of its own tree; one of another managed process never; any other one too, but one that
    /// is older than the process only after some time.
    #[default]
    Auto,
    /// Only one of its own tree.
    Tree,
    /// Any.
    Any,
}

/// Something to look for in a line without its colours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text {
    /// A text, or a regular expression (the `regex` crate's syntax).
    pub pattern: String,
    /// Whether it is an expression.
    pub regex: bool,
    /// Whatever the case.
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

/// Whether a process that is ready still works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// How to ask: [`Probe::Port`], [`Probe::Http`] or [`Probe::Exec`].
    pub probe: Probe,
    /// How long an answer may take.
    pub timeout_ms: u64,
    /// Pause between two attempts.
    pub every_ms: u64,
    /// How many in a row must fail.
    pub failures: u32,
    /// What follows.
    pub action: Reaction,
}

/// What follows from something that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// The process is stopped and stays so until somebody starts it.
    Break,
    /// It is started again.
    Restart,
    /// It is said.
    Notify,
}

/// When a process is started again that has ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// After which ends.
    pub when: Restart,
    /// The pause before it.
    pub delay_ms: u64,
    /// How the pause grows.
    pub backoff: Backoff,
    /// No pause is longer.
    pub max_delay_ms: u64,
    /// After so many failures in a row it is broken; 0: never.
    pub max_failures: u32,
    /// A life that has lasted so long ends a row of failures.
    pub stable_ms: u64,
}

impl RestartPolicy {
    /// Pause before a restart.
    pub const DELAY_MS: u64 = 1000;
    /// The longest pause.
    pub const MAX_DELAY_MS: u64 = 30_000;
    /// Failures in a row.
    pub const MAX_FAILURES: u32 = 10;
    /// When a life counts as a good one.
    pub const STABLE_MS: u64 = 60_000;
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            when: Restart::No,
            delay_ms: Self::DELAY_MS,
            backoff: Backoff::Fixed,
            max_delay_ms: Self::MAX_DELAY_MS,
            max_failures: Self::MAX_FAILURES,
            stable_ms: Self::STABLE_MS,
        }
    }
}

/// After which ends a process is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// After none.
    #[default]
    No,
    /// After a failure.
    OnFailure,
    /// After any.
    Always,
}

/// How the pauses between restarts grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backoff {
    /// Not at all.
    #[default]
    Fixed,
    /// Each is twice as long as the one before, and up to a tenth longer or shorter than that, so
    /// that not all come back at once.
    Exponential,
}

/// Something in the output of a process that means that it has failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailurePattern {
    /// What.
    pub text: Text,
    /// What follows.
    pub action: FailureAction,
}

/// What follows when a process prints that it has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureAction {
    /// It is stopped and stays so until somebody starts it.
    #[default]
    Break,
    /// It is started again.
    Restart,
}

/// Something in the output of a process that is counted and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// Its name.
    pub name: String,
    /// What.
    pub text: Text,
    /// The colour it is shown in.
    pub color: FlagColor,
    /// How many lines before and behind it are kept.
    pub context: u16,
    /// More matches than these are too many.
    pub target: Option<u64>,
    /// A command that is run at a match, at most once in [`Self::every_ms`].
    pub on_match: Option<OsText>,
    /// Whether a match is shown on the desktop, likewise.
    #[serde(default)]
    pub notify: bool,
    /// The shortest time between two runs of [`Self::on_match`].
    pub every_ms: u64,
    /// What else follows.
    pub action: Reaction,
}

impl Flag {
    /// How far apart two runs of a command are where nothing else is said.
    pub const EVERY_MS: u64 = 1000;

    /// One that only counts, called by what it looks for.
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

/// Commands that are run by `sh`, in the root of the plan, when something happens in the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// A process has crashed.
    pub on_crash: Option<OsText>,
    /// All processes of [`Stage::Dependency`] are ready.
    pub dependencies_ready: Option<OsText>,
    /// All processes of [`Stage::Main`] have been started.
    pub main_started: Option<OsText>,
    /// The processes of [`Stage::Cleanup`] are about to begin.
    pub cleanup: Option<OsText>,
    /// The run ends when this one is done.
    pub stop_after: Option<StopAfter>,
}

/// A hook that a run may end after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopAfter {
    /// [`Hooks::dependencies_ready`].
    DependenciesReady,
    /// [`Hooks::main_started`].
    MainStarted,
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
