//! Updates on a run.

use super::ClientError;
use super::events::EventStream;
use crate::model::request::Head;
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
