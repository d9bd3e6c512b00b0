//! Watched files: what has changed, and the commands that run before a restart.
//!
//! What changes do to a process is decided by the state machine (`crates/supervisor/src/file_changes.rs`).

mod debounce;
mod tree;
mod watcher;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::timeout;

use self::watcher::{FileReport, Followed, Watcher};
use super::action::Action;
use super::commands::command::{AuxCommand, AuxCommands};
use super::queue::{Event, Queue, Task};
use crate::model::ProcId;
use crate::model::event::What;
use crate::model::file_change::BuildFailure;
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::units::span;
use crate::supervisor::Supervisor;
use crate::sys::why;

/// A command before a restart that takes longer is ended.
const LONGEST_BUILD: Duration = Duration::from_secs(600);

/// Maximum number of reports that wait for the engine.
const MOST_REPORTS: usize = 16;

/// The watched files of a run.
#[derive(Debug, Default)]
pub(super) struct FileChanges {
    followed: Vec<Followed>,
    /// The thread, and the task that passes its reports on; none if no file is watched.
    watcher: Option<(Watcher, Task)>,
    /// The commands that run before a restart, with the time that identifies each.
    builds: HashMap<ProcId, (Timestamp, Task)>,
}

impl FileChanges {
    /// Watch the files that this plan names.
    pub(super) fn follow(
        &mut self,
        plan: &Plan,
        supervisor: &Supervisor,
        runtime: &Path,
        queue: &Queue,
    ) -> Vec<Action> {
        let watched = ProcId::all(&plan.processes).zip(&plan.processes);
        let watched = watched.filter(|(_, process)| !process.removed);
        let followed: Vec<_> = watched
            .filter_map(|(id, process)| {
                Some(Followed { id, rules: process.rules.watch.clone()?, since: None })
            })
            .collect();
        if followed == self.followed {
            return vec![];
        }
        let is_first = self.watcher.is_none();
        self.followed.clone_from(&followed);
        if followed.is_empty() {
            self.watcher = None;
            return vec![];
        }
        let watcher = match self.watcher.take() {
            Some(watcher) => watcher,
            None => match start(queue) {
                Ok(watcher) => watcher,
                Err(error) => {
                    return vec![Action::log_of_run(What::NotWatched { why: why(&error) })];
                }
            },
        };
        let (watcher, _) = self.watcher.insert(watcher);
        let mut followed = followed;
        if is_first {
            for followed in &mut followed {
                followed.since = supervisor.files_settled(followed.id);
            }
        }
        watcher.follow(followed, own_files(plan, runtime));
        vec![]
    }

    /// Start the commands that are to run before a restart, and end those that are not needed any more.
    pub(super) fn build(
        &mut self,
        supervisor: &Supervisor,
        plan: &Plan,
        commands: &AuxCommands,
        queue: &Queue,
    ) {
        let wanted: HashMap<_, _> = supervisor.builds().collect();
        self.builds.retain(|id, (begun, _)| wanted.get(id) == Some(begun));
        for (id, begun) in wanted {
            let process = &plan.processes[id];
            let run = process.rules.watch.as_ref().and_then(|watch| watch.run.as_ref());
            // Without a command there is nothing to wait for: a reload has removed it.
            let command = run.map(|run| commands.of_process(plan, process, run));
            self.builds.entry(id).or_insert_with(|| {
                let queue = queue.clone();
                let task = spawn_local(async move {
                    let failure = match command {
                        Some(command) => failure(&command).await,
                        None => None,
                    };
                    queue.push(Event::Built(id, begun, failure));
                });
                (begun, Task(task))
            });
        }
    }
}

/// Run a command before a restart to its end; returns its failure.
async fn failure(command: &AuxCommand) -> Option<BuildFailure> {
    let (why, lines) = match timeout(LONGEST_BUILD, command.printed()).await {
        Ok(printed) => printed.err()?,
        Err(_) => (format!("ended after {}", span(LONGEST_BUILD)), vec![]),
    };
    Some(BuildFailure { command: command.line().into(), why, lines })
}

/// Start the thread, and pass on what it reports.
fn start(queue: &Queue) -> std::io::Result<(Watcher, Task)> {
    let (sender, mut reports) = mpsc::channel(MOST_REPORTS);
    let watcher = Watcher::start(sender)?;
    let queue = queue.clone();
    let task = spawn_local(async move {
        while let Some(report) = reports.recv().await {
            queue.push(match report {
                FileReport::Changed(changes) => Event::FilesChanged(changes),
                FileReport::Unsettled(of, settled) => Event::FilesUnsettled(of, settled),
                FileReport::Log(what) => Event::FilesNotWatched(what),
            });
        }
    });
    Ok((watcher, Task(task)))
}

/// The files and directories that tmo writes itself.
fn own_files(plan: &Plan, runtime: &Path) -> Vec<PathBuf> {
    let named = [Some(&plan.log.dir), plan.crash_dir.as_ref(), Some(&plan.socket)];
    let named = named.into_iter().flatten().map(OsText::as_path).map(Path::to_owned);
    named.chain([runtime.to_owned()]).collect()
}
