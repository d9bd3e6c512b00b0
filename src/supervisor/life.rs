//! What a pane tells: its shim's entries, and the end of the shim itself.

use super::exit_code::{KILL, Stop, contribution};
use super::{Course, Crash, Effect, Goal, Pane, Phase, Proc, Supervisor};
use crate::model::event::{Note, RunProblem, ShimGone, Trouble, What};
use crate::model::member::Member;
use crate::model::rules::Stage;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcId};
use crate::protocol::life::{Entry, LifeEvent};

/// How a life counts that could not be begun: as with a shell, a command that can't be run.
const NOT_BEGUN: Exit = Exit::Code(126);
/// So many shims in a row may end before they have begun a life.
pub(super) const MOST_LOST: u8 = 3;

impl Supervisor {
    pub(super) fn on_entry(&mut self, id: ProcId, entry: Entry, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        if entry.seq <= proc.seen {
            return;
        }
        proc.seen = entry.seq;
        let at = entry.at;
        match entry.event {
            LifeEvent::Up { pid, start_time, pane, .. } => {
                self.up(id, Pane::Up { shim: pid, start_time, id: pane }, out);
            }
            LifeEvent::Start { life, pid, .. } => self.started(id, (life, pid), at, out),
            LifeEvent::Hangup {} => self.hung_up(id, at, out),
            LifeEvent::Killing { life } => self.killing(id, life, out),
            LifeEvent::Exit { life, exit, error, .. } => {
                self.exited(id, (life, exit), at, out);
                if let Some(error) = error {
                    self.procs[id].note = Some(Note::Text(error));
                }
            }
            LifeEvent::Leftovers { members, .. } => {
                out.push(Effect::Say(Some(id), What::Leftovers { members }));
            }
            LifeEvent::End { life, spared } => self.ended(id, (life, at), &spared, out),
            LifeEvent::Stuck { life, members } => self.stuck(id, (life, at), members, out),
            LifeEvent::Skipped { life } => self.skipped(id, life, at, out),
            LifeEvent::Stopping { life, .. } => self.procs[id].was_signalled(Some(life)),
            LifeEvent::Unmarked { .. } => {}
            LifeEvent::Down {} => self.went_down(id, at, out),
            LifeEvent::Trouble { message } => {
                let what = Trouble::Text(message.clone());
                out.push(Effect::Say(Some(id), What::Trouble { what }));
                self.procs[id].note = Some(Note::Text(message));
            }
        }
    }

    /// A shim is there. Unless tmo has opened its pane, a person had tmux start what was in it
    /// again, which means: restart.
    fn up(&mut self, id: ProcId, pane: Pane, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        let by_hand = proc.pane == Pane::None && proc.phase != Phase::Pending;
        // One whose life file somebody has removed says once more that it is there.
        proc.heard &= proc.pane == pane;
        proc.pane = pane;
        if by_hand && !proc.alive() && !proc.planned.removed() && self.course == Course::Keep {
            proc.goal = Goal::Run;
            proc.retired = false;
            proc.forgive();
            proc.life = Some(LifeId::after(proc.life.max(proc.current_life())));
            out.push(Effect::Say(Some(id), What::Restarting));
        }
    }

    pub(super) fn pane_ready(&mut self, id: ProcId, now: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        proc.heard = true;
        if let Some(life) = proc.life
            && proc.is_to_begin()
            && !proc.alive()
            && !proc.held
        {
            proc.phase = Phase::Starting { life };
            proc.since = now;
        }
        self.want(id, out);
    }

    fn started(
        &mut self,
        id: ProcId,
        (life, pid): (LifeId, u32),
        at: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        if Some(life) < proc.current_life() {
            return;
        }
        // A life file that was begun anew may tell of it once more.
        if !matches!(proc.phase, Phase::Running { life: known, .. } if known == life) {
            proc.begun = proc.begun.saturating_add(1);
        }
        proc.phase = Phase::Running { life, pid };
        proc.last_pid = Some(pid);
        proc.lost = 0;
        proc.since = at;
        proc.note = None;
        proc.skip = None;
        self.began(id, at, out);
    }

    /// It was told to stop before it had begun: there is no exit to tell of. If it was not, its
    /// shim could not begin it, which is the failure of the process.
    fn skipped(&mut self, id: ProcId, life: LifeId, at: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        proc.skipped = proc.skipped.max(Some(life));
        let wanted = proc.goal == Goal::Run && proc.life == Some(life);
        if wanted && matches!(proc.phase, Phase::Starting { life: current } if current == life) {
            self.exited(id, (life, NOT_BEGUN), at, out);
            self.procs[id].over(life, NOT_BEGUN, false, at);
        } else if matches!(proc.phase, Phase::Starting { life: current } if current <= life) {
            proc.over(life, Exit::Code(0), true, at);
        }
    }

    /// A person closed the window, which means: stop it.
    fn hung_up(&mut self, id: ProcId, at: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        if proc.alive() && proc.told < proc.current_life() {
            proc.told = proc.current_life();
            proc.note_request(at);
            proc.goal = Goal::Stop;
            proc.was_signalled(proc.told);
            if proc.swept {
                // What was to be cleaned up is not.
                self.worst = self.worst.max(1);
            }
            out.push(Effect::Say(Some(id), What::Hangup));
        }
    }

    fn killing(&mut self, id: ProcId, life: LifeId, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        proc.was_signalled(Some(life));
        if proc.killed < Some(life) {
            proc.killed = Some(life);
            out.push(Effect::Say(Some(id), What::Killing));
        }
    }

    fn exited(
        &mut self,
        id: ProcId,
        (life, exit): (LifeId, Exit),
        at: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        if Some(life) < proc.current_life() {
            return;
        }
        let asked = proc.told >= Some(life);
        let started = proc.since;
        let ran = at.since(started);
        proc.phase = Phase::Ending { life, exit };
        (proc.since, proc.ran) = (at, ran);
        let stop = proc.stop_of(Some(life), self.interrupts);
        proc.status = contribution(exit, proc.rules.is_good(exit), stop);
        proc.last_exit = Some(exit);
        let again = proc.goal == Goal::Run && proc.life > Some(life);
        let crashed = proc.failed == Some(life) || !asked && !again && !proc.rules.is_good(exit);
        proc.tally.count(exit, crashed);
        if !again && !asked {
            self.ended_by_itself(id, (exit, at, ran), out);
        }
        let proc = &self.procs[id];
        if !asked && proc.swept && proc.rules.stage == Stage::Cleanup && proc.status != 0 {
            let why = RunProblem::CleanupEnded { on: proc.name.clone(), exit };
            out.push(Effect::Say(None, What::Failed { why }));
        }
        if crashed {
            out.push(Effect::Crashed(Crash { id, life, exit, started, ended: at }));
        }
    }

    fn ended(
        &mut self,
        id: ProcId,
        (life, at): (LifeId, Timestamp),
        spared: &[Member],
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        let ends = matches!(proc.phase, Phase::Ending { .. } | Phase::Stuck { .. });
        if !ends || proc.current_life() != Some(life) {
            return;
        }
        let exit = proc.phase.exit().unwrap_or(Exit::Signal(KILL));
        proc.over(life, exit, proc.told >= Some(life), at);
        if !spared.is_empty() {
            out.push(Effect::Say(Some(id), What::Spared { members: spared.to_vec() }));
        }
    }

    fn stuck(
        &mut self,
        id: ProcId,
        (life, at): (LifeId, Timestamp),
        members: Vec<Member>,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        if Some(life) < proc.current_life() {
            return;
        }
        proc.note = Some(Note::Stuck(members.clone()));
        proc.phase = Phase::Stuck { life, members: members.clone() };
        proc.since = at;
        out.push(Effect::Say(Some(id), What::Stuck { members }));
    }

    fn went_down(&mut self, id: ProcId, at: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        if matches!(proc.phase, Phase::Starting { .. }) {
            // It was going already when it was asked for this life, so another one may begin it.
            proc.phase = Phase::Pending;
            proc.since = at;
        }
        if proc.goal == Goal::Run && proc.life <= proc.current_life() && proc.due.is_none() {
            proc.goal = Goal::Stop;
        }
        if proc.is_closed() {
            out.push(Effect::Close(id));
        }
        if self.procs[id].is_to_begin() {
            self.lost_before_it_began(id, at, out);
        }
        self.reopen(id, out);
    }

    /// A shim has ended before it had begun the life that is wanted. Another one may; but who does
    /// not come to anything so often will not the next time either, which is a failure.
    fn lost_before_it_began(&mut self, id: ProcId, now: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        if proc.lost < MOST_LOST {
            proc.lost += 1;
            if matches!(proc.phase, Phase::Starting { .. }) {
                proc.phase = Phase::Pending;
                proc.since = now;
            }
            return;
        }
        let Some(life) = proc.life else { return };
        proc.phase = Phase::Starting { life };
        proc.since = now;
        let what = ShimGone::BeforeBegin;
        proc.note = Some(Note::ShimGone(what.clone()));
        out.push(Effect::Say(Some(id), What::ShimGone { what }));
        let exit = Exit::Signal(KILL);
        self.exited(id, (life, exit), now, out);
        let proc = &mut self.procs[id];
        proc.since = now;
        proc.phase = Phase::Over { life, exit, asked: proc.told >= Some(life) };
    }

    /// The shim was killed. What was found of what it ran has been ended; there is no status to be
    /// had.
    pub(super) fn shim_gone(
        &mut self,
        id: ProcId,
        left: Vec<Member>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        let starting = matches!(proc.phase, Phase::Starting { .. });
        if starting && left.is_empty() || proc.is_to_begin() && !proc.alive() {
            self.lost_before_it_began(id, now, out);
        } else if let Some(life) = proc.current_life()
            && proc.alive()
        {
            let what = ShimGone::Killed { left: left.clone() };
            proc.note = Some(Note::ShimGone(what.clone()));
            out.push(Effect::Say(Some(id), What::ShimGone { what }));
            let exit = proc.phase.exit().unwrap_or(Exit::Signal(KILL));
            if proc.phase.exit().is_none() {
                // The order is unknown: the shim that recorded it is gone.
                proc.was_signalled(proc.told.min(Some(life)));
                self.exited(id, (life, exit), now, out);
            }
            let proc = &mut self.procs[id];
            proc.since = now;
            proc.phase = if left.is_empty() {
                Phase::Over { life, exit, asked: proc.told >= Some(life) }
            } else {
                // Nothing is begun beside what goes on: that is for a person to say.
                (proc.goal, proc.due) = (Goal::Stop, None);
                Phase::Stuck { life, members: left }
            };
        }
        self.reopen(id, out);
    }

    /// Open a pane where one is needed and none is there.
    pub(super) fn reopen(&mut self, id: ProcId, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        if proc.needs_pane() && !self.tmux_gone {
            proc.pane = Pane::Opening;
            out.push(Effect::Open(vec![id]));
        }
    }

    pub(super) fn no_pane(&mut self, id: ProcId, why: &str, now: Timestamp, out: &mut Vec<Effect>) {
        let proc = &mut self.procs[id];
        proc.pane = Pane::None;
        proc.goal = Goal::Stop;
        proc.due = None;
        proc.note = Some(Note::Text(why.to_owned()));
        proc.since = now;
        out.push(Effect::Say(Some(id), What::NoPane { why: why.to_owned() }));
        // A run that lacks one of its processes does not begin; one that had begun goes on.
        if self.procs[id].last_pid.is_none() && !self.procs[id].added {
            self.worst = self.worst.max(1);
            self.quit(out);
        }
    }
}

impl Proc {
    /// Nothing of this life is left. A later one is the shim's next step: if it is not wanted any
    /// more it may have begun all the same, and the shim says in either case what became of it. Of
    /// one whose turn has not come the shim knows nothing.
    fn over(&mut self, life: LifeId, exit: Exit, asked: bool, at: Timestamp) {
        let next = self.life > Some(life) && self.life > self.skipped && !self.held;
        self.phase = match self.life.filter(|_| next && matches!(self.pane, Pane::Up { .. })) {
            Some(life) => Phase::Starting { life },
            None => Phase::Over { life, exit, asked },
        };
        self.since = at;
    }

    /// Its shim has begun to end this life.
    fn was_signalled(&mut self, life: Option<LifeId>) {
        self.signalled = self.signalled.max(life);
    }

    /// Whether this life was asked to stop before it ended. A request that came to its shim too
    /// late has not stopped it; of a stop command, which comes before the stop signal, the shim
    /// does not know.
    pub(super) fn was_stopped(&self, life: Option<LifeId>) -> bool {
        let heard = self.signalled >= life || self.rules.stop_command.is_some();
        self.told >= life && heard
    }

    /// What has stopped this life, which has just ended.
    fn stop_of(&self, life: Option<LifeId>, interrupts: bool) -> Stop {
        if !self.was_stopped(life) {
            Stop::None
        } else if interrupts && self.interrupted == life {
            Stop::Interrupted { signal: self.stop_signal, killed: self.killed >= life }
        } else {
            Stop::Excused
        }
    }

    /// A life that was asked for and is not wanted any more may have begun unheard; then it ends
    /// because it was told to.
    pub(super) fn tell_the_next(&mut self) {
        if self.life > self.current_life() {
            self.told = self.told.max(self.life);
        }
    }
}
