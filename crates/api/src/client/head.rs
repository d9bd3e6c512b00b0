//! Updates on a run.

use super::events::EventStream;
use super::sse::Event;
use crate::model::request::Head;
use crate::model::run_end::End;
use crate::model::state::{ProcessState, State};

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

/// A stream of updates on a run.
///
/// [`HeadEvent::End`] comes last: an end without it means that the supervisor did not end in order.
pub type HeadStream = EventStream<HeadEvent>;

impl HeadEvent {
    pub(super) fn read(Event { name, data }: &Event) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name.as_str() {
            "head" => Self::Head(serde_json::from_str(data)?),
            "end" => Self::End(serde_json::from_str(data)?),
            "leave" => Self::Leave,
            _ => return Ok(None),
        }))
    }
}

impl WatchEvent {
    pub(super) fn read(Event { name, data }: &Event) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name.as_str() {
            "state" => Self::State(serde_json::from_str(data)?),
            "process" => Self::Process(serde_json::from_str(data)?),
            "end" => Self::End,
            _ => return Ok(None),
        }))
    }
}
