//! Waiting for stops: a second request to stop kills, and a stop that takes longer than a moment is
//! mentioned. So is a run in which every process has ended.

use std::time::Duration;

use super::{Effect, Goal, Pane, Phase, Proc, RunPhase, Supervisor};
use crate::model::ProcId;
use crate::model::event::{Slow, SlowStop, Sooner, What};
use crate::model::request::SAME_REQUEST;
use crate::model::time::Timestamp;
use crate::model::units;

/// A stop that takes longer than this is mentioned.
const MOMENT: Duration = Duration::from_secs(1);
/// Processes that were asked to stop within this time are listed in the same line.
const TOGETHER: Duration = Duration::from_millis(500);

impl Proc {
    /// When SIGKILL follows the stop signal of its current life.
    pub fn kill_due(&self) -> Option<Timestamp> {
        let life = self.current_life();
        let waits = matches!(
            self.phase,
            Phase::Running { .. } | Phase::Installing { .. } | Phase::Ending { .. }
        );
        let asked = self.marks.stop_life == life && !self.marks.is_kill_requested(life);
        (waits && asked)
            .then(|| self.marks.stop_since + Duration::from_millis(self.planned.grace_ms))
    }

    /// Record a request to stop its current life; returns whether it is the first one.
    pub(super) fn note_request(&mut self, now: Timestamp) -> bool {
        self.marks.note_request(self.current_life(), now)
    }

    /// When to mention a stop that is still going on: once for each life, and not if SIGKILL follows
    /// shortly anyway.
    fn slow_due(&self) -> Option<Timestamp> {
        let due = self.marks.stop_since + MOMENT;
        let kill = self.kill_due().filter(|_| self.marks.slow_life != self.current_life())?;
        (kill > due + TOGETHER).then_some(due)
    }
}

/// Whether a request at `now` is a second one after that at `first`, not the same one sent twice.
fn is_later(first: Timestamp, now: Timestamp) -> bool {
    // The absolute difference, in case the clock was set back.
    now.between(first) >= SAME_REQUEST
}

impl Supervisor {
    /// For each process that was told to stop since the last call, record when, and whether that was
    /// requested by a client.
    pub(super) fn note_stops(&mut self, now: Timestamp, by_request: bool) {
        for proc in &mut self.procs {
            let life = proc.current_life();
            let is_stopping = proc.stop_was_requested() && proc.alive();
            if is_stopping && proc.marks.note_stop(life, now) && by_request {
                proc.marks.note_request(life, now);
            }
        }
    }

    /// Handles a request to stop this process. A second request kills it, as in overmind. Returns
    /// whether the process was being stopped already and nothing else is done.
    pub(super) fn insist(&mut self, id: ProcId, now: Timestamp) -> bool {
        let proc = &mut self.procs[id];
        let life = proc.current_life();
        if !proc.alive() || !proc.marks.is_stop_requested(life) {
            return false;
        }
        let is_second = !proc.marks.note_request(life, now) && is_later(proc.marks.asked_at, now);
        if is_second && proc.marks.request_kill(life) {
            self.effects.push(Effect::Say(Some(id), What::Killing));
        }
        !is_second
    }

    /// Handles a request to end the run. A second request kills everything.
    pub(super) fn ask_to_quit(&mut self, now: Timestamp) {
        if let Some(at) = self.asked_at {
            if is_later(at, now) {
                self.kill();
            }
            return;
        }
        self.asked_at = Some(now);
        for proc in &mut self.procs {
            if proc.alive() && proc.stop_was_requested() {
                proc.note_request(now);
            }
        }
        self.quit();
    }

    /// When the next slow stop is to be mentioned.
    pub(super) fn slow_stop_due(&self) -> Option<Timestamp> {
        self.procs.iter().filter_map(Proc::slow_due).min()
    }

    /// Mention the processes that have been stopping for longer than a moment.
    pub(super) fn mention_slow_stops(&mut self, now: Timestamp) {
        if self.slow_stop_due().is_none_or(|due| due > now) {
            return;
        }
        let soon = now + TOGETHER;
        let is_slow = |id: &ProcId| self.procs[*id].slow_due().is_some_and(|due| due <= soon);
        let slow: Vec<ProcId> = ProcId::all(&self.procs).filter(is_slow).collect();
        self.effects.push(Effect::Say(None, What::SlowStop(self.slow_stops(&slow, now))));
        for id in slow {
            self.procs[id].marks.slow_life = self.procs[id].current_life();
        }
    }

    /// Which processes are still running, when SIGKILL follows, and which command kills them now.
    fn slow_stops(&self, slow: &[ProcId], now: Timestamp) -> SlowStop {
        let proc = |id: &ProcId| &self.procs[*id];
        let of = |id: &ProcId| Slow { process: proc(id).name.clone(), pid: proc(id).pid() };
        let due = slow.iter().filter_map(|id| proc(id).kill_due());
        let is_asked = |id: &ProcId| proc(id).marks.asked_life == proc(id).current_life();
        let sooner = match (self.run_phase, self.asked_at) {
            // A process that is stopped without a request: a first request would not kill it.
            (RunPhase::Running, _) if !slow.iter().all(is_asked) => None,
            (RunPhase::Running, _) if slow.iter().all(|id| proc(id).goal == Goal::Run) => {
                Some(Sooner::RestartAgain)
            }
            (RunPhase::Running, _) => Some(Sooner::StopAgain),
            (RunPhase::Stopping | RunPhase::Finished { .. }, None) => Some(Sooner::Kill),
            (RunPhase::Stopping | RunPhase::Finished { .. }, Some(_)) => Some(Sooner::CtrlCAgain),
        };
        SlowStop {
            processes: slow.iter().map(of).collect(),
            kill_in_s: units::whole_seconds(due.min().unwrap_or(now).since(now)),
            sooner,
        }
    }

    /// Mention once that every process has ended and none will be restarted.
    pub(super) fn mention_idleness(&mut self) {
        let idle = self.run_phase == RunPhase::Running
            && self.begun
            && !self.procs.iter().any(|proc| {
                proc.alive()
                    || proc.goal == Goal::Run
                    || proc.restarts.due.is_some()
                    || proc.pane == Pane::Opening
            })
            && self.procs.iter().any(|proc| {
                proc.failures.broken.is_some()
                    || matches!(proc.phase, Phase::Over { asked: false, .. })
            });
        if idle && !self.idle {
            self.effects.push(Effect::Say(None, What::Idle));
        }
        self.idle = idle;
    }
}
