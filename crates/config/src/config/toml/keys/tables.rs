//! The tables of a whole run: `[log]`, `[crash]`, `[connect]`, `[web]`, `[hooks]` and `[watcher.NAME]`.

use std::path::PathBuf;

use super::output::pattern;
use super::{Key, Spanned, Table, Type, key_rows};
use crate::config::toml::validate::{in_order, size};
use crate::model::limits::WATCHERS;
use crate::model::plan::detach_keys::DetachKeys;
use crate::model::plan::rules::{Hooks, StopAfter, WatcherPatterns, WebRules};
use crate::model::text::OsText;

/// `[log]`: the directory and the limits of the journal.
pub(in crate::config::toml) const LOG: &[Key] = key_rows! {
    "dir", Type::Text, None,
        "The directory that contains the log, in a directory for each project. By default \
         $XDG_STATE_HOME/tmo or ~/.local/state/tmo.";
    "per_process", Type::Size, Some("\"64MiB\""),
        "How much is kept of the output of each process; 0 keeps everything.";
    "total", Type::Size, Some("\"512MiB\""), "How much is kept in total; 0 keeps everything.";
    "max_age", Type::Time, Some("0"),
        "Older output is deleted, in parts: when the run starts, each hour, and when a process has filled a \
         part. The newest part of each process stays. 0 keeps everything.";
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
    /// Older output is deleted, in milliseconds; 0 keeps it however old.
    pub max_age_ms: Option<u64>,
}

impl LogTable {
    pub(in crate::config::toml) fn parse(view: Table<'_, '_>) -> Self {
        let bytes = |key| view.converted(key, size).map(Spanned::into_inner);
        Self {
            dir: view.text("dir").map(|dir| dir.into_inner().into()),
            per_process: bytes("per_process"),
            total: bytes("total"),
            max_age_ms: view.time("max_age").map(Spanned::into_inner),
        }
    }
}

/// `[crash]`: where crash reports are kept.
pub(super) const CRASH: &[Key] = key_rows! {
    "dir", Type::Text, None,
        "The directory of the crash reports, which several projects may share; by default crash-reports \
         beside the log of the project.";
};

/// The directory, relative to that of the file.
pub(in crate::config::toml) fn crash_dir(view: Table<'_, '_>) -> Option<PathBuf> {
    view.filled("dir").map(|dir| dir.into_inner().into())
}

/// `[connect]`: how `tmo connect` shows terminals.
pub(super) const CONNECT: &[Key] = key_rows! {
    "detach", Type::Text, Some("\"ctrl-b,d\""),
        "The keys that leave a terminal: single characters, or ctrl- with a letter or one of @[\\]^_, \
         separated by commas. --detach-keys overrides it.";
};

pub(in crate::config::toml) fn detach_keys(view: Table<'_, '_>) -> Option<DetachKeys> {
    let detach = view.text("detach")?;
    let keys = detach.get_ref().parse::<DetachKeys>();
    keys.map_err(|error| view.mistakes.add(detach.span(), error.to_string())).ok()
}

/// `[web]`: how `tmo web` shows the run. It has only harmless settings: a project can't decide who may connect.
pub(super) const WEB: &[Key] = key_rows! {
    "title", Type::Text, None,
        "The name of the run on its pages; by default, the title of the run.";
    "start", Type::Switch, Some("false"),
        "Whether `tmo start` serves the page, as with --web. From the first time on, the addresses of \
         processes in TMO_URL and TMO_PROCESS_<name>_URL are names.";
    "metrics", Type::Switch, Some("true"),
        "Whether pages sample and show CPU, memory and output of the processes.";
    "uploads", Type::Switch, Some("false"),
        "Whether admins can upload apps at the public address, too.";
};

pub(in crate::config::toml) fn web_rules(view: Table<'_, '_>) -> WebRules {
    WebRules {
        title: view.filled("title").and(view.name("title")).map(Spanned::into_inner),
        start: view.is_on("start"),
        metrics: view.switch("metrics").is_none_or(Spanned::into_inner),
        uploads: view.is_on("uploads"),
    }
}

/// `[hooks]`: commands to run on events of the run.
pub(super) const HOOKS: &[Key] = key_rows! {
    "on_crash", Type::Text, None,
        "Run when a process has crashed. TMO_PROCESS and TMO_EXIT_CODE are set, and standard input has the \
         whole crash report.";
    "dependencies_ready", Type::Text, None, "Run when all processes of phase dependency are ready.";
    "main_started", Type::Text, None, "Run when all processes of phase main have been started.";
    "cleanup", Type::Text, None, "Run before the processes of phase cleanup.";
    "stop_after", Type::Word(&["dependencies_ready", "main_started"]), None,
        "The hook after which the run ends: \"dependencies_ready\" or \"main_started\". It must be set, \
         too.";
};

pub(in crate::config::toml) fn hooks(view: Table<'_, '_>) -> Hooks {
    let command = |key| Some(OsText::from(view.filled(key)?.into_inner()));
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
        view.mistakes.add(at.span(), text);
    }
    hooks
}

/// `[watcher.NAME]`: a file watcher that tmo does not know.
pub(super) const WATCHER: &[Key] = key_rows! {
    "failed", Type::Text, None,
        "A regular expression for the line that reports that the program has failed.";
    "recovered", Type::Text, None,
        "A regular expression for the line that reports that the program is started again, or works.";
};

/// The patterns, in the order of the file.
pub(in crate::config::toml) fn watchers(view: Table<'_, '_>) -> Vec<WatcherPatterns> {
    let mut found = vec![];
    for (name, value) in in_order(view.table) {
        let Some(table) = view.within(value.get_ref()) else { continue };
        let patterns = |key| {
            let text = table.text(key);
            if text.is_none() && table.get(key).is_none() {
                let about = format!("a watcher needs `{key}`: what it prints then");
                view.mistakes.add(name.span(), about);
            }
            text.map(|text| pattern(&text, true, false, view.mistakes))
        };
        if let (Some(failed), Some(recovered)) = (patterns("failed"), patterns("recovered")) {
            found.push(WatcherPatterns { failed, recovered });
        }
        if found.len() > WATCHERS {
            view.mistakes
                .add(name.span(), format!("a project can have {WATCHERS} watchers of its own"));
            break;
        }
    }
    found
}
