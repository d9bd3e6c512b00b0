//! News of a run.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::ClientError;
use super::reply::Peer;
use crate::client::sse;
use crate::model::request::Head;
use crate::model::run_end::End;

/// News of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadEvent {
    /// The journal ends there now; earlier ones may have been skipped.
    Head(Head),
    /// The run is over.
    End(End),
    /// This view is to go; the run goes on.
    Leave,
}

/// News of a run, one after the other.
#[derive(Debug)]
pub struct HeadStream {
    pub(super) peer: Peer,
    pub(super) body: Incoming,
    pub(super) parser: sse::Parser,
    pub(super) events: std::vec::IntoIter<sse::Event>,
}

impl HeadStream {
    /// The next news; `None` when the supervisor is gone. May be cancelled at any time.
    ///
    /// [`HeadEvent::End`] comes last: without one before it, `None` means that the supervisor did
    /// not end in order.
    pub async fn next(&mut self) -> Option<Result<HeadEvent, ClientError>> {
        loop {
            if let Some(event) = self.events.next() {
                match self.read(&event) {
                    Some(news) => return Some(news),
                    // An event of a later version.
                    None => continue,
                }
            }
            // A torn connection is no more than a supervisor that is gone.
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            let mut events = Vec::new();
            if self.parser.feed(&piece, &mut events).is_err() {
                return Some(Err(self.garbled("an event is too large")));
            }
            self.events = events.into_iter();
        }
    }

    fn read(&self, event: &sse::Event) -> Option<Result<HeadEvent, ClientError>> {
        let parsed = match event.name.as_str() {
            "head" => serde_json::from_str(&event.data).map(HeadEvent::Head),
            "end" => serde_json::from_str(&event.data).map(HeadEvent::End),
            "leave" => Ok(HeadEvent::Leave),
            _ => return None,
        };
        Some(parsed.map_err(|error| self.garbled(&error.to_string())))
    }

    fn garbled(&self, what: &str) -> ClientError {
        self.peer.garbled("read its news of the run", &what)
    }
}
