//! Check: each process of a `tmo.toml` has a reason to stay in its state.

use serde_json::Value;

use crate::chaos::action_log::agreed;
use crate::chaos::config::{
    Config, Entry, Expectation, FailureAction, Phase, Policy, Program, Until,
};
use crate::chaos::model::Desired;

/// The evidence for a verdict on a state.
pub(crate) struct Evidence<'a> {
    /// What is in force.
    pub(crate) config: &'a Config,
    /// All that was in force in this run.
    pub(crate) past: Vec<&'a Config>,
    pub(crate) state: &'a Value,
    /// Processes of which a part was killed in this run.
    pub(crate) hit: Vec<&'static str>,
    /// Processes whose liveness check fails.
    pub(crate) sick: Vec<&'static str>,
}

impl Evidence<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        self.state["processes"].as_array().unwrap().iter().find(|p| p["name"] == name)
    }

    fn word(&self, name: &str) -> &str {
        self.find(name).and_then(|p| p["state"].as_str()).unwrap_or("not there")
    }

    /// The reason why its state must change, if it must.
    pub(crate) fn judge(&self, name: &str, desired: Desired) -> Result<(), String> {
        let Some(entry) = self.config.entry(name) else {
            return match self.word(name) {
                "not there" => Ok(()),
                word => Err(format!("{name} is gone from the file, but {word}")),
            };
        };
        let word = self.word(name);
        let verdict = match word {
            "running" | "starting" | "stopping" | "restarting" | "pending"
                if desired == Desired::Stopped =>
            {
                Err("somebody has stopped it".to_owned())
            }
            "starting" | "stopping" | "restarting" if self.config.restarts_forever(entry) => Ok(()),
            "running" => self.running(entry),
            "pending" => self.pending(entry, &mut vec![]),
            "stopped" if desired != Desired::Running => Ok(()),
            "stopped" if entry.phase == Phase::Cleanup || !entry.autostart => Ok(()),
            "exited" if desired == Desired::Running => self.exited(entry),
            "error" => self.error(entry),
            "broken" => self.broken(entry),
            "skipped" if !self.config.needs(name).is_empty() || self.has_changed(entry) => Ok(()),
            "exited" => Ok(()),
            _ => Err("it does not stay so".to_owned()),
        };
        verdict.map_err(|why| format!("{name} is {word}, but {why}"))
    }

    fn has_changed(&self, entry: &Entry) -> bool {
        agreed(&self.past, entry.name, Entry::clone).is_none()
    }

    fn part_was_killed(&self, entry: &Entry) -> bool {
        self.hit.contains(&entry.name)
    }

    fn running(&self, entry: &Entry) -> Result<(), String> {
        let changes = matches!(entry.program, Program::PrintsFailure(_)) && self.has_changed(entry);
        if entry.is_transient() && !self.config.restarts_forever(entry) && !changes {
            return Err("it is about to end".to_owned());
        }
        let p = self.find(entry.name).unwrap();
        let sure = !self.has_changed(entry)
            && !self.part_was_killed(entry)
            && !self.config.restarts_forever(entry);
        let acts = matches!(entry.live, Some(FailureAction::Restart | FailureAction::Break));
        match (p["ready"] == true, p["not_ready"].as_str()) {
            (true, _) if acts && self.sick.contains(&entry.name) => {
                Err("it does not answer".to_owned())
            }
            (true, _) if sure && entry.expected_readiness() == Expectation::Never => {
                Err("it can't be ready".to_owned())
            }
            (false, None) if !self.config.restarts_forever(entry) => {
                Err("it is neither ready nor given up".to_owned())
            }
            (false, Some(why)) if sure && entry.expected_readiness() == Expectation::Certain => {
                Err(format!("it should have become ready: {why}"))
            }
            (true | false, _) => Ok(()),
        }
    }

    /// A pending process waits for a state that may still come.
    fn pending(&self, entry: &Entry, past: &mut Vec<String>) -> Result<(), String> {
        let p = self.find(entry.name).unwrap();
        let awaits = p["awaits"].as_array().cloned().unwrap_or_default();
        if awaits.is_empty() {
            return Err("it waits for nobody".to_owned());
        }
        past.push(entry.name.to_owned());
        for on in awaits.iter().filter_map(Value::as_str) {
            let known = past.iter().any(|name| name == on);
            let Some(other) = self.config.entry(on).filter(|_| !known) else { continue };
            let ends = self.config.needs(entry.name).contains(&(other.name, Until::Completed));
            let open = match self.word(on) {
                "pending" => self.pending(other, past).is_ok(),
                // It may still end.
                "running" if ends => true,
                _ => self.config.restarts_forever(other),
            };
            if open {
                return Ok(());
            }
        }
        Err(format!("it waits for {awaits:?}, which come to nothing"))
    }

    fn exited(&self, entry: &Entry) -> Result<(), String> {
        let p = self.find(entry.name).unwrap();
        let code = p["exit"]["code"].as_u64().and_then(|code| u8::try_from(code).ok());
        let good = code.is_some_and(|code| entry.is_success(code));
        if self.has_changed(entry) {
            return Ok(());
        }
        let ends =
            matches!(entry.program, Program::Ends(..) | Program::Missing | Program::Flaky(_));
        if !ends && !self.part_was_killed(entry) {
            return Err("nothing has ended it".to_owned());
        }
        match entry.restart.map(|restart| restart.policy) {
            None | Some(Policy::No) => Ok(()),
            Some(_) if good && self.config.is_expected_to_end(entry) => Ok(()),
            Some(Policy::OnFailure) if good => Ok(()),
            Some(Policy::OnFailure | Policy::Always) => Err("it is to be started again".to_owned()),
        }
    }

    fn error(&self, entry: &Entry) -> Result<(), String> {
        let missing = entry.program == Program::Missing && entry.restart.is_some();
        if missing || self.has_changed(entry) { Ok(()) } else { Err("it can be run".to_owned()) }
    }

    fn broken(&self, entry: &Entry) -> Result<(), String> {
        let p = self.find(entry.name).unwrap();
        let reason = p["reason"].as_str().unwrap_or_default();
        if !reason.starts_with("broken: ") {
            return Err(format!("the reason is {reason:?}"));
        }
        let failures = p["failures"].as_u64().unwrap_or(0);
        let most = entry.restart.map_or(10, |restart| restart.max_failures);
        let acts = entry.live.is_some() || entry.failure_action().is_some();
        // Others act as often as they see something.
        let row = most > 0 && failures == u64::from(most);
        if row || acts || self.has_changed(entry) {
            Ok(())
        } else {
            Err(format!("it has failed {failures} times, not {most}"))
        }
    }
}
