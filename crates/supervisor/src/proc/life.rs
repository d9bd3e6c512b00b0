//! Handling the reports from a pane: the entries of its shim, and the end of the shim itself.

use crate::exit_code::KILL;
use crate::model::event::{Note, RunProblem, ShimGone, Trouble, What};
use crate::model::ids::Member;
use crate::model::plan::rules::Stage;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId};
use crate::protocol::life::{LifeEntry, LifeEvent};
use crate::{Crash, Effect, Goal, LastLife, Pane, Phase, Proc, RunPhase, Supervisor};

/// The exit code of a life that could not be begun: the shell's code for a command that cannot be
/// run.
const NOT_BEGUN: Exit = Exit::Code(126);
/// This many shims in a row may end before they begin the requested life.
pub(crate) const MOST_LOST: u8 = 3;

impl Supervisor {
    pub(crate) fn on_entry(&mut self, id: ProcId, entry: LifeEntry, now: Timestamp) {
        let proc = &mut self.procs[id];
        if entry.seq <= proc.seen {
            return;
        }
        proc.seen = entry.seq;
        let at = entry.at;
        match entry.event {
            LifeEvent::Up { pid, start_time, pane, .. } => {
                self.up(id, Pane::Up { shim: pid, start_time, id: pane });
            }
            LifeEvent::Start { life, pid, .. } => self.started(id, life, pid, at, now),
            LifeEvent::Hangup {} => self.hung_up(id, at),
            LifeEvent::Killing { life } => self.killing(id, life),
            LifeEvent::Exit { life, exit, error, .. } => {
                self.exited(id, life, exit, at);
                if let Some(error) = error {
                    self.procs[id].note = Some(Note::Text(error));
                }
            }
            LifeEvent::Leftovers { members, .. } => {
                self.effects.push(Effect::Say(Some(id), What::Leftovers { members }));
            }
            LifeEvent::End { life, spared } => self.ended(id, life, at, &spared),
            LifeEvent::Stuck { life, members } => self.stuck(id, life, at, members),
            LifeEvent::Skipped { life } => self.skipped(id, life, at),
            LifeEvent::Stopping { life, .. } => self.procs[id].marks.was_signalled(Some(life)),
            LifeEvent::Ready { life } => self.reported_ready(id, life, at),
            // The engine has passed it on as the result of a liveness check.
            LifeEvent::Watchdog { .. } | LifeEvent::Unmarked { .. } => {}
            LifeEvent::Down {} => self.went_down(id, at),
            LifeEvent::Trouble { message } => {
                let what = Trouble::Text(message.clone());
                self.effects.push(Effect::Say(Some(id), What::Trouble { what }));
                self.procs[id].note = Some(Note::Text(message));
            }
        }
    }

    /// A shim has started. If tmo did not open its pane, the user has respawned it in tmux; that
    /// counts as a request to restart.
    fn up(&mut self, id: ProcId, pane: Pane) {
        let proc = &mut self.procs[id];
        let by_hand = proc.pane == Pane::None && proc.phase != Phase::Pending;
        // A shim whose life file was removed repeats its `Up` entry; its sink is still there.
        proc.recorded &= proc.pane == pane;
        proc.pane = pane;
        if by_hand && !proc.alive() && !proc.planned.removed && self.run_phase == RunPhase::Running
        {
            proc.goal = Goal::Run;
            proc.retired = false;
            proc.forgive();
            proc.life = proc.life.max(proc.current_life());
            proc.request_next_life();
            self.effects.push(Effect::Say(Some(id), What::Restarting));
        }
    }

    pub(crate) fn pane_ready(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        proc.recorded = true;
        if let Some(life) = proc.life
            && proc.is_to_begin()
            && !proc.alive()
            && !proc.waiting
        {
            proc.enter(Phase::Starting { life }, now);
        }
        self.want(id);
    }

    fn started(&mut self, id: ProcId, life: LifeId, pid: u32, at: Timestamp, now: Timestamp) {
        let proc = &mut self.procs[id];
        let installs = proc.installs_in(Some(life));
        // A life file that was removed and started again may report the same life once more.
        let is_known = matches!(proc.phase, Phase::Running { life: known, .. } if known == life);
        if !installs && !is_known {
            proc.begun = proc.begun.saturating_add(1);
        }
        // It had begun before a later life, of which nothing is known yet, was requested.
        let only_requested = matches!(proc.phase, Phase::Starting { .. });
        if Some(life) < proc.current_life() && !only_requested {
            return;
        }
        if installs {
            return self.installation_began(id, life, pid, at);
        }
        proc.phase = Phase::Running { life, pid };
        proc.last.pid = Some(pid);
        proc.restarts.lost_shims = 0;
        proc.since = at;
        proc.note = None;
        proc.skip = None;
        if let Some(watch) = &proc.rules.watch {
            proc.watching.life_began(self.monotonic - now.since(at), watch.run.is_some());
        }
        self.began(id, at);
    }

    /// The shim will not begin this life. If the life is not wanted any more there is no exit to
    /// report. Otherwise the shim could not begin it, which counts as a failure of the process.
    fn skipped(&mut self, id: ProcId, life: LifeId, at: Timestamp) {
        let proc = &mut self.procs[id];
        proc.marks.skipped = proc.marks.skipped.max(Some(life));
        let wanted = proc.goal == Goal::Run && proc.life == Some(life);
        if wanted && matches!(proc.phase, Phase::Starting { life: current } if current == life) {
            self.exited(id, life, NOT_BEGUN, at);
            let proc = &mut self.procs[id];
            proc.over(life, NOT_BEGUN, proc.end_was_intended(life), at);
        } else if matches!(proc.phase, Phase::Starting { life: current } if current <= life) {
            proc.over(life, Exit::Code(0), true, at);
        }
    }

    /// The user has closed the window, which is a request to stop the process.
    fn hung_up(&mut self, id: ProcId, at: Timestamp) {
        let proc = &mut self.procs[id];
        if proc.alive() && proc.marks.request_stop(proc.current_life()) {
            proc.note_request(at);
            proc.goal = Goal::Stop;
            proc.marks.was_signalled(proc.marks.stop_requested);
            if proc.for_cleanup {
                // The cleanup is incomplete.
                self.worst = self.worst.max(1);
            }
            self.effects.push(Effect::Say(Some(id), What::Hangup));
        }
    }

    fn killing(&mut self, id: ProcId, life: LifeId) {
        let proc = &mut self.procs[id];
        proc.marks.was_signalled(Some(life));
        if proc.marks.request_kill(Some(life)) {
            self.effects.push(Effect::Say(Some(id), What::Killing));
        }
    }

    fn exited(&mut self, id: ProcId, life: LifeId, exit: Exit, at: Timestamp) {
        let proc = &mut self.procs[id];
        if Some(life) < proc.current_life() {
            return;
        }
        if proc.installs_in(Some(life)) {
            return self.installation_ended(id, life, exit, at);
        }
        if proc.is_to_stop() {
            // It was to be stopped anyway.
            proc.marks.request_stop(Some(life));
        }
        let asked = proc.marks.is_stop_requested(Some(life));
        let started = proc.since;
        proc.phase = Phase::Ending { life, exit };
        proc.since = at;
        let (ran, status) = (at.since(started), proc.contribution(life, exit, self.interrupts));
        proc.last = LastLife { ran, exit: Some(exit), status, ..proc.last };
        let again = proc.goal == Goal::Run && proc.life > Some(life);
        let crashed =
            proc.marks.failed == Some(life) || !asked && !again && !proc.rules.is_good(exit);
        proc.exit_stats.count(exit, crashed);
        if !again && !asked {
            self.ended_by_itself(id, exit);
        }
        let proc = &self.procs[id];
        if !asked && proc.for_cleanup && proc.rules.stage == Stage::Cleanup && proc.last.status != 0
        {
            let why = RunProblem::CleanupEnded { on: proc.name.clone(), exit };
            self.effects.push(Effect::Say(None, What::Failed { why }));
        }
        if crashed {
            self.effects.push(Effect::Crashed(Crash { id, life, exit, started, ended: at }));
        }
    }

    fn ended(&mut self, id: ProcId, life: LifeId, at: Timestamp, spared: &[Member]) {
        let proc = &mut self.procs[id];
        let ends = matches!(proc.phase, Phase::Ending { .. } | Phase::Stuck { .. });
        if !ends || proc.current_life() != Some(life) {
            return;
        }
        let exit = proc.phase.exit().unwrap_or(Exit::Signal(KILL));
        proc.over(life, exit, proc.end_was_intended(life), at);
        if !spared.is_empty() {
            self.effects.push(Effect::Say(Some(id), What::Spared { members: spared.to_vec() }));
        }
    }

    fn stuck(&mut self, id: ProcId, life: LifeId, at: Timestamp, members: Vec<Member>) {
        let proc = &mut self.procs[id];
        if Some(life) < proc.current_life() {
            return;
        }
        proc.note = Some(Note::Stuck(members.clone()));
        proc.enter(Phase::Stuck { life, members: members.clone() }, at);
        self.effects.push(Effect::Say(Some(id), What::Stuck { members }));
    }

    fn went_down(&mut self, id: ProcId, at: Timestamp) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        if matches!(proc.phase, Phase::Starting { .. }) {
            // The shim was exiting already when this life was requested, so another shim may begin
            // it.
            proc.enter(Phase::Pending, at);
        }
        if proc.goal == Goal::Run && proc.life <= proc.current_life() && proc.restarts.due.is_none()
        {
            proc.goal = Goal::Stop;
        }
        if proc.is_closed() {
            self.effects.push(Effect::Close(id));
        }
        if self.procs[id].is_to_begin() {
            self.lost_before_it_began(id, at);
        }
        self.reopen(id);
    }

    /// A shim has ended before it began the requested life. Try another one; but after several such
    /// shims in a row give up and count a failure.
    fn lost_before_it_began(&mut self, id: ProcId, now: Timestamp) {
        let proc = &mut self.procs[id];
        if proc.restarts.lost_shims < MOST_LOST {
            proc.restarts.lost_shims += 1;
            if matches!(proc.phase, Phase::Starting { .. }) {
                proc.enter(Phase::Pending, now);
            }
            return;
        }
        let Some(life) = proc.life else { return };
        proc.enter(Phase::Starting { life }, now);
        let what = ShimGone::BeforeBegin;
        proc.note = Some(Note::ShimGone(what.clone()));
        self.effects.push(Effect::Say(Some(id), What::ShimGone { what }));
        let exit = Exit::Signal(KILL);
        self.exited(id, life, exit, now);
        let proc = &mut self.procs[id];
        proc.enter(Phase::Over { life, exit, asked: proc.end_was_intended(life) }, now);
    }

    /// The shim was killed. The processes found of its process tree have been ended; their exit
    /// status is unknown.
    pub(crate) fn shim_gone(&mut self, id: ProcId, left: Vec<Member>, now: Timestamp) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        let starting = matches!(proc.phase, Phase::Starting { .. });
        if starting && left.is_empty() || proc.is_to_begin() && !proc.alive() {
            self.lost_before_it_began(id, now);
        } else if let Some(life) = proc.current_life()
            && proc.alive()
        {
            let what = ShimGone::Killed { left: left.clone() };
            proc.note = Some(Note::ShimGone(what.clone()));
            self.effects.push(Effect::Say(Some(id), What::ShimGone { what }));
            let exit = proc.phase.exit().unwrap_or(Exit::Signal(KILL));
            if proc.phase.exit().is_none() {
                // Whether the process ended before or after the request to stop is unknown, because
                // the shim that recorded it is gone.
                proc.marks.was_signalled(proc.marks.stop_requested.min(Some(life)));
                self.exited(id, life, exit, now);
            }
            let proc = &mut self.procs[id];
            proc.since = now;
            proc.phase = if left.is_empty() {
                Phase::Over { life, exit, asked: proc.end_was_intended(life) }
            } else {
                // Do not start a new life next to processes that are still alive; a user has to
                // decide that.
                (proc.goal, proc.restarts.due) = (Goal::Stop, None);
                Phase::Stuck { life, members: left }
            };
        }
        self.reopen(id);
    }

    /// Open a pane if the process needs one and has none.
    pub(crate) fn reopen(&mut self, id: ProcId) {
        let proc = &mut self.procs[id];
        if proc.needs_pane() && !self.tmux_gone {
            proc.pane = Pane::Opening;
            self.effects.push(Effect::Open(vec![id]));
        }
    }

    pub(crate) fn no_pane(&mut self, id: ProcId, why: &str, now: Timestamp) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        proc.goal = Goal::Stop;
        proc.restarts.due = None;
        proc.note = Some(Note::Text(why.to_owned()));
        proc.since = now;
        self.effects.push(Effect::Say(Some(id), What::NoPane { why: why.to_owned() }));
        self.could_not_start(id, why);
    }

    /// A run that can't start one of its processes does not start; one that has started continues.
    pub(crate) fn could_not_start(&mut self, id: ProcId, why: &str) {
        let proc = &self.procs[id];
        if proc.last.pid.is_some() || proc.added {
            return;
        }
        self.worst = self.worst.max(1);
        if self.run_phase == RunPhase::Running {
            let why = RunProblem::NotStarted { on: proc.name.clone(), why: why.to_owned() };
            self.start_problem = Some(why.clone());
            self.effects.push(Effect::Say(None, What::Failed { why }));
            self.quit();
        }
    }
}

impl Proc {
    pub(crate) fn enter(&mut self, phase: Phase, at: Timestamp) {
        self.phase = phase;
        self.since = at;
    }

    /// Nothing is left of this life. If a later life was requested, the shim deals with it next: even
    /// if that is no longer wanted it may have begun already, and the shim reports its outcome either
    /// way. A life that is held back is unknown to the shim.
    fn over(&mut self, life: LifeId, exit: Exit, asked: bool, at: Timestamp) {
        let next = self.life > Some(life) && self.life > self.marks.skipped && !self.waiting;
        self.phase = match self.life.filter(|_| next && matches!(self.pane, Pane::Up { .. })) {
            Some(life) => Phase::Starting { life },
            None => Phase::Over { life, exit, asked },
        };
        self.since = at;
    }

    /// Whether this life was requested to stop, or was an installation, which always ends.
    fn end_was_intended(&self, life: LifeId) -> bool {
        self.marks.is_stop_requested(Some(life)) || self.installs_in(Some(life))
    }

    /// Whether this life was asked to stop before it ended. A request that reached the shim too late
    /// has not stopped it. A stop command runs before the stop signal and is unknown to the shim.
    pub(crate) fn was_stopped(&self, life: Option<LifeId>) -> bool {
        let heard = self.marks.signalled >= life || self.rules.stop_command.is_some();
        self.marks.is_stop_requested(life) && heard
    }

    /// Mark a requested life that is no longer wanted as asked to stop: it may have begun without our
    /// knowledge, and its exit is then the result of our request.
    pub(crate) fn mark_requested_life_stopped(&mut self) {
        if self.life > self.current_life() {
            self.marks.request_stop(self.life);
        }
    }
}
