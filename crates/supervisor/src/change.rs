//! Changes of several processes at once: which of them stop, start, or both, and in which order.
//!
//! Start, stop, restart, scale and reload are changes of a set of processes. Those that go down stop once
//! no process of the set that needs them is left; branches stop side by side. Those that come up wait for
//! the processes of the set that they need. What is still to come is part of the saved state of each
//! process ([`ChangePart`]), so a new supervisor continues a change at any point.

use std::collections::{BTreeMap, BTreeSet};

use super::dependencies::DependencyStatus;
use super::pending_request::WaitCondition;
use super::proc::records::{Action, Awaited, ChangePart};
use super::{Effect, Goal, Proc, RunPhase, Supervisor};
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::plan::rules::Stage;
use crate::model::request::ChangeOrder;
use crate::model::time::Timestamp;

impl Supervisor {
    /// Change these processes in their order; returns what each of them is to reach.
    pub(super) fn change(
        &mut self,
        mut set: BTreeMap<ProcId, Action>,
        order: ChangeOrder,
        now: Timestamp,
    ) -> Vec<(ProcId, WaitCondition)> {
        let mut within = BTreeMap::new();
        if order == ChangeOrder::Dependencies {
            self.add_restarted_dependents(&mut set);
            within = set.keys().map(|&id| (id, self.needs_within(id, &set))).collect();
        }
        let stops = |id: &ProcId| {
            let goes = set.get(id).is_some_and(|action| *action != Action::Start);
            goes && self.procs[*id].alive() && !self.procs[*id].is_stuck()
        };
        let mut dependents: BTreeMap<ProcId, Vec<ProcId>> = BTreeMap::new();
        // A process stops, or starts again, only once those that need it have stopped, also those that need it through
        // others: a later request may let one in between stop at once.
        let begins = |id: &ProcId| {
            let starts = set.get(id).is_some_and(|action| action.starts());
            starts && !self.procs[*id].alive()
        };
        for &id in within.keys().filter(|id| stops(id)) {
            let needed = self.with_needs(vec![id]).into_iter();
            for on in needed.filter(|on| *on != id && (stops(on) || begins(on))) {
                dependents.entry(on).or_default().push(id);
            }
        }
        let mut parts = vec![];
        for (&id, &action) in &set {
            let needs = within.remove(&id).unwrap_or_default();
            let awaits = match order {
                ChangeOrder::Dependencies => {
                    let starts = |(on, _): &Awaited| set.get(on).is_some_and(|on| on.starts());
                    self.awaited_in_change(id, action, needs.into_iter().filter(starts).collect())
                }
                ChangeOrder::Unordered => Some(vec![]),
                ChangeOrder::Overmind => None,
            };
            parts.push((id, action, dependents.remove(&id).unwrap_or_default(), awaits));
        }
        let mut goals = vec![];
        for (id, action, dependents, awaits) in parts {
            let part = ChangePart { dependents, awaits, ..ChangePart::default() };
            let begins = !self.procs[id].alive() || action == Action::Restart;
            let goal = match action {
                Action::Start => self.start_as(id, part, now),
                Action::Stop | Action::Leave => self.stop_in_turn(id, action, part),
                Action::Restart => self.restart_in_turn(id, part, now),
                Action::Keep => self.keep(id, part),
            };
            // A user who runs a one-shot process waits for its result.
            if let WaitCondition::Run(life) = goal
                && begins
                && self.is_to_end(id)
            {
                goals.push((id, WaitCondition::Completed(life)));
            } else {
                goals.push((id, goal));
            }
        }
        goals
    }

    /// Add the running processes that are to be restarted after one of the set
    /// (`depends_on = { …, restart = true }`).
    fn add_restarted_dependents(&mut self, set: &mut BTreeMap<ProcId, Action>) {
        let begins = |id: ProcId, action: Action| match action {
            Action::Restart => true,
            Action::Start => !self.procs[id].alive() && self.procs[id].begun > 0,
            Action::Stop | Action::Leave | Action::Keep => false,
        };
        let mut begun: Vec<_> =
            set.iter().filter(|(id, action)| begins(**id, **action)).map(|(id, _)| *id).collect();
        while let Some(on) = begun.pop() {
            for id in ProcId::all(&self.procs) {
                let proc = &self.procs[id];
                let follows = proc.alive()
                    && proc.goal == Goal::Run
                    && proc.rules.needs.iter().any(|n| n.restart && n.on == self.procs[on].name);
                if follows && !set.contains_key(&id) {
                    set.insert(id, Action::Restart);
                    begun.push(id);
                    let on = self.procs[on].name.clone();
                    self.effects.push(Effect::Say(Some(id), What::RestartsWith { on }));
                }
            }
        }
    }

    /// The processes of the set that a process needs, directly or through those that stay as they are.
    fn needs_within(&self, id: ProcId, set: &BTreeMap<ProcId, Action>) -> Vec<Awaited> {
        let (mut found, mut seen) = (vec![], BTreeSet::new());
        let mut open = self.procs[id].needs.clone();
        while let Some((on, until)) = open.pop() {
            if on == id || !seen.insert((on, until)) {
                continue;
            }
            if set.get(&on).is_some_and(|action| action.starts() || self.procs[on].alive()) {
                found.push((on, until));
            } else {
                open.extend(&self.procs[on].needs);
            }
        }
        found
    }

    /// What a process waits for if it is started by a change, besides these processes of the set. Others
    /// count as they are: a process that runs is restarted even if they can't be relied on.
    fn awaited_in_change(
        &self,
        id: ProcId,
        action: Action,
        within: Vec<Awaited>,
    ) -> Option<Vec<Awaited>> {
        if action == Action::Keep {
            return Some(within);
        }
        let proc = &self.procs[id];
        let running = action == Action::Restart && proc.alive();
        let counts = |(on, until): &&Awaited| {
            let status = || self.procs[*on].expected_status(*until);
            !running || status() == DependencyStatus::Open
        };
        let mut all: Vec<_> = proc.needs.iter().filter(counts).copied().collect();
        for awaited in within {
            if !all.contains(&awaited) {
                all.push(awaited);
            }
        }
        (running || all != proc.needs).then_some(all)
    }

    /// Leave it to the restart that it takes part in already. A life that has not begun also waits for the others
    /// of this change.
    fn keep(&mut self, id: ProcId, part: ChangePart) -> WaitCondition {
        let proc = &mut self.procs[id];
        if let Some(awaits) = part.awaits
            && proc.waiting
        {
            let mut all = proc.awaited().to_vec();
            all.extend(awaits);
            proc.change.awaits = Some(all);
            proc.change.dependents.extend(part.dependents);
        }
        WaitCondition::Run(proc.life)
    }

    fn stop_in_turn(&mut self, id: ProcId, action: Action, part: ChangePart) -> WaitCondition {
        let proc = &mut self.procs[id];
        let ends = proc.stop_was_requested() || proc.phase.exit().is_some();
        if part.dependents.is_empty() || !proc.alive() || ends {
            return if action == Action::Leave { self.let_go(id) } else { self.stop(id) };
        }
        if proc.waiting {
            // Its shim does not know the life that was held back.
            proc.marks.skipped = proc.life;
        }
        (proc.goal, proc.restarts.due, proc.waiting, proc.marks.interrupted) =
            (Goal::Stop, None, false, None);
        proc.change = ChangePart { stops: proc.current_life(), ..part };
        WaitCondition::Over(proc.life)
    }

    fn restart_in_turn(&mut self, id: ProcId, part: ChangePart, now: Timestamp) -> WaitCondition {
        let proc = &mut self.procs[id];
        proc.write_off(now);
        proc.forgive();
        if !proc.alive() {
            return self.start_as(id, part, now);
        }
        let going = proc.stop_was_requested();
        // A life that was requested before, and of which the shim knows, may have begun unheard.
        let known = !(proc.waiting && proc.is_to_begin());
        if going && known {
            proc.mark_requested_life_stopped();
        }
        if part.dependents.is_empty() && part.awaits.as_ref().is_none_or(Vec::is_empty) {
            (self.procs[id].change, self.procs[id].waiting) = (part, false);
            self.recall_skipped(id, now);
            return self.restart(id, now);
        }
        let proc = &mut self.procs[id];
        if known {
            proc.request_next_life();
        }
        (proc.goal, proc.restarts.due, proc.waiting) = (Goal::Run, None, true);
        let stops = proc.current_life().filter(|_| !going);
        proc.change = ChangePart { stops, ..part };
        let goal = WaitCondition::Run(proc.life);
        self.held.push(id);
        if going {
            self.want(id);
        }
        self.recall_skipped(id, now);
        goal
    }

    /// Whether a process that needs this one, and is stopped by the same change, is still there.
    pub(super) fn is_followed(&self, id: ProcId) -> bool {
        self.procs[id].change.dependents.iter().any(|id| {
            let proc = &self.procs[*id];
            proc.alive() && !proc.is_stuck() && (proc.is_to_stop() || proc.stop_was_requested())
        })
    }

    /// Stop the processes whose turn has come.
    pub(super) fn stop_next(&mut self, now: Timestamp) {
        if self.run_phase != RunPhase::Running {
            return;
        }
        let all = ProcId::all(&self.procs);
        let waiting: Vec<_> = all.filter(|id| self.procs[*id].is_to_stop()).collect();
        let mut next: Vec<_> =
            waiting.iter().copied().filter(|id| !self.is_followed(*id)).collect();
        let going = |proc: &Proc| proc.alive() && !proc.is_stuck() && proc.stop_was_requested();
        if next.is_empty() && !self.procs.iter().any(going) {
            // Only a dependency cycle gets here.
            next = waiting;
        }
        for id in next {
            let proc = &mut self.procs[id];
            let stops = proc.change.stops.take();
            if stops > proc.current_life() {
                proc.marks.request_stop(stops);
            }
            if proc.goal == Goal::Stop {
                self.stop(id);
            } else {
                self.request_stop(id);
                self.want(id);
            }
            // The request to stop came earlier, but only now can a second one kill it.
            self.procs[id].note_request(now);
        }
    }

    /// Let the processes wait again that were skipped because of this one, which is started again.
    pub(super) fn recall_skipped(&mut self, on: ProcId, now: Timestamp) {
        for id in ProcId::all(&self.procs) {
            let name = &self.procs[on].name;
            let proc = &self.procs[id];
            let because = proc.skip.as_ref().is_some_and(|skip| skip.on == *name);
            // An action begins only on request.
            let stays = proc.change.stays_down || proc.retired || proc.planned.is_action;
            if !because || stays || proc.goal == Goal::Run {
                continue;
            }
            let proc = &mut self.procs[id];
            proc.forgive();
            (proc.goal, proc.note) = (Goal::Run, None);
            proc.request_next_life();
            proc.waiting = true;
            self.bring_up(id, now);
            self.held.push(id);
            self.recalled.push(id);
            self.recall_skipped(id, now);
        }
    }

    /// Whether the process does its work once and ends.
    pub(super) fn is_one_shot(&self, id: ProcId) -> bool {
        let rules = &self.procs[id].rules;
        self.is_to_end(id) || rules.stage == Stage::Dependency && !rules.is_to_stay()
    }

    /// Whether it is a one-shot process whose last life was a success.
    pub(super) fn has_completed(&self, id: ProcId) -> bool {
        let proc = &self.procs[id];
        proc.goal == Goal::Stop && self.is_one_shot(id) && self.has_finished(id)
    }
}

impl Proc {
    /// Whether its current life is to be stopped when its turn comes.
    pub(super) fn is_to_stop(&self) -> bool {
        let stops = self.change.stops;
        // Its shim may report lives before that one, which were requested and stopped earlier.
        stops.is_some()
            && stops >= self.current_life()
            && !self.marks.is_stop_requested(stops)
            && self.alive()
    }

    /// Keep it running, or start it again after a stop that is yet to come.
    pub(super) fn cancel_stop(&mut self) {
        self.goal = Goal::Run;
        if self.life > self.current_life() {
            if self.life <= self.marks.skipped {
                self.request_next_life();
            }
            self.waiting = true;
        } else {
            self.change.stops = None;
        }
    }

    /// What its next life waits for.
    pub(super) fn awaited(&self) -> &[Awaited] {
        self.change.awaits.as_ref().unwrap_or(&self.needs)
    }

    /// Whether a user has stopped it, or is stopping it.
    pub fn was_stopped_by_user(&self) -> bool {
        let stopped = self.life.is_some() && self.marks.is_stop_requested(self.life);
        // Its turn is still to come.
        let stops = self.change.stops.is_some() && self.alive();
        let failed = self.failures.broken.is_some() || self.restarts.due.is_some();
        let is_down = if self.skip.is_some() { self.change.stays_down } else { stopped && !failed };
        self.goal == Goal::Stop && (is_down || stops)
    }
}
