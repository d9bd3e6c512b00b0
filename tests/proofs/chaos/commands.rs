//! The tmo commands that the test has started, and the exit codes that each may have.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::chaos::context::{Context, deadline};
use crate::chaos::model::{Desired, Model, RunExpectation};
use crate::harness::pause;

/// After so long a command may wait for a process that waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kind of a started command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It returns by itself.
    Command,
    /// It ends with the run, with the run's code.
    View,
    /// It ends with the run.
    Client,
}

/// A started tmo command.
#[derive(Debug)]
pub(crate) struct RunningCommand {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    /// File of its output.
    pub(crate) out: String,
    pub(crate) child: Child,
    pub(crate) since: Instant,
    /// The exit codes that it may have; any plausible one if empty.
    pub(crate) codes: Vec<i32>,
    /// The test killed it.
    pub(crate) killed: bool,
    /// The processes that it may change.
    pub(crate) changes: Vec<&'static str>,
    /// The dependencies that it may start.
    pub(crate) pulls: Vec<&'static str>,
}

impl Context<'_> {
    /// Start a tmo.
    pub(crate) fn spawn(
        &mut self,
        kind: Kind,
        args: &[&str],
        codes: Vec<i32>,
    ) -> &mut RunningCommand {
        self.launch(kind, self.world.tmo(args), args.join(" "), codes)
    }

    /// Ask the control socket itself.
    pub(crate) fn spawn_ask(
        &mut self,
        (method, path, body): (&str, &str, &str),
        codes: Vec<i32>,
    ) -> &mut RunningCommand {
        let socket = self.world.app().join(".overmind.sock");
        let mut command = self.world.command(std::env::current_exe().unwrap());
        command.arg("@ask").arg(socket).args([method, path, body]);
        self.launch(Kind::Command, command, format!("{method} {path}"), codes)
    }

    fn launch(
        &mut self,
        kind: Kind,
        mut command: Command,
        what: String,
        codes: Vec<i32>,
    ) -> &mut RunningCommand {
        self.files += 1;
        let out = format!("out/{:03}", self.files);
        let file = |name: &str| File::create(self.world.app().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&format!("{out}.err")));
        let child = command.spawn().unwrap();
        if kind != Kind::Command {
            self.outputs.push((what.clone(), out.clone()));
        }
        let since = Instant::now();
        let (killed, changes, pulls) = (false, vec![], vec![]);
        let running =
            RunningCommand { kind, what, out, child, since, codes, killed, changes, pulls };
        self.running.push(running);
        self.running.last_mut().unwrap()
    }

    /// Collect the commands that have ended.
    pub(crate) fn reap(&mut self) {
        let mut ended = vec![];
        self.running.retain_mut(|running| match running.child.try_wait().unwrap() {
            None => true,
            Some(status) => {
                let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
                let what = running.what.clone();
                let errors = self.world.read(&format!("{}.err", running.out));
                let fits = running.killed || running.may_exit_with(code, &errors, &self.model);
                ended.push((what, running.out.clone(), code, errors, fits));
                false
            }
        });
        for (what, out, code, errors, fits) in ended {
            self.log(format!("      ({what} ended with {code}: {})", errors.trim_end()));
            assert!(fits, "`{what}` ended with {code}: {errors}{}", self.world.read(&out));
        }
    }

    /// Wait for the end of the newest that was started.
    pub(crate) fn join(&mut self) {
        let Some(newest) = self.running.last() else { return };
        let pid = newest.child.id();
        self.join_until(|context| !context.running.iter().any(|r| r.child.id() == pid));
    }

    fn join_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut step = Duration::from_millis(1);
        loop {
            self.reap();
            if done(self) {
                return;
            }
            if self.longest() > PATIENCE && self.asked.elapsed() > PATIENCE {
                self.asked = Instant::now();
                self.stop_blocked_processes();
            }
            let late =
                |r: &&RunningCommand| r.kind == Kind::Command && r.since.elapsed() > deadline();
            if let Some(late) = self.running.iter().find(late) {
                panic!("`{}` has not returned for {} s", late.what, deadline().as_secs());
            }
            pause(step);
            step = (step * 2).min(Duration::from_millis(20));
        }
    }

    /// How long a command has been under way.
    fn longest(&self) -> Duration {
        let all = self.running.iter().filter(|r| r.kind == Kind::Command);
        all.map(|r| r.since.elapsed()).max().unwrap_or_default()
    }

    /// Wait for all commands that return by themselves.
    pub(crate) fn join_all(&mut self) {
        self.join_until(|context| !context.running.iter().any(|r| r.kind == Kind::Command));
    }

    /// The commands in progress may have any result now.
    pub(crate) fn disturb(&mut self) {
        self.accept_any_result(|_| true);
    }

    /// These commands may fail, and then have done what they were to do or not.
    pub(crate) fn accept_any_result(&mut self, which: impl Fn(&RunningCommand) -> bool) {
        for running in self.running.iter_mut().filter(|running| which(running)) {
            running.codes.clear();
            for name in &running.changes {
                self.model.desired.insert(name, Desired::Either);
            }
        }
    }
}

impl RunningCommand {
    fn may_exit_with(&self, code: i32, errors: &str, model: &Model) -> bool {
        let known =
            model.certain() || model.course == RunExpectation::Ends && !model.supervision_uncertain;
        match self.kind {
            // 3: no supervisor answered the test client; 130: an interrupted start.
            Kind::Command if self.codes.is_empty() => {
                matches!(code, 0 | 1 | 3 | 130) || model.may_exit_with(code)
            }
            // `quiescence.rs` and `event_order.rs` check the reason.
            Kind::Command if code == 1 && errors.contains(": skipped: ") => true,
            Kind::Command => self.codes.contains(&code),
            Kind::View if code == 1 && errors.contains("already running") => true,
            Kind::View => model.may_exit_with(code) || !known && matches!(code, 0 | 1),
            Kind::Client => matches!(code, 0 | 1),
        }
    }
}
