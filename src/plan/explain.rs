//! What is in force for each process, and who says so.

use std::ops::Range;

use ::toml::Spanned;
use serde::Serialize;
use serde_json::{Value, json};

use super::Settings;
use crate::config::load::Loaded;
use crate::config::procfile::Entry;
use crate::config::toml::ProcessTable;
use crate::model::plan::{OnExit, Plan, ProcessPlan};
use crate::model::rules::Stage;
use crate::model::signal::SignalName;
use crate::model::units::written_span;

/// What nobody says.
const DEFAULT: &str = "default";

/// One thing that is in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Its key in a `tmo.toml`.
    pub key: &'static str,
    /// What it is.
    pub value: Value,
    /// `tmo.toml:3`, `Procfile:1`, `--can-die`, `TMO_TIMEOUT` or `default`.
    pub from: String,
}

/// All that is in force for one process of the plan. Of variables only the names are told.
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
    let explainer = Explainer { loaded, settings, entry, table };
    let mut all = vec![
        explainer.command(process),
        explainer.row(
            "cwd",
            json!(process.cwd.as_ref().unwrap_or(&plan.root)),
            at(table.cwd.as_ref()),
        ),
        explainer.port(process),
        explainer.over("shell", json!(process.shell), at(table.shell.as_ref()), "SHELL"),
        explainer.row("autostart", json!(!process.waits), at(table.autostart.as_ref())),
        explainer.on_exit(process),
        explainer.stop_signal(process),
        explainer.over(
            "stop.timeout",
            json!(written_span(process.grace_ms.unwrap_or(plan.grace_ms))),
            at(table.stop.timeout_ms.as_ref()),
            "TIMEOUT",
        ),
    ];
    all.extend(explainer.rules(process));
    all
}

struct Explainer<'a> {
    loaded: &'a Loaded,
    settings: &'a Settings,
    entry: &'a Entry,
    table: &'a ProcessTable,
}

impl Explainer<'_> {
    fn place(&self, at: Option<Range<usize>>) -> Option<String> {
        at.map(|at| self.loaded.toml.source.place(&at))
    }

    fn row(&self, key: &'static str, value: Value, at: Option<Range<usize>>) -> Explained {
        let from = self.place(at).unwrap_or_else(|| DEFAULT.into());
        Explained { key, value, from }
    }

    /// The same where a setting would hold before it.
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
        let of_table = at(self.table.command.as_ref());
        let file = &self.loaded.project.procfile_shown;
        let of_procfile = || format!("{}:{}", file.display(), self.entry.line);
        let from = self.place(of_table).unwrap_or_else(of_procfile);
        Explained { key: "command", value, from }
    }

    fn port(&self, process: &ProcessPlan) -> Explained {
        let at = at(self.table.port.as_ref());
        // One of its own stands, wherever the others begin.
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
        let at = at(self.table.on_exit.as_ref());
        let setting = self.settings.on_exit(self.entry).map_or("", |(_, setting)| setting);
        self.over("on_exit", json!(word), at, setting)
    }

    fn stop_signal(&self, process: &ProcessPlan) -> Explained {
        let name = process.stop_signal.to_string().parse::<SignalName>();
        let word = name.map_or_else(|_| process.stop_signal.to_string(), |name| name.to_string());
        let at = at(self.table.stop.signal.as_ref());
        let setting = self.settings.stop_signal(self.entry).map_or("", |_| "STOP_SIGNALS");
        self.over("stop.signal", json!(word), at, setting)
    }

    /// What only a `tmo.toml` says, where it does.
    fn rules(&self, process: &ProcessPlan) -> Vec<Explained> {
        let (table, rules) = (self.table, &process.rules);
        let phase = match rules.stage {
            Stage::Dependency => "dependency",
            Stage::Main => "main",
            Stage::Cleanup => "cleanup",
        };
        let variables: Vec<_> = process.env.iter().map(|(name, _)| name).collect();
        let variables_at = first(&table.env).or_else(|| first(&table.env_file));
        let needs_at = table.depends_on.first().map(|need| need.on.span());
        let flags: Vec<_> = rules.flags.iter().map(|flag| &flag.name).collect();
        let rows = [
            ("phase", json!(phase), at(table.phase.as_ref())),
            ("depends_on", json!(rules.needs), needs_at),
            ("ready", json!(rules.ready), at(table.ready.as_ref())),
            ("live", json!(rules.live), at(table.live.as_ref())),
            ("restart", json!(rules.restart), self.restart_at()),
            (
                "success_exit_codes",
                json!(rules.success_codes),
                at(table.success_exit_codes.as_ref()),
            ),
            ("soft_exit_codes", json!(rules.soft_codes), at(table.soft_exit_codes.as_ref())),
            ("stop.command", json!(rules.stop_command), at(table.stop.command.as_ref())),
            ("env", json!(variables), variables_at.or_else(|| first(&table.add_path))),
            ("groups", json!(rules.groups), first(&table.groups)),
            ("display", json!(rules.display), at(table.display.as_ref())),
            ("failure", json!(rules.failures), first(&table.failures)),
            ("flag", json!(flags), first(&table.flags)),
            ("notify", json!(rules.notify), at(table.notify.as_ref())),
        ];
        let rows = rows.into_iter().filter(|(_, _, at)| at.is_some());
        rows.map(|(key, value, at)| self.row(key, value, at)).collect()
    }

    fn restart_at(&self) -> Option<Range<usize>> {
        let said = &self.table.restart;
        let numbers = [&said.delay_ms, &said.max_delay_ms, &said.stable_ms];
        let of_number = numbers.into_iter().find_map(|number| at(number.as_ref()));
        at(said.policy.as_ref())
            .or(of_number)
            .or_else(|| at(said.backoff.as_ref()))
            .or_else(|| at(said.max_failures.as_ref()))
    }
}

/// Where something is said, if it is.
fn at<T>(said: Option<&Spanned<T>>) -> Option<Range<usize>> {
    said.map(Spanned::span)
}

/// Where the first of several is said.
fn first<T>(said: &[Spanned<T>]) -> Option<Range<usize>> {
    said.first().map(Spanned::span)
}
