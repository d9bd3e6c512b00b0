//! Doing one step.

use crate::harness::{eventually_within, procs};
use crate::model::{Course, Wanted};
use crate::programs::BY_ITSELF;
use crate::running::Kind;
use crate::stage::{Stage, deadline};
use crate::step::{Action, Step, TALK, Who};

impl Stage<'_> {
    pub(crate) fn act(&mut self, step: &Step) {
        let anyway = matches!(
            step.action,
            Action::Start | Action::Daemon | Action::Terminal(..) | Action::Check
        );
        let ends = self.model.course == Course::Ends && !step.choice.is_multiple_of(4);
        if !anyway && (ends || self.model.shaky && step.choice.is_multiple_of(3)) {
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
            Action::Scale(count) => self.scale(count, step.wait),
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

    fn scale(&mut self, count: u8, wait: bool) {
        let codes = if self.model.certain() { vec![0] } else { vec![] };
        let words = format!("{TALK}={count}");
        self.spawn(Kind::Command, &["scale", &words], codes);
        self.changes(Who::One(TALK), Wanted::Running);
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
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.model.certain()
            && self.model.course == Course::Up
            && self.model.wanted[name] == Wanted::Running
            && !self.changing(name)
    }
}
