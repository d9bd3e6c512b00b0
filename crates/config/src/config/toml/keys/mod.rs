//! The keys of a `tmo.toml`: a file for each key of `[process.NAME]`, one for those with a single value,
//! and one for each other table.
//!
//! A file contains the key with its kind, description and default (schema, man page and `tmo help tmo.toml`
//! are made from these), how its value is read, what it can't be combined with, its effect on the plan, and
//! how `tmo config` shows it. A new key of a process is a new file here, and a line in the list below.

pub(super) mod action;
mod args;
mod command;
pub(super) mod connect;
pub(super) mod crash;
pub(super) mod cwd;
mod depends_on;
pub(super) mod env;
mod exit_codes;
mod failure;
mod flag;
mod groups;
pub(super) mod hooks;
mod lazy;
mod live;
pub(super) mod log;
mod pattern;
mod probe;
mod prompt;
mod proxy_host;
mod ready;
mod restart;
mod scalars;
mod shell;
mod stop;
mod terminal;
pub(super) mod watch;
pub(super) mod watcher;
pub(super) mod web;

use std::ops::Range;

use ::toml::Spanned;
use serde_json::{Value, json};

pub use self::action::ActionEntry;
pub use self::command::{CommandLine, command_line};
pub use self::depends_on::DependencyEntry;
pub use self::log::LogTable;
use super::kind::{COUNT, Key, MILLIS, PORT, TEXT_OR_TEXTS, TEXTS, Type, key};
use super::problem::Diagnostics;
use super::said::{At, Said, said_by_key, value};
use super::validate::Table;
use crate::config::options::BackendChoice;
use crate::model::limits::ITEM_BYTES;
use crate::model::plan::ProcessPlan;

/// The names of the possible reactions.
const ACTIONS: &[&str] = &["restart", "break", "notify"];

/// Reads a setting from a plan.
type Planned = Option<fn(&ProcessPlan) -> Value>;

/// A key of `[process.NAME]`, with its aliases.
pub trait ProcessKey {
    /// The value as it is written in the file, with its place.
    type Said: Said;
    /// The key and its aliases.
    const KEYS: &'static [Key];
    /// Whether `[defaults]` accepts it too.
    const OF_ALL: bool = true;
    /// The value in a plan, if only a `tmo.toml` can set it. A reload reports the key if it differs.
    const PLANNED: Planned = None;

    /// Read the value from this table. Values that make no sense are added to `mistakes`.
    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said;

    /// Add values that contradict another key of the same process to `mistakes`.
    fn check(_table: &ProcessTable, _mistakes: &mut Diagnostics) {}

    /// How much memory the value takes, in bytes: a value in `[defaults]` is copied into each process.
    fn size(_said: &Self::Said) -> usize {
        0
    }

    /// Store the value in the plan. A key that a flag or another file can override is stored by
    /// `plan::merge` instead.
    fn apply(_said: &Self::Said, _process: &mut ProcessPlan) {}

    /// The same value, as `tmo config` shows it.
    fn shown(process: &ProcessPlan) -> Option<Value> {
        Self::PLANNED.map(|planned| planned(process))
    }
}

/// A setting in effect: its key, its value, and its place in the file.
pub type EffectiveSetting = (&'static str, Value, Range<usize>);

macro_rules! process_keys {
    ($($(#[$about:meta])* $name:ident: $key:ty,)*) => {
        /// `[process.NAME]`, or `[defaults]`, which lacks the keys that make sense for a single process
        /// only.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct ProcessTable {
            $($(#[$about])* pub $name: <$key as ProcessKey>::Said,)*
        }

        said_by_key!(ProcessTable: $($name)*);

        /// `[process.NAME]`.
        pub(super) const PROCESS: &[&[Key]] = &[$(<$key>::KEYS),*];

        /// `[defaults]`: settings for all processes at once.
        pub(super) const DEFAULTS: &[&[Key]] =
            &[$(if <$key>::OF_ALL { <$key>::KEYS } else { &[] }),*];

        impl ProcessTable {
            /// Read a table.
            pub(super) fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self {
                Self { $($name: <$key>::read(view, mistakes),)* }
            }

            /// Check that the keys of the table do not contradict each other.
            pub(super) fn check(&self, mistakes: &mut Diagnostics) {
                $(<$key>::check(self, mistakes);)*
            }

            /// The memory that each key takes, in bytes, and its place in the file.
            pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
                let sizes = [$((<$key>::size(&self.$name), self.$name.at())),*];
                sizes.into_iter().map(|(size, at)| (size, at.unwrap_or_default()))
            }

            /// Store the settings that neither flags nor other files can override in the plan.
            pub fn apply(&self, process: &mut ProcessPlan) {
                $(<$key>::apply(&self.$name, process);)*
            }

            /// The settings in effect that come from the file.
            pub fn rows(&self, process: &ProcessPlan) -> impl Iterator<Item = EffectiveSetting> {
                let rows = [$((<$key>::KEYS[0].name, <$key>::shown(process), self.$name.at())),*];
                rows.into_iter().filter_map(|(key, value, at)| Some((key, value?, at?)))
            }

            /// The keys whose values differ between two plans.
            pub fn changed(
                before: &ProcessPlan,
                now: &ProcessPlan,
            ) -> impl Iterator<Item = &'static str> {
                let planned = [$((<$key>::KEYS[0].name, <$key>::PLANNED)),*];
                planned.into_iter().filter_map(move |(key, of)| {
                    let of = of?;
                    (of(before) != of(now)).then_some(key)
                })
            }
        }
    };
}

process_keys! {
    /// The command.
    command: command::Command,
    /// Arguments appended to it.
    args: args::Args,
    /// The display name.
    display: scalars::Display,
    /// Its port.
    port: scalars::Port,
    /// The host name in requests that reach it by its name.
    proxy_host: proxy_host::ProxyHost,
    /// The processes that it waits for.
    depends_on: depends_on::DependsOn,
    /// The working directory, relative to the directory of the file.
    cwd: cwd::Cwd,
    /// Variables, files with variables, and directories for `PATH`.
    env: env::Variables,
    /// Whether it starts with the run.
    autostart: scalars::Autostart,
    /// Whether the first request starts it.
    lazy: lazy::Lazy,
    /// The groups that it belongs to.
    groups: groups::Groups,
    /// The shell that runs its command.
    shell: shell::Shell,
    /// Its standard input.
    stdin: scalars::StdinKey,
    /// Whether it has a terminal.
    pty: terminal::Pty,
    /// Whether the log keeps its standard error apart.
    split_stderr: scalars::SplitStderr,
    /// Its variable `TERM`.
    term: terminal::Term,
    /// The phase in which it runs.
    phase: scalars::Phase,
    /// The checks that make it ready.
    ready: ready::Ready,
    /// The check whether it still works.
    live: live::Live,
    /// The files whose changes restart it.
    watch: watch::Watch,
    /// When it is restarted.
    restart: restart::Restarts,
    /// The reaction to its exit.
    on_exit: scalars::OnExit,
    /// Exit codes besides 0 that mean success.
    success_exit_codes: exit_codes::Success,
    /// Exit codes of failures that are not counted.
    soft_exit_codes: exit_codes::Soft,
    /// How it is stopped.
    stop: stop::Stop,
    /// Output that means failure.
    failure: failure::Failure,
    /// Output that is counted and kept.
    flag: flag::Flags,
    /// Its prompts.
    prompt: prompt::PromptKey,
    /// Whether its crashes are shown on the desktop.
    notify: scalars::Notify,
    /// The commands that run on request in its environment.
    action: action::Actions,
}

/// The whole file.
pub(super) const TOP: &[Key] = &[
    key(
        "backend",
        Type::Word(BackendChoice::NAMES),
        "What provides the terminals: \"tmux\" (a start without tmux 3.0 or later fails), \
         \"native\" (tmo itself), or \"auto\": tmux if it can be used, else tmo itself. It \
         stands before the first [table] of the file. A run keeps its terminals until it \
         ends.",
    )
    .or("\"auto\""),
    key(
        "port_auto",
        Type::Switch,
        "Whether processes get ports that are free, from 5000 on, and the same ones at each start. \
         By default that is so in linked git worktrees, unless --port or a variable names a port; \
         with false every worktree gets 5000, 5100 and so on. It stands before the first [table] \
         of the file. A change takes effect at the next start.",
    ),
    key(
        "defaults",
        Type::Table(DEFAULTS),
        "Settings of every process that does not override them: the keys of [process.NAME] \
         except command, args, display, port and depends_on. env, env_file, add_path, groups, \
         failure and flag are combined with those of the process; in `restart` and `stop`, each \
         key is overridden individually.",
    ),
    key(
        "process",
        Type::Map(&Type::Table(PROCESS)),
        "A process. NAME is an entry of the Procfile, all instances of which share these \
         settings, or a new process with a command of its own.",
    ),
    key(
        "action",
        Type::Map(&Type::Table(&[action::ITEM])),
        "A command of the project that runs on request in its root directory: `tmo act NAME`.",
    ),
    key(
        "hooks",
        Type::Table(&[hooks::KEYS]),
        "Shell commands that run on events of the run, in its root directory. TMO_EVENT has \
         the name of the event, and standard input its data as JSON; the output is discarded. \
         A hook that fails is logged.",
    ),
    key("crash", Type::Table(&[crash::KEYS]), "Where crash reports are kept."),
    key(
        "log",
        Type::Table(&[log::KEYS]),
        "Where the log is kept, and how much of it. The variables TMO_LOG_DIR, \
         TMO_LOG_PER_PROCESS, TMO_LOG_TOTAL and TMO_LOG_MAX_AGE override these keys.",
    ),
    key(
        "web",
        Type::Table(&[web::KEYS]),
        "How the pages of `tmo web` show the run. A change takes effect at the next start. \
         Who may see the pages is no setting of a project.",
    ),
    key(
        "watcher",
        Type::Map(&Type::Table(&[watcher::KEYS])),
        "A program that restarts others when files change, of which tmo does not know the \
         messages. With them, `tmo why` and `tmo ps` report a failure below the watcher. It \
         needs both keys.",
    ),
    key(
        "connect",
        Type::Table(&[connect::KEYS]),
        "How `tmo connect` shows terminals of tmo's own. A change takes effect at the next \
         start.",
    ),
];
