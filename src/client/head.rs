//! Updates on a run.

use super::ClientError;
use super::events::EventStream;
use crate::model::request::{Head, ProcessState, State};
use crate::model::run_end::End;

/// An update on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The current end of the journal; earlier updates may have been skipped.
    Head(Head),
    /// The run is over.
    End(End),
    /// This view must exit; the run goes on.
    Leave,
}

/// A change of the state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The whole state.
    State(Box<State>),
    /// The state of one process.
    Process(Box<ProcessState>),
    /// The run is over.
    End,
}

/// A stream of changes of the state of a run.
#[derive(Debug)]
pub struct WatchStream(pub(super) EventStream);

impl WatchStream {
    /// The next change; `None` when the supervisor is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, ClientError>> {
        loop {
            let event = match self.0.next().await? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            return Some(match event.name.as_str() {
                "state" => self.0.read(&event).map(WatchEvent::State),
                "process" => self.0.read(&event).map(WatchEvent::Process),
                "end" => Ok(WatchEvent::End),
                // An event that only later versions know.
                _ => continue,
            });
        }
    }
}

/// A stream of updates on a run.
#[derive(Debug)]
pub struct HeadStream(pub(super) EventStream);

impl HeadStream {
    /// The next update; `None` when the supervisor is gone. Cancel-safe.
    ///
    /// [`HeadEvent::End`] comes last: `None` without it means that the supervisor did not end in order.
    pub async fn next(&mut self) -> Option<Result<HeadEvent, ClientError>> {
        loop {
            let event = match self.0.next().await? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            let news = match event.name.as_str() {
                "head" => self.0.read(&event).map(HeadEvent::Head),
                "end" => self.0.read(&event).map(HeadEvent::End),
                "leave" => Ok(HeadEvent::Leave),
                // An event that only later versions know.
                _ => continue,
            };
            return Some(news);
        }
    }
}
