//! Hooks: commands that are run for events of the run.
//!
//! The shell runs each hook in the root of the run, with the name of the event in `TMO_EVENT` and
//! its data as JSON on standard input. The output is discarded; a failure is logged.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use serde_json::json;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Duration, Instant, timeout_at};

use super::command::{AuxCommand, AuxCommands, FlagHook, HookFailure};
use crate::action::Action;
use crate::crash::CrashReport;
use crate::model::ProcId;
use crate::model::event::{HookProblem, What};
use crate::model::plan::Plan;
use crate::model::plan::rules::StopAfter;
use crate::model::text::OsText;
use crate::queue::{Event, Finished, Queue};
use crate::reports::outbox::OutboxItem;
use crate::supervisor::{Input, RunStage};

/// How long the end of a run waits for hooks.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Run a hook to its end.
async fn run_hook(command: &AuxCommand) -> Result<(), HookFailure> {
    let name = command.describe();
    match command.status(None).await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(HookFailure {
            why: format!("The hook {name} failed: {status}"),
            code: status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        }),
        Err(error) => {
            Err(HookFailure { why: format!("The hook {name} can't be run: {error}"), code: 126 })
        }
    }
}

/// The running hooks.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    running: Vec<JoinHandle<()>>,
    /// For each flag whose command is running, the next match to run it for.
    matched: HashMap<(ProcId, String), Weak<RefCell<Option<AuxCommand>>>>,
    /// The run is being killed: its end does not wait for hooks.
    hurried: bool,
}

/// The hook of this stage of the run, and whether the run ends after it.
fn hook_of(plan: &Plan, stage: RunStage) -> (Option<&OsText>, bool) {
    let hooks = &plan.hooks;
    let (command, last) = match stage {
        RunStage::DependenciesReady => {
            (&hooks.dependencies_ready, hooks.stop_after == Some(StopAfter::DependenciesReady))
        }
        RunStage::MainStarted => {
            (&hooks.main_started, hooks.stop_after == Some(StopAfter::MainStarted))
        }
        RunStage::CleanupStarted => (&hooks.cleanup, false),
        RunStage::MainStopped | RunStage::CleanupComplete => (&None, false),
    };
    (command.as_ref(), last)
}

/// Whether this stage of the run has a hook or ends the run.
pub(crate) fn has_hook(plan: &Plan, stage: RunStage) -> bool {
    let (command, last) = hook_of(plan, stage);
    command.is_some() || last
}

/// Log a problem with a hook.
pub(crate) fn failed(why: HookProblem) -> Action {
    Action::log_of_run(What::Hook { why })
}

/// The hook after which the run is to end has ended.
pub(crate) fn last_ended(result: Result<(), HookFailure>) -> Vec<Action> {
    let Err(HookFailure { why, code }) = result else {
        return vec![Action::Input(Input::StopAfterHook(0))];
    };
    vec![failed(HookProblem::Failed(why)), Action::Input(Input::StopAfterHook(code))]
}

impl Hooks {
    pub(crate) fn reached(
        &mut self,
        stage: RunStage,
        plan: &Plan,
        commands: &AuxCommands,
        queue: &Queue,
    ) -> Vec<Action> {
        let (command, last) = hook_of(plan, stage);
        let item = OutboxItem::Stage(stage);
        match command {
            Some(command) => {
                let data = json!({ "event": stage.event(), "run": plan.run });
                let hook = commands.of_event(plan, command, stage.event(), &data);
                self.start(hook, item, last, queue);
                vec![]
            }
            None if last => {
                queue.finished(Finished::HookEnded(item));
                queue.push(Event::Hooked(Ok(())));
                vec![]
            }
            None => vec![Action::Complete(item)],
        }
    }

    /// A process has crashed, and its report is written.
    pub(crate) fn crashed(
        &mut self,
        item: OutboxItem,
        report: &CrashReport,
        plan: &Plan,
        commands: &AuxCommands,
        queue: &Queue,
    ) -> Vec<Action> {
        let Some(command) = &plan.hooks.on_crash else { return vec![Action::Complete(item)] };
        let data = serde_json::to_value(report).unwrap_or_default();
        let mut hook = commands.of_event(plan, command, "process:crash", &data);
        hook.set("TMO_PROCESS", report.process_name.as_str());
        hook.set("TMO_EXIT_CODE", &report.exit_code.map_or_else(String::new, |c| c.to_string()));
        self.start(hook, item, false, queue);
        vec![]
    }

    /// A flag has matched: run its command, but not too soon after the last time. If the command is
    /// still running for an earlier match, it is run again afterwards, for the newest match.
    pub(crate) fn flag_matched(&mut self, matched: FlagHook, queue: &Queue) {
        let FlagHook { flag, is_early, command } = matched;
        self.matched.retain(|_, next| next.strong_count() > 0);
        let next = self.matched.get(&flag).and_then(Weak::upgrade);
        if is_early && !next.as_ref().is_some_and(|next| next.borrow().is_some()) {
            return;
        }
        if let Some(next) = next {
            *next.borrow_mut() = Some(command);
            return;
        }
        let next = Rc::new(RefCell::new(Some(command)));
        self.matched.insert(flag, Rc::downgrade(&next));
        let queue = queue.clone();
        self.keep(spawn_local(async move {
            loop {
                let command = next.borrow_mut().take();
                let Some(command) = command else { return };
                if let Err(failure) = run_hook(&command).await {
                    queue.finished(Finished::HookFailed(failure.why));
                }
            }
        }));
    }

    fn start(&mut self, hook: AuxCommand, item: OutboxItem, last: bool, queue: &Queue) {
        let queue = queue.clone();
        self.keep(spawn_local(async move {
            let result = run_hook(&hook).await;
            queue.finished(Finished::HookEnded(item));
            if last {
                queue.push(Event::Hooked(result));
            } else if let Err(failure) = result {
                queue.finished(Finished::HookFailed(failure.why));
            }
        }));
    }

    /// Keep the task, so that the end of the run waits for it.
    fn keep(&mut self, task: JoinHandle<()>) {
        self.running.retain(|task| !task.is_finished());
        self.running.push(task);
    }

    /// The run is being killed: do not wait for hooks.
    pub(crate) const fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Wait for the running hooks, with one deadline for all of them, or not at all if the run is
    /// being killed.
    pub(crate) async fn finish(&mut self) -> Vec<Action> {
        let limit = if self.hurried { Duration::ZERO } else { TIMEOUT };
        let deadline = Instant::now() + limit;
        let mut late = 0;
        for mut task in std::mem::take(&mut self.running) {
            if timeout_at(deadline, &mut task).await.is_err() {
                // Everything that it has started ends with it.
                task.abort();
                let _ = task.await;
                late += 1;
            }
        }
        if late == 0 {
            return vec![];
        }
        vec![failed(HookProblem::Late { count: late, seconds: limit.as_secs() })]
    }
}
