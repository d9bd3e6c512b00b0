//! The events that a supervisor sends to its clients: its updates on the run.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::address::Address;
use super::reply::Peer;
use super::{ClientError, HttpResponse};
use crate::client::sse::{Event, Parser};
use crate::model::exit::End;
use crate::model::request::Head;
use crate::model::state::{ProcessState, State};

/// Reads an event; `None` for one that only later versions know.
pub(super) type ReadEvent<T> = fn(&Event) -> serde_json::Result<Option<T>>;

/// A stream of events.
#[derive(Debug)]
pub struct EventStream<T> {
    peer: Peer,
    /// The operation that is not possible if they can't be parsed.
    can_not: &'static str,
    read: ReadEvent<T>,
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl<T> EventStream<T> {
    /// The events in this answer from the supervisor at this address.
    pub(super) fn new(
        at: &Address,
        answer: HttpResponse,
        can_not: &'static str,
        read: ReadEvent<T>,
    ) -> Self {
        let peer = Peer::of(at, answer.headers());
        let (parser, ready) = (Parser::default(), VecDeque::new());
        Self { peer, can_not, read, body: answer.into_body(), parser, ready }
    }

    /// The next event; `None` when the connection has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if let Some(read) = (self.read)(&event).transpose() {
                    return Some(read.map_err(|error| self.garbled(&error)));
                }
            }
            // A broken connection means only that the supervisor is gone.
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            if self.parser.feed(&piece, &mut self.ready).is_err() {
                return Some(Err(self.garbled(&"an event is too large")));
            }
        }
    }

    fn garbled(&self, why: &dyn std::fmt::Display) -> ClientError {
        self.peer.garbled(self.can_not, why)
    }
}

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
