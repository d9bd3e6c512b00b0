//! Stopping the run: each process after those that need it, then the cleanup, then the dependencies.

use std::collections::BTreeSet;
use std::time::Duration;

use super::lifecycle::RunStage;
use super::proc::ready::cleanup_limit;
use super::proc::records::ChangePart;
use super::{Culprit, Effect, Goal, Pane, Phase, Proc, RunPhase, Supervisor};
use crate::model::event::{RunProblem, What};
use crate::model::plan::rules::Stage;
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId};

impl Supervisor {
    /// Stop the whole run, each process in its turn.
    pub(super) fn quit(&mut self) {
        if self.run_phase != RunPhase::Running {
            return;
        }
        self.begin_to_stop();
        for id in ProcId::all(&self.procs) {
            self.procs[id].restarts.due = None;
            if !self.procs[id].alive() {
                self.dismiss(id);
            }
        }
        self.dismiss_in_turn();
    }

    /// That everything is being stopped, if it is, and because of which process, if nobody has asked for it.
    pub fn stopping(&self) -> Option<String> {
        if self.run_phase == RunPhase::Running {
            return None;
        }
        let culprit = self.culprit.as_ref().filter(|_| self.asked_at.is_none());
        let cause = culprit.map(|&Culprit { id, exit, .. }| {
            format!(", as {} {} {}", self.procs[id].name, exit.verb(), exit.describe())
        });
        Some(format!("everything is being stopped{}", cause.unwrap_or_default()))
    }

    fn begin_to_stop(&mut self) {
        if self.run_phase == RunPhase::Running {
            self.missed =
                ProcId::all(&self.procs).filter(|id| !self.missed_by(*id).is_empty()).collect();
        }
        self.run_phase = RunPhase::Stopping;
    }

    /// Stop a process for the rest of the run.
    fn dismiss(&mut self, id: ProcId) {
        let proc = &self.procs[id];
        let told = proc.stop_was_requested() || matches!(proc.phase, Phase::Ending { .. });
        if !told {
            self.request_stop(id);
        }
        let proc = &mut self.procs[id];
        if self.interrupts && (proc.alive() && !told || proc.life > proc.current_life()) {
            proc.marks.interrupted = proc.life.max(proc.current_life());
        }
        (proc.goal, proc.restarts.due, proc.waiting, proc.stopped_by_shutdown) =
            (Goal::Stop, None, false, true);
        proc.mark_requested_life_stopped();
        if proc.alive() {
            self.want(id);
        }
    }

    /// Stop the processes that no living process needs any more.
    fn dismiss_in_turn(&mut self) {
        let needed = self.needed();
        for id in ProcId::all(&self.procs) {
            let proc = &self.procs[id];
            let idle = !proc.alive() && proc.goal == Goal::Run;
            if !proc.stopped_by_shutdown
                && !proc.for_cleanup
                && (idle || proc.alive() && !needed.contains(&id))
            {
                self.dismiss(id);
            }
        }
        // Only a dependency cycle gets here.
        let waits = |proc: &Proc| proc.alive() && !proc.stopped_by_shutdown && !proc.for_cleanup;
        if !self.procs.iter().any(|proc| {
            let stuck = matches!(proc.phase, Phase::Stuck { .. });
            proc.alive() && !stuck && !waits(proc) || self.is_to_come(proc)
        }) {
            let left: Vec<_> =
                ProcId::all(&self.procs).filter(|&id| waits(&self.procs[id])).collect();
            for id in left {
                self.dismiss(id);
            }
        }
    }

    /// The processes that those need which are alive, or will be started for the cleanup: directly, or through
    /// others that may be gone.
    fn needed(&self) -> BTreeSet<ProcId> {
        let there = |proc: &Proc| proc.alive() && !matches!(proc.phase, Phase::Stuck { .. });
        let counts = |proc: &&Proc| there(proc) || self.is_to_come(proc);
        let needs = self.procs.iter().filter(counts).flat_map(|proc| &proc.needs);
        let mut open: Vec<_> = needs.map(|(on, _)| *on).collect();
        let cleans = |proc: &Proc| proc.rules.stage == Stage::Cleanup;
        if self.procs.iter().any(|proc| there(proc) && cleans(proc) || self.is_to_come(proc)) {
            let dependency = |id: &ProcId| self.procs[*id].rules.stage == Stage::Dependency;
            open.extend(ProcId::all(&self.procs).filter(dependency));
        }
        self.with_needs(open)
    }

    /// Whether it still has to be started for the cleanup.
    fn needs_cleanup_run(&self, proc: &Proc) -> bool {
        let begun = self.procs.iter().any(|proc| proc.last.pid.is_some());
        let cleanup = proc.rules.stage == Stage::Cleanup && !proc.for_cleanup && !proc.retired;
        cleanup && begun && !self.tmux_gone
    }

    /// Whether it belongs to the cleanup and is not alive yet.
    fn is_to_come(&self, proc: &Proc) -> bool {
        // It was started, but its window may not be open yet.
        let opening = proc.for_cleanup && proc.is_to_begin() && !self.tmux_gone;
        self.needs_cleanup_run(proc) || opening
    }

    /// When no main process is left, start the cleanup processes.
    fn start_cleanup(&mut self, now: Timestamp) {
        if self.procs.iter().any(|proc| {
            let going = proc.alive() && !matches!(proc.phase, Phase::Stuck { .. });
            (going || proc.pane == Pane::Opening) && proc.rules.stage == Stage::Main
        }) {
            return;
        }
        for id in ProcId::all(&self.procs) {
            let after = |&(on, _): &(ProcId, _)| {
                let before: &Proc = &self.procs[on];
                before.rules.stage == Stage::Cleanup
                    && (self.needs_cleanup_run(before)
                        || before.alive()
                        || before.goal == Goal::Run)
            };
            let proc = &self.procs[id];
            if !self.needs_cleanup_run(proc) || proc.alive() || proc.needs.iter().any(after) {
                continue;
            }
            self.reach(RunStage::CleanupStarted);
            let proc = &mut self.procs[id];
            (proc.for_cleanup, proc.goal, proc.life) =
                (true, Goal::Run, Some(LifeId::after(proc.life)));
            self.effects.push(Effect::Say(Some(id), What::Cleanup));
            self.bring_up(id, now);
        }
    }

    /// The deadline of a cleanup process.
    pub(super) fn cleanup_due(&self, id: ProcId) -> Option<Timestamp> {
        let proc = &self.procs[id];
        let Phase::Running { .. } = proc.phase else { return None };
        let going = proc.for_cleanup && !proc.stop_was_requested();
        going.then(|| proc.since + Duration::from_millis(cleanup_limit(&proc.rules)))
    }

    pub(super) fn cleanup_overdue(&mut self, id: ProcId, now: Timestamp) {
        if self.cleanup_due(id).is_none() {
            return;
        }
        // The clock may have been set back.
        self.procs[id].since = self.procs[id].since.min(now);
        if self.cleanup_due(id).is_some_and(|due| due <= now) {
            self.worst = self.worst.max(1);
            let (on, limit_ms) = (&self.procs[id].name, cleanup_limit(&self.procs[id].rules));
            let why = RunProblem::CleanupOverdue { on: on.clone(), limit_ms };
            self.effects.push(Effect::Say(None, What::Failed { why }));
            self.dismiss(id);
        }
    }

    /// Kill the whole run at once. (`patience.rs` decides when a second request does this.)
    pub(super) fn kill(&mut self) {
        if matches!(self.run_phase, RunPhase::Finished { .. }) {
            return;
        }
        self.begin_to_stop();
        for id in ProcId::all(&self.procs) {
            let proc = &mut self.procs[id];
            (proc.goal, proc.restarts.due, proc.waiting) = (Goal::Stop, None, false);
            proc.change = ChangePart::default();
            (proc.stopped_by_shutdown, proc.for_cleanup) = (true, true);
            if !proc.alive() {
                continue;
            }
            let life = proc.current_life();
            proc.marks.request_stop(life);
            proc.mark_requested_life_stopped();
            if !proc.marks.is_kill_requested(life) {
                self.effects.push(Effect::Say(Some(id), What::Killing));
            }
            // A requested life may have begun without our knowledge.
            proc.marks.kill_requested = proc.life.max(life);
            self.want(id);
        }
    }

    pub(super) fn on_tmux_gone(&mut self) {
        if self.tmux_gone || matches!(self.run_phase, RunPhase::Finished { .. }) {
            return;
        }
        self.tmux_gone = true;
        self.worst = self.worst.max(1);
        self.effects.push(Effect::Say(None, What::TmuxGone));
        for proc in &mut self.procs {
            if proc.pane == Pane::Opening {
                proc.pane = Pane::None;
            }
        }
        self.quit();
    }

    /// After every input: start the processes whose needs are met, answer requests that are done, and
    /// finish when nothing is left.
    pub(super) fn settle(&mut self, now: Timestamp) {
        self.act_on_changes(now);
        self.stop_next(now);
        self.open_gates(now);
        self.announce_stages();
        self.end_if_done();
        self.mention_idleness();
        if self.run_phase == RunPhase::Stopping {
            self.dismiss_in_turn();
            self.start_cleanup(now);
            self.announce_stages();
            if !self.procs.iter().any(|proc| {
                proc.alive() && !matches!(proc.phase, Phase::Stuck { .. })
                    || proc.pane == Pane::Opening && !self.tmux_gone
                    || self.is_to_come(proc)
            }) {
                let code = self.exit_code();
                self.run_phase = RunPhase::Finished { code };
                self.answer_requests();
                self.effects.push(Effect::Finish(code));
                return;
            }
        }
        self.note_stops(now, self.asked_at.is_some());
        self.answer_requests();
    }
}
