//! The event queue that the engine's loop empties, in the order of arrival; and tasks that end with their owner.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::commands::command::HookFailure;
use super::reports::outbox::OutboxItem;
use super::search::failure_declarations::DeclarationEdit;
use crate::backend::{Survey, TerminalError};
use crate::crash::CrashReport;
use crate::model::event::What;
use crate::model::file_change::{BuildFailure, FileChange};
use crate::model::time::Timestamp;
use crate::model::{LifeId, ProcId, ProcName};
use crate::supervisor::Question;
use crate::sys::OrphanReport;

/// Something that happened outside the state machine.
#[derive(Debug)]
pub(super) enum Event {
    /// A bell was rung: there is output or a life entry to be read.
    Bell(ProcId),
    /// A sink has reported that it is ready.
    SinkUp(ProcId),
    /// No sink holds the bell any more.
    SinkGone(ProcId),
    /// This shim (pid) has ended; `false` if it had ended before its exit could be watched.
    ShimExit(ProcId, u32, bool),
    /// The process tree of that shim (pid) was killed in its place.
    OrphansKilled(ProcId, u32, OrphanReport),
    /// The tmux server has ended.
    TmuxExit,
    /// tmux has answered a request to open these panes: what exists now, or an error.
    Opened(Vec<ProcId>, Result<Survey, TerminalError>),
    /// A probe has an answer to this question.
    Asked(Question, ProbeResult),
    /// The stop command of a life has ended, with its error, if any.
    StopAsked(ProcId, LifeId, Option<String>),
    /// The hook after which the run is to end has ended.
    Hooked(Result<(), HookFailure>),
    /// Watched files of these processes have changed.
    FilesChanged(Vec<(ProcId, FileChange)>),
    /// Files of exactly these processes change at present; what was written to the others until this time is known.
    FilesUnsettled(Vec<ProcId>, Timestamp),
    /// Not all files can be watched.
    FilesNotWatched(What),
    /// The command before a restart, begun then, has ended; with its failure, if it has failed.
    Built(ProcId, Timestamp, Option<BuildFailure>),
    /// Some work has finished.
    Finished(Finished),
    /// The loss of a sink was handled: whether tmux had closed its pipe (so the sink was not killed),
    /// and whether the pane was piped again.
    Piped(ProcId, bool, Result<bool, TerminalError>),
}

/// The result of work that the end of the run waits for.
#[derive(Debug)]
pub(super) enum Finished {
    /// The event to log about a process that has crashed.
    Examined(ProcName, Box<What>),
    /// A hook that the saved state lists as unfinished has ended.
    HookEnded(OutboxItem),
    HookFailed(String),
    /// A desktop notice could not be shown, for this reason.
    NotNotified(String),
    /// A crash report has been written.
    Reported(Box<CrashReport>),
    /// The failure patterns were read again, and perhaps changed, for a client.
    Declared(Box<DeclarationEdit>),
}

/// The answer of a probe.
#[derive(Debug)]
pub(super) enum ProbeResult {
    /// The check has passed, perhaps with a warning.
    Good(Option<String>),
    /// The check has failed, for this reason.
    Bad(String),
}

/// The queue. Bells ring far more often than they are handled, so each is queued at most once. All
/// other events occur a few times per process.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    inner: Rc<RefCell<Inner>>,
    filled: Rc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    rung: HashSet<ProcId>,
}

impl Queue {
    /// Add an event.
    pub(super) fn push(&self, event: Event) {
        let mut inner = self.inner.borrow_mut();
        if let Event::Bell(id) = event
            && !inner.rung.insert(id)
        {
            return;
        }
        inner.events.push_back(event);
        drop(inner);
        self.filled.notify_one();
    }

    /// Add the result of some work.
    pub(super) fn finished(&self, result: Finished) {
        self.push(Event::Finished(result));
    }

    /// Take the oldest event.
    pub(super) fn pop(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let event = inner.events.pop_front()?;
        if let Event::Bell(id) = event {
            inner.rung.remove(&id);
        }
        Some(event)
    }

    /// Drop the queued probe answers about a process.
    pub(super) fn forget_asked(&self, id: ProcId) {
        let about = |event: &Event| matches!(event, Event::Asked(question, _) if question.id == id);
        self.inner.borrow_mut().events.retain(|event| !about(event));
    }

    /// How many events are queued now.
    pub(super) fn len(&self) -> usize {
        self.inner.borrow().events.len()
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wait until an event is added.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Queue};
    use crate::model::ProcId;

    #[test]
    fn a_bell_stands_in_it_once() {
        let queue = Queue::default();
        queue.push(Event::Bell(ProcId::at(1)));
        queue.push(Event::Bell(ProcId::at(2)));
        queue.push(Event::Bell(ProcId::at(1)));
        queue.push(Event::TmuxExit);
        assert_eq!(queue.len(), 3);
        assert!(matches!(queue.pop(), Some(Event::Bell(id)) if id == ProcId::at(1)));
        queue.push(Event::Bell(ProcId::at(1)));
        assert_eq!(queue.len(), 3);
    }
}
