//! Detailed checks: running processes, leftovers and the log.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::book::agreed;
use crate::harness::{eventually_within, pause, procs};
use crate::journal::{self, Extent};
use crate::ledger;
use crate::lines;
use crate::look::{STABLE, in_tree, state_of, words};
use crate::model::{Course, Wanted};
use crate::programs::LIFE;
use crate::rules::RULED;
use crate::running::Kind;
use crate::stage::{Stage, deadline};
use crate::step::NAMES;

impl Stage<'_> {
    pub(crate) fn settled_up(&mut self, state: &Value) {
        self.tell(format!("      ({})", words(state)));
        self.model.course = Course::Up;
        self.model.run = state["run"].as_str().map(ToOwned::to_owned);
        for name in NAMES.into_iter().chain(RULED) {
            let running = state_of(state, name) == "running";
            if self.rules.entry(name).is_some_and(|entry| self.rules.is_restless(entry)) {
                continue;
            }
            // What the rules have come to stays so; only who was stopped is not to run.
            let stopped = state_of(state, name) == "stopped" || NAMES.contains(&name);
            if running {
                self.model.wanted.insert(name, Wanted::Running);
            } else if stopped {
                self.model.wanted.insert(name, Wanted::Stopped);
            }
            if running {
                self.look_at_running(state, name);
            } else {
                let left = self.tree(name);
                let left: Vec<_> = left.iter().map(|pid| described(*pid)).collect();
                assert!(left.is_empty(), "{name} is stopped, but there is {left:?}");
            }
        }
        self.count_flags(state);
        self.hear_of_crashes(state);
    }

    /// Each line that a flag means counts once, whoever was killed meanwhile.
    fn count_flags(&self, state: &Value) {
        let past = self.book.in_force(state["started"].as_u64().unwrap(), crate::book::now());
        let stays = |name: &&str| agreed(&past, name, |_| ()).is_some();
        let moves = |name: &&str| self.rules.entry(name).is_some_and(|e| self.rules.is_restless(e));
        let names: Vec<_> = RULED.into_iter().filter(stays).filter(|name| !moves(name)).collect();
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

    fn look_at_running(&self, state: &Value, name: &'static str) {
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
                // A sink that was overtaken may wait until it is told so by the other's end.
                (count == 1 || count > 1 && verb == "sink").then_some(())
            });
        }
        if ["fast", "even"].contains(&name) {
            self.comes_on(name);
        }
    }

    /// What it writes arrives, unless somebody has stopped its terminal.
    fn comes_on(&self, name: &'static str) {
        let newest = || {
            let lives = journal::written(self.world).remove(name).unwrap();
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

    pub(crate) fn settled_down(&mut self) {
        self.tell("      (no run)");
        self.model.course = Course::Down;
        self.model.run = None;
        let until = Instant::now() + deadline();
        while let Some(left) = self.running.iter().find(|r| r.kind != Kind::Command) {
            assert!(Instant::now() < until, "`{}` goes on without a run", left.what);
            pause(Duration::from_millis(5));
            self.reap();
        }
        self.model.codes.clear();
        // With guardian and supervisor killed, nobody is left to take things away.
        self.abandoned |= self.model.shaky;
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

    /// All that belongs to this process but shim and sink.
    pub(crate) fn tree(&self, name: &str) -> Vec<u32> {
        let part = |p: &procs::Proc| {
            p.args.get(1).is_some_and(|arg| ["shim", "sink"].contains(&arg.as_str()))
        };
        self.world.tree(name).into_iter().filter(|p| !part(p)).map(|p| p.pid).collect()
    }

    /// After a command that says so.
    pub(crate) fn nothing_is_left(&self) {
        let part = |p: &procs::Proc| {
            p.args.get(1).is_some_and(|arg| ["shim", "sink"].contains(&arg.as_str()))
        };
        let left: Vec<_> =
            self.world.living().into_iter().filter(|p| part(p) || in_tree(p.pid)).collect();
        assert!(left.is_empty(), "the run is over, but there is {left:?}");
    }

    /// End everything, see that nothing is left, read all that was logged.
    pub(crate) fn finish(&mut self) {
        self.look();
        for slot in 0..self.terminals.len() {
            drop(self.terminals[slot].take());
        }
        if self.abandoned {
            // The next start takes away what is left.
            self.model.unsure();
            self.act_daemon();
            self.look();
            self.abandoned = false;
        }
        if self.model.course == Course::Up {
            self.act_quit();
            self.look();
        }
        let left = self.world.living();
        assert!(left.is_empty(), "left at the end: {left:?}");
        self.read_logs();
        self.read_events();
    }

    /// Whether all has happened in an order in which it may happen.
    fn read_events(&mut self) {
        let (code, out, err) = self.quick(&["events", "--json"]);
        if !self.world.path().join("state/tmo").exists() {
            return;
        }
        assert_eq!(code, 0, "{err}");
        let events: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let problems = ledger::judge(&events, &self.book);
        assert!(problems.is_empty(), "the events: {:#?}", &problems[..problems.len().min(10)]);
    }

    fn read_logs(&mut self) {
        let written = journal::written(self.world);
        if !self.world.path().join("state/tmo").exists() {
            // There never was a run.
            assert!(written.values().all(journal::Lives::is_empty));
            return;
        }
        let mut child = self.world.tmo(["logs"]).stdout(Stdio::piped()).spawn().unwrap();
        let text = child.stdout.take().unwrap();
        let verdict = journal::read(text, Extent::All, &written, &self.excused);
        assert!(child.wait().unwrap().success());
        let (lines, gaps) = (verdict.lines, verdict.gaps);
        self.tell(format!("      ({lines} lines, {gaps} gaps)"));
        self.lines = lines;
        let problems = verdict.problems;
        assert!(problems.is_empty(), "the log: {:#?}", &problems[..problems.len().min(10)]);
        for (what, out) in &self.outputs {
            let file = std::fs::File::open(self.world.app().join(out)).unwrap();
            let problems = journal::read(file, Extent::Part, &written, &self.excused).problems;
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
