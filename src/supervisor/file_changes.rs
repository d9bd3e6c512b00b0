//! What changed files do to the processes that are watched (`watch` in `tmo.toml`).
//!
//! A change waits until its process is in a state to be restarted, so that changes during a start or a stop count once
//! more afterwards; several make one. It is then acted on: at once, or after the command that must succeed before
//! (`run`), which the engine runs for as long as [`Supervisor::builds`] names it.

use std::collections::BTreeMap;

use super::part::Action;
use super::proc::{Phase, Proc, Ready};
use super::watching::{Build, Watching};
use super::{Effect, Goal, RunPhase, Supervisor};
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::file_change::{BuildFailure, FileChange, RestartLoop, WatchState};
use crate::model::request::{ChangeOrder, Outcome};
use crate::model::time::Timestamp;

/// When to act on a change.
enum Turn {
    Now,
    Later,
    Never,
}

impl Supervisor {
    /// Note what has changed; [`Self::act_on_changes`] follows.
    pub(super) fn files_changed(&mut self, changes: Vec<(ProcId, FileChange)>) {
        for (id, change) in changes {
            let proc = &mut self.procs[id];
            if proc.rules.watch.is_none() || proc.watching.is_off() {
                continue;
            }
            match &mut proc.watching.change {
                Some(known) => known.add(change),
                none => *none = Some(change),
            }
        }
    }

    /// Note of which processes files change at present.
    pub(super) fn files_unsettled(&mut self, of: &[ProcId]) {
        for id in ProcId::all(&self.procs) {
            self.procs[id].watching.unsettled = of.contains(&id);
        }
    }

    /// The command before the restart of a process has ended.
    pub(super) fn built(&mut self, id: ProcId, begun: Timestamp, failure: Option<BuildFailure>) {
        let watching = &mut self.procs[id].watching;
        if watching.build != Some(Build::Running(begun)) {
            return;
        }
        watching.build = failure.is_none().then_some(Build::Succeeded);
        watching.failure.clone_from(&failure);
        if let Some(failure) = failure {
            self.effects.push(Effect::Say(Some(id), What::BuildFailed(failure)));
        }
    }

    /// The commands before restarts that are to run, and since when.
    pub fn builds(&self) -> impl Iterator<Item = (ProcId, Timestamp)> {
        let running = |id: ProcId| match self.procs[id].watching.build {
            Some(Build::Running(since)) if self.run_phase == RunPhase::Running => Some((id, since)),
            _ => None,
        };
        ProcId::all(&self.procs).filter_map(running)
    }

    /// Pause or resume watching.
    pub(super) fn watch(&mut self, request_id: u64, patterns: &[String], on: bool) {
        let mut ids = match self.find(patterns, Proc::counts) {
            Ok(ids) => ids,
            Err(outcome) => return self.effects.push(Effect::Answer(request_id, *outcome)),
        };
        let is_watched = |id: &ProcId| self.procs[*id].rules.watch.is_some();
        let others: Vec<_> = ids.extract_if(.., |id| !is_watched(id)).collect();
        let mut outcome = Outcome::done(vec![]);
        if !patterns.is_empty() {
            let text = |id: ProcId| format!("{} has no `watch` in tmo.toml", self.procs[id].name);
            outcome.problems = others.into_iter().map(|id| text(id).into()).collect();
        } else if ids.is_empty() {
            outcome = Outcome::refused("no process has a `watch` in tmo.toml".to_owned());
        }
        outcome.ok = outcome.problems.is_empty();
        for id in ids {
            let proc = &mut self.procs[id];
            outcome.names.push(proc.name.clone());
            let watching = &mut proc.watching;
            watching.paused = !on;
            (watching.change, watching.in_loop) = (None, RestartLoop::default());
            if on {
                watching.held.clear();
            } else {
                watching.build = None;
            }
        }
        self.effects.push(Effect::Answer(request_id, outcome));
    }

    /// Restart the processes whose files have changed, as far as they are in a state for that.
    pub(super) fn act_on_changes(&mut self, now: Timestamp) {
        if self.run_phase != RunPhase::Running || !self.begun {
            return;
        }
        let mut set = BTreeMap::new();
        for id in ProcId::all(&self.procs) {
            let Watching { change, build, .. } = &self.procs[id].watching;
            if change.is_none() && *build != Some(Build::Succeeded) {
                continue;
            }
            match self.turn(id) {
                Turn::Now if self.restarts_now(id, now) => _ = set.insert(id, Action::Restart),
                Turn::Now | Turn::Later => {}
                Turn::Never => {
                    let watching = &mut self.procs[id].watching;
                    (watching.change, watching.build) = (None, None);
                }
            }
        }
        if !set.is_empty() {
            self.change(set, ChangeOrder::Dependencies, now);
            // No request waits for those that follow.
            self.recalled.clear();
        }
    }

    /// Whether a process can be restarted for a change. What makes a restart wait belongs here.
    fn turn(&self, id: ProcId) -> Turn {
        let proc = &self.procs[id];
        if proc.retired || proc.planned.removed {
            return Turn::Never;
        }
        if matches!(proc.watching.build, Some(Build::Running(_))) {
            return Turn::Later;
        }
        match proc.phase {
            Phase::Running { .. } => {
                let stops = proc.stop_was_requested() || proc.is_to_stop();
                let is_decided = !matches!(proc.ready, Ready::Waiting { .. });
                let is_busy = stops || proc.is_to_begin() || proc.prompt().is_some();
                if is_decided && !is_busy { Turn::Now } else { Turn::Later }
            }
            Phase::Starting { .. }
            | Phase::Installing { .. }
            | Phase::Ending { .. }
            | Phase::Stuck { .. } => Turn::Later,
            Phase::Pending | Phase::Over { .. } => {
                let is_left_out = proc.life.is_none() || proc.skip.is_some();
                if proc.restarts.due.is_some() {
                    Turn::Now
                } else if proc.is_to_begin() {
                    Turn::Later
                } else if proc.goal == Goal::Stop && (is_left_out || proc.was_stopped_by_user()) {
                    Turn::Never
                } else {
                    Turn::Now
                }
            }
        }
    }

    /// Act on the change of a process that is in a state for that. Returns whether it is to be restarted.
    fn restarts_now(&mut self, id: ProcId, now: Timestamp) -> bool {
        let proc = &mut self.procs[id];
        let (Some(rules), watching) = (&proc.rules.watch, &mut proc.watching) else { return false };
        let built = watching.build.take().is_some();
        let pid = if let Phase::Running { pid, .. } = proc.phase { Some(pid) } else { None };
        if let Some(change) = watching.change.take() {
            if pid.is_some() && rules.run.is_none() && change.noticed < watching.acted {
                // Its life has begun since, and has read them.
                return false;
            }
            if watching.in_loop.goes_on(&change, watching.acted) {
                watching.held = watching.in_loop.files().to_vec();
                let files = watching.held.clone();
                self.effects.push(Effect::Say(Some(id), What::WatchHeld { files }));
                if !built {
                    return false;
                }
            } else {
                let FileChange { files, count, .. } = change;
                self.effects.push(Effect::Say(Some(id), What::Changed { files, count }));
                if rules.run.is_some() {
                    // What was built before is out of date.
                    watching.build = Some(Build::Running(now));
                    watching.acted = now;
                    return false;
                }
            }
        }
        let Some((signal, pid)) = rules.signal.zip(pid) else { return true };
        watching.acted = now;
        self.effects.push(Effect::Say(Some(id), What::Signal { sent: signal }));
        self.effects.push(Effect::Signal { id, pid, signal: signal.number() });
        false
    }
}

impl Proc {
    /// How it is watched, for clients.
    pub fn watch_state(&self) -> Option<WatchState> {
        self.rules.watch.as_ref().map(|_| self.watching.state())
    }
}
