//! Stops lazy processes that nothing uses.

use std::time::Duration;

use crate::model::event::What;
use crate::model::request::Outcome;
use crate::model::time::Timestamp;
use crate::model::{ProcId, units};
use crate::{Effect, Phase, RunPhase, Supervisor};

impl Supervisor {
    /// Note that a process is in use.
    pub(crate) fn note_use(&mut self, request_id: u64, name: &str, now: Timestamp) {
        let outcome = match self.ids_meant_by(&[format!("={name}")], crate::Proc::counts) {
            Ok(ids) => {
                for id in ids {
                    self.procs[id].used = now;
                }
                Outcome::done(vec![])
            }
            Err(outcome) => *outcome,
        };
        self.effects.push(Effect::Answer(request_id, outcome));
    }

    /// When a process is to be stopped because nothing uses it.
    pub(crate) fn idle_due(&self, id: ProcId) -> Option<Timestamp> {
        let proc = &self.procs[id];
        let idle = Duration::from_millis(proc.rules.lazy?.idle_ms?);
        let runs = matches!(proc.phase, Phase::Running { .. }) && !proc.stop_was_requested();
        (runs && self.run_phase == RunPhase::Running).then(|| proc.since.max(proc.used) + idle)
    }

    /// Stop a process that nothing has used for long enough.
    pub(crate) fn stop_if_idle(&mut self, id: ProcId, now: Timestamp) {
        // The clock may have been set back.
        self.procs[id].used = self.procs[id].used.min(now);
        if self.idle_due(id).is_none_or(|due| due > now) {
            return;
        }
        let needs = |proc: &crate::Proc| proc.alive() && proc.needs.iter().any(|(on, _)| *on == id);
        if self.procs.iter().any(needs) || self.procs[id].prompt().is_some() {
            self.procs[id].used = now;
            return;
        }
        let idle = now.since(self.procs[id].since.max(self.procs[id].used));
        self.effects.push(Effect::Say(Some(id), What::Unused { for_ms: units::millis(idle) }));
        self.stop(id);
    }
}
