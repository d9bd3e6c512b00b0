//! Checks that everything is as required once nothing changes any more.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{pause, procs};
use crate::model::{Course, Wanted};
use crate::rules::RULED;
use crate::stage::{Stage, deadline};
use crate::step::NAMES;

/// How long all must stay as it is where it is not known what is still to come: longer than a
/// marker is waited for, and than killed processes may take to go.
pub(crate) const STABLE: Duration = Duration::from_secs(3);

/// What is there.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Up(Value),
    /// Processes without anybody who looked after them, until it was looked.
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
        self.load();
        match self.settle() {
            Seen::Up(state) => self.settled_up(&state),
            Seen::Orphaned | Seen::Down => self.settled_down(),
        }
        (self.model.shaky, self.model.starting) = (false, false);
        self.book.rest();
    }

    fn settle(&mut self) -> Seen {
        let mut until = Instant::now() + deadline();
        let mut last: Option<(Seen, Instant)> = None;
        loop {
            self.reap();
            let found = self.glance().and_then(|seen| self.fits(&seen).map(|()| seen));
            let why = match found {
                Ok(Seen::Orphaned) => {
                    self.tell("      (nobody was left: it is taken over)");
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
        if code == 0 && err.contains("had been killed; taken over") {
            return Ok(Seen::Orphaned);
        }
        if code == 0 {
            let state: Value = serde_json::from_str(&out).map_err(|e| e.to_string())?;
            if state["quitting"] == true {
                return Err(format!("everything is being stopped: {}", words(&state)));
            }
            // Who was to be started again and was stopped instead has ended by itself.
            let rest = ["running", "stopped", "skipped", "exited"];
            let still = |p: &&Value| rest.iter().all(|word| p["state"] != **word);
            // Of others the rules say whether they are under way.
            let ruled = |p: &&Value| RULED.iter().any(|name| p["name"] == **name);
            let all = state["processes"].as_array().unwrap();
            if all.iter().any(|p| still(&p) && !ruled(&p)) {
                return Err(words(&state));
            }
            self.fits_rules(&state)?;
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
        match living.iter().find(|p| is(p, &["shim", "sink"]) || in_tree(p.pid)) {
            // Whoever else is there may be the reason.
            Some(_) => Err(format!("no run ({}), but there is {living:?}", err.trim_end())),
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
                    Wanted::Stopped => {
                        !["stopped", "skipped", "exited"].contains(&state_of(state, name))
                    }
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

    pub(crate) fn state(&self) -> Option<Value> {
        let (code, out, _) = self.quick(&["ps", "--json"]);
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    /// Whether somebody answers and all processes of the Procfile run.
    pub(crate) fn all_run(&self) -> bool {
        let state = self.state();
        state.is_some_and(|state| NAMES.iter().all(|name| state_of(&state, name) == "running"))
    }

    /// Whether nothing is on its way to another state.
    pub(crate) fn all_are_settled(&self) -> bool {
        self.settled_state().is_some()
    }

    /// How things are, if nothing is on its way to another state.
    pub(crate) fn settled_state(&self) -> Option<Value> {
        match self.glance() {
            Ok(Seen::Up(state)) => Some(state),
            Ok(Seen::Orphaned | Seen::Down) | Err(_) => None,
        }
    }

    /// Remember which run it is.
    pub(crate) fn note_run(&mut self) {
        if self.model.certain() {
            self.model.run = self.state().and_then(|s| Some(s["run"].as_str()?.to_owned()));
        }
    }
}

pub(crate) fn state_of<'a>(state: &'a Value, name: &str) -> &'a str {
    let all = state["processes"].as_array().unwrap();
    let found = all.iter().find(|p| p["name"] == name).and_then(|p| p["state"].as_str());
    found.unwrap_or("not there")
}

/// The states of all in one line.
pub(crate) fn words(state: &Value) -> String {
    let one = |p: &Value| {
        let word = |field: &str| p[field].as_str().unwrap_or_default().to_owned();
        format!("{} {}", word("name"), word("state"))
    };
    let all: Vec<_> = state["processes"].as_array().unwrap().iter().map(one).collect();
    all.join(", ")
}

pub(crate) fn in_tree(pid: u32) -> bool {
    procs::environment(pid).iter().any(|variable| variable.starts_with("TMO_PROCESS="))
}
