//! Which settings are in effect for each process, and where each comes from.

use std::ops::Range;

use serde::Serialize;
use serde_json::{Value, json};

use super::Settings;
use crate::config::load::Loaded;
use crate::config::procfile::ProcfileEntry;
use crate::config::toml::{ProcessTable, Said as _, TmoToml};
use crate::model::plan::{OnExit, Plan, ProcessPlan};
use crate::model::signal::SignalName;
use crate::model::units::written_span;

/// The source of a setting that is not configured.
const DEFAULT: &str = "default";

/// One setting in effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Its key in a `tmo.toml`.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// `tmo.toml:3`, `Procfile:1`, `--can-die`, `TMO_TIMEOUT` or `default`.
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
    let table = &loaded.toml.of(&entry.name);
    let of_app = |key: &str| matches!(key, "cwd" | "autostart");
    let explainer = Explainer { loaded, settings, entry, table };
    let mut all = vec![
        explainer.command(process),
        explainer.row("cwd", json!(process.cwd.as_ref().unwrap_or(&plan.root)), table.cwd.at()),
        explainer.port(process),
        explainer.over("shell", json!(process.shell), table.shell.at(), "SHELL"),
        explainer.row("autostart", json!(!process.waits), table.autostart.at()),
        explainer.on_exit(process),
        explainer.stop_signal(process),
        explainer.over(
            "stop.timeout",
            json!(written_span(process.grace_ms.unwrap_or(plan.grace_ms))),
            table.stop.timeout_ms.at(),
            "TIMEOUT",
        ),
    ];
    let mut by_file: Vec<_> = table.rows(process).collect();
    let stop_command = table.stop.command.at();
    by_file.extend(stop_command.map(|at| ("stop.command", json!(process.rules.stop_command), at)));
    all.extend(by_file.into_iter().map(|(key, value, at)| explainer.row(key, value, Some(at))));
    if let (Some(install), Some(file)) = (&process.install, explainer.apps_file()) {
        for row in all.iter_mut().filter(|row| of_app(row.key)) {
            row.from.clone_from(&file);
        }
        let value = json!(written_span(install.timeout_ms));
        all.push(Explained { key: "install.timeout", value, from: file });
    }
    all
}

/// What is to provide the terminals of the run, and why.
pub fn explain_backend(toml: &TmoToml, settings: &Settings) -> Explained {
    let of_file = || toml.backend.at().map(|at| toml.source.place(&at));
    let by = settings.said_by.get("BACKEND").map(str::to_owned);
    Explained {
        key: "backend",
        value: json!(settings.backend(toml)),
        from: by.or_else(of_file).unwrap_or_else(|| DEFAULT.into()),
    }
}

struct Explainer<'a> {
    loaded: &'a Loaded,
    settings: &'a Settings,
    entry: &'a ProcfileEntry,
    table: &'a ProcessTable,
}

impl Explainer<'_> {
    /// The file with the settings of the process, if it is an app.
    fn apps_file(&self) -> Option<String> {
        let apps = &self.loaded.apps;
        apps.of_process(&self.entry.name).map(|_| apps.file().display().to_string())
    }

    fn place(&self, at: Option<Range<usize>>) -> Option<String> {
        at.map(|at| self.loaded.toml.source.place(&at))
    }

    fn row(&self, key: &'static str, value: Value, at: Option<Range<usize>>) -> Explained {
        let from = self.place(at).unwrap_or_else(|| DEFAULT.into());
        Explained { key, value, from }
    }

    /// The same, but a flag or variable overrides it.
    fn over(
        &self,
        key: &'static str,
        value: Value,
        at: Option<Range<usize>>,
        setting: &str,
    ) -> Explained {
        let row = self.row(key, value, at);
        match self.settings.said_by.get(setting) {
            Some(by) => Explained { from: by.to_owned(), ..row },
            None => row,
        }
    }

    fn command(&self, process: &ProcessPlan) -> Explained {
        let value = match &process.argv {
            Some(argv) => json!(argv),
            None => json!(process.command),
        };
        let of_table = self.table.command.at();
        let file = &self.loaded.project.procfile_shown;
        if let Some(file) = self.apps_file() {
            return Explained { key: "command", value, from: file };
        }
        let of_procfile = || match self.entry.line {
            0 => file.display().to_string(),
            line => format!("{}:{line}", file.display()),
        };
        let from = self.place(of_table).unwrap_or_else(of_procfile);
        Explained { key: "command", value, from }
    }

    fn port(&self, process: &ProcessPlan) -> Explained {
        let at = self.table.port.at();
        // The process's own port wins, whatever the base port.
        let setting = match (process.port, &at) {
            (None, _) => "NO_PORT",
            (Some(_), None) => "PORT",
            (Some(_), Some(_)) => "",
        };
        self.over("port", json!(process.port), at, setting)
    }

    fn on_exit(&self, process: &ProcessPlan) -> Explained {
        let word = match process.on_exit {
            OnExit::StopAll => "stop-all",
            OnExit::Remain => "ignore",
            OnExit::Restart => "restart",
        };
        let at = self.table.on_exit.at();
        let setting = self.settings.on_exit(self.entry).map_or("", |(_, setting)| setting);
        self.over("on_exit", json!(word), at, setting)
    }

    fn stop_signal(&self, process: &ProcessPlan) -> Explained {
        let name = process.stop_signal.to_string().parse::<SignalName>();
        let word = name.map_or_else(|_| process.stop_signal.to_string(), |name| name.to_string());
        let at = self.table.stop.signal.at();
        let setting = self.settings.stop_signal(self.entry).map_or("", |_| "STOP_SIGNALS");
        self.over("stop.signal", json!(word), at, setting)
    }
}
