//! Hooks: commands that are run for events of the run.
//!
//! The shell runs each hook in the root of the run, with the name of the event in `TMO_EVENT` and
//! its data as JSON on standard input. The output is discarded; a failure is logged.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Duration, Instant, timeout_at};

use super::beside::Run;
use super::core::Engine;
use super::owed::Debt;
use super::queue::Event;
use crate::crash::CrashReport;
use crate::model::ProcId;
use crate::model::event::{HookProblem, What};
use crate::model::rules::StopAfter;
use crate::model::text::OsText;
use crate::supervisor::{Input, Milepost};

/// How long the end of a run waits for hooks.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hook to be run for one event.
#[derive(Debug)]
pub(super) struct Order {
    /// The command as shown in messages.
    shown: String,
    run: Run,
    /// The data of the event, as JSON.
    input: Vec<u8>,
}

impl Order {
    pub(super) fn new((shown, run): (String, Run), reported: &Value) -> Self {
        Self { shown, run, input: reported.to_string().into_bytes() }
    }

    /// Run it to its end; returns its error, if any, and its exit code.
    async fn carry_out(&self) -> (Option<String>, u8) {
        let shown = &self.shown;
        match self.run.feed(&self.input).await {
            Ok(status) if status.success() => (None, 0),
            Ok(status) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                (Some(format!("The hook `{shown}` failed: {status}")), code)
            }
            Err(error) => (Some(format!("The hook `{shown}` can't be run: {error}")), 126),
        }
    }
}

impl Engine {
    /// The run has reached a milepost.
    pub(super) fn reached(&mut self, post: Milepost) {
        let (command, last) = self.hook_of(post);
        let reported = json!({ "event": post.event(), "run": self.plan.run });
        let debt = Debt::Post(post);
        match command.clone() {
            Some(command) => {
                self.run_hook(self.command(&command, post.event()), &reported, (debt, last));
            }
            None if last => {
                self.queue.push(Event::HookEnded(debt));
                self.queue.push(Event::Hooked(None, 0));
            }
            None => self.pay(debt),
        }
    }

    /// The hook of this milepost, and whether the run ends after it.
    fn hook_of(&self, post: Milepost) -> (&Option<OsText>, bool) {
        let hooks = &self.plan.hooks;
        match post {
            Milepost::DependenciesReady => {
                (&hooks.dependencies_ready, hooks.stop_after == Some(StopAfter::DependenciesReady))
            }
            Milepost::MainStarted => {
                (&hooks.main_started, hooks.stop_after == Some(StopAfter::MainStarted))
            }
            Milepost::CleanupStarted => (&hooks.cleanup, false),
            Milepost::MainStopped | Milepost::CleanupComplete => (&None, false),
        }
    }

    /// Whether this milepost has a hook or ends the run.
    pub(super) fn has_hook(&self, post: Milepost) -> bool {
        let (command, last) = self.hook_of(post);
        command.is_some() || last
    }

    /// A process has crashed, and its report is written.
    pub(super) fn on_crash(&mut self, debt: Debt, report: &CrashReport) {
        self.notify_crash(report);
        let Some(command) = self.plan.hooks.on_crash.clone() else { return self.pay(debt) };
        let (shown, mut run) = self.command(&command, "process:crash");
        run.set("TMO_PROCESS", report.process_name.as_str());
        run.set("TMO_EXIT_CODE", &report.exit_code.map_or_else(String::new, |c| c.to_string()));
        let reported = serde_json::to_value(report).unwrap_or_default();
        self.run_hook((shown, run), &reported, (debt, false));
    }

    /// Whether to run the command of a flag for a new match: not too soon after the last one,
    /// unless an earlier match is still waiting for its turn, which the newest then takes.
    pub(super) fn is_due(&self, flag: &(ProcId, String), is_early: bool) -> bool {
        let next = self.commands.matched.get(flag).and_then(Weak::upgrade);
        !is_early || next.is_some_and(|next| next.borrow().is_some())
    }

    /// Run the command of a flag. If it is still running for an earlier match, run it again
    /// afterwards.
    pub(super) fn matched(&mut self, flag: (ProcId, String), order: Order) {
        let matched = &mut self.commands.matched;
        matched.retain(|_, next| next.strong_count() > 0);
        if let Some(next) = matched.get(&flag).and_then(Weak::upgrade) {
            *next.borrow_mut() = Some(order);
            return;
        }
        let next = Rc::new(RefCell::new(Some(order)));
        matched.insert(flag, Rc::downgrade(&next));
        let queue = self.queue.clone();
        self.keep(spawn_local(async move {
            loop {
                let order = next.borrow_mut().take();
                let Some(order) = order else { return };
                if let (Some(trouble), _) = order.carry_out().await {
                    queue.push(Event::HookFailed(trouble));
                }
            }
        }));
    }

    /// Keep the task, so that the end of the run waits for it.
    fn keep(&mut self, task: JoinHandle<()>) {
        self.commands.hooks.retain(|task| !task.is_finished());
        self.commands.hooks.push(task);
    }

    fn run_hook(&mut self, run: (String, Run), reported: &Value, (debt, last): (Debt, bool)) {
        let (order, queue) = (Order::new(run, reported), self.queue.clone());
        self.keep(spawn_local(async move {
            let (trouble, code) = order.carry_out().await;
            queue.push(Event::HookEnded(debt));
            if last || trouble.is_some() {
                queue.push(if last {
                    Event::Hooked(trouble, code)
                } else {
                    Event::HookFailed(trouble.unwrap_or_default())
                });
            }
        }));
    }

    /// The hook after which the run is to end has ended.
    pub(super) fn hooked(&mut self, trouble: Option<String>, code: u8) {
        if let Some(trouble) = trouble {
            self.hook_failed(HookProblem::Failed(trouble));
        }
        self.input(Input::Enough(code));
    }

    /// Log a problem with a hook.
    pub(super) fn hook_failed(&mut self, why: HookProblem) {
        self.say_system(What::Hook { why });
    }

    /// Wait for the running hooks, with one deadline for all of them.
    pub(super) async fn finish_hooks(&mut self) {
        let patience = self.commands.patience(PATIENCE);
        let deadline = Instant::now() + patience;
        let mut late = 0;
        for mut task in std::mem::take(&mut self.commands.hooks) {
            if timeout_at(deadline, &mut task).await.is_err() {
                // Everything that it has started ends with it.
                task.abort();
                let _ = task.await;
                late += 1;
            }
        }
        if late > 0 {
            let seconds = patience.as_secs();
            self.hook_failed(HookProblem::Late { count: late, seconds });
        }
    }

    /// The command as shown in messages, and ready to be run.
    pub(super) fn command(&self, command: &OsText, event: &str) -> (String, Run) {
        let mut run = self.run_for_all(command);
        run.set("TMO_EVENT", event);
        (command.to_string(), run)
    }
}
