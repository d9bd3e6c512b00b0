//! The keys of a `tmo.toml`: those of `[process.NAME]`, in files by subject, and those of the tables of a run.
//!
//! A key has its kind, description and default in one place (schema, man page and `tmo help tmo.toml` are made from
//! these), with how its value is read, what it can't be combined with, its effect on the plan, and how `tmo config`
//! shows it. A new key of a process is an implementation of [`ProcessKey`], and a line in the list below.

pub(super) mod action;
mod checks;
pub(super) mod command;
mod ending;
pub(super) mod env;
mod output;
mod scalars;
mod start;
pub(super) mod tables;
mod watch;

use std::ops::Range;

use ::toml::Spanned;
use serde_json::{Value, json};

pub use self::action::ActionEntry;
pub use self::command::{CommandLine, command_line};
pub use self::start::DependencyEntry;
pub use self::tables::LogTable;
use super::kind::{COUNT, Key, MILLIS, PORT, TEXT_OR_TEXTS, TEXTS, Type, key_rows};
use super::problem::Diagnostics;
use super::said::{At, Said, plain, said_by_key, table_rows, value};
use super::validate::Table;
use crate::config::options::BackendChoice;
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

    /// Read the value from this table. Values that make no sense are added to its `mistakes`.
    fn parse(view: Table<'_, '_>) -> Self::Said;

    /// Add values that contradict another key of the same process to `mistakes`.
    fn check(_table: &ProcessTable, _mistakes: &Diagnostics) {}

    /// Store the value in the plan. A key that a flag or another file can override is stored by
    /// `plan::merge` instead.
    fn apply(_said: &Self::Said, _process: &mut ProcessPlan) {}

    /// The same value, as `tmo config` shows it.
    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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
            pub(super) fn parse(view: Table<'_, '_>) -> Self {
                Self { $($name: <$key>::parse(view),)* }
            }

            /// Check that the keys of the table do not contradict each other.
            pub(super) fn check(&self, mistakes: &Diagnostics) {
                $(<$key>::check(self, mistakes);)*
            }

            /// Store the settings that neither flags nor other files can override in the plan.
            pub fn apply(&self, process: &mut ProcessPlan) {
                $(<$key>::apply(&self.$name, process);)*
            }

            /// The settings in effect that come from the file.
            pub fn rows(&self, process: &ProcessPlan) -> impl Iterator<Item = EffectiveSetting> {
                let rows = [$((<$key>::KEYS[0].name, <$key>::planned_value(process), self.$name.at())),*];
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
    command: command::Command,
    /// Arguments appended to it.
    args: command::Args,
    /// The display name.
    display: scalars::Display,
    port: scalars::Port,
    /// The host name in requests that reach it by its name.
    proxy_host: scalars::ProxyHost,
    /// The processes that it waits for.
    depends_on: start::DependsOn,
    /// The working directory, relative to the directory of the file.
    cwd: command::Cwd,
    /// Variables, files with variables, and directories for `PATH`.
    env: env::Variables,
    /// Whether it starts with the run.
    autostart: scalars::Autostart,
    /// Whether the first request starts it.
    lazy: start::Lazy,
    /// The groups that it belongs to.
    groups: scalars::Groups,
    /// The shell that runs its command.
    shell: scalars::Shell,
    /// Its standard input.
    stdin: scalars::StdinKey,
    /// Whether it has a terminal.
    pty: scalars::Pty,
    /// Whether the log keeps its standard error apart.
    split_stderr: scalars::SplitStderr,
    /// Its variable `TERM`.
    term: scalars::Term,
    /// The phase in which it runs.
    phase: scalars::Phase,
    /// The checks that make it ready.
    ready: checks::Ready,
    /// The check whether it still works.
    live: checks::Live,
    /// The files whose changes restart it.
    watch: watch::Watch,
    /// When it is restarted.
    restart: ending::Restarts,
    /// The reaction to its exit.
    on_exit: scalars::OnExit,
    /// Exit codes besides 0 that mean success.
    success_exit_codes: scalars::Success,
    /// Exit codes of failures that are not counted.
    soft_exit_codes: scalars::Soft,
    /// How it is stopped.
    stop: ending::Stop,
    /// Output that means failure.
    failure: output::Failure,
    /// Output that is counted and kept.
    flag: output::Flags,
    prompt: output::PromptKey,
    /// Whether its crashes are shown on the desktop.
    notify: scalars::Notify,
    /// The commands that run on request in its environment.
    action: action::Actions,
}

/// The whole file.
pub(super) const TOP: &[Key] = key_rows! {
    "backend", Type::Word(BackendChoice::NAMES), Some("\"auto\""),
        "What provides the terminals: \"tmux\" (a start without tmux 3.0 or later fails), \"native\" (tmo \
         itself), or \"auto\": tmux if it can be used, else tmo itself. It stands before the first [table] of \
         the file. A run keeps its terminals until it ends.";
    "port_auto", Type::Switch, None,
        "Whether processes get ports that are free, from 5000 on, and the same ones at each start. By \
         default that is so in linked git worktrees, unless --port or a variable names a port; with false \
         every worktree gets 5000, 5100 and so on. It stands before the first [table] of the file. A change \
         takes effect at the next start.";
    "defaults", Type::Table(DEFAULTS), None,
        "Settings of every process that does not override them: the keys of [process.NAME] except command, \
         args, display, port, depends_on and action. env, env_file, add_path, groups, failure and flag are combined \
         with those of the process; in `restart` and `stop`, each key is overridden individually.";
    "process", Type::Map(&Type::Table(PROCESS)), None,
        "A process. NAME is an entry of the Procfile, all instances of which share these settings, or a new \
         process with a command of its own.";
    "action", Type::Map(&Type::Table(&[action::ITEM])), None,
        "A command of the project that runs on request in its root directory: `tmo act NAME`.";
    "hooks", Type::Table(&[tables::HOOKS]), None,
        "Shell commands that run on events of the run, in its root directory. TMO_EVENT has the name of the \
         event, and standard input its data as JSON; the output is discarded. A hook that fails is logged.";
    "crash", Type::Table(&[tables::CRASH]), None, "Where crash reports are kept.";
    "log", Type::Table(&[tables::LOG]), None,
        "Where the log is kept, and how much of it. The variables TMO_LOG_DIR, TMO_LOG_PER_PROCESS, \
         TMO_LOG_TOTAL and TMO_LOG_MAX_AGE override these keys.";
    "web", Type::Table(&[tables::WEB]), None,
        "How the pages of `tmo web` show the run. A change takes effect at the next start. Who may see the \
         pages is no setting of a project.";
    "watcher", Type::Map(&Type::Table(&[tables::WATCHER])), None,
        "A program that restarts others when files change, of which tmo does not know the messages. With \
         them, `tmo why` and `tmo ps` report a failure below the watcher. It needs both keys.";
    "connect", Type::Table(&[tables::CONNECT]), None,
        "How `tmo connect` shows terminals of tmo's own. A change takes effect at the next start.";
};
