//! The start order: what a process waits for before it begins, and what happens if that never comes.

use std::collections::BTreeSet;

use super::proc::records::Broken;
use super::proc::{Goal, Phase, Proc, Ready};
use super::{Culprit, Effect, RunPhase, Supervisor};
use crate::model::event::{Note, RunProblem, Skip, Unavailable, What};
use crate::model::plan::rules::{DependencyCondition, Need, Stage};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId};

/// Whether something that a process waits for has happened or still can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DependencyStatus {
    /// It has happened.
    Met,
    /// It may still happen.
    Open,
    /// It will not happen, and why.
    Never(Unavailable),
}

impl Supervisor {
    /// The needs of a process: those of its rules, and for a process of the main stage the readiness
    /// of all dependencies.
    pub(super) fn needs_of(&self, id: ProcId) -> Vec<(ProcId, DependencyCondition)> {
        let of_name = |need: &Need| {
            let on = self.id_where(|proc| proc.name == need.on)?;
            Some((on, need.until))
        };
        let proc = &self.procs[id];
        let mut needs: Vec<_> = proc.rules.needs.iter().filter_map(of_name).collect();
        if proc.rules.stage == Stage::Main {
            let first = |on: &ProcId| self.procs[*on].rules.stage == Stage::Dependency;
            let known: Vec<_> = needs.iter().map(|(on, _)| *on).collect();
            let more = ProcId::all(&self.procs).filter(first).filter(|on| !known.contains(on));
            needs.extend(more.map(|on| (on, DependencyCondition::Ready)));
        }
        needs.retain(|(on, _)| *on != id);
        needs
    }

    /// These processes and all that they need, directly or through others.
    pub(super) fn with_needs(&self, mut open: Vec<ProcId>) -> BTreeSet<ProcId> {
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(self.procs[id].needs.iter().map(|(on, _)| *on));
            }
        }
        found
    }

    /// Start the processes that this one needs and that are idle.
    pub(super) fn call_needs(&mut self, id: ProcId, now: Timestamp) {
        for (on, until) in self.procs[id].needs.clone() {
            let proc = &self.procs[on];
            let idle = proc.goal == Goal::Stop && !proc.alive() && !proc.retired;
            if idle && proc.expected_status(until) != DependencyStatus::Met {
                self.start(on, now);
            }
        }
    }

    /// Whether everything it waits for has happened.
    pub(super) fn may_begin(&self, id: ProcId) -> bool {
        let proc = &self.procs[id];
        // An installation has no dependencies.
        let installs = proc.installs_in(proc.life);
        let met = |&(on, until): &(ProcId, DependencyCondition)| {
            self.procs[on].retired || self.procs[on].expected_status(until) == DependencyStatus::Met
        };
        !proc.is_to_stop() && !self.is_followed(id) && (installs || proc.awaited().iter().all(met))
    }

    /// Hold the process back if something that it waits for has not happened yet.
    pub(super) fn hold(&mut self, id: ProcId) {
        self.procs[id].waiting = !self.may_begin(id);
        if self.procs[id].waiting {
            self.report_waiting(id);
        }
    }

    fn report_waiting(&mut self, id: ProcId) {
        if self.blockers(id).next().is_some() {
            let on = self.blockers(id).map(|on| self.procs[on].name.clone()).collect();
            self.effects.push(Effect::Say(Some(id), What::Waiting { on }));
        }
    }

    /// The processes it waits for.
    pub fn blockers(&self, id: ProcId) -> impl Iterator<Item = ProcId> {
        let held = self.procs[id].waiting && self.procs[id].goal == Goal::Run;
        let needs = self.procs[id].awaited().iter().filter(move |_| held);
        let missing = |(on, until): &&(ProcId, DependencyCondition)| {
            !self.procs[*on].retired
                && self.procs[*on].expected_status(*until) != DependencyStatus::Met
        };
        needs.filter(missing).map(|(on, _)| *on)
    }

    /// Start the processes whose needs are met, and skip those whose needs can no longer be met.
    pub(super) fn open_gates(&mut self, now: Timestamp) {
        if self.run_phase != RunPhase::Running {
            return;
        }
        for id in std::mem::take(&mut self.held) {
            if self.procs[id].waiting && self.hopeless(id).is_none() {
                self.report_waiting(id);
            }
        }
        // Repeat, because a process that is skipped may be a need of others.
        loop {
            let mut moved = false;
            for id in ProcId::all(&self.procs) {
                if !self.procs[id].waiting || self.procs[id].goal != Goal::Run {
                    continue;
                }
                if let Some(hopeless) = self.hopeless(id) {
                    self.skip(id, hopeless, now);
                    moved = true;
                } else if self.may_begin(id) {
                    self.procs[id].waiting = false;
                    self.bring_up(id, now);
                    moved = true;
                }
                if self.run_phase != RunPhase::Running {
                    return;
                }
            }
            if !moved {
                break;
            }
        }
    }

    /// A need of this process that cannot be met any more.
    fn hopeless(&self, id: ProcId) -> Option<(ProcId, Unavailable)> {
        let proc = &self.procs[id];
        let awaited = proc.awaited().iter().filter(|_| !proc.installs_in(proc.life));
        awaited.filter(|_| !proc.is_to_stop()).find_map(|&(on, until)| {
            let proc = &self.procs[on];
            let DependencyStatus::Never(why) = proc.expected_status(until) else { return None };
            (!proc.retired).then_some((on, why))
        })
    }

    /// Skip a process. If a dependency failed before any main process has run, the whole run has
    /// failed; but not if the process was added later, since a request for more must not end the run.
    fn skip(&mut self, id: ProcId, (on, why): (ProcId, Unavailable), now: Timestamp) {
        let skip = Skip { on: self.procs[on].name.clone(), why: Box::new(why) };
        let proc = &mut self.procs[id];
        (proc.goal, proc.waiting, proc.restarts.due) = (Goal::Stop, false, None);
        // Its shim does not know the life that was held back. If it would have been the first one, it does not
        // count.
        if proc.phase == Phase::Pending {
            proc.life = proc.life.and_then(LifeId::previous);
        } else {
            proc.marks.skipped = proc.life;
        }
        proc.skip = Some(skip.clone());
        proc.note = Some(Note::Skipped(skip.clone()));
        proc.since = now;
        self.effects.push(Effect::Say(Some(id), What::Skipped { why: skip.clone() }));
        let first = self.procs[on].rules.stage == Stage::Dependency && !self.procs[id].added;
        let main = |proc: &Proc| proc.rules.stage == Stage::Main && proc.last.pid.is_some();
        if first && !self.procs.iter().any(main) {
            self.effects.push(Effect::Say(None, What::Failed { why: RunProblem::Start(skip) }));
            self.blame(on);
            self.quit();
        }
    }

    /// Record that the exit of this process, or of the one because of which it was skipped, made the
    /// run fail.
    fn blame(&mut self, mut id: ProcId) {
        while let (Some(_), Some((on, _))) = (&self.procs[id].skip, self.hopeless(id)) {
            id = on;
        }
        let proc = &self.procs[id];
        let (Phase::Ending { life, exit } | Phase::Over { life, exit, .. }) = proc.phase else {
            return;
        };
        if !proc.marks.is_stop_requested(Some(life)) {
            let (at, ran) = (proc.since, proc.last.ran);
            self.culprit.get_or_insert(Culprit { id, exit, at, ran });
        }
    }
}

impl Supervisor {
    /// End a run whose processes were all to end and have ended, or failed so that nothing can follow.
    pub(super) fn end_if_done(&mut self) {
        if self.run_phase != RunPhase::Running || !self.begun || !self.ends_when_done {
            return;
        }
        let present = |id: &ProcId| {
            let proc = &self.procs[*id];
            let is_past_action = proc.planned.is_action && !proc.alive();
            proc.rules.stage != Stage::Cleanup && !proc.is_closed() && !is_past_action
        };
        let ids: Vec<_> = ProcId::all(&self.procs).filter(present).collect();
        let ended = |id: &ProcId| self.procs[*id].has_ended_for_good();
        if ids.iter().all(|id| self.is_done(*id)) && ids.iter().any(ended) {
            if let Some(id) = ids.iter().find(|id| self.procs[**id].last.status != 0) {
                self.blame(*id);
            }
            self.completed = self.exit_code() == 0;
            self.quit();
        }
    }

    /// Whether a process has done its work, or has failed for good. One that was stopped, or does not
    /// start by itself, has not; nor has one that may end but need not.
    fn is_done(&self, id: ProcId) -> bool {
        let proc = &self.procs[id];
        if proc.rules.watch.is_some() || proc.rules.lazy.is_some() {
            // A change or a request starts it again.
            return false;
        }
        let rests = proc.goal == Goal::Stop
            && !proc.alive()
            && proc.restarts.due.is_none()
            && proc.pane != super::Pane::Opening;
        let is_to_end = self.is_to_end(id) || proc.rules.stage == Stage::Dependency;
        rests
            && (is_to_end && proc.has_ended_for_good()
                || proc.skip.is_some() && !proc.change.stays_down)
    }
}

impl Proc {
    /// Whether it has ended by itself, or was stopped because it had failed.
    fn has_ended_for_good(&self) -> bool {
        matches!(self.phase, Phase::Over { asked, .. } if !asked || self.failures.broken.is_some())
    }

    /// Whether it has met this condition, or still can.
    pub(super) fn expected_status(&self, until: DependencyCondition) -> DependencyStatus {
        let stopping = self.alive() && (self.stop_was_requested() || self.is_to_stop());
        if self.has_come_to(until) && !stopping {
            return DependencyStatus::Met;
        }
        if let Some(skip) = &self.skip {
            return DependencyStatus::Never(Unavailable::Skipped(skip.clone()));
        }
        if let Some(Broken { why }) = &self.failures.broken {
            return DependencyStatus::Never(Unavailable::Broken(why.clone()));
        }
        if let (DependencyCondition::Ready, Ready::No { why, .. }) = (until, &self.ready)
            && !self.is_anew()
        {
            return DependencyStatus::Never(Unavailable::NotReady(why.clone()));
        }
        if let Phase::Stuck { .. } = self.phase {
            return DependencyStatus::Never(Unavailable::Stuck);
        }
        if self.goal == Goal::Run || self.alive() || self.restarts.due.is_some() {
            return DependencyStatus::Open;
        }
        if self.installation_failure().is_some() {
            // It can still be installed again, and then run.
            return DependencyStatus::Open;
        }
        match (&self.phase, &self.note) {
            (Phase::Over { asked: true, .. }, _) => DependencyStatus::Never(Unavailable::Stopped),
            (Phase::Over { exit, .. }, _) => DependencyStatus::Never(Unavailable::Ended(*exit)),
            (_, note) => DependencyStatus::Never(Unavailable::Idle(note.clone().map(Box::new))),
        }
    }

    /// Whether its recorded readiness and exit belong to a life before the requested one, or to an
    /// installation.
    fn is_anew(&self) -> bool {
        self.is_to_begin()
            || matches!(self.phase, Phase::Starting { .. })
            || self.is_at_installation()
    }

    /// Whether other processes may rely on it.
    pub fn is_ready(&self) -> bool {
        let relied = self.alive() || self.rules.is_ready_by(None);
        relied && self.has_come_to(DependencyCondition::Ready)
    }

    fn has_come_to(&self, until: DependencyCondition) -> bool {
        if self.is_anew() {
            return false;
        }
        let runs = matches!(self.phase, Phase::Running { .. });
        let completed = matches!(self.phase, Phase::Over { exit, asked: false, .. }
            if self.rules.is_good(exit));
        match until {
            DependencyCondition::Started => runs || completed,
            DependencyCondition::Ready => {
                // A process with an exit check is ready once it has ended with the required code,
                // even if that is not a success.
                let over = matches!(self.phase, Phase::Over { asked: false, .. });
                let ended = completed || over && self.rules.is_ready_by(None);
                matches!(self.ready, Ready::Yes { .. }) && (runs || ended)
            }
            DependencyCondition::Completed => completed,
        }
    }
}
