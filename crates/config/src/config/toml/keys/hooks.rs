//! `[hooks]`: commands to run on events of the run.

use super::{Diagnostics, Key, Spanned, Table, Type, key};
use crate::model::rules::{Hooks, StopAfter};
use crate::model::text::OsText;

/// `[hooks]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[
    key(
        "on_crash",
        Type::Text,
        "Run when a process has crashed. TMO_PROCESS and TMO_EXIT_CODE are set, and standard \
         input has the whole crash report.",
    ),
    key("dependencies_ready", Type::Text, "Run when all processes of phase dependency are ready."),
    key("main_started", Type::Text, "Run when all processes of phase main have been started."),
    key("cleanup", Type::Text, "Run before the processes of phase cleanup."),
    key(
        "stop_after",
        Type::Word(&["dependencies_ready", "main_started"]),
        "The hook after which the run ends: \"dependencies_ready\" or \"main_started\". It \
         must be set, too.",
    ),
];

/// `[hooks]`.
pub(in crate::config::toml) fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Hooks {
    let mut command = |key| Some(OsText::from(view.filled(key, mistakes)?.into_inner()));
    let hooks = Hooks {
        on_crash: command("on_crash"),
        dependencies_ready: command("dependencies_ready"),
        main_started: command("main_started"),
        cleanup: command("cleanup"),
        stop_after: view.word("stop_after").map(Spanned::into_inner),
    };
    let awaited = match hooks.stop_after {
        Some(StopAfter::DependenciesReady) => ("dependencies_ready", &hooks.dependencies_ready),
        Some(StopAfter::MainStarted) => ("main_started", &hooks.main_started),
        None => return hooks,
    };
    if let ((name, None), Some(at)) = (awaited, view.get("stop_after")) {
        let text = format!("there is no hook `{name}` that the run could end after; add one");
        mistakes.add(at.span(), text);
    }
    hooks
}
