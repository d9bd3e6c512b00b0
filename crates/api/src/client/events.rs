//! The events that a supervisor sends to its clients.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::address::Address;
use super::reply::Peer;
use super::{ClientError, HttpResponse};
use crate::client::sse::{Event, Parser};

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
