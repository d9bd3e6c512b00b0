//! What a person who waits should know: a stop that takes longer than a moment, and a run of which
//! every process has ended.

use super::{Course, Effect, Goal, Pane, Phase, Proc, ProcId, Supervisor, nanos};
use crate::model::event::{Slow, SlowStop, Sooner, What};

/// A stop that takes no longer needs no explanation.
const MOMENT: u64 = 1_000_000_000;
/// Processes that were asked to stop this little later are named in the same line.
const TOGETHER: u64 = 500_000_000;

impl Proc {
    /// When SIGKILL follows the stop signal of its present life, nanoseconds since the epoch.
    pub fn kill_due(&self) -> Option<u64> {
        let life = self.current_life();
        let waits = matches!(self.phase, Phase::Running { .. } | Phase::Ending { .. });
        let asked = self.stop_life == life && self.killed < life;
        (waits && asked).then(|| self.stop_since.saturating_add(nanos(self.planned.grace_ms())))
    }

    /// When a stop that goes on is to be mentioned: once for each life, and not if SIGKILL follows
    /// at once.
    fn slow_due(&self) -> Option<u64> {
        let due = self.stop_since.saturating_add(MOMENT);
        let kill = self.kill_due().filter(|_| self.slow_life != self.current_life())?;
        (kill > due.saturating_add(TOGETHER)).then_some(due)
    }
}

impl Supervisor {
    /// Note when each process was first seen to be asked to stop.
    pub(super) fn note_stops(&mut self, now: u64) {
        for proc in &mut self.procs {
            let life = proc.current_life();
            if proc.told_to_stop() && proc.alive() && proc.stop_life != life {
                (proc.stop_life, proc.stop_since) = (life, now);
            }
        }
    }

    /// When the next slow stop is to be mentioned.
    pub(super) fn slow_stop_due(&self) -> Option<u64> {
        self.procs.iter().filter_map(Proc::slow_due).min()
    }

    /// Mention the processes that have been stopping for longer than a moment.
    pub(super) fn mention_slow_stops(&mut self, now: u64, out: &mut Vec<Effect>) {
        if self.slow_stop_due().is_none_or(|due| due > now) {
            return;
        }
        let soon = now.saturating_add(TOGETHER);
        let is_slow = |id: &ProcId| self.procs[*id].slow_due().is_some_and(|due| due <= soon);
        let slow: Vec<ProcId> = (0..self.procs.len()).filter(is_slow).collect();
        out.push(Effect::Say(None, What::SlowStop(self.slow_stops(&slow, now))));
        for id in slow {
            self.procs[id].slow_life = self.procs[id].current_life();
        }
    }

    /// Which processes still run, when SIGKILL follows, and what kills them now.
    fn slow_stops(&self, slow: &[ProcId], now: u64) -> SlowStop {
        let proc = |id: &ProcId| &self.procs[*id];
        let of = |id: &ProcId| Slow { process: proc(id).name.clone(), pid: proc(id).pid() };
        let due = slow.iter().filter_map(|id| proc(id).kill_due());
        let sooner = if self.course == Course::Keep {
            let again = slow.iter().all(|id| proc(id).goal == Goal::Run);
            if again { Sooner::RestartAgain } else { Sooner::StopAgain }
        } else if self.culprit.is_some() {
            Sooner::CtrlC
        } else {
            Sooner::CtrlCAgain
        };
        SlowStop {
            processes: slow.iter().map(of).collect(),
            kill_in_s: due.min().unwrap_or(now).saturating_sub(now).div_ceil(1_000_000_000),
            sooner,
        }
    }

    /// Mention once that every process has ended and nothing starts one again.
    pub(super) fn mention_idleness(&mut self, out: &mut Vec<Effect>) {
        let going = |proc: &Proc| {
            proc.alive()
                || proc.goal == Goal::Run
                || proc.due.is_some()
                || proc.pane == Pane::Opening
        };
        let ended = |proc: &Proc| {
            proc.broken.is_some() || matches!(proc.phase, Phase::Over { asked: false, .. })
        };
        let idle = self.course == Course::Keep
            && self.begun
            && !self.procs.iter().any(going)
            && self.procs.iter().any(ended);
        if idle && !self.idle {
            out.push(Effect::Say(None, What::Idle));
        }
        self.idle = idle;
    }
}
