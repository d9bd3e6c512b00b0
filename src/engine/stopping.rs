//! The stop command of a process, if it has one. It runs before the stop signal, and both share the
//! grace period.

use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::core::Engine;
use super::probes::Task;
use super::queue::Event;
use crate::model::event::Trouble;
use crate::model::{LifeId, ProcId};
use crate::protocol::spec::Want;
use crate::supervisor::Phase;

/// A request to a shim: what is wanted, for which life, and up to which life to kill without grace.
pub(super) type Wish = (Want, Option<LifeId>, Option<LifeId>);

/// A stop command that runs or has run.
#[derive(Debug)]
pub(super) struct StopRun {
    life: LifeId,
    begun: Instant,
    /// The running command, aborted on drop; `None` once it has ended.
    task: Option<Task>,
    /// The request to send to the shim afterwards.
    then: Wish,
}

impl StopRun {
    /// The finished stop command of a life whose shim already has the request to stop it.
    pub(super) fn over(life: LifeId) -> Self {
        Self { life, begun: Instant::now(), task: None, then: (Want::Stop, Some(life), None) }
    }
}

impl Engine {
    /// Run the stop command before the shim receives the request. `false` if there is no stop
    /// command to wait for.
    pub(super) fn asks_first(&mut self, id: ProcId, then: Wish) -> bool {
        let process = &self.plan.processes[id];
        let Some(command) = &process.rules.stop_command else { return false };
        let proc = &self.saved.supervisor.procs[id];
        let (_, _, kill) = then;
        if kill.is_some() && kill >= proc.current_life() {
            self.panes[id].stop_run = None;
            return false;
        }
        // A running stop command delays every request, also the one for the next life; the newest
        // replaces the pending one.
        if let Some(run) = self.panes[id].stop_run.as_mut().filter(|run| run.task.is_some()) {
            run.then = then;
            return true;
        }
        let Phase::Running { life: current, .. } = proc.phase else { return false };
        let asked = |run: &StopRun| run.life == current;
        if !proc.told_to_stop() || self.panes[id].stop_run.as_ref().is_some_and(asked) {
            return false;
        }
        let run = self.run_beside(process, command);
        let (limit, queue) = (Duration::from_millis(self.grace_ms(id)), self.queue.clone());
        let task = spawn_local(async move {
            let trouble = match timeout(limit, run.succeeds()).await {
                Ok(result) => result.err().map(|why| format!("The stop command failed: {why}")),
                Err(_) => Some(format!("The stop command took over {} ms", limit.as_millis())),
            };
            queue.push(Event::StopAsked(id, current, trouble));
        });
        let (task, begun) = (Some(Task(task)), Instant::now());
        self.panes[id].stop_run = Some(StopRun { life: current, begun, task, then });
        true
    }

    /// The stop command of a life has ended: send the pending request to the shim.
    pub(super) fn stop_asked(&mut self, id: ProcId, life: LifeId, trouble: Option<String>) {
        let run = self.panes[id].stop_run.as_mut().filter(|run| run.life == life);
        let Some(run) = run else { return };
        run.task = None;
        let then = run.then;
        if let Some(trouble) = trouble {
            self.trouble(id, Trouble::Text(trouble));
        }
        self.want(id, then);
    }

    /// The part of the grace period that the stop command has left.
    pub(super) fn grace_left(&self, id: ProcId) -> u64 {
        let current = self.saved.supervisor.procs[id].current_life();
        let run = self.panes[id].stop_run.as_ref().filter(|run| Some(run.life) == current);
        let taken =
            run.map_or(0, |run| u64::try_from(run.begun.elapsed().as_millis()).unwrap_or(0));
        self.grace_ms(id).saturating_sub(taken)
    }
}
