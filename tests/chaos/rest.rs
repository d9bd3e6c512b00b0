//! Whether a process of a `tmo.toml` may remain in its current state.

use serde_json::Value;

use crate::book::agreed;
use crate::model::Wanted;
use crate::rules::{Act, Entry, Hope, Phase, Policy, Program, Rules, Until};

/// All that a state is judged by.
pub(crate) struct Grounds<'a> {
    /// What is in force.
    pub(crate) rules: &'a Rules,
    /// All that was in force in this run.
    pub(crate) past: Vec<&'a Rules>,
    pub(crate) state: &'a Value,
    /// Those of whom something was killed in this run.
    pub(crate) hit: Vec<&'static str>,
    /// Those that do not answer well.
    pub(crate) sick: Vec<&'static str>,
}

impl Grounds<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        self.state["processes"].as_array().unwrap().iter().find(|p| p["name"] == name)
    }

    fn word(&self, name: &str) -> &str {
        self.find(name).and_then(|p| p["state"].as_str()).unwrap_or("not there")
    }

    /// Why it can't stay as it is, if it can't.
    pub(crate) fn judge(&self, name: &str, wanted: Wanted) -> Result<(), String> {
        let Some(entry) = self.rules.entry(name) else {
            return match self.word(name) {
                "not there" => Ok(()),
                word => Err(format!("{name} is gone from the file, but {word}")),
            };
        };
        let word = self.word(name);
        let verdict = match word {
            "running" | "starting" | "stopping" | "restarting" | "pending"
                if wanted == Wanted::Stopped =>
            {
                Err("somebody has stopped it".to_owned())
            }
            "starting" | "stopping" | "restarting" if self.rules.is_restless(entry) => Ok(()),
            "running" => self.running(entry),
            "pending" => self.pending(entry, &mut vec![]),
            "stopped" if wanted != Wanted::Running => Ok(()),
            "stopped" if entry.phase == Phase::Cleanup || !entry.autostart => Ok(()),
            "exited" if wanted == Wanted::Running => self.exited(entry),
            "error" => self.error(entry),
            "broken" => self.broken(entry),
            "skipped" if !self.rules.needs(name).is_empty() || self.has_changed(entry) => Ok(()),
            "exited" => Ok(()),
            _ => Err("it does not stay so".to_owned()),
        };
        verdict.map_err(|why| format!("{name} is {word}, but {why}"))
    }

    fn has_changed(&self, entry: &Entry) -> bool {
        agreed(&self.past, entry.name, Entry::clone).is_none()
    }

    fn is_hit(&self, entry: &Entry) -> bool {
        self.hit.contains(&entry.name)
    }

    fn running(&self, entry: &Entry) -> Result<(), String> {
        let changes = matches!(entry.program, Program::Complains(_)) && self.has_changed(entry);
        if entry.is_passing() && !self.rules.is_restless(entry) && !changes {
            return Err("it is about to end".to_owned());
        }
        let p = self.find(entry.name).unwrap();
        let sure =
            !self.has_changed(entry) && !self.is_hit(entry) && !self.rules.is_restless(entry);
        let acts = matches!(entry.live, Some(Act::Restart | Act::Break));
        match (p["ready"] == true, p["not_ready"].as_str()) {
            (true, _) if acts && self.sick.contains(&entry.name) => {
                Err("it does not answer".to_owned())
            }
            (true, _) if sure && entry.hope() == Hope::Never => Err("it can't be ready".to_owned()),
            (false, None) if !self.rules.is_restless(entry) => {
                Err("it is neither ready nor given up".to_owned())
            }
            (false, Some(why)) if sure && entry.hope() == Hope::Sure => {
                Err(format!("it should have become ready: {why}"))
            }
            (true | false, _) => Ok(()),
        }
    }

    /// Who waits does so for one that may still come to it.
    fn pending(&self, entry: &Entry, past: &mut Vec<String>) -> Result<(), String> {
        let p = self.find(entry.name).unwrap();
        let awaits = p["awaits"].as_array().cloned().unwrap_or_default();
        if awaits.is_empty() {
            return Err("it waits for nobody".to_owned());
        }
        past.push(entry.name.to_owned());
        for on in awaits.iter().filter_map(Value::as_str) {
            let known = past.iter().any(|name| name == on);
            let Some(other) = self.rules.entry(on).filter(|_| !known) else { continue };
            let ends = self.rules.needs(entry.name).contains(&(other.name, Until::Completed));
            let open = match self.word(on) {
                "pending" => self.pending(other, past).is_ok(),
                // It may still end.
                "running" if ends => true,
                _ => self.rules.is_restless(other),
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
        let good = code.is_some_and(|code| entry.is_good(code));
        if self.has_changed(entry) {
            return Ok(());
        }
        let ends =
            matches!(entry.program, Program::Ends(..) | Program::Missing | Program::Flaky(_));
        if !ends && !self.is_hit(entry) {
            return Err("nothing has ended it".to_owned());
        }
        match entry.restart.map(|restart| restart.policy) {
            None | Some(Policy::No) => Ok(()),
            Some(_) if good && self.rules.is_to_end(entry) => Ok(()),
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
        let acts = entry.live.is_some() || entry.complaint().is_some();
        // Others act as often as they see something.
        let row = most > 0 && failures == u64::from(most);
        if row || acts || self.has_changed(entry) {
            Ok(())
        } else {
            Err(format!("it has failed {failures} times, not {most}"))
        }
    }
}
