//! What happens, in the order it happened: the one queue that the engine's loop empties.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;

use super::declaring::Declaring;
use super::owed::Debt;
use super::probes::Answer;
use crate::backend::tmux::TmuxError;
use crate::backend::tmux::server::Survey;
use crate::crash::CrashReport;
use crate::model::{LifeId, ProcId};
use crate::supervisor::Question;
use crate::sys::Sweep;

/// Something that happened outside the state machine.
#[derive(Debug)]
pub(super) enum Event {
    /// A bell was rung: there is output or a life entry to be read.
    Bell(ProcId),
    /// A sink says that it is there.
    SinkUp(ProcId),
    /// No sink holds the bell any more.
    SinkGone(ProcId),
    /// This shim (pid) has ended, or (`false`) had ended before anybody watched it.
    ShimExit(ProcId, u32, bool),
    /// What that shim had been running was ended in its place.
    Swept(ProcId, u32, Sweep),
    /// The tmux server has ended.
    TmuxExit,
    /// tmux was asked to open these panes; what is there since.
    Opened(Vec<ProcId>, Result<Survey, TmuxError>),
    /// Whether something is so was asked, and what was wrong, if anything.
    Asked(Question, Answer),
    /// The stop command of a life has ended, and what was wrong with it, if anything.
    StopAsked(ProcId, LifeId, Option<String>),
    /// What is to be said of a life that has crashed.
    Examined(ProcId, LifeId, Vec<String>),
    /// The hook has ended behind which the run is to end: what was wrong, and its code.
    Hooked(Option<String>, u8),
    /// A hook that was owed has ended.
    HookEnded(Debt),
    /// A hook has failed.
    HookFailed(String),
    /// A notice was not shown, because of this.
    NotNotified(String),
    /// A crash report is written.
    Reported(Box<CrashReport>),
    /// What means that processes have failed was read again, perhaps changed, for somebody.
    Declared(Box<Declaring>),
    /// A dead pipe was looked after: whether it had been closed, not its sink killed, and whether
    /// the pane was piped again.
    Piped(ProcId, bool, Result<bool, TmuxError>),
}

/// The queue. Bells are rung far more often than they are answered, so each stands in it once;
/// everything else happens a few times per process.
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

    /// Take the oldest event.
    pub(super) fn pop(&self) -> Option<Event> {
        let mut inner = self.inner.borrow_mut();
        let event = inner.events.pop_front()?;
        if let Event::Bell(id) = event {
            inner.rung.remove(&id);
        }
        Some(event)
    }

    /// Drop the answers to what was asked about a process.
    pub(super) fn forget_asked(&self, id: ProcId) {
        let about = |event: &Event| matches!(event, Event::Asked(question, _) if question.id == id);
        self.inner.borrow_mut().events.retain(|event| !about(event));
    }

    /// How many events wait now.
    pub(super) fn len(&self) -> usize {
        self.inner.borrow().events.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wait until something was added.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
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
