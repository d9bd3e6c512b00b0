//! Executes one step.

use crate::chaos::action_log::now;
use crate::chaos::commands::Kind;
use crate::chaos::config::{Entry, Phase};
use crate::chaos::context::{Context, deadline};
use crate::chaos::model::{Desired, RunExpectation};
use crate::chaos::programs::BY_ITSELF;
use crate::chaos::step::{Action, NAMES, Step, TALK, Targets, Victim};
use crate::harness::{eventually_within, procs};

impl Context<'_> {
    pub(crate) fn execute(&mut self, step: &Step) {
        let anyway = matches!(
            step.action,
            Action::Start | Action::Daemon | Action::Terminal(..) | Action::Check
        );
        let ends = self.model.course == RunExpectation::Ends && !step.choice.is_multiple_of(4);
        if !anyway && (ends || self.model.supervision_uncertain && step.choice.is_multiple_of(3)) {
            self.settle_and_check();
        }
        if !anyway && self.model.course == RunExpectation::Down {
            self.log("      (a run is begun)");
            self.daemon(true);
        }
        if !self.is_there(step.action) {
            return self.log("      (there is no such process)");
        }
        match step.action {
            Action::Start => self.start(step.wait),
            Action::Daemon => self.daemon(step.wait),
            Action::Stop(who) => self.change("stop", who, Desired::Stopped, step.wait),
            Action::Restart(who) => self.change("restart", who, Desired::Running, step.wait),
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
            Action::Kill(victim) => self.kill_victim(victim, step.choice),
            Action::Reload(edit) => self.reload(edit, step.choice),
            Action::Declare(name, add) => self.declare(name, add),
            Action::MakeUnhealthy(name) => self.make_unhealthy(name),
            Action::End(name) => self.make_exit(name),
            Action::Check => self.settle_and_check(),
        }
    }

    /// Whether the processes of this action are there, or may come.
    fn is_there(&self, action: Action) -> bool {
        match action {
            Action::Stop(who) | Action::Restart(who) => {
                let names = self.names(who);
                !names.is_empty() && names.iter().all(|name| self.is_known(name))
            }
            Action::StartOne(name) | Action::Declare(name, _) | Action::MakeUnhealthy(name) => {
                self.is_known(name)
            }
            Action::Kill(victim) => match victim {
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

    /// A start in the background, or a takeover.
    pub(crate) fn run_daemon(&mut self) {
        self.daemon(true);
    }

    pub(crate) fn run_quit(&mut self) {
        self.end("quit", true);
    }

    /// A view: of a new run, of one that has none, or of none if there is one.
    fn start(&mut self, wait: bool) {
        let certain = self.model.certain();
        let fresh = self.model.course == RunExpectation::Down;
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
        let fresh = self.model.course == RunExpectation::Down;
        let codes = match (certain, fresh) {
            (true, true) if self.config.has_failing_dependency() => self.config.codes(),
            (true, true) => vec![0],
            // What it starts again may end at once, or be skipped.
            (true, false) => vec![],
            (false, _) => {
                let known = self.model.codes.iter().chain(&self.model.usual);
                known.copied().chain(self.config.codes()).chain([0, 1]).collect()
            }
        };
        if fresh && certain {
            self.begun();
        } else if !certain {
            self.disturb();
        }
        if !fresh {
            // It starts what someone has stopped.
            let desired = self.model.desired.iter();
            let stopped = desired.filter(|(_, desired)| **desired != Desired::Running);
            let stopped: Vec<_> = stopped.map(|(name, _)| *name).collect();
            self.record_intervention(&stopped, Desired::Running);
            self.model.want(&stopped, Desired::Either);
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

    fn change(&mut self, verb: &str, who: Targets, desired: Desired, wait: bool) {
        let mut names = self.names(who);
        let mut overtakes = false;
        if who == Targets::All && desired == Desired::Running {
            // What someone has stopped stays stopped; of what may have been stopped, that is as uncertain as before.
            // A stop that is under way may come after this restart, and takes it back.
            let stops =
                |name: &str| self.model.desired[name] != Desired::Running && self.changing(name);
            overtakes = names.iter().any(|name| stops(name));
            names.retain(|name| self.model.desired[name] == Desired::Running);
        }
        // What begins may end at once, or be skipped.
        let plain = desired == Desired::Stopped || names.iter().all(|name| NAMES.contains(name));
        let plain = plain && !overtakes;
        let codes = if self.model.certain() && plain { vec![0] } else { vec![] };
        let mut args = vec![verb];
        if let Targets::One(name) | Targets::Group(name) = who {
            args.push(name);
        }
        self.record_intervention(&self.names(who), desired);
        if who == Targets::All {
            // A started cleanup process is meant too.
            let cleans = |entry: &&Entry| entry.phase == Phase::Cleanup;
            let cleanup = self.config.entries.iter().filter(cleans).map(|entry| entry.name);
            self.actions.record_intervention(cleanup.collect());
        }
        self.spawn(Kind::Command, &args, codes);
        self.changes(names, desired);
        self.wait_if(wait);
    }

    fn scale(&mut self, count: u8, wait: bool) {
        let codes = if self.model.certain() { vec![0] } else { vec![] };
        let words = format!("{TALK}={count}");
        self.record_intervention(&[TALK], Desired::Running);
        self.spawn(Kind::Command, &["scale", &words], codes);
        self.changes(vec![TALK], Desired::Running);
        self.wait_if(wait);
    }

    fn start_one(&mut self, name: &'static str, wait: bool) {
        let plain = NAMES.contains(&name);
        let codes = if self.model.certain() && plain { vec![0] } else { vec![] };
        self.record_intervention(&[name], Desired::Running);
        let path = format!("/api/processes/{name}/start");
        self.spawn_ask(("POST", &path, ""), codes);
        self.changes(vec![name], Desired::Running);
        self.wait_if(wait);
    }

    /// Something is about to be asked of these.
    fn record_intervention(&mut self, names: &[&'static str], desired: Desired) {
        let pulled = if desired == Desired::Running { self.pulled(names) } else { vec![] };
        self.actions.record_intervention(names.iter().copied().chain(pulled).collect());
    }

    /// The command just started changes these.
    fn changes(&mut self, names: Vec<&'static str>, desired: Desired) {
        let pulls = if desired == Desired::Running { self.pulled(&names) } else { vec![] };
        let mut newest = self.running.pop().unwrap();
        (newest.changes, newest.pulls) = (names, pulls);
        let disputed = self.disputed_processes(&mut newest);
        self.want(&newest.changes, desired);
        for name in disputed {
            self.model.desired.insert(name, Desired::Either);
        }
        for name in &newest.pulls {
            if self.model.desired[name] != Desired::Running {
                self.model.desired.insert(name, Desired::Either);
            }
        }
        if desired == Desired::Stopped && !self.config.entries.is_empty() {
            // A run with a skipped process ends when no other process runs.
            if NAMES.iter().all(|name| self.model.desired[name] == desired) {
                self.model.unsure();
            }
        }
        self.running.push(newest);
    }

    fn end(&mut self, verb: &str, wait: bool) {
        let certain = self.model.certain();
        let codes = if certain { vec![0] } else { vec![] };
        let quiet = certain && self.model.course == RunExpectation::Up;
        let quiet = quiet && self.actions.all_kills_are_noticed() && self.settled_state().is_some();
        if verb == "quit" && quiet && self.running.iter().all(|r| r.changes.is_empty()) {
            self.actions.quits.push(now());
        } else {
            self.actions.abrupt_ends.push(now());
        }
        self.disturb();
        // A `kill` that meets no supervisor kills the processes itself. If the run is taken over meanwhile, its
        // view reports that.
        let forced = verb == "kill" && !certain;
        self.model.ends(certain, if forced { &[0, 137] } else { &[0] });
        self.spawn(Kind::Command, &[verb], codes);
        self.wait_if(wait);
        if wait && certain {
            self.check_nothing_left();
        }
    }

    fn make_exit(&mut self, name: &'static str) {
        let Some(pid) = self.main_process(name) else { return };
        if self.config.is_always_restarted(name) {
            self.expect_restart(name);
            return procs::kill(pid, nix::libc::SIGUSR1);
        }
        let certain = self.is_running(name);
        self.disturb();
        self.actions.abrupt_ends.push(now());
        procs::kill(pid, nix::libc::SIGUSR1);
        // It may not listen to that yet.
        self.model.ends(certain, &[BY_ITSELF.into(), 128 + nix::libc::SIGUSR1]);
    }

    /// Whether this process certainly runs and no command is about to change that.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.model.certain()
            && self.model.course == RunExpectation::Up
            && self.model.desired[name] == Desired::Running
            && !self.changing(name)
    }
}
