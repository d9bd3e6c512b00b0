//! Kills parts of a run.

use crate::book::now;
use crate::harness::{eventually_within, procs};
use crate::model::Wanted;
use crate::rules::RULED;
use crate::stage::{Stage, deadline};
use crate::step::{Victim, WRITERS};

/// What views may end with when tmux, and with it every terminal, has gone: the run fails, or
/// somebody has died of SIGHUP or of a failed write before.
const TMUX_CODES: &[i32] = &[1, 101, 129, 137];

impl Stage<'_> {
    pub(crate) fn slay(&mut self, victim: Victim, choice: u64) {
        match victim {
            Victim::Supervisor => self.slay_parts(&["supervise"]),
            Victim::Guardian => self.slay_parts(&["guard"]),
            Victim::Both if choice.is_multiple_of(2) => self.slay_parts(&["guard", "supervise"]),
            Victim::Both => self.slay_parts(&["supervise", "guard"]),
            Victim::View => self.slay_one("start", choice),
            Victim::Client => {
                let verb = if choice.is_multiple_of(2) { "echo" } else { "logs" };
                self.slay_one(verb, choice);
            }
            Victim::Sink(name) if RULED.contains(&name) => self.slay_ruled(name, "sink"),
            Victim::Sink(name) => {
                if let Some(pid) = self.world.pane_part("sink", name) {
                    kill(pid);
                }
            }
            Victim::Shim(name) => self.slay_shim(name),
            Victim::Process(name) if RULED.contains(&name) => self.slay_ruled(name, "process"),
            Victim::Process(name) if self.rules.is_kept(name) => {
                if let Some(pid) = self.main_process(name) {
                    self.revived(name);
                    kill(pid);
                }
            }
            Victim::Process(name) => {
                let Some(pid) = self.main_process(name) else { return };
                let certain = self.is_running(name);
                self.disturb();
                self.book.rough.push(now());
                kill(pid);
                self.model.ends(certain, &[137]);
            }
            Victim::Child(name) => {
                let main = self.main_process(name);
                let all: Vec<u32> = self.tree(name);
                let Some(at) = all.len().checked_sub(1) else { return };
                let pid = all[usize::try_from(choice).unwrap_or(0) % (at + 1)];
                if Some(pid) != main && main.is_some() {
                    kill(pid);
                    // A shell that waits for its child goes on, and may come to its end.
                    if name == "fork" {
                        self.book.rough.push(now());
                        self.disturb();
                        self.model.ends(false, &[0, 137]);
                    }
                }
            }
            Victim::Tmux => {
                let Some(pid) = self.tmux_server() else { return };
                self.disturb();
                self.book.rough.push(now());
                for name in WRITERS {
                    self.excuse(name);
                }
                kill(pid);
                let certain = self.model.certain();
                self.model.ends(certain, TMUX_CODES);
            }
        }
    }

    /// Kill parts of the machinery, one right after the other.
    fn slay_parts(&mut self, verbs: &[&str]) {
        // A view may have started another one by the time it is looked.
        let guarded = self.world.part("guard").is_some();
        let pids: Vec<u32> = verbs.iter().filter_map(|verb| self.world.part(verb)).collect();
        self.book.slain.push(now());
        for &pid in &pids {
            procs::kill(pid, 9);
        }
        for pid in pids {
            gone(pid);
        }
        if verbs == ["guard"] {
            // Whoever is just starting may miss it.
            self.soften();
            return;
        }
        // Requests of `stop`, `restart`, `quit` and `kill` outlive a supervisor, others do not.
        self.soften();
        if verbs.len() > 1 || !guarded {
            self.disturb();
            self.model.shaky = true;
            if self.model.starting {
                self.model.unsure();
            }
        }
    }

    /// What asks once only may be told that nobody answers.
    fn soften(&mut self) {
        let insists = ["stop", "restart", "quit", "kill"];
        self.loosen(|running| !insists.iter().any(|verb| running.what.starts_with(verb)));
    }

    /// Kill a tmo of this verb.
    fn slay_one(&mut self, verb: &str, choice: u64) {
        let is_it = |p: &procs::Proc| p.args.get(1).is_some_and(|arg| arg == verb);
        let all: Vec<_> = self.world.living().into_iter().filter(is_it).collect();
        if all.is_empty() {
            return;
        }
        let chosen = &all[usize::try_from(choice % all.len() as u64).unwrap()];
        self.tell(format!("      ({} is {})", chosen.pid, chosen.args[1..].join(" ")));
        if let Some(running) = self.running.iter_mut().find(|r| r.child.id() == chosen.pid) {
            running.slain = true;
        }
        if verb == "start" && (self.model.shaky || !self.model.certain() || !self.all_are_settled())
        {
            // It may have been about to begin a run, or to save one.
            self.disturb();
            self.model.unsure();
            self.model.shaky = true;
            self.abandoned = true;
        }
        kill(chosen.pid);
        self.reap();
    }

    /// Kill one that is looked after by rules: what follows is said there.
    fn slay_ruled(&mut self, name: &'static str, part: &str) {
        let pid = match part {
            "process" => self.main_process(name),
            part => self.world.pane_part(part, name),
        };
        let Some(pid) = pid else { return };
        self.upset(name);
        kill(pid);
    }

    /// One that is started again whatever ends it is about to end.
    pub(crate) fn revived(&mut self, name: &'static str) {
        self.book.hit(name);
        self.loosen(|running| running.changes.contains(&name));
        if !self.is_running(name) || self.model.starting {
            // It may be about to be stopped by somebody else, or is the first to begin.
            self.model.want(&[name], Wanted::Either);
        }
    }

    fn slay_shim(&mut self, name: &'static str) {
        if RULED.contains(&name) {
            return self.slay_ruled(name, "shim");
        }
        let Some(pid) = self.world.pane_part("shim", name) else { return };
        if self.rules.is_kept(name) {
            self.excuse(name);
            self.revived(name);
            return kill(pid);
        }
        let certain = self.is_running(name);
        let idle = self.model.certain()
            && self.model.wanted[name] == Wanted::Stopped
            && !self.changing(name);
        self.excuse(name);
        self.book.hit(name);
        if !idle {
            self.disturb();
            self.book.rough.push(now());
        }
        kill(pid);
        if !idle {
            self.model.ends(certain, &[137]);
        }
    }
}

/// SIGKILL, and wait until it is gone.
fn kill(pid: u32) {
    procs::kill(pid, 9);
    gone(pid);
}

fn gone(pid: u32) {
    eventually_within(deadline(), "the killed is gone", || (!procs::alive(pid)).then_some(()));
}
