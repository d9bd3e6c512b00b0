//! The tables of a `tmo.toml`, as values.

use std::path::PathBuf;

use ::toml::Spanned;

use super::shape::At;
use crate::model::plan::OnExit;
use crate::model::rules::{
    Action, Backoff, FailurePattern, Flag, Milestone, PortOwner, Probe, Restart, Stage, Text,
};

/// The table `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogTable {
    /// The directory below which this project's journal is kept.
    pub dir: Option<PathBuf>,
    /// Bytes kept per process; 0 keeps everything.
    pub per_process: Option<u64>,
    /// Bytes kept in all; 0 keeps everything.
    pub total: Option<u64>,
}

/// `[process.NAME]`, or `[defaults]`, which has nothing of what only one process can have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessTable {
    /// What is run.
    pub command: At<Command>,
    /// What is appended to it.
    pub args: At<Args>,
    /// A name for people.
    pub display: At<String>,
    /// The port it is told.
    pub port: At<u16>,
    /// What it waits for.
    pub depends_on: Vec<Dependency>,
    /// The working directory, from the directory of the file.
    pub cwd: At<PathBuf>,
    /// Variables.
    pub env: Vec<Spanned<(String, String)>>,
    /// Files with variables.
    pub env_file: Vec<Spanned<PathBuf>>,
    /// Directories that come before `PATH`.
    pub add_path: Vec<Spanned<PathBuf>>,
    /// Whether it begins with the others.
    pub autostart: At<bool>,
    /// The groups that it belongs to.
    pub groups: Vec<Spanned<String>>,
    /// The shell that runs its command.
    pub shell: At<String>,
    /// When it has its turn.
    pub phase: At<Stage>,
    /// When it is ready.
    pub ready: At<Vec<ReadyCheck>>,
    /// Whether it still works.
    pub live: At<LiveTable>,
    /// When it is started again.
    pub restart: RestartTable,
    /// What follows its end.
    pub on_exit: At<OnExit>,
    /// Exit codes besides 0 that are no failure.
    pub success_exit_codes: At<Vec<u8>>,
    /// Exit codes of failures that don't count.
    pub soft_exit_codes: At<Vec<u8>>,
    /// How it is stopped.
    pub stop: StopTable,
    /// What means that it has failed.
    pub failures: Vec<Spanned<FailurePattern>>,
    /// What is counted and kept.
    pub flags: Vec<Spanned<Flag>>,
    /// Whether its crashes are shown on the desktop.
    pub notify: At<bool>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Shell(String),
    /// A program and its arguments, without a shell.
    Words(Vec<String>),
}

/// What is appended to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Args {
    /// To a line for the shell, as it stands.
    Text(String),
    /// One by one.
    Words(Vec<String>),
}

/// A process that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The entry.
    pub on: Spanned<String>,
    /// How far it must have come.
    pub until: Milestone,
}

/// A way to find out, before it is known which port the process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Whatever its port, on this host.
    OwnPort(String, PortOwner),
    /// All else.
    Probe(Probe),
}

/// One item of `ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyCheck {
    /// What is to be found out.
    pub asked: Asked,
    /// How long it may take.
    pub timeout_ms: u64,
    /// The pause between two attempts.
    pub every_ms: u64,
}

/// The table `live`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTable {
    /// What is to be found out.
    pub asked: Asked,
    /// The pause between two attempts.
    pub every_ms: u64,
    /// How long an answer may take.
    pub timeout_ms: u64,
    /// How many in a row must fail.
    pub failures: u32,
    /// What follows.
    pub action: Action,
}

/// `restart`; a word alone is the policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestartTable {
    /// After which ends.
    pub policy: At<Restart>,
    /// The pause before it.
    pub delay_ms: At<u64>,
    /// How the pauses grow.
    pub backoff: At<Backoff>,
    /// The longest pause.
    pub max_delay_ms: At<u64>,
    /// Failures in a row.
    pub max_failures: At<u32>,
    /// What ends a row of failures.
    pub stable_ms: At<u64>,
}

/// `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopTable {
    /// The number of the signal.
    pub signal: At<i32>,
    /// A command before it.
    pub command: At<String>,
    /// How long it may take.
    pub timeout_ms: At<u64>,
}

impl ProcessTable {
    /// What is said of a process over what is said of all. Lists of patterns and variables are
    /// joined; of all else, what is said of the process alone holds.
    #[must_use]
    pub fn over(&self, all: &Self) -> Self {
        fn first<T: Clone>(own: Option<&Spanned<T>>, all: Option<&Spanned<T>>) -> At<T> {
            own.or(all).cloned()
        }
        fn joined<T: Clone>(one: &[T], other: &[T]) -> Vec<T> {
            one.iter().chain(other).cloned().collect()
        }
        Self {
            command: self.command.clone(),
            args: self.args.clone(),
            display: self.display.clone(),
            port: self.port.clone(),
            depends_on: self.depends_on.clone(),
            cwd: first(self.cwd.as_ref(), all.cwd.as_ref()),
            env: joined(&all.env, &self.env),
            env_file: joined(&all.env_file, &self.env_file),
            add_path: joined(&self.add_path, &all.add_path),
            autostart: first(self.autostart.as_ref(), all.autostart.as_ref()),
            groups: joined(&all.groups, &self.groups),
            shell: first(self.shell.as_ref(), all.shell.as_ref()),
            phase: first(self.phase.as_ref(), all.phase.as_ref()),
            ready: first(self.ready.as_ref(), all.ready.as_ref()),
            live: first(self.live.as_ref(), all.live.as_ref()),
            restart: RestartTable {
                policy: first(self.restart.policy.as_ref(), all.restart.policy.as_ref()),
                delay_ms: first(self.restart.delay_ms.as_ref(), all.restart.delay_ms.as_ref()),
                backoff: first(self.restart.backoff.as_ref(), all.restart.backoff.as_ref()),
                max_delay_ms: first(
                    self.restart.max_delay_ms.as_ref(),
                    all.restart.max_delay_ms.as_ref(),
                ),
                max_failures: first(
                    self.restart.max_failures.as_ref(),
                    all.restart.max_failures.as_ref(),
                ),
                stable_ms: first(self.restart.stable_ms.as_ref(), all.restart.stable_ms.as_ref()),
            },
            on_exit: first(self.on_exit.as_ref(), all.on_exit.as_ref()),
            success_exit_codes: first(
                self.success_exit_codes.as_ref(),
                all.success_exit_codes.as_ref(),
            ),
            soft_exit_codes: first(self.soft_exit_codes.as_ref(), all.soft_exit_codes.as_ref()),
            stop: StopTable {
                signal: first(self.stop.signal.as_ref(), all.stop.signal.as_ref()),
                command: first(self.stop.command.as_ref(), all.stop.command.as_ref()),
                timeout_ms: first(self.stop.timeout_ms.as_ref(), all.stop.timeout_ms.as_ref()),
            },
            failures: joined(&all.failures, &self.failures),
            flags: joined(&all.flags, &self.flags),
            notify: first(self.notify.as_ref(), all.notify.as_ref()),
        }
    }

    /// When it has its turn.
    pub fn stage(&self) -> Stage {
        self.phase.as_ref().map(|phase| *phase.get_ref()).unwrap_or_default()
    }

    /// Whether it is ready only once it has ended.
    pub fn ends_ready(&self) -> bool {
        let exit = |check: &ReadyCheck| matches!(check.asked, Asked::Probe(Probe::Exit { .. }));
        self.ready.as_ref().is_some_and(|ready| ready.get_ref().iter().any(exit))
    }
}

impl Asked {
    /// What is found out of a process that is told this port.
    pub fn with_port(&self, port: Option<u16>) -> Option<Probe> {
        match self {
            Self::OwnPort(host, owner) => {
                Some(Probe::Port { host: host.clone(), port: port?, owner: *owner })
            }
            Self::Probe(probe) => Some(probe.clone()),
        }
    }
}

impl RestartTable {
    /// Whether anything is said.
    pub fn is_said(&self) -> bool {
        *self != Self::default()
    }
}

/// Whether the syntax of a regular expression is right; it is compiled where it is used.
pub(super) fn expression(text: &Text) -> Result<(), Box<regex_syntax::Error>> {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.case_insensitive(text.any_case).build().parse(&text.pattern)?;
    Ok(())
}
