//! Executes one step.

use crate::book::now;
use crate::harness::{eventually_within, procs};
use crate::model::{Course, Wanted};
use crate::programs::BY_ITSELF;
use crate::rules::{Entry, Phase};
use crate::running::Kind;
use crate::stage::{Stage, deadline};
use crate::step::{Action, NAMES, Step, TALK, Victim, Who};

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
        if !self.is_there(step.action) {
            return self.tell("      (there is no such process)");
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
                // The first start may not have come to its log yet.
                let codes = if self.has_log() { vec![0] } else { vec![0, 1] };
                self.spawn(Kind::Command, &["logs", "-n", "50"], codes);
                self.wait_if(step.wait);
            }
            Action::Size(columns, rows) => {
                let body = format!("{{\"columns\":{columns},\"rows\":{rows}}}");
                self.spawn_ask(("PUT", "/api/size", &body), vec![]);
                self.wait_if(step.wait);
            }
            Action::Terminal(slot, typed) => self.typed(slot, typed),
            Action::Slay(victim) => self.slay(victim, step.choice),
            Action::Reload(edit) => self.reload(edit, step.choice),
            Action::Declare(name, add) => self.declare(name, add),
            Action::Sicken(name) => self.sicken(name),
            Action::End(name) => self.end_by_itself(name),
            Action::Check => self.look(),
        }
    }

    /// Whether the processes of this action are there, or may come.
    fn is_there(&self, action: Action) -> bool {
        match action {
            Action::Stop(who) | Action::Restart(who) => {
                let names = self.names(who);
                !names.is_empty() && names.iter().all(|name| self.is_known(name))
            }
            Action::StartOne(name) | Action::Declare(name, _) | Action::Sicken(name) => {
                self.is_known(name)
            }
            Action::Slay(victim) => match victim {
                Victim::Sink(name) | Victim::Shim(name) | Victim::Process(name) => {
                    self.is_known(name)
                }
                Victim::Supervisor
                | Victim::Guardian
                | Victim::Both
                | Victim::View
                | Victim::Client
                | Victim::Child(_)
                | Victim::Tmux => true,
            },
            Action::Start
            | Action::Daemon
            | Action::Scale(_)
            | Action::Quit
            | Action::KillAll
            | Action::Echo
            | Action::Follow
            | Action::Logs
            | Action::Size(..)
            | Action::Terminal(..)
            | Action::Reload(_)
            | Action::End(_)
            | Action::Check => true,
        }
    }

    /// Whether there is a log of a run.
    fn has_log(&self) -> bool {
        let all = std::fs::read_dir(self.world.path().join("state/tmo"));
        all.is_ok_and(|mut all| all.next().is_some())
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
            self.begun();
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
            let up = self.all_run();
            (up || !there).then_some(())
        });
        self.note_run();
    }

    fn daemon(&mut self, wait: bool) {
        let certain = self.model.certain();
        let fresh = self.model.course == Course::Down;
        let codes = match (certain, fresh) {
            (true, true) if self.rules.is_doomed() => self.rules.codes(),
            (true, true) => vec![0],
            (true, false) => vec![1],
            (false, _) => {
                let known = self.model.codes.iter().chain(&self.model.usual);
                known.copied().chain(self.rules.codes()).chain([0, 1]).collect()
            }
        };
        if fresh && certain {
            self.begun();
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
        let names = self.names(who);
        // What begins may end at once, or be skipped.
        let plain = wanted == Wanted::Stopped || names.iter().all(|name| NAMES.contains(name));
        let codes = if self.model.certain() && plain { vec![0] } else { vec![] };
        let mut args = vec![verb];
        if let Who::One(name) | Who::Group(name) = who {
            args.push(name);
        }
        self.touch(&names, wanted);
        if who == Who::All {
            // One that somebody has started means all the same.
            let cleans = |entry: &&Entry| entry.phase == Phase::Cleanup;
            let cleanup = self.rules.entries.iter().filter(cleans).map(|entry| entry.name);
            self.book.touch(cleanup.collect());
        }
        self.spawn(Kind::Command, &args, codes);
        self.changes(names, wanted);
        self.wait_if(wait);
    }

    fn scale(&mut self, count: u8, wait: bool) {
        let codes = if self.model.certain() { vec![0] } else { vec![] };
        let words = format!("{TALK}={count}");
        self.touch(&[TALK], Wanted::Running);
        self.spawn(Kind::Command, &["scale", &words], codes);
        self.changes(vec![TALK], Wanted::Running);
        self.wait_if(wait);
    }

    fn start_one(&mut self, name: &'static str, wait: bool) {
        let plain = NAMES.contains(&name);
        let codes = if self.model.certain() && plain { vec![0] } else { vec![] };
        self.touch(&[name], Wanted::Running);
        let path = format!("/api/processes/{name}/start");
        self.spawn_ask(("POST", &path, ""), codes);
        self.changes(vec![name], Wanted::Running);
        self.wait_if(wait);
    }

    /// Something is about to be asked of these.
    fn touch(&mut self, names: &[&'static str], wanted: Wanted) {
        let pulled = if wanted == Wanted::Running { self.pulled(names) } else { vec![] };
        self.book.touch(names.iter().copied().chain(pulled).collect());
    }

    /// The command just started changes these.
    fn changes(&mut self, names: Vec<&'static str>, wanted: Wanted) {
        let pulls = if wanted == Wanted::Running { self.pulled(&names) } else { vec![] };
        let mut newest = self.running.pop().unwrap();
        (newest.changes, newest.pulls) = (names, pulls);
        let disputed = self.dispute(&mut newest);
        self.want(&newest.changes, wanted);
        for name in disputed {
            self.model.wanted.insert(name, Wanted::Either);
        }
        for name in &newest.pulls {
            if self.model.wanted[name] != Wanted::Running {
                self.model.wanted.insert(name, Wanted::Either);
            }
        }
        if wanted == Wanted::Stopped && !self.rules.entries.is_empty() {
            // Where somebody was skipped, a run without a process ends.
            if NAMES.iter().all(|name| self.model.wanted[name] == wanted) {
                self.model.unsure();
            }
        }
        self.running.push(newest);
    }

    fn end(&mut self, verb: &str, wait: bool) {
        let certain = self.model.certain();
        let codes = if certain { vec![0] } else { vec![] };
        let quiet = certain && self.model.course == Course::Up;
        let quiet = quiet && self.book.is_calm() && self.settled_state().is_some();
        if verb == "quit" && quiet && self.running.iter().all(|r| r.changes.is_empty()) {
            self.book.quits.push(now());
        } else {
            self.book.rough.push(now());
        }
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
        if self.rules.is_kept(name) {
            self.revived(name);
            return procs::kill(pid, nix::libc::SIGUSR1);
        }
        let certain = self.is_running(name);
        self.disturb();
        self.book.rough.push(now());
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
