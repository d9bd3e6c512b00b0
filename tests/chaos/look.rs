//! Looking whether all is as it must be once nothing moves any more.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{eventually_within, pause, procs};
use crate::journal::{self, Extent};
use crate::lines;
use crate::model::{Course, Wanted};
use crate::programs::LIFE;
use crate::stage::{Kind, Stage, deadline};
use crate::step::NAMES;

/// How long all must stay as it is where it is not known what is still to come: longer than a
/// marker is waited for, and than killed processes may take to go.
const STABLE: Duration = Duration::from_secs(3);

/// What is there.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Up(Value),
    /// Processes without anybody who looks after them.
    Orphaned,
    Down,
}

impl Seen {
    fn run(&self) -> Option<&str> {
        match self {
            Self::Up(state) => state["run"].as_str(),
            Self::Orphaned | Self::Down => None,
        }
    }

    fn like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.run() == other.run()
    }
}

impl Stage<'_> {
    /// Wait until nothing moves, then compare with what must be.
    pub(crate) fn look(&mut self) {
        for terminal in self.terminals.iter().flatten() {
            terminal.keys(["C-q"]);
        }
        self.join_all();
        match self.settle() {
            Seen::Up(state) => self.settled_up(&state),
            Seen::Orphaned | Seen::Down => self.settled_down(),
        }
        (self.model.shaky, self.model.starting) = (false, false);
    }

    fn settle(&mut self) -> Seen {
        let mut until = Instant::now() + deadline();
        let mut last: Option<(Seen, Instant)> = None;
        loop {
            self.reap();
            let found = self.glance().and_then(|seen| self.fits(&seen).map(|()| seen));
            let why = match found {
                Ok(Seen::Orphaned) => {
                    self.tell("      (nobody is left: a start takes over)");
                    self.act_daemon();
                    until = Instant::now() + deadline();
                    last = None;
                    continue;
                }
                Ok(seen) => {
                    let ended = self.model.course == Course::Ends && seen == Seen::Down;
                    let settled = self.model.certain() || ended;
                    let since = match &last {
                        Some((old, since)) if old.like(&seen) => *since,
                        Some(_) | None => Instant::now(),
                    };
                    if settled || since.elapsed() >= STABLE {
                        return seen;
                    }
                    last = Some((seen, since));
                    "it goes on changing".to_owned()
                }
                Err(why) => {
                    last = None;
                    why
                }
            };
            assert!(Instant::now() < until, "never settled: {why}");
            pause(Duration::from_millis(50));
        }
    }

    /// What is there now; an error while something is under way.
    fn glance(&self) -> Result<Seen, String> {
        let (code, out, err) = self.quick(&["ps", "--json"]);
        if code == 0 {
            let state: Value = serde_json::from_str(&out).map_err(|e| e.to_string())?;
            if state["quitting"] == true {
                return Err(format!("everything is being stopped: {}", words(&state)));
            }
            let still = |p: &&Value| p["state"] != "running" && p["state"] != "stopped";
            if state["processes"].as_array().unwrap().iter().any(|p| still(&p)) {
                return Err(words(&state));
            }
            return Ok(Seen::Up(state));
        }
        let living = self.world.living();
        let is = |p: &&procs::Proc, verbs: &[&str]| {
            p.args.get(1).is_some_and(|arg| verbs.contains(&arg.as_str()))
        };
        let keepers = ["guard", "supervise", "start"];
        if let Some(keeper) = living.iter().find(|p| is(p, &keepers)) {
            return Err(format!("nobody answers ({}), but there is {keeper:?}", err.trim_end()));
        }
        if err.contains("its processes still run") {
            return Ok(Seen::Orphaned);
        }
        match living.iter().find(|p| is(p, &["shim", "sink"]) || in_tree(p.pid)) {
            Some(left) => Err(format!("no run ({}), but there is {left:?}", err.trim_end())),
            None => Ok(Seen::Down),
        }
    }

    /// Whether what is there is what must be.
    fn fits(&self, seen: &Seen) -> Result<(), String> {
        let model = &self.model;
        match (seen, model.course) {
            (Seen::Orphaned, _) if model.shaky => Ok(()),
            (Seen::Orphaned, _) => Err("guardian and supervisor are gone".into()),
            (Seen::Down, Course::Up) => Err("the run has ended".into()),
            (Seen::Up(_), Course::Down) => Err("there is a run".into()),
            (Seen::Up(_), Course::Ends)
                if model.run.is_some() && model.run.as_deref() == seen.run() =>
            {
                Err("the run goes on, but something had ended it".into())
            }
            (Seen::Up(_), Course::Up)
                if model.run.is_some() && model.run.as_deref() != seen.run() =>
            {
                Err("it is another run".into())
            }
            (Seen::Up(state), Course::Up) => {
                let wrong = |name: &&&'static str| match model.wanted[**name] {
                    Wanted::Running => state_of(state, name) != "running",
                    Wanted::Stopped => state_of(state, name) != "stopped",
                    Wanted::Either => false,
                };
                match NAMES.iter().find(wrong) {
                    Some(name) => {
                        let wanted = model.wanted[*name];
                        Err(format!("{name} is to be {wanted:?}, but {}", words(state)))
                    }
                    None => Ok(()),
                }
            }
            (Seen::Up(_), Course::Ends | Course::Unsure)
            | (Seen::Down, Course::Down | Course::Ends | Course::Unsure) => Ok(()),
        }
    }

    fn settled_up(&mut self, state: &Value) {
        self.tell(format!("      ({})", words(state)));
        self.model.course = Course::Up;
        self.model.run = state["run"].as_str().map(ToOwned::to_owned);
        for name in NAMES {
            let running = state_of(state, name) == "running";
            let wanted = if running { Wanted::Running } else { Wanted::Stopped };
            self.model.wanted.insert(name, wanted);
            if running {
                self.look_at_running(state, name);
            } else {
                let left = self.tree(name);
                let left: Vec<_> = left.iter().map(|pid| described(*pid)).collect();
                assert!(left.is_empty(), "{name} is stopped, but there is {left:?}");
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
                (self.world.living().iter().filter(is_it).count() == 1).then_some(())
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

    fn settled_down(&mut self) {
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

    fn state(&self) -> Option<Value> {
        let (code, out, _) = self.quick(&["ps", "--json"]);
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    /// Whether somebody answers and all processes are in this state.
    pub(crate) fn all_are(&self, word: &str) -> bool {
        let state = self.state();
        state.is_some_and(|s| s["processes"].as_array().unwrap().iter().all(|p| p["state"] == word))
    }

    /// Whether nothing is on its way to another state.
    pub(crate) fn all_are_settled(&self) -> bool {
        matches!(self.glance(), Ok(Seen::Up(_)))
    }

    /// Remember which run it is.
    pub(crate) fn note_run(&mut self) {
        if self.model.certain() {
            self.model.run = self.state().and_then(|s| Some(s["run"].as_str()?.to_owned()));
        }
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
    }

    fn read_logs(&mut self) {
        let written = journal::written(self.world);
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

fn state_of<'a>(state: &'a Value, name: &str) -> &'a str {
    let all = state["processes"].as_array().unwrap();
    all.iter().find(|p| p["name"] == name).and_then(|p| p["state"].as_str()).unwrap()
}

/// The states of all in one line.
fn words(state: &Value) -> String {
    let one = |p: &Value| {
        let word = |field: &str| p[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}", word("name"), word("state"))
    };
    let all: Vec<_> = state["processes"].as_array().unwrap().iter().map(one).collect();
    all.join(", ")
}

fn in_tree(pid: u32) -> bool {
    procs::environment(pid).iter().any(|variable| variable.starts_with("TMO_PROCESS="))
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
