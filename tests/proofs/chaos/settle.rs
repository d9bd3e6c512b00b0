//! Waits until nothing changes any more, and compares the state with the expected one.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chaos::config::CONFIGURED;
use crate::chaos::context::{Context, deadline};
use crate::chaos::model::{Desired, RunExpectation};
use crate::chaos::step::NAMES;
use crate::harness::{pause, procs};

/// How long all must stay as it is where it is not known what is still to come: longer than a
/// marker is waited for, and than killed processes may take to go.
pub(crate) const STABLE: Duration = Duration::from_secs(3);

/// The observed state.
#[derive(Debug, Clone, PartialEq)]
enum Observation {
    Up(Value),
    /// Processes without a supervisor, until the check took them over.
    Orphaned,
    Down,
}

impl Observation {
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

impl Context<'_> {
    /// Wait until nothing changes, then compare with the expected state.
    pub(crate) fn settle_and_check(&mut self) {
        for terminal in self.terminals.iter().flatten() {
            terminal.keys(["C-q"]);
        }
        self.join_all();
        self.load();
        match self.settle() {
            Observation::Up(state) => self.check_running(&state),
            Observation::Orphaned | Observation::Down => self.check_ended(),
        }
        (self.model.supervision_uncertain, self.model.starting) = (false, false);
        self.actions.mark_settled();
    }

    fn settle(&mut self) -> Observation {
        let mut until = Instant::now() + deadline();
        let mut last: Option<(Observation, Instant)> = None;
        loop {
            self.reap();
            let found = self.observe().and_then(|seen| self.fits(&seen).map(|()| seen));
            let why = match found {
                Ok(Observation::Orphaned) => {
                    self.log("      (nobody was left: it is taken over)");
                    until = Instant::now() + deadline();
                    last = None;
                    continue;
                }
                Ok(seen) => {
                    let ended =
                        self.model.course == RunExpectation::Ends && seen == Observation::Down;
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

    /// The present state; an error while something is in progress.
    fn observe(&self) -> Result<Observation, String> {
        let (code, out, err) = self.quick(&["ps", "--json"]);
        if code == 0 && err.contains("had been killed; taken over") {
            return Ok(Observation::Orphaned);
        }
        if code == 0 {
            let state: Value = serde_json::from_str(&out).map_err(|e| e.to_string())?;
            if state["quitting"] == true {
                return Err(format!("everything is being stopped: {}", state_summary(&state)));
            }
            // Who was to be started again and was stopped instead has ended by itself.
            let rest = ["running", "stopped", "skipped", "exited"];
            let still = |p: &&Value| rest.iter().all(|word| p["state"] != **word);
            // Of others the rules say whether they are under way.
            let configured = |p: &&Value| CONFIGURED.iter().any(|name| p["name"] == **name);
            let all = state["processes"].as_array().unwrap();
            if all.iter().any(|p| still(&p) && !configured(&p)) {
                return Err(state_summary(&state));
            }
            self.config_fits(&state)?;
            return Ok(Observation::Up(state));
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
            None => Ok(Observation::Down),
        }
    }

    /// Whether the observed state is the expected one.
    fn fits(&self, seen: &Observation) -> Result<(), String> {
        let model = &self.model;
        match (seen, model.course) {
            (Observation::Orphaned, _) if model.supervision_uncertain => Ok(()),
            (Observation::Orphaned, _) => Err("guardian and supervisor are gone".into()),
            (Observation::Down, RunExpectation::Up) => Err("the run has ended".into()),
            (Observation::Up(_), RunExpectation::Down) => Err("there is a run".into()),
            (Observation::Up(_), RunExpectation::Ends)
                if model.run.is_some() && model.run.as_deref() == seen.run() =>
            {
                Err("the run goes on, but something had ended it".into())
            }
            (Observation::Up(_), RunExpectation::Up)
                if model.run.is_some() && model.run.as_deref() != seen.run() =>
            {
                Err("it is another run".into())
            }
            (Observation::Up(state), RunExpectation::Up) => {
                let wrong = |name: &&&'static str| match model.desired[**name] {
                    Desired::Running => state_of(state, name) != "running",
                    Desired::Stopped => {
                        !["stopped", "skipped", "exited"].contains(&state_of(state, name))
                    }
                    Desired::Either => false,
                };
                match NAMES.iter().find(wrong) {
                    Some(name) => {
                        let desired = model.desired[*name];
                        Err(format!("{name} is to be {desired:?}, but {}", state_summary(state)))
                    }
                    None => Ok(()),
                }
            }
            (Observation::Up(_), RunExpectation::Ends | RunExpectation::Unsure)
            | (
                Observation::Down,
                RunExpectation::Down | RunExpectation::Ends | RunExpectation::Unsure,
            ) => Ok(()),
        }
    }

    pub(crate) fn state(&self) -> Option<Value> {
        let (code, out, _) = self.quick(&["ps", "--json"]);
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    /// Whether the supervisor answers and all processes of the Procfile run.
    pub(crate) fn all_run(&self) -> bool {
        let state = self.state();
        state.is_some_and(|state| NAMES.iter().all(|name| state_of(&state, name) == "running"))
    }

    /// Whether no process is changing its state.
    pub(crate) fn all_are_settled(&self) -> bool {
        self.settled_state().is_some()
    }

    /// The state, if no process is changing its state.
    pub(crate) fn settled_state(&self) -> Option<Value> {
        match self.observe() {
            Ok(Observation::Up(state)) => Some(state),
            Ok(Observation::Orphaned | Observation::Down) | Err(_) => None,
        }
    }

    /// Note the id of the run.
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
pub(crate) fn state_summary(state: &Value) -> String {
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
