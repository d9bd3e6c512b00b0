//! Steps that act on a run with a `tmo.toml`, or change that file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::look::{state_of, words};
use crate::model::{Course, Wanted};
use crate::random::Random;
use crate::rest::Grounds;
use crate::rules::{COMPLAINT, Entry, Hope, Phase, RULED, Rules};
use crate::running::Kind;
use crate::stage::Stage;
use crate::step::{Edit, NAMES, Who};

impl Stage<'_> {
    /// Whether there is a process of this name, as far as the file says.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        NAMES.contains(&name) || self.rules.entry(name).is_some()
    }

    /// Those that are meant.
    pub(crate) fn names(&self, who: Who) -> Vec<&'static str> {
        let cleans = |entry: &&Entry| entry.phase == Phase::Cleanup;
        let ruled = self.rules.entries.iter().filter(|entry| !cleans(entry));
        match who {
            Who::All => NAMES.into_iter().chain(ruled.map(|entry| entry.name)).collect(),
            Who::One(name) => vec![name],
            Who::Group(group) => {
                ruled.filter(|entry| entry.group == Some(group)).map(|entry| entry.name).collect()
            }
        }
    }

    /// What is started with these although nobody has named it.
    pub(crate) fn pulled(&self, names: &[&'static str]) -> Vec<&'static str> {
        let all = names.iter().flat_map(|name| self.rules.pulled_by(name));
        let mut all: Vec<_> = all.filter(|name| !names.contains(name)).collect();
        all.dedup();
        all
    }

    /// A run begins.
    pub(crate) fn begun(&mut self) {
        self.model.begun();
        self.model.usual = self.rules.codes();
        for entry in &self.rules.entries {
            if !entry.autostart || entry.phase == Phase::Cleanup {
                self.model.want(&[entry.name], Wanted::Either);
            }
        }
        if self.rules.is_doomed() {
            self.model.ends(true, &[1]);
        }
    }

    /// Write the files.
    pub(crate) fn write_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.book.says(&self.rules);
        // In one step: a start that reads it meanwhile sees the old one or the new one.
        self.world.write("tmo.toml.new", &self.rules.to_string());
        let path = |name| self.world.app().join(name);
        std::fs::rename(path("tmo.toml.new"), path("tmo.toml")).unwrap();
    }

    pub(crate) fn reload(&mut self, edit: Edit, choice: u64) {
        if self.rules.entries.is_empty() {
            return;
        }
        if self.rules.is_doomed() {
            // It may come in time to save the run.
            self.disturb();
            self.model.unsure();
        }
        let mut rules = self.rules.clone();
        self.edit(&mut rules, edit, choice);
        if edit == Edit::Broken || !rules.is_whole() {
            return self.reload_broken(edit, &rules);
        }
        let changed: Vec<&'static str> =
            RULED.into_iter().filter(|name| rules.entry(name) != self.rules.entry(name)).collect();
        let runs = |name: &&'static str| {
            let what = |rules: &Rules| rules.entry(name).map(|e| (e.program, e.edition));
            what(&rules) != what(&self.rules)
        };
        let moved: Vec<&'static str> = changed.iter().copied().filter(runs).collect();
        // While it is not known what is in force.
        self.join_all();
        let before = self.pids();
        self.book.touch(changed.clone());
        self.write_rules(rules);
        self.book.touch(self.pulled(&changed));
        let codes = if moved.is_empty() && self.model.certain() { vec![0] } else { vec![] };
        self.spawn(Kind::Command, &["reload"], codes);
        self.unloaded = true;
        let pulled = self.pulled(&moved);
        for name in moved.iter().chain(&pulled) {
            let stays = self.model.wanted[name] == Wanted::Running && self.model.certain();
            if !stays || self.rules.entry(name).is_none() {
                self.model.want(&[name], Wanted::Either);
            }
        }
        self.join();
        let spared = |name: &str| !moved.contains(&name) && !pulled.contains(&name);
        self.same_pids(before, spared);
    }

    fn reload_broken(&mut self, edit: Edit, rules: &Rules) {
        self.join_all();
        let before = self.pids();
        let text = if edit == Edit::Broken {
            format!("{}\n[process.nobody\n", self.rules)
        } else {
            rules.to_string()
        };
        self.world.write("tmo.toml", &text);
        let codes =
            if self.model.certain() && self.model.course == Course::Up { vec![1] } else { vec![] };
        self.spawn(Kind::Command, &["reload"], codes);
        self.join();
        self.world.write("tmo.toml", &self.rules.to_string());
        self.same_pids(before, |_| true);
    }

    fn edit(&self, rules: &mut Rules, edit: Edit, choice: u64) {
        let mut random = Random::new(choice);
        match edit {
            Edit::Same | Edit::Broken => {}
            Edit::Program(name) => {
                if let Some(entry) = rules.entry_mut(name) {
                    entry.edition += 1;
                }
            }
            Edit::Policy(name) => {
                if let Some(entry) = rules.entry_mut(name) {
                    entry.change(&mut random);
                }
            }
            Edit::Remove(name) => rules.entries.retain(|entry| entry.name != name),
            Edit::Back(name) => {
                let Some(entry) = self.drawn.entry(name) else { return };
                let doomed = entry.phase == Phase::Dependency && entry.hope() != Hope::Sure;
                if doomed && rules.entry(name).is_none() {
                    // Who runs would be skipped when it is started once more.
                    return;
                }
                let edition = self.rules.entry(name).map_or(0, |entry| entry.edition);
                let entry = Entry { edition, ..entry.clone() };
                match rules.entry_mut(name) {
                    Some(old) => *old = entry,
                    None => rules.entries.push(entry),
                }
            }
        }
    }

    /// The main processes of all that run while nothing moves.
    fn pids(&self) -> Option<(Value, BTreeMap<String, u64>)> {
        let quiet = self.model.certain()
            && self.model.course == Course::Up
            && self.book.is_calm()
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

    /// Whether all that are spared run on as before.
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
            let moves = |entry: &Entry| entry.is_passing() || self.rules.is_restless(entry);
            let moves = self.rules.entry(name).is_some_and(moves);
            let Some(pid) = before.get(name).filter(|_| spared(name) && !moves) else { continue };
            assert!(
                process["pid"].as_u64() == Some(*pid),
                "{name} was {pid} before the reload; now {process}\n{}",
                words(&state)
            );
        }
    }

    pub(crate) fn declare(&mut self, name: &'static str, add: bool) {
        let mut rules = self.rules.clone();
        let Some(entry) = rules.entry_mut(name) else { return };
        entry.declared = add;
        self.join_all();
        let verb = if add { "add" } else { "remove" };
        // What it has printed may count, or not any more.
        self.book.touch(vec![name]);
        self.book.says(&rules);
        self.rules = rules;
        self.spawn(Kind::Command, &["failures", verb, name, COMPLAINT], vec![]);
        self.join();
        // It may have come to nothing.
        self.world.write("failure_declarations.json", &self.rules.declarations());
        self.unloaded = true;
    }

    pub(crate) fn sicken(&mut self, name: &'static str) {
        let Some(entry) = self.rules.entry(name) else { return };
        if entry.live.is_some() {
            self.upset(name);
            self.world.write(&format!("sick/{name}"), "");
        }
    }

    /// Something happens to one of those that have rules: others may wait for it.
    pub(crate) fn upset(&mut self, name: &'static str) {
        let quiet = self.book.is_calm()
            && self.settled_state().is_some()
            && self.running.iter().all(|running| running.changes.is_empty());
        self.book.hit(name);
        if self.rules.is_needed(name) && !quiet {
            self.disturb();
            self.model.unsure();
        } else if self.running.iter().any(|running| running.changes.contains(&name)) {
            self.disturb();
        }
    }

    /// Who waits as long as somebody who may wait for ever is told that it is stopped.
    pub(crate) fn unblock(&mut self) {
        let Some(state) = self.settled_state() else { return };
        let held: Vec<_> =
            RULED.into_iter().filter(|name| state_of(&state, name) == "pending").collect();
        for name in held {
            self.tell(format!("      ({name} would wait for ever)"));
            self.disturb();
            self.book.touch(vec![name]);
            self.quick(&["stop", name]);
            self.model.want(&[name], Wanted::Stopped);
        }
    }

    /// What the last reload was to bring is in force.
    pub(crate) fn load(&mut self) {
        if std::mem::take(&mut self.unloaded) {
            let (code, _, err) = self.quick(&["reload"]);
            self.tell(format!("      (tmo reload ended with {code}: {})", err.trim_end()));
        }
    }

    /// Whether all that have rules may stay as they are.
    pub(crate) fn fits_rules(&self, state: &Value) -> Result<(), String> {
        let from = state["started"].as_u64().unwrap();
        let now = crate::book::now();
        let hit = RULED.into_iter().filter(|name| self.book.is_hit(name, from, now)).collect();
        let past = self.book.in_force(from, now);
        let is_sick = |name: &&str| self.world.app().join(format!("sick/{name}")).exists();
        let sick = RULED.into_iter().filter(is_sick).collect();
        let grounds = Grounds { rules: &self.rules, past, state, hit, sick };
        RULED.iter().try_for_each(|name| grounds.judge(name, self.model.wanted[name]))
    }
}
