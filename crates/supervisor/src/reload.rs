//! Applying a plan that was changed during the run.
//!
//! The plan counts how often each process was added and changed; the state records up to which count
//! that was carried out. So the result is the same if the supervisor was killed after it had written
//! the plan, and its successor continues.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pending_request::WaitCondition;
use super::proc::records::Action;
use super::proc::watching::Watching;
use super::proc::{Goal, Phase, Proc, Ready};
use super::{Effect, Supervisor};
use crate::model::ProcId;
use crate::model::plan::rules::{ProcessPolicy, Stage};
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::request::{ChangeOrder, Outcome};
use crate::model::time::Timestamp;

/// How often a process was added to the plan and changed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanCounts {
    /// See [`ProcessPlan::additions`].
    #[serde(rename = "came")]
    pub(super) additions: u32,
    /// See [`ProcessPlan::revision`].
    #[serde(rename = "edition")]
    pub(super) revision: u32,
    /// See [`ProcessPlan::own_revision`].
    #[serde(default)]
    pub(super) own_revision: u32,
}

impl PlanCounts {
    pub(super) fn from_plan(process: &ProcessPlan) -> Self {
        let &ProcessPlan { additions, revision, own_revision, .. } = process;
        Self { additions, revision, own_revision }
    }
}

/// The counts and settings of the plan for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Planned {
    /// No configuration contains the process any more.
    pub(super) removed: bool,
    /// It runs once whenever it is requested by its name, and says nothing about the run.
    pub(super) is_action: bool,
    waits: bool,
    counts: PlanCounts,
    /// Milliseconds from the stop signal to SIGKILL.
    pub(super) grace_ms: u64,
}

impl Planned {
    fn from_plan(process: &ProcessPlan, plan: &Plan) -> Self {
        let &ProcessPlan { removed, waits, grace_ms, .. } = process;
        let grace_ms = grace_ms.unwrap_or(plan.grace_ms);
        let is_action = process.action.is_some();
        Self { removed, is_action, waits, counts: PlanCounts::from_plan(process), grace_ms }
    }
}

impl Supervisor {
    /// Copy the rules of the plan into the state; they are not saved with it.
    pub fn attach(&mut self, plan: &Plan) {
        let from = plan.exit_code_from.as_ref();
        self.exit_from = self.id_where(|proc| Some(&proc.name) == from);
        self.ends_when_done = plan.ends_when_done;
        let changed = self.generation != plan.generation;
        for (proc, process) in self.procs.iter_mut().zip(&plan.processes) {
            if changed {
                proc.carry_over(&process.rules);
            }
            proc.rules = process.rules.clone();
            if proc.rules.watch.is_none() {
                proc.watching = Watching::default();
            }
            proc.install.clone_from(&process.install);
            (proc.stop_signal, proc.on_exit) = (process.stop_signal, process.on_exit);
            proc.planned = Planned::from_plan(process, plan);
        }
        for id in ProcId::all(&self.procs) {
            self.procs[id].needs = self.needs_of(id);
        }
        self.generation = plan.generation;
    }

    /// The plan was read again: carry out its changes.
    pub(super) fn reload(&mut self, request_id: u64, now: Timestamp) {
        if let Some(problem) = self.stopping() {
            return self.effects.push(Effect::Answer(request_id, Outcome::refused(problem)));
        }
        let goals = self.follow_plan(now);
        for id in ProcId::all(&self.procs) {
            let proc = &self.procs[id];
            // Its shim needs the new stop signal and grace period even if it has to stop the process
            // without a supervisor.
            if matches!(proc.phase, Phase::Running { .. }) && !proc.stop_was_requested() {
                self.want(id);
            }
        }
        self.await_change(request_id, goals);
    }

    /// Bring each process into the state that the plan now describes.
    pub(super) fn follow_plan(&mut self, now: Timestamp) -> Vec<(ProcId, WaitCondition)> {
        let mut set = BTreeMap::new();
        for id in ProcId::all(&self.procs) {
            let (planned, before) = (self.procs[id].planned, self.procs[id].carried_out);
            let came = planned.counts.additions != before.additions;
            let changed = planned.counts.revision != before.revision;
            // What all processes share is no reason to run a completed one-shot process again.
            let is_same = planned.counts.own_revision == before.own_revision;
            let rests = is_same && self.has_completed(id);
            let proc = &mut self.procs[id];
            proc.carried_out = planned.counts;
            let action = if planned.removed {
                proc.remove()
            } else if came {
                self.bring_in(id, changed, now)
            } else if changed && proc.is_asked_for() && !proc.is_to_be_updated() && !rests {
                Some(proc.renewal())
            } else {
                None
            };
            set.extend(action.map(|action| (id, action)));
        }
        self.change(set, ChangeOrder::Dependencies, now)
    }

    fn bring_in(&mut self, id: ProcId, changed: bool, now: Timestamp) -> Option<Action> {
        let proc = &mut self.procs[id];
        proc.retired = false;
        proc.write_off(now);
        // The files installed for an earlier process of this name may be gone.
        proc.installation.forget();
        if proc.rules.stage == Stage::Cleanup {
            return None;
        }
        if let Some(install) = &proc.install
            && proc.needs_installation()
        {
            // The reload does not wait for the installation, which may take minutes.
            let then = install.then;
            self.begin_installation(id, then, now);
            return None;
        }
        if proc.planned.waits {
            return None;
        }
        Some(if changed { proc.renewal() } else { Action::Start })
    }

    /// Stop a process that is no longer part of the run, and close its window.
    pub(super) fn let_go(&mut self, id: ProcId) -> WaitCondition {
        let proc = &self.procs[id];
        // Repeating the request must not shorten the grace period of a process that is already
        // stopping.
        let going = proc.alive() && proc.stop_was_requested() && proc.goal == Goal::Stop;
        let aim = if going { WaitCondition::Over(proc.life) } else { self.stop(id) };
        if going {
            self.want(id);
        }
        if self.procs[id].is_closed() {
            self.effects.push(Effect::Close(id));
        }
        aim
    }
}

impl Proc {
    fn remove(&mut self) -> Option<Action> {
        if self.retired && !self.alive() {
            return None;
        }
        self.forgive();
        self.retired = true;
        Some(Action::Leave)
    }

    /// How it gets changed settings: by a new life, except in the cleanup.
    fn renewal(&self) -> Action {
        if self.rules.stage == Stage::Cleanup { Action::Stop } else { Action::Restart }
    }

    /// Whether it runs, should run, or ended without being stopped by a user.
    pub(super) fn is_asked_for(&self) -> bool {
        let ended = matches!(self.phase, Phase::Over { asked: false, .. });
        let failed = self.failures.broken.is_some() || self.restarts.due.is_some();
        let skipped = self.skip.is_some() && !self.change.stays_down;
        !self.retired && (self.goal == Goal::Run || ended || failed || skipped)
    }

    /// Whether it does not run and has a new version. A separate request installs that version.
    fn is_to_be_updated(&self) -> bool {
        !self.alive() && self.needs_installation()
    }

    /// Adapt its recorded checks to new rules.
    fn carry_over(&mut self, rules: &ProcessPolicy) {
        if self.rules.live != rules.live {
            self.failed_checks = 0;
        }
        if self.rules.ready == rules.ready {
            return;
        }
        let passed = match &self.ready {
            Ready::Yes { .. } => return,
            Ready::Waiting { passed, .. } | Ready::No { passed, .. } => passed.as_slice(),
        };
        let was_passed = |check: &usize| {
            passed.iter().any(|old| self.rules.ready.get(*old) == Some(&rules.ready[*check]))
        };
        let passed: Vec<_> = (0..rules.ready.len()).filter(was_passed).collect();
        let is_ready = passed.len() == rules.ready.len();
        let Phase::Running { .. } = self.phase else { return };
        self.ready = if is_ready {
            Ready::Yes { at: self.since }
        } else {
            Ready::Waiting { passed, heard: vec![] }
        };
    }
}
