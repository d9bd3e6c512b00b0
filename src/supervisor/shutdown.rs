//! Stopping everything.

use super::{Course, Effect, Goal, Pane, Phase, Supervisor, Word};

impl Supervisor {
    /// Ask everything to stop.
    pub(super) fn quit(&mut self, out: &mut Vec<Effect>) {
        if self.course != Course::Keep {
            return;
        }
        self.course = Course::Quit;
        for id in 0..self.procs.len() {
            let told = self.procs[id].told_to_stop() || self.main_gone(id);
            if !told {
                self.tell_to_stop(id, out);
            }
            self.procs[id].goal = Goal::Stop;
            self.procs[id].due = None;
            self.procs[id].tell_the_next();
            if self.procs[id].alive() {
                self.want(id, out);
            }
        }
    }

    /// End everything at once.
    pub(super) fn kill(&mut self, out: &mut Vec<Effect>) {
        if matches!(self.course, Course::Done { .. }) {
            return;
        }
        self.course = Course::Quit;
        for id in 0..self.procs.len() {
            let proc = &mut self.procs[id];
            proc.goal = Goal::Stop;
            proc.due = None;
            if !proc.alive() {
                continue;
            }
            let life = proc.current_life();
            proc.told = proc.told.max(life);
            proc.tell_the_next();
            if proc.killed < life {
                out.push(Word::of(id, "killing", "Killing..."));
            }
            // One that was asked for may have begun unheard.
            proc.killed = proc.life.max(life);
            self.want(id, out);
        }
    }

    fn main_gone(&self, id: usize) -> bool {
        matches!(self.procs[id].phase, Phase::Ending { .. })
    }

    pub(super) fn on_tmux_gone(&mut self, out: &mut Vec<Effect>) {
        if self.tmux_gone || matches!(self.course, Course::Done { .. }) {
            return;
        }
        self.tmux_gone = true;
        self.worst = self.worst.max(1);
        let text = "The tmux server is gone: ending everything";
        out.push(Word::error(None, "tmux-gone", text));
        for proc in &mut self.procs {
            if proc.pane == Pane::Opening {
                proc.pane = Pane::None;
            }
        }
        self.quit(out);
    }

    /// After every input: answer who can be answered, finish when nothing is left.
    pub(super) fn settle(&mut self, out: &mut Vec<Effect>) {
        if self.course == Course::Quit {
            let left = |proc: &super::Proc| {
                proc.alive() && !matches!(proc.phase, Phase::Stuck { .. })
                    || proc.pane == Pane::Opening && !self.tmux_gone
            };
            if !self.procs.iter().any(left) {
                let stuck = self.procs.iter().any(|p| matches!(p.phase, Phase::Stuck { .. }));
                let statuses = self.procs.iter().map(|proc| proc.status);
                let code = statuses.fold(self.worst.max(u8::from(stuck)), u8::max);
                self.course = Course::Done { code };
                self.answer(out);
                out.push(Effect::Finish(code));
                return;
            }
        }
        self.answer(out);
    }
}
