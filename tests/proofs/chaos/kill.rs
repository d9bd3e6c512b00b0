//! Kills parts of a run.

use crate::chaos::action_log::now;
use crate::chaos::config::CONFIGURED;
use crate::chaos::context::{Context, deadline};
use crate::chaos::model::Desired;
use crate::chaos::step::{Victim, WRITERS};
use crate::harness::{eventually_within, procs};

/// Exit codes of views when tmux, and with it every terminal, is gone: the run fails, or the view died of
/// SIGHUP or of a failed write before.
const TMUX_CODES: &[i32] = &[1, 101, 129, 137];

impl Context<'_> {
    pub(crate) fn kill_victim(&mut self, victim: Victim, choice: u64) {
        match victim {
            Victim::Supervisor => self.kill_parts(&["supervise"]),
            Victim::Guardian => self.kill_parts(&["guard"]),
            Victim::Both if choice.is_multiple_of(2) => self.kill_parts(&["guard", "supervise"]),
            Victim::Both => self.kill_parts(&["supervise", "guard"]),
            Victim::View => self.kill_one("start", choice),
            Victim::Client => {
                let verb = if choice.is_multiple_of(2) { "echo" } else { "logs" };
                self.kill_one(verb, choice);
            }
            Victim::Sink(name) if CONFIGURED.contains(&name) => self.kill_configured(name, "sink"),
            Victim::Sink(name) => {
                if let Some(pid) = self.world.pane_part("sink", name) {
                    kill(pid);
                }
            }
            Victim::Shim(name) => self.kill_shim(name),
            Victim::Process(name) if CONFIGURED.contains(&name) => {
                self.kill_configured(name, "process");
            }
            Victim::Process(name) if self.config.is_always_restarted(name) => {
                if let Some(pid) = self.main_process(name) {
                    self.expect_restart(name);
                    kill(pid);
                }
            }
            Victim::Process(name) => {
                let Some(pid) = self.main_process(name) else { return };
                let certain = self.is_running(name);
                self.disturb();
                self.actions.abrupt_ends.push(now());
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
                        self.actions.abrupt_ends.push(now());
                        self.disturb();
                        self.model.ends(false, &[0, 137]);
                    }
                }
            }
            Victim::Tmux => {
                let Some(pid) = self.tmux_server() else { return };
                self.disturb();
                self.actions.abrupt_ends.push(now());
                for name in WRITERS {
                    self.allow_lost_end(name);
                }
                kill(pid);
                let certain = self.model.certain();
                self.model.ends(certain, TMUX_CODES);
            }
        }
    }

    /// Kill supervisor or guardian, one right after the other.
    fn kill_parts(&mut self, verbs: &[&str]) {
        // A view may have started another one by the time it is looked.
        let guarded = self.world.part("guard").is_some();
        let pids: Vec<u32> = verbs.iter().filter_map(|verb| self.world.part(verb)).collect();
        self.actions.supervisor_kills.push(now());
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
            self.model.supervision_uncertain = true;
            if self.model.starting {
                self.model.unsure();
            }
        }
    }

    /// Commands that try only once may fail because no supervisor answers.
    fn soften(&mut self) {
        let insists = ["stop", "restart", "quit", "kill"];
        self.accept_any_result(|running| {
            !insists.iter().any(|verb| running.what.starts_with(verb))
        });
    }

    /// Kill a tmo of this verb.
    fn kill_one(&mut self, verb: &str, choice: u64) {
        let is_it = |p: &procs::Proc| p.args.get(1).is_some_and(|arg| arg == verb);
        let all: Vec<_> = self.world.living().into_iter().filter(is_it).collect();
        if all.is_empty() {
            return;
        }
        let chosen = &all[usize::try_from(choice % all.len() as u64).unwrap()];
        self.log(format!("      ({} is {})", chosen.pid, chosen.args[1..].join(" ")));
        if let Some(running) = self.running.iter_mut().find(|r| r.child.id() == chosen.pid) {
            running.killed = true;
        }
        if verb == "start"
            && (self.model.supervision_uncertain
                || !self.model.certain()
                || !self.all_are_settled())
        {
            // It may have been about to begin a run, or to save one.
            self.disturb();
            self.model.unsure();
            self.model.supervision_uncertain = true;
            self.abandoned = true;
        }
        kill(chosen.pid);
        self.reap();
    }

    /// Kill a part of a configured process: the configuration says what follows.
    fn kill_configured(&mut self, name: &'static str, part: &str) {
        let pid = match part {
            "process" => self.main_process(name),
            part => self.world.pane_part(part, name),
        };
        let Some(pid) = pid else { return };
        self.disturb_process(name);
        kill(pid);
    }

    /// A process that is always restarted is about to end.
    pub(crate) fn expect_restart(&mut self, name: &'static str) {
        self.actions.record_kill(name);
        self.accept_any_result(|running| running.changes.contains(&name));
        if !self.is_running(name) || self.model.starting {
            // Another command may be about to stop it, or it is the first to start.
            self.model.want(&[name], Desired::Either);
        }
    }

    fn kill_shim(&mut self, name: &'static str) {
        if CONFIGURED.contains(&name) {
            return self.kill_configured(name, "shim");
        }
        let Some(pid) = self.world.pane_part("shim", name) else { return };
        if self.config.is_always_restarted(name) {
            self.allow_lost_end(name);
            self.expect_restart(name);
            return kill(pid);
        }
        let certain = self.is_running(name);
        let idle = self.model.certain()
            && self.model.desired[name] == Desired::Stopped
            && !self.changing(name);
        self.allow_lost_end(name);
        self.actions.record_kill(name);
        if !idle {
            self.disturb();
            self.actions.abrupt_ends.push(now());
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
