//! What changed files do to the processes that are watched (`watch` in `tmo.toml`).
//!
//! A change waits until its process is in a state to be restarted; several make one. It is then acted on: at once, or
//! after the command that must succeed before (`run`), which the engine runs for as long as [`Supervisor::builds`]
//! names it. A process that is not ready yet is restarted like any other: what it starts with is out of date.

use std::collections::BTreeMap;

use super::proc::records::Action;
use super::proc::watching::{Build, Watching};
use super::proc::{Phase, Proc};
use super::{Effect, Goal, RunPhase, Supervisor};
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::file_change::{BuildFailure, ChangeDelay, FileChange, RestartRow, WatchState};
use crate::model::request::{ChangeOrder, Outcome};
use crate::model::time::Timestamp;

/// When to act on a change.
enum Turn {
    Now,
    /// After this; without a reason, something happens by itself.
    Later(Option<ChangeDelay>),
    Never,
}

impl Supervisor {
    /// Note what has changed; [`Self::act_on_changes`] follows.
    pub(super) fn files_changed(&mut self, changes: Vec<(ProcId, FileChange)>, now: Timestamp) {
        for (id, mut change) in changes {
            let proc = &mut self.procs[id];
            let Some(rules) = &proc.rules.watch else { continue };
            // Its life has begun since, and has read them.
            let is_read = matches!(proc.phase, Phase::Running { .. })
                && rules.run.is_none()
                && change.last < proc.watching.acted;
            // They are again what they were; a life that has begun meanwhile may have read something else.
            let is_undone = change.count == 0 && proc.watching.acted <= change.first;
            if is_read || is_undone {
                continue;
            }
            change.count = change.count.max(change.files.len());
            let before = proc.watching.row.pause();
            proc.watching.add(change, now);
            let pause = proc.watching.row.pause();
            if pause > before {
                let files = proc.watching.row.files().to_vec();
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                self.effects.push(Effect::Say(Some(id), What::WatchHeld { files, pause_ms }));
            }
        }
    }

    /// Note of which processes files change at present; what was written to those of the others until `settled` is
    /// known.
    pub(super) fn files_unsettled(&mut self, of: &[ProcId], settled: Timestamp) {
        for id in ProcId::all(&self.procs) {
            let watching = &mut self.procs[id].watching;
            watching.unsettled = of.contains(&id);
            if !watching.unsettled && self.procs[id].rules.watch.is_some() {
                self.procs[id].watching.settled = settled;
            }
        }
    }

    /// What was written until then to the watched files of a process is known; nothing if they were never watched.
    pub fn files_settled(&self, id: ProcId) -> Option<Timestamp> {
        Some(self.procs[id].watching.settled).filter(|time| *time != Timestamp::EPOCH)
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
        ProcId::all(&self.procs).filter_map(|id| match self.procs[id].watching.build {
            Some(Build::Running(since)) if self.run_phase == RunPhase::Running => Some((id, since)),
            _ => None,
        })
    }

    /// Pause or resume watching.
    pub(super) fn watch(&mut self, request_id: u64, patterns: &[String], on: bool) {
        let mut ids = match self.ids_meant_by(patterns, Proc::counts) {
            Ok(ids) => ids,
            Err(outcome) => return self.effects.push(Effect::Answer(request_id, *outcome)),
        };
        let others: Vec<_> =
            ids.extract_if(.., |id| self.procs[*id].rules.watch.is_none()).collect();
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
            (watching.row, watching.due) = (RestartRow::default(), None);
            watching.put_back();
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
            match self.procs[id].turn() {
                Turn::Now if self.procs[id].watching.is_held(now) => {}
                Turn::Now if self.restarts_now(id, now) => _ = set.insert(id, Action::Restart),
                Turn::Now | Turn::Later(_) => {}
                Turn::Never => self.procs[id].watching.give_up(),
            }
        }
        if !set.is_empty() {
            self.change(set, ChangeOrder::Dependencies, now);
            // No request waits for those that follow.
            self.recalled.clear();
        }
    }

    /// Act on the change of a process that is in a state for that. Returns whether it is to be restarted.
    fn restarts_now(&mut self, id: ProcId, now: Timestamp) -> bool {
        let proc = &mut self.procs[id];
        let is_ready = proc.is_ready();
        let (Some(rules), watching) = (&proc.rules.watch, &mut proc.watching) else { return false };
        let pid = if let Phase::Running { pid, .. } = proc.phase { Some(pid) } else { None };
        (watching.build, watching.due) = (None, None);
        if let Some(change) = watching.change.take() {
            let (files, count) = (change.clone().paths(), change.count);
            watching.acting = Some(change);
            self.effects.push(Effect::Say(Some(id), What::Changed { files, count }));
            if rules.run.is_some() {
                // What was built before is out of date.
                watching.build = Some(Build::Running(now));
                watching.acted = self.monotonic;
                return false;
            }
        }
        // One that is not ready may not know what to do with a signal yet, which would end it.
        let signal = rules.signal.filter(|_| is_ready);
        let Some((signal, pid)) = signal.zip(pid) else { return true };
        (watching.acted, watching.acting) = (self.monotonic, None);
        self.effects.push(Effect::Say(Some(id), What::Signal { sent: signal }));
        self.effects.push(Effect::Signal { id, pid, signal: signal.number() });
        false
    }

    /// A person stops or restarts a process: the command before its restart ends.
    pub(super) fn end_build(&mut self, id: ProcId, stops: bool) {
        let proc = &mut self.procs[id];
        let run = proc.rules.watch.as_ref().and_then(|watch| watch.run.as_ref());
        if let (Some(Build::Running(_)), Some(run)) = (proc.watching.build, run) {
            proc.watching.failure = (!stops).then(|| BuildFailure {
                command: run.to_string().into(),
                why: "ended by a restart".to_owned(),
                lines: vec![],
            });
            proc.watching.give_up();
        }
    }
}

impl Proc {
    /// Whether it can be restarted for a change. What makes a restart wait belongs here.
    fn turn(&self) -> Turn {
        if self.retired || self.planned.removed {
            return Turn::Never;
        }
        // A build that later changes put an end to would never end if it makes such changes itself.
        if self.watching.paused || matches!(self.watching.build, Some(Build::Running(_))) {
            return Turn::Later(None);
        }
        match self.phase {
            Phase::Running { .. } if self.prompt().is_some() => {
                Turn::Later(Some(ChangeDelay::Prompt))
            }
            Phase::Running { .. } => {
                let is_busy = self.stop_was_requested() || self.is_to_stop() || self.is_to_begin();
                if is_busy { Turn::Later(None) } else { Turn::Now }
            }
            Phase::Installing { .. } => Turn::Later(Some(ChangeDelay::Installing)),
            Phase::Stuck { .. } => Turn::Later(Some(ChangeDelay::Stuck)),
            Phase::Starting { .. } | Phase::Ending { .. } => Turn::Later(None),
            Phase::Pending | Phase::Over { .. } => {
                let is_left_out = self.life.is_none() || self.skip.is_some();
                if self.restarts.due.is_some() {
                    Turn::Now
                } else if self.is_to_begin() {
                    Turn::Later(None)
                } else if self.goal == Goal::Stop && (is_left_out || self.was_stopped_by_user()) {
                    Turn::Never
                } else {
                    Turn::Now
                }
            }
        }
    }

    /// How it is watched, for clients.
    pub fn watch_state(&self, now: Timestamp) -> Option<WatchState> {
        let delay = if let Turn::Later(delay) = self.turn() { delay } else { None };
        let is_over = now.since(self.since) > RestartRow::LONGEST_PAUSE;
        self.rules.watch.as_ref().map(|_| self.watching.state(delay, is_over))
    }
}
