//! The exit code of the run: the highest contribution of the processes, each judged by its last life.

use super::Supervisor;
use crate::model::{Exit, ProcId};

/// Signal number of SIGKILL (POSIX gives it this number).
pub(super) const KILL: u8 = 9;

/// Whether a life was asked to stop before it ended, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It was not asked; it ended by itself.
    None,
    /// A user asked, or another process failed: its exit code does not count as a failure.
    Excused,
    /// Another process ended with success, and everything stops because of that.
    Interrupted {
        /// The stop signal.
        signal: i32,
        /// SIGKILL was sent as well.
        kill_requested: bool,
    },
}

/// The contribution of the last life of a process. `success`: this exit counts as a success
/// for the process.
pub(super) fn contribution(exit: Exit, success: bool, stop: StopReason) -> u8 {
    let by_stop = match stop {
        StopReason::None => false,
        StopReason::Excused => true,
        StopReason::Interrupted { signal, kill_requested } => {
            let sent = |number: u8| i32::from(number) == signal || kill_requested && number == KILL;
            match exit {
                Exit::Signal(number) => sent(number),
                Exit::Code(code) => code > 128 && sent(code - 128),
            }
        }
    };
    if success || by_stop { 0 } else { exit.shell_status() }
}

/// The process whose last life gives the run its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decider {
    /// Which.
    pub id: ProcId,
    /// How it ended.
    pub exit: Exit,
    /// It was stopped because another process ended with success.
    pub interrupted: bool,
}

impl Supervisor {
    /// The exit code of the run in the current state.
    pub(super) fn exit_code(&self) -> u8 {
        if let Some(exit) = self.exit_from.and_then(|id| self.procs[id].last_exit) {
            return exit.shell_status();
        }
        let highest = self.procs.iter().map(|proc| proc.status).max().unwrap_or(0);
        let failed = self
            .procs
            .iter()
            .any(|proc| proc.broken.is_some() || proc.skip.is_some() || proc.is_stuck());
        highest.max(self.worst).max(u8::from(failed))
    }

    /// The process that causes the exit code: none if the code is 0, does not come from a process, or
    /// comes from the process of `--exit-code-from`.
    pub fn decider(&self) -> Option<Decider> {
        let code = self.exit_code();
        let found = |id: &ProcId| code != 0 && self.procs[*id].status == code;
        // Prefer the culprit: its exit is the reason for all others.
        let culprit = self.culprit.as_ref().map(|culprit| culprit.id);
        if self.exit_from.is_some() {
            return None;
        }
        let id = culprit.into_iter().chain(ProcId::all(&self.procs)).find(found)?;
        let proc = &self.procs[id];
        let exit = proc.last_exit?;
        let life = proc.current_life();
        let interrupted = proc.interrupted == life && proc.was_stopped(life);
        Some(Decider { id, exit, interrupted })
    }
}
