//! The state machine of the supervisor: inputs in, effects out, time as an argument.
//!
//! No clock, no I/O, no async: the same calls always give the same effects, so every bug in a policy
//! can be reproduced by a test without tmux. What is *wanted* of a process ([`Goal`]) is kept apart
//! from the *state* it is in ([`Phase`]). A late report about an earlier life is recognized by its
//! life number and changes nothing.
//!
//! Everything except the waiting clients is saved before the effects are carried out ([`Supervisor`]
//! is serialisable), so an adopter continues where its predecessor was killed.

#![deny(clippy::wildcard_enum_match_arm)]

use tmo_base::{model, protocol};

mod change;
mod dependencies;
mod events;
mod exit_code;
mod file_changes;
mod lifecycle;
mod patience;
mod pending_request;
mod proc;
mod reload;
mod request;
mod shutdown;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::event::RunProblem;
use crate::model::plan::Plan;
use crate::model::time::{MonotonicTime, Timestamp, nanos};
use crate::model::{Exit, ProcId};
pub use crate::proc::install_state::Installation;
pub use crate::proc::ready::Question;
pub use crate::proc::records::{
    Broken, ChangePart, ExitStats, LifeMarks, ProcFailures, ProcPrompts, ProcRestarts,
};
pub use crate::proc::watching::Watching;
pub use crate::protocol::phase::{Phase, RunPhase};
use crate::protocol::spec::Want;
pub use events::{Crash, Effect, Input, ShimRequest};
pub use lifecycle::RunStage;
use pending_request::PendingRequest;
pub use proc::{Goal, LastLife, Pane, Proc, Ready};
pub use reload::{PlanCounts, Planned};

/// The whole state machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Supervisor {
    /// The processes in the order of the plan.
    #[serde(serialize_with = "crate::proc::texts::serialize")]
    pub procs: Vec<Proc>,
    /// The state of the run as a whole.
    #[serde(rename = "course")]
    pub run_phase: RunPhase,
    /// The highest exit status that does not come from a process: a window that did not open, loss of
    /// tmux.
    pub worst: u8,
    /// The process that ended first without being asked to.
    pub culprit: Option<Culprit>,
    /// Why the run could not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_problem: Option<RunProblem>,
    /// The tmux server is gone.
    pub tmux_gone: bool,
    /// Everything stops because a process ended with success, not because of a request. In this case
    /// a process that is stopped can still make the run fail.
    interrupts: bool,
    /// When the end of the run was first requested.
    asked_at: Option<Timestamp>,
    /// When the run began to end: the processes that had ended and that running ones depended on.
    #[serde(default)]
    missed: Vec<ProcId>,
    /// The run ends because all its processes have completed.
    #[serde(default)]
    pub completed: bool,
    /// The event "all processes have ended" has been logged.
    idle: bool,
    /// The stages that the run has reached.
    passed: Vec<RunStage>,
    /// The run has begun: it has been determined which process waits for which.
    begun: bool,
    /// The generation of the plan that was attached last ([`Plan::generation`]).
    pub generation: u64,
    /// Requests with a key, oldest first.
    keyed: Vec<(String, PendingRequest)>,
    #[serde(skip)]
    pending: Vec<PendingRequest>,
    /// The processes that wait since the last input; the log names what they wait for.
    #[serde(skip)]
    held: Vec<ProcId>,
    /// The skipped processes that wait again because of the request that is being carried out.
    #[serde(skip)]
    recalled: Vec<ProcId>,
    /// The effects of the current step.
    #[serde(skip)]
    effects: Vec<Effect>,
    /// The time of the current step on the monotonic clock.
    #[serde(skip)]
    pub monotonic: MonotonicTime,
    /// The process that determines the exit code of the run (`--exit-code-from`); taken from the
    /// plan.
    #[serde(skip)]
    exit_from: Option<ProcId>,
    /// The run ends when it is done; taken from the plan.
    #[serde(skip)]
    ends_when_done: bool,
}

/// The process whose end made everything stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Culprit {
    /// Which.
    pub id: ProcId,
    /// How it ended.
    pub exit: Exit,
    /// When.
    pub at: Timestamp,
    /// How long it had run.
    #[serde(with = "nanos")]
    pub ran: Duration,
}

impl Supervisor {
    /// The initial state for a plan.
    pub fn new(plan: &Plan, now: Timestamp) -> Self {
        let mut new = Self {
            procs: plan.processes.iter().map(|process| Proc::new(process, plan, now)).collect(),
            generation: plan.generation,
            ..Self::default()
        };
        new.attach(plan);
        new
    }

    /// Process one input; returns the effects.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            Input::Begin => self.begin(now),
            Input::PaneReady(id) => self.pane_ready(id, now),
            Input::Life(id, entry) => self.on_entry(id, entry, now),
            Input::ShimGone(id, left) => self.shim_gone(id, left, now),
            Input::NoPane(id, why) => self.no_pane(id, &why, now),
            Input::SpecWriteFailed(id, why, stands) => {
                self.spec_write_failed(id, &why, stands, now);
            }
            Input::Passed(id, life, check) => self.passed(id, life, check, now),
            Input::CheckFailed(id, life, check, answer) => {
                self.check_failed(id, life, check, answer);
            }
            Input::LivenessChecked(id, life, trouble) => {
                self.liveness_checked(id, life, trouble.as_deref(), now);
            }
            Input::Failing(id, life, action, line) => {
                self.failing(id, life, action, &line, now);
            }
            Input::Changed(changes) => self.files_changed(changes, now),
            Input::Unsettled(of, settled) => self.files_unsettled(&of, settled),
            Input::Prompt(id, life, text) => self.prompt(id, life, text, now),
            Input::Built(id, begun, failure) => self.built(id, begun, failure),
            Input::StopAfterHook(code) => self.stop_after_hook(code),
            Input::TmuxGone => self.on_tmux_gone(),
            Input::TimerFired => self.on_alarm(now),
            Input::Request(request_id, request, key) => {
                if !self.asked_before(request_id, key.as_deref()) {
                    self.ask(request_id, &request, now);
                    self.note_stops(now, true);
                    self.remember(request_id, key);
                }
            }
        }
        self.settle(now);
        std::mem::take(&mut self.effects)
    }

    /// The first step of an adopter: repeat the effects that follow from the state, because its
    /// predecessor may have been killed after saving them and before carrying them out.
    pub fn resume(&mut self, now: Timestamp) -> Vec<Effect> {
        if let RunPhase::Finished { code } = self.run_phase {
            return vec![Effect::Finish(code)];
        }
        if !self.begun && self.run_phase == RunPhase::Running {
            // The predecessor was killed before the first input.
            self.begin(now);
            self.settle(now);
            return std::mem::take(&mut self.effects);
        }
        let mut lost = vec![];
        for (id, proc) in ProcId::all(&self.procs).zip(&mut self.procs) {
            if self.run_phase == RunPhase::Running && proc.needs_pane() && !self.tmux_gone {
                proc.pane = Pane::Opening;
            }
            if proc.pane == Pane::Opening {
                lost.push(id);
            }
        }
        if !lost.is_empty() {
            self.effects.push(Effect::Open(lost));
        }
        if self.run_phase == RunPhase::Running {
            self.follow_plan(now);
        }
        for id in ProcId::all(&self.procs) {
            let proc = &mut self.procs[id];
            proc.ask_again(now);
            if proc.rules.ready.is_empty() && matches!(proc.phase, Phase::Running { .. }) {
                proc.ready = Ready::Yes { at: proc.since };
            }
            self.want(id);
            if self.procs[id].is_closed() {
                self.effects.push(Effect::Close(id));
            }
        }
        self.settle(now);
        std::mem::take(&mut self.effects)
    }

    /// The desired state of every pane, for an engine whose files were removed.
    pub fn wants(&self) -> Vec<Effect> {
        ProcId::all(&self.procs).filter_map(|id| self.wanted(id)).collect()
    }

    /// Whether this can be the saved state of a run with this plan: it has the same processes, except
    /// for those that were added to the plan since, and refers to no others.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let known = |id: ProcId| id.place() < self.procs.len();
        let Some((old, new)) = plan.processes.split_at_checked(self.procs.len()) else {
            return false;
        };
        self.procs.iter().map(|proc| &proc.name).eq(old.iter().map(|process| &process.name))
            && new.iter().all(|process| process.added || process.additions > 0)
            && self.culprit.as_ref().is_none_or(|culprit| known(culprit.id))
            && self.keyed.iter().all(|(_, request)| request.concerns().all(known))
            && self.procs.iter().all(|proc| proc.change.concerns().all(known))
    }

    /// The first process that satisfies this predicate.
    fn id_where(&self, holds: impl FnMut(&Proc) -> bool) -> Option<ProcId> {
        self.procs.iter().position(holds).map(ProcId::at)
    }

    /// Add the processes that were added to the plan.
    pub fn grow(&mut self, plan: &Plan, now: Timestamp) {
        let new = plan.processes.iter().skip(self.procs.len());
        self.procs.extend(new.map(|process| Proc::new(process, plan, now)));
        self.attach(plan);
    }

    fn begin(&mut self, now: Timestamp) {
        self.begun = true;
        for id in ProcId::all(&self.procs) {
            if self.procs[id].goal == Goal::Run {
                self.procs[id].choose_purpose();
                if !self.procs[id].change.is_unordered() {
                    self.call_needs(id, now);
                }
            }
        }
        self.effects.clear();
        let ids: Vec<_> =
            ProcId::all(&self.procs).filter(|id| self.procs[*id].goal == Goal::Run).collect();
        for &id in &ids {
            self.procs[id].pane = Pane::Opening;
            self.hold(id);
        }
        self.effects.insert(0, Effect::Open(ids));
    }

    /// Tell the shim of `id` what should run, if the process has a pane.
    fn want(&mut self, id: ProcId) {
        let wanted = self.wanted(id);
        self.effects.extend(wanted);
    }

    fn wanted(&self, id: ProcId) -> Option<Effect> {
        let proc = &self.procs[id];
        if !matches!(proc.pane, Pane::Up { .. }) {
            return None;
        }
        let (want, life) = match proc.goal {
            _ if proc.is_to_stop() => (Want::Run, proc.change.stops),
            // The shim must not begin the next life yet.
            Goal::Run if proc.waiting && proc.alive() && proc.stop_was_requested() => {
                (Want::Stop, proc.current_life())
            }
            Goal::Run if proc.waiting || !proc.recorded && !proc.alive() => return None,
            Goal::Run => (Want::Run, proc.life),
            // The shim exits too, and its window is closed.
            Goal::Stop if proc.retired => (Want::End, proc.life),
            Goal::Stop => (Want::Stop, proc.life),
        };
        Some(Effect::Want(id, ShimRequest { want, life, kill: proc.marks.kill_requested }))
    }
}
