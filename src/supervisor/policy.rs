//! What follows when a process ends by itself.

use std::time::Duration;

use super::{Culprit, Effect, Goal, ProcId, Supervisor, Word};
use crate::model::Exit;
use crate::model::plan::OnExit;

/// The first pause before a restart that is not the first one in a row; each next one is twice as
/// long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A life that has lasted this long is no failed beginning: the pauses begin anew.
const STABLE: Duration = Duration::from_secs(60);

/// How long to wait before a process is started again that has ended so often in a row.
fn pause(streak: u32) -> Duration {
    let Some(doublings) = streak.checked_sub(1) else { return Duration::ZERO };
    FIRST_PAUSE.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Supervisor {
    /// Nobody has asked this life to end, and nobody for another one.
    pub(super) fn ended_by_itself(
        &mut self,
        id: ProcId,
        (exit, at, ran): (Exit, u64, u64),
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        match proc.on_exit {
            OnExit::StopAll => {
                proc.goal = Goal::Stop;
                self.culprit.get_or_insert(Culprit { id, exit, at, ran });
                self.quit(out);
            }
            OnExit::Remain => proc.goal = Goal::Stop,
            OnExit::Restart => self.restart_after(id, at, ran, out),
        }
    }

    fn restart_after(&mut self, id: ProcId, at: u64, ran: u64, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        if ran >= nanos(STABLE) {
            proc.streak = 0;
        }
        let pause = pause(proc.streak);
        proc.streak = proc.streak.saturating_add(1);
        if pause.is_zero() {
            proc.life = proc.life.saturating_add(1);
            return self.want(id, out);
        }
        proc.due = Some(at.saturating_add(nanos(pause)));
        let times = proc.streak;
        let text = format!("Restarting in {} s (ended {times} times in a row)", pause.as_secs());
        out.push(Word::of(id, "backoff", text));
    }

    /// When the next process is to be started again, nanoseconds since the epoch.
    pub fn next_due(&self) -> Option<u64> {
        self.procs.iter().filter_map(|proc| proc.due).min()
    }

    /// Start again those whose pause is over. One that would be longer than any is over, too: the
    /// clock was set back.
    pub(super) fn on_alarm(&mut self, now: u64, out: &mut Vec<Effect>) {
        let over = |due: u64| due <= now || due - now > nanos(LONGEST_PAUSE);
        for id in 0..self.procs.len() {
            let proc = &mut self.procs[id];
            if proc.due.is_some_and(over) {
                proc.due = None;
                proc.goal = Goal::Run;
                proc.life = proc.life.saturating_add(1);
                self.bring_up(id, now, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let seconds: Vec<_> = (0..8).map(|streak| pause(streak).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX), Duration::from_secs(30));
    }
}
