//! Going on with a plan that was resolved anew.
//!
//! The plan is written before anything is done about it: it is from then on what the run is about,
//! for this supervisor or the next one, whose state tells how much of it was done.

use super::core::Engine;
use super::pane::PaneTrack;
use super::run::afford;
use crate::model::plan::Plan;
use crate::plan::{self, Reloaded};
use crate::sys::clock;

impl Engine {
    /// Lay a fresh plan into that of the run, and let all that can be in force at once be so.
    pub(super) fn take_up(&mut self, fresh: &Plan) -> Result<(), String> {
        if fresh.run != self.plan.run {
            return Err("this is another run by now; try again".to_owned());
        }
        let Reloaded { plan, .. } = plan::reload(&self.plan, fresh);
        if plan == self.plan {
            return Ok(());
        }
        // What was read may be older than what was read for that.
        if fresh.generation != self.plan.generation {
            return Err("the processes were changed by somebody else just now; try again".into());
        }
        self.change_plan(plan)
    }

    /// Go on with a plan in which every process of the present one has its place.
    pub(super) fn change_plan(&mut self, plan: Plan) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let known = self.plan.processes.len();
        afford(plan.processes.len()).map_err(|error| told(&error))?;
        let mut streams = self.streams.clone();
        let all = plan.processes.iter();
        let numbers: Result<Vec<_>, _> =
            all.map(|process| streams.number(&process.name, process.color)).collect();
        let numbers = numbers.map_err(|error| told(&error))?;
        // Before the plan, which an adopter goes by; a name more in the journal does no harm.
        streams.save().map_err(|error| told(&error))?;
        self.runtime.write_plan(&plan).map_err(|error| told(&error))?;
        self.streams = streams;
        let old = std::mem::replace(&mut self.plan, plan);
        let mut done = Ok(());
        for (id, number) in numbers.into_iter().enumerate().skip(known) {
            let name = &self.plan.processes[id].name;
            if let Err(error) = self.ingest.add(number, &name.slug()) {
                done = Err(format!("the journal takes no output of {name}: {error}"));
                self.plan.processes.truncate(id);
                break;
            }
            self.panes.push(PaneTrack::new(self.runtime.dir(), name, number));
            self.watch(id);
        }
        self.saved.supervisor.grow(&self.plan, clock::now_ns());
        self.look_anew(&old);
        done
    }

    /// Ask and look for what the rules say by now.
    fn look_anew(&mut self, old: &Plan) {
        for (id, before) in old.processes.iter().enumerate() {
            let rules = self.plan.processes[id].rules.clone();
            if before.rules.ready != rules.ready || before.rules.live != rules.live {
                self.forget_questions(id);
            }
            if before.rules != rules {
                self.watch_anew(id, &before.rules);
            }
        }
    }
}
