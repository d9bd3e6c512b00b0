//! Changes of a `tmo.toml` during a run, and what they lead to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chaos::commands::Kind;
use crate::chaos::config::{CONFIGURED, Config, Entry, Expectation, FAILURE_TEXT, Phase};
use crate::chaos::context::Context;
use crate::chaos::model::{Desired, RunExpectation};
use crate::chaos::quiescence::Evidence;
use crate::chaos::settle::{state_of, state_summary};
use crate::chaos::step::{ConfigEdit, NAMES, Targets};
use crate::random::Random;

impl Context<'_> {
    /// Whether there is a process of this name, as far as the file says.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        NAMES.contains(&name) || self.config.entry(name).is_some()
    }

    /// The processes that are meant.
    pub(crate) fn names(&self, who: Targets) -> Vec<&'static str> {
        let cleans = |entry: &&Entry| entry.phase == Phase::Cleanup;
        let configured = self.config.entries.iter().filter(|entry| !cleans(entry));
        match who {
            Targets::All => NAMES.into_iter().chain(configured.map(|entry| entry.name)).collect(),
            Targets::One(name) => vec![name],
            Targets::Group(group) => configured
                .filter(|entry| entry.group == Some(group))
                .map(|entry| entry.name)
                .collect(),
        }
    }

    /// The dependencies that are started with these.
    pub(crate) fn pulled(&self, names: &[&'static str]) -> Vec<&'static str> {
        let all = names.iter().flat_map(|name| self.config.started_with(name));
        let mut all: Vec<_> = all.filter(|name| !names.contains(name)).collect();
        all.dedup();
        all
    }

    /// A run begins.
    pub(crate) fn begun(&mut self) {
        self.model.begun();
        self.model.usual = self.config.codes();
        for entry in &self.config.entries {
            if !entry.autostart || entry.phase == Phase::Cleanup {
                self.model.want(&[entry.name], Desired::Either);
            }
        }
        if self.config.has_failing_dependency() {
            self.model.ends(true, &[1]);
        }
    }

    /// Write the files.
    pub(crate) fn write_config(&mut self, config: Config) {
        self.config = config;
        self.actions.record_config(&self.config);
        self.write_declarations();
        self.replace("tmo.toml", &self.config.to_string());
    }

    fn write_declarations(&self) {
        self.replace("failure_declarations.json", &self.config.declarations());
    }

    /// Write a file in one step: a start that reads it meanwhile sees the old one or the new one.
    fn replace(&self, name: &str, text: &str) {
        let new = format!("{name}.new");
        self.world.write(&new, text);
        let app = self.world.app();
        std::fs::rename(app.join(new), app.join(name)).unwrap();
    }

    pub(crate) fn reload(&mut self, edit: ConfigEdit, choice: u64) {
        if self.config.entries.is_empty() {
            return;
        }
        if self.config.has_failing_dependency() {
            // It may come in time to save the run.
            self.disturb();
            self.model.unsure();
        }
        let mut config = self.config.clone();
        self.edit(&mut config, edit, choice);
        if edit == ConfigEdit::Broken || !config.is_consistent() {
            return self.reload_broken(edit, &config);
        }
        let changed: Vec<&'static str> = CONFIGURED
            .into_iter()
            .filter(|name| config.entry(name) != self.config.entry(name))
            .collect();
        let runs = |name: &&'static str| {
            let what = |config: &Config| config.entry(name).map(|e| (e.program, e.edition));
            what(&config) != what(&self.config)
        };
        let moved: Vec<&'static str> = changed.iter().copied().filter(runs).collect();
        // While it is not known what is in force.
        self.join_all();
        let before = self.pids();
        self.actions.record_intervention(changed.clone());
        self.write_config(config);
        self.actions.record_intervention(self.pulled(&changed));
        let codes = if moved.is_empty() && self.model.certain() { vec![0] } else { vec![] };
        self.spawn(Kind::Command, &["reload"], codes);
        self.unloaded = true;
        let pulled = self.pulled(&moved);
        for name in moved.iter().chain(&pulled) {
            let stays = self.model.desired[name] == Desired::Running && self.model.certain();
            if !stays || self.config.entry(name).is_none() {
                self.model.want(&[name], Desired::Either);
            }
        }
        self.join();
        let spared = |name: &str| !moved.contains(&name) && !pulled.contains(&name);
        self.same_pids(before, spared);
    }

    fn reload_broken(&mut self, edit: ConfigEdit, config: &Config) {
        self.join_all();
        let before = self.pids();
        let text = if edit == ConfigEdit::Broken {
            format!("{}\n[process.nobody\n", self.config)
        } else {
            config.to_string()
        };
        self.world.write("tmo.toml", &text);
        let codes = if self.model.certain() && self.model.course == RunExpectation::Up {
            vec![1]
        } else {
            vec![]
        };
        self.spawn(Kind::Command, &["reload"], codes);
        self.join();
        self.world.write("tmo.toml", &self.config.to_string());
        self.same_pids(before, |_| true);
    }

    fn edit(&self, config: &mut Config, edit: ConfigEdit, choice: u64) {
        let mut random = Random::new(choice);
        match edit {
            ConfigEdit::Same | ConfigEdit::Broken => {}
            ConfigEdit::Program(name) => {
                if let Some(entry) = config.entry_mut(name) {
                    entry.edition += 1;
                }
            }
            ConfigEdit::Policy(name) => {
                if let Some(entry) = config.entry_mut(name) {
                    entry.change(&mut random);
                }
            }
            ConfigEdit::Remove(name) => config.entries.retain(|entry| entry.name != name),
            ConfigEdit::Back(name) => {
                let Some(entry) = self.drawn.entry(name) else { return };
                let doomed = entry.phase == Phase::Dependency
                    && entry.expected_readiness() != Expectation::Certain;
                if doomed && config.entry(name).is_none() {
                    // Who runs would be skipped when it is started once more.
                    return;
                }
                let edition = self.config.entry(name).map_or(0, |entry| entry.edition);
                let entry = Entry { edition, ..entry.clone() };
                match config.entry_mut(name) {
                    Some(old) => *old = entry,
                    None => config.entries.push(entry),
                }
            }
        }
    }

    /// The main processes of a settled run.
    fn pids(&self) -> Option<(Value, BTreeMap<String, u64>)> {
        let quiet = self.model.certain()
            && self.model.course == RunExpectation::Up
            && self.actions.all_kills_are_noticed()
            && self.running.iter().all(|running| running.kind != Kind::Command);
        let state = self.settled_state().filter(|_| quiet)?;
        let running = state["processes"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|p| Some((p["name"].as_str()?.to_owned(), p["pid"].as_u64()?)));
        let pids = running.collect();
        Some((state, pids))
    }

    /// Check that the unchanged processes still run.
    fn same_pids(
        &mut self,
        before: Option<(Value, BTreeMap<String, u64>)>,
        spared: impl Fn(&str) -> bool,
    ) {
        let (Some((old, before)), Some(state)) = (before, self.state()) else { return };
        if old["run"] != state["run"] {
            return;
        }
        for process in state["processes"].as_array().unwrap() {
            let name = process["name"].as_str().unwrap();
            let moves = |entry: &Entry| entry.is_transient() || self.config.restarts_forever(entry);
            let moves = self.config.entry(name).is_some_and(moves);
            let Some(pid) = before.get(name).filter(|_| spared(name) && !moves) else { continue };
            assert!(
                process["pid"].as_u64() == Some(*pid),
                "{name} was {pid} before the reload; now {process}\n{}",
                state_summary(&state)
            );
        }
    }

    pub(crate) fn declare(&mut self, name: &'static str, add: bool) {
        let mut config = self.config.clone();
        let Some(entry) = config.entry_mut(name) else { return };
        entry.declared = add;
        self.join_all();
        let verb = if add { "add" } else { "remove" };
        // What it has printed may count, or not any more.
        self.actions.record_intervention(vec![name]);
        self.actions.record_config(&config);
        self.config = config;
        self.spawn(Kind::Command, &["failures", verb, name, FAILURE_TEXT], vec![]);
        self.join();
        // It may have come to nothing.
        self.write_declarations();
        self.unloaded = true;
    }

    pub(crate) fn make_unhealthy(&mut self, name: &'static str) {
        let Some(entry) = self.config.entry(name) else { return };
        if entry.live.is_some() {
            self.disturb_process(name);
            self.world.write(&format!("sick/{name}"), "");
        }
    }

    /// A configured process is disturbed: others may wait for it.
    pub(crate) fn disturb_process(&mut self, name: &'static str) {
        let quiet = self.actions.all_kills_are_noticed()
            && self.settled_state().is_some()
            && self.running.iter().all(|running| running.changes.is_empty());
        self.actions.record_kill(name);
        if self.config.has_dependents(name) && !quiet {
            self.disturb();
            self.model.unsure();
        } else if self.running.iter().any(|running| running.changes.contains(&name)) {
            self.disturb();
        }
    }

    /// Stop the processes for which commands would wait forever, so that these return: those that wait themselves, and
    /// those that are expected to end but go on.
    pub(crate) fn stop_blocked_processes(&mut self) {
        let Some(state) = self.settled_state() else { return };
        let goes_on = |name: &&str| {
            let entry = self.config.entry(name);
            entry.is_some_and(|entry| self.config.is_expected_to_end(entry))
        };
        let is_blocked = |name: &&str| match state_of(&state, name) {
            "pending" => true,
            "running" => goes_on(name),
            _ => false,
        };
        let held: Vec<_> = CONFIGURED.into_iter().filter(is_blocked).collect();
        for name in held {
            self.log(format!("      ({name} would wait for ever)"));
            self.disturb();
            self.actions.record_intervention(vec![name]);
            self.quick(&["stop", name]);
            self.model.want(&[name], Desired::Stopped);
        }
    }

    /// Repeat a reload that may have had no effect.
    pub(crate) fn load(&mut self) {
        if std::mem::take(&mut self.unloaded) {
            let (code, _, err) = self.quick(&["reload"]);
            self.log(format!("      (tmo reload ended with {code}: {})", err.trim_end()));
        }
    }

    /// Whether all configured processes may stay as they are.
    pub(crate) fn config_fits(&self, state: &Value) -> Result<(), String> {
        let from = state["started"].as_u64().unwrap();
        let now = crate::chaos::action_log::now();
        let hit = CONFIGURED
            .into_iter()
            .filter(|name| self.actions.part_was_killed(name, from, now))
            .collect();
        let past = self.actions.in_force(from, now);
        let is_sick = |name: &&str| self.world.app().join(format!("sick/{name}")).exists();
        let sick = CONFIGURED.into_iter().filter(is_sick).collect();
        let evidence = Evidence { config: &self.config, past, state, hit, sick };
        CONFIGURED.iter().try_for_each(|name| evidence.judge(name, self.model.desired[name]))
    }
}
