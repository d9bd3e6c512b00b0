//! Doing one step.

use crate::harness::{eventually_within, procs};
use crate::model::{Course, Wanted};
use crate::programs::BY_ITSELF;
use crate::stage::{Kind, Stage, deadline};
use crate::step::{Action, Shown, Step, TALK, Typed, Victim, Who};

/// What views may end with when tmux, and with it every terminal, has gone: the run fails, or
/// somebody has died of SIGHUP or of a failed write before.
const TMUX_CODES: &[i32] = &[1, 101, 129, 137];

impl Stage<'_> {
    pub(crate) fn act(&mut self, step: &Step) {
        let anyway = matches!(
            step.action,
            Action::Start | Action::Daemon | Action::Terminal(..) | Action::Check
        );
        if !anyway && self.model.course == Course::Ends && !step.choice.is_multiple_of(4) {
            self.look();
        }
        if !anyway && self.model.course == Course::Down {
            self.tell("      (a run is begun)");
            self.daemon(true);
        }
        match step.action {
            Action::Start => self.start(step.wait),
            Action::Daemon => self.daemon(step.wait),
            Action::Stop(who) => self.change("stop", who, Wanted::Stopped, step.wait),
            Action::Restart(who) => self.change("restart", who, Wanted::Running, step.wait),
            Action::StartOne(name) => self.start_one(name, step.wait),
            Action::Quit => self.end("quit", step.wait),
            Action::KillAll => self.end("kill", step.wait),
            Action::Echo => _ = self.spawn(Kind::Client, &["echo"], vec![]),
            Action::Follow => _ = self.spawn(Kind::Client, &["logs", "-f", "-n", "5"], vec![]),
            Action::Logs => {
                self.spawn(Kind::Command, &["logs", "-n", "50"], vec![0]);
                self.wait_if(step.wait);
            }
            Action::Size(columns, rows) => {
                let body = format!("{{\"columns\":{columns},\"rows\":{rows}}}");
                self.spawn_ask(("PUT", "/api/size", &body), vec![]);
                self.wait_if(step.wait);
            }
            Action::Terminal(slot, typed) => self.typed(slot, typed),
            Action::Slay(victim) => self.slay(victim, step.choice),
            Action::End(name) => self.end_by_itself(name),
            Action::Check => self.look(),
        }
    }

    fn wait_if(&mut self, wait: bool) {
        if wait {
            self.join();
        }
    }

    /// A run in the background, or whoever takes over.
    pub(crate) fn act_daemon(&mut self) {
        self.daemon(true);
    }

    pub(crate) fn act_quit(&mut self) {
        self.end("quit", true);
    }

    /// A view: of a new run, of one that has none, or of none if there is one.
    fn start(&mut self, wait: bool) {
        let certain = self.model.certain();
        let fresh = self.model.course == Course::Down;
        if fresh && certain {
            self.model.begun();
        } else if !certain {
            self.disturb();
        }
        let view = self.spawn(Kind::View, &["start"], vec![]);
        let pid = view.child.id();
        if !wait || !fresh || !certain {
            // Commands that come before it is up are refused.
            if fresh {
                self.model.starts();
            }
            return;
        }
        eventually_within(deadline(), "the start comes to something", || {
            self.reap();
            let there = self.running.iter().any(|running| running.child.id() == pid);
            let up = self.all_are("running");
            (up || !there).then_some(())
        });
        self.note_run();
    }

    fn daemon(&mut self, wait: bool) {
        let certain = self.model.certain();
        let fresh = self.model.course == Course::Down;
        let codes = match (certain, fresh) {
            (true, true) => vec![0],
            (true, false) => vec![1],
            (false, _) => self.model.codes.iter().copied().chain([0, 1]).collect(),
        };
        if fresh && certain {
            self.model.begun();
        } else if !certain {
            self.disturb();
        }
        self.spawn(Kind::Command, &["start", "-D"], codes);
        if wait {
            self.join();
            if fresh && certain {
                self.note_run();
            }
        } else if fresh {
            self.model.starts();
        }
    }

    fn change(&mut self, verb: &str, who: Who, wanted: Wanted, wait: bool) {
        let codes = if self.model.certain() { vec![0] } else { vec![] };
        let mut args = vec![verb];
        if let Who::One(name) = who {
            args.push(name);
        }
        self.spawn(Kind::Command, &args, codes);
        self.changes(who, wanted);
        self.wait_if(wait);
    }

    fn start_one(&mut self, name: &'static str, wait: bool) {
        let codes = if self.model.certain() { vec![0] } else { vec![] };
        let path = format!("/api/processes/{name}/start");
        self.spawn_ask(("POST", &path, ""), codes);
        self.changes(Who::One(name), Wanted::Running);
        self.wait_if(wait);
    }

    /// The command just started changes these.
    fn changes(&mut self, who: Who, wanted: Wanted) {
        let newest = self.running.pop().unwrap();
        let disputed: Vec<_> = who.names().into_iter().filter(|name| self.changing(name)).collect();
        self.want(who, wanted);
        self.running.push(newest);
        let newest = self.running.last_mut().unwrap();
        newest.changes = who.names();
        if !disputed.is_empty() {
            newest.codes.clear();
        }
        for name in disputed {
            self.model.wanted.insert(name, Wanted::Either);
        }
    }

    fn end(&mut self, verb: &str, wait: bool) {
        let certain = self.model.certain();
        let codes = if certain { vec![0] } else { vec![] };
        self.disturb();
        self.model.ends(certain, &[0]);
        self.spawn(Kind::Command, &[verb], codes);
        self.wait_if(wait);
        if wait && certain {
            self.nothing_is_left();
        }
    }

    fn end_by_itself(&mut self, name: &'static str) {
        let Some(pid) = self.main_process(name) else { return };
        let certain = self.is_running(name);
        self.disturb();
        procs::kill(pid, nix::libc::SIGUSR1);
        // It may not listen to that yet.
        self.model.ends(certain, &[BY_ITSELF.into(), 128 + nix::libc::SIGUSR1]);
    }

    /// Whether this process certainly runs and nobody is about to change that.
    fn is_running(&self, name: &str) -> bool {
        self.model.certain()
            && self.model.course == Course::Up
            && self.model.wanted[name] == Wanted::Running
            && !self.changing(name)
    }

    fn slay(&mut self, victim: Victim, choice: u64) {
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
            Victim::Sink(name) => {
                if let Some(pid) = self.world.pane_part("sink", name) {
                    kill(pid);
                }
            }
            Victim::Shim(name) => self.slay_shim(name),
            Victim::Process(name) => {
                let Some(pid) = self.main_process(name) else { return };
                let certain = self.is_running(name);
                self.disturb();
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
                        self.disturb();
                        self.model.ends(false, &[0, 137]);
                    }
                }
            }
            Victim::Tmux => {
                let Some(pid) = self.tmux_server() else { return };
                self.disturb();
                for name in crate::step::WRITERS {
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
        let pids: Vec<u32> = verbs.iter().filter_map(|verb| self.world.part(verb)).collect();
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
        if verbs.len() > 1 || self.world.part("guard").is_none() {
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

    fn slay_shim(&mut self, name: &'static str) {
        let Some(pid) = self.world.pane_part("shim", name) else { return };
        let certain = self.is_running(name);
        let idle = self.model.certain()
            && self.model.wanted[name] == Wanted::Stopped
            && !self.changing(name);
        self.excuse(name);
        if !idle {
            self.disturb();
        }
        kill(pid);
        if !idle {
            self.model.ends(certain, &[137]);
        }
    }

    fn typed(&mut self, slot: usize, typed: Typed) {
        match typed {
            Typed::Show(shown) => self.show_in(slot, shown),
            Typed::Size(columns, rows) => self.terminal(slot).resize(columns, rows),
            Typed::Hold => self.terminal(slot).keys(["C-s"]),
            Typed::Release => self.terminal(slot).keys(["C-q"]),
            Typed::Text => {
                if self.connected[slot] == Some(TALK) && self.shows(slot).starts_with("tmux") {
                    self.terminal(slot).line("hello you");
                }
            }
            Typed::Detach => {
                if self.connected[slot].is_some() && self.shows(slot).starts_with("tmux") {
                    self.terminal(slot).keys(["C-b", "d"]);
                }
            }
            Typed::Interrupt => self.interrupt(slot),
            Typed::Close => {
                if let Some(terminal) = self.terminals[slot].take() {
                    self.connected[slot] = None;
                    if self.model.shaky {
                        // Its view might have been about to save the run.
                        self.abandoned = true;
                    }
                    terminal.close();
                }
            }
        }
    }

    /// ^C ends the run of a view, an echo, or a process that it is connected to.
    fn interrupt(&mut self, slot: usize) {
        if self.terminals[slot].is_none() {
            return;
        }
        let shown = self.shows(slot);
        if shown == "tmo" || shown.starts_with("tmux") {
            self.disturb();
            self.model.ends(false, &[0, 130, 137]);
        }
        self.terminal(slot).keys(["C-c"]);
    }

    fn show_in(&mut self, slot: usize, shown: Shown) {
        if self.shows(slot) != "sh" {
            return;
        }
        self.terminal(slot).tmo(&shown.to_string());
        self.connected[slot] = None;
        match shown {
            Shown::Start => {
                // It may or may not become the view, and begins a run if there is none.
                if self.model.certain() && self.model.course == Course::Down {
                    self.model.begun();
                    self.model.starts();
                    self.model.unsure();
                } else if !self.model.certain() {
                    self.disturb();
                }
            }
            Shown::Connect(name) => self.connected[slot] = Some(name),
            Shown::Echo | Shown::Follow => {}
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
