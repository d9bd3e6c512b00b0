//! Which settings are in effect for each process, and where each comes from; and settings of a
//! `tmo.toml` that have no effect in this plan, or an unexpected one.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use super::Settings;
use crate::config::Warning;
use crate::config::load::Loaded;
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::{ProcessTable, Said as _, TmoToml};
use crate::model::plan::rules::{Restart, Stage};
use crate::model::plan::{OnExit, Plan, ProcessPlan};
use crate::model::signal::SignalName;
use crate::model::units::written_span;

/// The source of a setting that is not configured.
const DEFAULT: &str = "default";

/// The source of a port that only a linked worktree has.
const WORKTREE: &str = "a linked worktree";

/// One setting in effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Its key in a `tmo.toml`.
    pub key: &'static str,
    pub value: Value,
    /// `tmo.toml:3`, `Procfile:1`, `--can-die`, `TMO_TIMEOUT`, `default`, or, of a port, `a linked worktree`.
    pub from: String,
}

/// All settings in effect for one process of the plan. Of variables only the names are shown.
pub fn explain(
    loaded: &Loaded,
    settings: &Settings,
    plan: &Plan,
    process: &ProcessPlan,
) -> Vec<Explained> {
    let entry = process.name.entry();
    let Some(entry) = loaded.procfile.entries.iter().find(|known| known.name == entry) else {
        return vec![];
    };
    let table = loaded.toml.table_of(&entry.name);
    let row = |key, value, at, setting: &str| {
        let from = origin(&loaded.toml, settings, at, setting);
        Explained { key, value, from }
    };
    let command = match &process.argv {
        Some(argv) => json!(argv),
        None => json!(process.command),
    };
    let apps = &loaded.apps;
    let apps_file = apps.of_process(&entry.name).map(|_| apps.file().display().to_string());
    let from = apps_file.clone().unwrap_or_else(|| command_place(loaded, entry, &table));
    let end = match process.on_exit {
        OnExit::StopAll => "stop-all",
        OnExit::Remain => "ignore",
        OnExit::Restart => "restart",
    };
    let end_by = settings.on_exit(entry).map_or("", |(_, setting)| setting);
    let signal = process.stop_signal.to_string();
    let signal = signal.parse::<SignalName>().map_or(signal, |name| name.to_string());
    let signal_by = settings.stop_signal(entry).map_or("", |_| "stop_signals");
    let grace = written_span(process.grace_ms.unwrap_or(plan.grace_ms));
    let mut all = vec![
        Explained { key: "command", value: command, from },
        row("cwd", json!(process.cwd.as_ref().unwrap_or(&plan.root)), table.cwd.at(), ""),
        Explained {
            key: "port",
            value: json!(process.port),
            from: port_origin(&loaded.toml, settings, plan, &table, process),
        },
        row("shell", json!(process.shell), table.shell.at(), "shell"),
        row("autostart", json!(!process.waits), table.autostart.at(), ""),
        row("on_exit", json!(end), table.on_exit.at(), end_by),
        row("stop.signal", json!(signal), table.stop.signal.at(), signal_by),
        row("stop.timeout", json!(grace), table.stop.timeout_ms.at(), "timeout"),
    ];
    all.extend(table.rows(process).map(|(key, value, at)| row(key, value, Some(at), "")));
    if let Some(at) = table.stop.command.at() {
        all.push(row("stop.command", json!(process.rules.stop_command), Some(at), ""));
    }
    if let (Some(install), Some(file)) = (&process.install, apps_file) {
        for row in all.iter_mut().filter(|row| matches!(row.key, "cwd" | "autostart")) {
            row.from.clone_from(&file);
        }
        let value = json!(written_span(install.timeout_ms));
        all.push(Explained { key: "install.timeout", value, from: file });
    }
    all
}

/// Where the port of a process comes from, or that it has none.
fn port_origin(
    toml: &TmoToml,
    settings: &Settings,
    plan: &Plan,
    table: &ProcessTable,
    process: &ProcessPlan,
) -> String {
    let is_moved = plan.origin.as_ref().is_some_and(|origin| origin.first_port.is_some());
    let is_own = table.port.is_some();
    if is_moved && !is_own && settings.said_by.get("port_auto").is_none() {
        return toml.port_auto.at().map_or(WORKTREE.into(), |at| toml.source.place(&at));
    }
    let setting = match process.port {
        None => "no_port",
        // The process's own port wins, whatever the base port.
        Some(_) if is_own => "",
        Some(_) if is_moved => "port_auto",
        Some(_) => "port",
    };
    origin(toml, settings, table.port.at(), setting)
}

/// The line that a command comes from.
fn command_place(loaded: &Loaded, entry: &ProcfileEntry, table: &ProcessTable) -> String {
    let file = loaded.project.procfile_shown.display();
    match (table.command.at(), entry.line) {
        (Some(at), _) => loaded.toml.source.place(&at),
        (None, 0) => file.to_string(),
        (None, line) => format!("{file}:{line}"),
    }
}

/// What is to provide the terminals of the run, and why.
pub fn explain_backend(toml: &TmoToml, settings: &Settings) -> Explained {
    Explained {
        key: "backend",
        value: json!(settings.backend(toml)),
        from: origin(toml, settings, toml.backend.at(), "backend"),
    }
}

/// The flag or variable that a setting comes from, or else its place in the file.
fn origin(toml: &TmoToml, settings: &Settings, at: Option<Range<usize>>, setting: &str) -> String {
    let by = settings.said_by.get(setting).map(str::to_owned);
    by.or_else(|| at.map(|at| toml.source.place(&at))).unwrap_or_else(|| DEFAULT.into())
}

/// Variables that tmo always sets, overriding the process's own.
const TOLD: [&str; 6] =
    ["PORT", "PS", "TMO_SESSION", "TMO_PROCESS", "TMO_SOCKET", "OVERMIND_SOCKET"];

/// The name that precedes tmo's own log lines.
const OWN_NAME: &str = "system";

/// All oddities, in the order of the file.
pub fn oddities(loaded: &Loaded, plan: &Plan) -> Vec<Warning> {
    let toml = &loaded.toml;
    let mut odd = vec![];
    odd.extend(plan.present().any(|p| p.name.as_str() == OWN_NAME).then_some(Warning::OwnName));
    let mut tell = |at: &std::ops::Range<usize>, text: String| {
        odd.push(Warning::Toml { place: toml.source.place(at), text });
    };
    let has_cleanup = plan.present().any(|process| process.rules.stage == Stage::Cleanup);
    if let Some(at) = toml.cleanup_hook.as_ref().filter(|_| !has_cleanup) {
        let text =
            "the hook `cleanup` is run before the processes of phase cleanup, and there are none";
        tell(at, text.to_owned());
    }
    let mut begins: HashMap<&str, bool> = HashMap::new();
    for process in &plan.processes {
        *begins.entry(process.name.entry()).or_default() |= !process.waits;
    }
    let tables = toml.processes.iter().map(|(name, table)| (name.get_ref().as_str(), table));
    for (name, table) in [("", &toml.defaults)].into_iter().chain(tables) {
        for pair in &table.env.pairs {
            let variable = &pair.get_ref().0;
            let Some(word) = TOLD.iter().find(|word| *word == variable) else { continue };
            let todo = if *word == "PORT" { "; write `port = …` instead" } else { "" };
            tell(&pair.span(), format!("{word} is set by tmo{todo}"));
        }
        // Restart details are configured, but no restart policy.
        if let Some(at) = table.restart.at().filter(|_| table.restart.policy.is_none())
            && !name.is_empty()
            && let Some(process) = plan.processes.iter().find(|known| known.name.entry() == name)
            && process.on_exit != OnExit::Restart
            && process.rules.restart.as_ref().is_none_or(|restart| restart.when == Restart::No)
            && process.rules.live.is_none()
            && process.rules.failures.is_empty()
        {
            let text = format!(
                "`{name}` is not started again, since `restart` has no `policy`; say \
                 policy = \"on-failure\" or \"always\""
            );
            tell(&at, text);
        }
        if begins.get(name) != Some(&true) {
            continue;
        }
        for dependency in &table.depends_on {
            let on = &dependency.get_ref().on;
            if !begins.contains_key(on.as_str()) {
                let text = format!("`{name}` does not wait for `{on}`, which is left out");
                tell(&dependency.span(), text);
            }
        }
    }
    odd
}
