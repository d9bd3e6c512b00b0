//! Continuing with a plan that was resolved anew.
//!
//! The plan is written before anything else happens. From then on it defines the run for this
//! supervisor and the next ones; the state records how much of it has been acted upon.

use crate::core::Engine;
use crate::event_loop::{afford, numbers_of, record_dirs};
use crate::journal::last_run::LastRun;
use crate::model::event::What;
use crate::model::plan::Plan;
use crate::model::{ProcId, ProcName};
use crate::panes::state::PaneState;
use crate::plan::{self, ProcessChange, Reloaded};
use crate::search::output_search::OutputSearch;
use crate::sys::clock;

/// The changes, as `tmo reload --json` prints them.
fn as_json(changes: &[(ProcName, ProcessChange)]) -> Vec<serde_json::Value> {
    let changed = changes.iter().filter(|(_, change)| *change != ProcessChange::Unchanged);
    let reported = changed.map(|(name, change)| {
        let mut reported = serde_json::to_value(change).unwrap_or_default();
        reported["name"] = name.as_str().into();
        reported
    });
    reported.collect()
}

impl Engine {
    /// Merge a fresh plan into that of the run, and apply what can be applied at once.
    pub(crate) fn take_up(&mut self, fresh: &Plan) -> Result<(), String> {
        if fresh.run != self.plan.run {
            return Err("this is another run by now; try again".to_owned());
        }
        let Reloaded { plan, changes } = plan::reload(&self.plan, fresh);
        if plan == self.plan {
            return Ok(());
        }
        // Another change came first, so the configuration behind this plan may be older than that
        // of the run.
        if fresh.generation != self.plan.generation {
            return Err("the processes were changed by somebody else just now; try again".into());
        }
        self.change_plan(plan)?;
        self.say_system(What::Reload { changes: as_json(&changes) });
        Ok(())
    }

    /// Continue with a plan in which every process of the present plan keeps its place.
    pub(crate) fn change_plan(&mut self, plan: Plan) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let known = self.plan.processes.len();
        afford(&plan, 0).map_err(|error| text(&error))?;
        let mut streams = self.streams.clone();
        let numbers = numbers_of(&plan, &mut streams).map_err(|error| text(&error))?;
        // Write the streams before the plan, because an adopter relies on the plan. An unused name
        // in the journal does no harm.
        streams.save().map_err(|error| text(&error))?;
        self.runtime.write_plan(&plan).map_err(|error| text(&error))?;
        if LastRun::of(&plan) != LastRun::of(&self.plan) {
            record_dirs(&plan);
        }
        self.streams = streams;
        let old = std::mem::replace(&mut self.plan, plan);
        let mut done = Ok(());
        for (id, number) in ProcId::all(&self.plan.processes).zip(numbers) {
            let name = &self.plan.processes[id].name;
            // A process that comes back may be split now.
            let (is_new, stderr) = (id.place() >= known, self.ingest.stderr_of(number));
            let slugs = self.streams.slugs(&[number]);
            let added = slugs.iter().try_for_each(|(number, slug)| self.ingest.add(*number, slug));
            if let Err(error) = added {
                let why = crate::sys::why(&error);
                done = Err(format!("the journal takes no output of {name}: {why}"));
                if is_new {
                    self.plan.processes.truncate(id.place());
                    break;
                }
            }
            if is_new {
                self.panes.push(PaneState::new(self.runtime.dir(), name, number));
            }
            if is_new || stderr != self.ingest.stderr_of(number) {
                self.begin_search(id);
            }
        }
        self.saved.supervisor.grow(&self.plan, clock::now());
        self.look_anew(&old);
        self.follow_files();
        done
    }

    /// Restart the probes and searches of processes whose rules have changed.
    fn look_anew(&mut self, old: &Plan) {
        for (id, before) in ProcId::all(&old.processes).zip(&old.processes) {
            let rules = self.plan.processes[id].rules.clone();
            if before.rules.ready != rules.ready || before.rules.live != rules.live {
                self.probes.restart(id, &self.queue);
            }
            if before.rules != rules {
                let life = self.life_of(id);
                let PaneState { stream, search, .. } = &mut self.panes[id];
                let process = &self.plan.processes[id];
                OutputSearch::change_rules(
                    search,
                    &before.rules,
                    process,
                    *stream,
                    life,
                    &mut self.ingest,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::as_json;
    use crate::model::ProcName;
    use crate::plan::ProcessChange;

    #[test]
    fn what_has_not_changed_is_not_told() {
        let name = |name: &str| ProcName::new(name).unwrap();
        let changes = [
            (name("web"), ProcessChange::Unchanged),
            (
                name("api"),
                ProcessChange::Restarted { what: vec!["command".to_owned()], with: None },
            ),
            (name("old"), ProcessChange::Removed),
        ];
        let reported = serde_json::Value::from(as_json(&changes)).to_string();
        let text = r#"[{"change":"restarted","name":"api","what":["command"]},{"change":"removed","name":"old"}]"#;
        assert_eq!(reported, text);
    }
}
