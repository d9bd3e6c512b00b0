//! Stop commands. The stop command of a process runs before its stop signal, and both share the
//! grace period.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::command::AuxCommand;
use crate::model::{LifeId, ProcId};
use crate::protocol::spec::Want;
use crate::queue::{Event, Queue, Task};
use crate::supervisor::{Phase, Proc, ShimRequest};

/// The stop commands that run or have run, by process.
#[derive(Debug, Default)]
pub(crate) struct StopCommands(HashMap<ProcId, StopCommand>);

/// A stop command that runs or has run.
#[derive(Debug)]
struct StopCommand {
    life: LifeId,
    begun: Instant,
    /// The running command, aborted on drop; `None` once it has ended.
    task: Option<Task>,
    /// The request to send to the shim afterwards.
    then: ShimRequest,
}

impl StopCommands {
    /// Whether a stop command has to end before the shim receives this request. Starts it if it is
    /// due: `command` makes it, with the grace period of the process.
    pub(crate) fn delay(
        &mut self,
        id: ProcId,
        proc: &Proc,
        then: ShimRequest,
        command: impl FnOnce() -> (AuxCommand, Duration),
        queue: &Queue,
    ) -> bool {
        if then.kill.is_some() && then.kill >= proc.current_life() {
            self.0.remove(&id);
            return false;
        }
        // A running stop command delays every request, also the one for the next life; the newest
        // replaces the pending one.
        if let Some(running) = self.0.get_mut(&id).filter(|run| run.task.is_some()) {
            running.then = then;
            return true;
        }
        let Phase::Running { life, .. } = proc.phase else { return false };
        let has_run = self.0.get(&id).is_some_and(|run| run.life == life);
        if !proc.stop_was_requested() || has_run {
            return false;
        }
        let ((command, limit), queue) = (command(), queue.clone());
        let task = spawn_local(async move {
            let problem = match timeout(limit, command.succeeds()).await {
                Ok(result) => result.err().map(|why| format!("The stop command failed: {why}")),
                Err(_) => Some(format!("The stop command took over {} ms", limit.as_millis())),
            };
            queue.push(Event::StopAsked(id, life, problem));
        });
        let (task, begun) = (Some(Task(task)), Instant::now());
        self.0.insert(id, StopCommand { life, begun, task, then });
        true
    }

    /// The stop command of this life has run under an earlier supervisor; its shim already has the
    /// request to stop it.
    pub(crate) fn has_run(&mut self, id: ProcId, life: LifeId) {
        let then = ShimRequest { want: Want::Stop, life: Some(life), kill: None };
        self.0.insert(id, StopCommand { life, begun: Instant::now(), task: None, then });
    }

    /// The stop command of a life has ended. Returns the delayed request.
    pub(crate) fn ended(&mut self, id: ProcId, life: LifeId) -> Option<ShimRequest> {
        let run = self.0.get_mut(&id).filter(|run| run.life == life)?;
        run.task = None;
        Some(run.then)
    }

    /// The part of the grace period that the stop command of this life has left.
    pub(crate) fn grace_left(&self, id: ProcId, life: Option<LifeId>, grace: Duration) -> Duration {
        let run = self.0.get(&id).filter(|run| Some(run.life) == life);
        run.map_or(grace, |run| grace.saturating_sub(run.begun.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::StopCommands;
    use crate::commands::command::{AuxCommand, AuxCommands};
    use crate::model::time::Timestamp;
    use crate::model::{LifeId, ProcId};
    use crate::protocol::spec::Want;
    use crate::queue::Queue;
    use crate::supervisor::{Phase, Proc, ShimRequest, Supervisor};
    use tmo_base::testing::plan;

    const GRACE: Duration = Duration::from_secs(5);

    fn command() -> (AuxCommand, Duration) {
        (AuxCommands::new(Path::new("/")).of_run(&plan(&[]), &"exit".into()), GRACE)
    }

    fn stopping(life: LifeId) -> Proc {
        let mut proc = Supervisor::new(&plan(&["web"]), Timestamp::EPOCH).procs.remove(0);
        proc.phase = Phase::Running { life, pid: 1 };
        proc.marks.stop_requested = Some(life);
        proc
    }

    fn wanted(life: u32, kill: Option<LifeId>) -> ShimRequest {
        ShimRequest { want: Want::Stop, life: Some(LifeId::nth(life)), kill }
    }

    #[tokio::test]
    async fn the_newest_request_is_sent_after_the_stop_command_which_runs_once_per_life() {
        let (web, queue, life) = (ProcId::at(0), Queue::default(), LifeId::FIRST);
        let (mut commands, proc) = (StopCommands::default(), stopping(life));
        LocalSet::new()
            .run_until(async {
                assert!(commands.delay(web, &proc, wanted(1, None), command, &queue));
                assert!(commands.delay(web, &proc, wanted(2, None), command, &queue));
                assert_eq!(commands.ended(web, LifeId::nth(9)), None, "another life");
                assert_eq!(commands.ended(web, life), Some(wanted(2, None)));
                let again = || -> (AuxCommand, Duration) { panic!("it has run for this life") };
                assert!(!commands.delay(web, &proc, wanted(2, None), again, &queue));
                assert!(commands.grace_left(web, Some(life), GRACE) <= GRACE);
                assert_eq!(commands.grace_left(web, Some(LifeId::nth(2)), GRACE), GRACE);
            })
            .await;
    }

    #[tokio::test]
    async fn a_kill_does_not_wait_for_the_stop_command() {
        let (web, queue, life) = (ProcId::at(0), Queue::default(), LifeId::FIRST);
        let (mut commands, proc) = (StopCommands::default(), stopping(life));
        LocalSet::new()
            .run_until(async {
                assert!(commands.delay(web, &proc, wanted(1, None), command, &queue));
                assert!(!commands.delay(web, &proc, wanted(1, Some(life)), command, &queue));
                assert_eq!(commands.ended(web, life), None, "it was aborted");
            })
            .await;
    }
}
