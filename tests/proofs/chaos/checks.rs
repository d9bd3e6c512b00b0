//! Checks after a run has settled: of running processes, of leftovers, of the log and the events.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chaos::action_log::agreed;
use crate::chaos::commands::Kind;
use crate::chaos::config::CONFIGURED;
use crate::chaos::context::{Context, deadline};
use crate::chaos::event_order;
use crate::chaos::log_lines::{self, Extent};
use crate::chaos::model::{Desired, RunExpectation};
use crate::chaos::programs::LIFE;
use crate::chaos::settle::{STABLE, in_tree, state_of, state_summary};
use crate::chaos::step::NAMES;
use crate::harness::{eventually_or, eventually_within, pause, procs};
use crate::lines;

impl Context<'_> {
    pub(crate) fn check_running(&mut self, state: &Value) {
        self.log(format!("      ({})", state_summary(state)));
        self.model.course = RunExpectation::Up;
        self.model.run = state["run"].as_str().map(ToOwned::to_owned);
        for name in NAMES.into_iter().chain(CONFIGURED) {
            let running = state_of(state, name) == "running";
            if self.config.entry(name).is_some_and(|entry| self.config.restarts_forever(entry)) {
                continue;
            }
            // What the rules have come to stays so; only who was stopped is not to run.
            let stopped = state_of(state, name) == "stopped" || NAMES.contains(&name);
            if running {
                self.model.desired.insert(name, Desired::Running);
            } else if stopped {
                self.model.desired.insert(name, Desired::Stopped);
            }
            if running {
                self.check_running_process(state, name);
            } else {
                // A hook of its crash may still run.
                let is_hook =
                    |pid: &u32| procs::args(*pid).get(1).is_some_and(|word| word == "beside");
                let mut left = self.tree(name);
                left.retain(|pid| !is_hook(pid));
                let left: Vec<_> = left.iter().map(|pid| described(*pid)).collect();
                assert!(left.is_empty(), "{name} is stopped, but there is {left:?}");
                eventually_within(deadline(), "the hooks have ended", || {
                    self.tree(name).is_empty().then_some(())
                });
            }
        }
        self.check_flag_counts(state);
        self.check_crash_hooks(state);
    }

    /// Each matching line counts once, despite kills.
    fn check_flag_counts(&self, state: &Value) {
        let past = self
            .actions
            .in_force(state["started"].as_u64().unwrap(), crate::chaos::action_log::now());
        let stays = |name: &&str| agreed(&past, name, |_| ()).is_some();
        let moves =
            |name: &&str| self.config.entry(name).is_some_and(|e| self.config.restarts_forever(e));
        let names: Vec<_> =
            CONFIGURED.into_iter().filter(stays).filter(|name| !moves(name)).collect();
        let counted = |name: &str| -> Option<u64> {
            let (code, out, _) = self.quick(&["flags", name, "--json"]);
            let flags: Value = serde_json::from_str(&out).ok().filter(|_| code == 0)?;
            flags[0]["count"].as_u64()
        };
        let logged = |name: &str| {
            let (_, out, _) = self.quick(&["logs", name, "--run", "1", "--json"]);
            let lines = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["event"].is_null() && line["text"] == "up").count() as u64
        };
        for name in names {
            let until = Instant::now() + deadline();
            loop {
                let (flags, lines) = (counted(name), logged(name));
                if flags == Some(lines) {
                    break;
                }
                assert!(Instant::now() < until, "{name}: {lines} lines, counted {flags:?}");
                pause(Duration::from_millis(50));
            }
        }
    }

    fn check_running_process(&self, state: &Value, name: &'static str) {
        let all = state["processes"].as_array().unwrap();
        let pid = all.iter().find(|p| p["name"] == name).and_then(|p| p["pid"].as_u64());
        let pid = u32::try_from(pid.unwrap()).unwrap();
        let mark = format!("TMO_PROCESS={name}");
        assert!(
            procs::environment(pid).contains(&mark),
            "{name} is said to run as {pid}, which is {}",
            described(pid)
        );
        for verb in ["shim", "sink"] {
            let what = format!("one {verb} of {name}");
            let spec = format!("/{name}.spec");
            eventually_within(deadline(), &what, || {
                let is_it = |p: &&procs::Proc| {
                    p.args.get(1).is_some_and(|a| a == verb)
                        && p.args.get(2).is_some_and(|a| a.ends_with(&spec))
                };
                let count = self.world.living().iter().filter(is_it).count();
                // A replaced sink may wait until its successor has ended.
                (count == 1 || count > 1 && verb == "sink").then_some(())
            });
        }
        if ["fast", "even"].contains(&name) {
            self.output_arrives(name);
        }
    }

    /// Its output arrives, unless its terminal is stopped.
    fn output_arrives(&self, name: &'static str) {
        let newest = || {
            let lives = log_lines::written(self.world).remove(name).unwrap();
            let (life, note) = lives.last_key_value().map(|(life, note)| (*life, *note))?;
            Some(life * LIFE + note.done)
        };
        let Some(written) = newest() else { return };
        let began = Instant::now();
        let what =
            format!("what {name} writes arrives ({} of life {})", written % LIFE, written / LIFE);
        eventually_within(deadline(), &what, || {
            let (_, out, _) = self.quick(&["logs", "-n", "3", "--no-prefix", name]);
            let mut scratch = vec![];
            let whole = |line: &str| lines::whole(name, line.as_bytes(), &mut scratch);
            let last = out.lines().filter_map(whole).max();
            let held = began.elapsed() > STABLE && newest() == Some(written);
            (last.is_some_and(|last| last + 1 >= written) || held).then_some(())
        });
    }

    pub(crate) fn check_ended(&mut self) {
        self.log("      (no run)");
        self.model.course = RunExpectation::Down;
        self.model.run = None;
        let until = Instant::now() + deadline();
        while let Some(left) = self.running.iter().find(|r| r.kind != Kind::Command) {
            assert!(Instant::now() < until, "`{}` goes on without a run", left.what);
            pause(Duration::from_millis(5));
            self.reap();
        }
        self.model.codes.clear();
        // With guardian and supervisor killed, no part is left to remove files.
        self.abandoned |= self.model.supervision_uncertain;
        if !self.abandoned {
            let mut left = vec![];
            let until = Instant::now() + Duration::from_secs(10);
            while Instant::now() < until {
                left = self.files_left();
                if left.is_empty() {
                    return;
                }
                pause(Duration::from_millis(20));
            }
            panic!("files left: {left:?}");
        }
    }

    fn files_left(&self) -> Vec<PathBuf> {
        let mut left = vec![];
        files(&self.world.path().join("run"), &mut left);
        files(&self.world.path().join("tmux"), &mut left);
        left.extend([self.world.app().join(".overmind.sock")]);
        let ours = |path: &Path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test-"))
        };
        left.retain(|path| path.exists() && !ours(path));
        left
    }

    /// The process tree without shim and sink.
    pub(crate) fn tree(&self, name: &str) -> Vec<u32> {
        let part = |p: &procs::Proc| {
            p.args.get(1).is_some_and(|arg| ["shim", "sink"].contains(&arg.as_str()))
        };
        self.world.tree(name).into_iter().filter(|p| !part(p)).map(|p| p.pid).collect()
    }

    /// After a command that reports the end of the run.
    pub(crate) fn check_nothing_left(&self) {
        let part = |p: &procs::Proc| {
            p.args.get(1).is_some_and(|arg| ["shim", "sink"].contains(&arg.as_str()))
        };
        let left: Vec<_> =
            self.world.living().into_iter().filter(|p| part(p) || in_tree(p.pid)).collect();
        assert!(left.is_empty(), "the run is over, but there is {left:?}");
    }

    /// End everything, check for leftovers, and check the log and the events.
    pub(crate) fn finish(&mut self) {
        self.settle_and_check();
        for slot in 0..self.terminals.len() {
            drop(self.terminals[slot].take());
        }
        if self.abandoned {
            // The next start takes away what is left.
            self.model.unsure();
            self.run_daemon();
            self.settle_and_check();
            self.abandoned = false;
        }
        if self.model.course == RunExpectation::Up {
            self.run_quit();
            self.settle_and_check();
        }
        // A client whose terminal was closed ends by itself, a moment later.
        eventually_or(
            "nothing is left at the end",
            || self.world.living().is_empty().then_some(()),
            || format!("left: {:?}", self.world.living()),
        );
        self.read_logs();
        self.read_events();
    }

    /// Check the order of the events.
    fn read_events(&mut self) {
        let (code, out, err) = self.quick(&["events", "--json"]);
        if !self.world.path().join("state/tmo").exists() {
            return;
        }
        assert_eq!(code, 0, "{err}");
        let events: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let problems = event_order::judge(&events, &self.actions);
        assert!(problems.is_empty(), "the events: {:#?}", &problems[..problems.len().min(10)]);
    }

    fn read_logs(&mut self) {
        let written = log_lines::written(self.world);
        if !self.world.path().join("state/tmo").exists() {
            // There never was a run.
            assert!(written.values().all(log_lines::Lives::is_empty));
            return;
        }
        let mut child =
            self.world.tmo(["logs", "--all-runs"]).stdout(Stdio::piped()).spawn().unwrap();
        let text = child.stdout.take().unwrap();
        let verdict = log_lines::read(text, Extent::All, &written, &self.allowed_loss);
        assert!(child.wait().unwrap().success());
        let (lines, gaps) = (verdict.lines, verdict.gaps);
        self.log(format!("      ({lines} lines, {gaps} gaps)"));
        self.lines = lines;
        let problems = verdict.problems;
        assert!(problems.is_empty(), "the log: {:#?}", &problems[..problems.len().min(10)]);
        for (what, out) in &self.outputs {
            let file = std::fs::File::open(self.world.app().join(out)).unwrap();
            let problems =
                log_lines::read(file, Extent::Part, &written, &self.allowed_loss).problems;
            let few = &problems[..problems.len().min(10)];
            assert!(problems.is_empty(), "what `{what}` has shown ({out}): {few:#?}");
        }
    }
}

fn described(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid}: {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}
