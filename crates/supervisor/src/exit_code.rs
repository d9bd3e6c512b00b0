//! The exit code of the run: the highest contribution of the processes, each judged by its last life.

use super::{Proc, Supervisor};
use crate::model::exit::Decider;
use crate::model::{Exit, LifeId, ProcId};

/// Signal number of SIGKILL (POSIX gives it this number).
pub(super) const KILL: u8 = 9;

impl Proc {
    /// What this life, which has just ended, contributes to the exit code of the run. After a stop that a user or the
    /// failure of another process has caused, its exit code does not count as a failure. If everything stops because
    /// another process ended with success, that holds only for an end by the signals that were sent.
    pub(super) fn contribution(&self, life: LifeId, exit: Exit, interrupts: bool) -> u8 {
        let life = Some(life);
        let sent = |number: u8| {
            let kills = self.marks.is_kill_requested(life);
            i32::from(number) == self.stop_signal || kills && number == KILL
        };
        let by_signal = match exit {
            Exit::Signal(number) => sent(number),
            Exit::Code(code) => code > 128 && sent(code - 128),
        };
        let is_excused = !(interrupts && self.marks.interrupted == life);
        let by_stop = self.was_stopped(life) && (is_excused || by_signal);
        if by_stop || self.rules.is_good(exit) { 0 } else { exit.shell_status() }
    }
}

impl Supervisor {
    /// The exit code of the run in the current state.
    pub(super) fn exit_code(&self) -> u8 {
        if let Some(exit) = self.exit_from.and_then(|id| self.procs[id].last.exit) {
            return exit.shell_status();
        }
        let procs = || self.procs.iter().filter(|proc| !proc.planned.is_action);
        let highest = procs().map(|proc| proc.last.status).max().unwrap_or(0);
        let failed = procs()
            .any(|proc| proc.failures.broken.is_some() || proc.skip.is_some() || proc.is_stuck());
        highest.max(self.worst).max(u8::from(failed))
    }

    /// The process that causes the exit code: none if the code is 0, does not come from a process, or
    /// comes from the process of `--exit-code-from`.
    pub fn decider(&self) -> Option<Decider> {
        let code = self.exit_code();
        // Prefer the culprit: its exit is the reason for all others.
        let culprit = self.culprit.as_ref().map(|culprit| culprit.id);
        if self.exit_from.is_some() {
            return None;
        }
        let id = culprit.into_iter().chain(ProcId::all(&self.procs)).find(|id| {
            let proc = &self.procs[*id];
            code != 0 && proc.last.status == code && !proc.planned.is_action
        })?;
        let proc = &self.procs[id];
        let exit = proc.last.exit?;
        let life = proc.current_life();
        let interrupted = proc.marks.interrupted == life && proc.was_stopped(life);
        Some(Decider { name: proc.name.clone(), exit, interrupted })
    }
}
