//! The events that a supervisor sends to its clients.

use std::collections::VecDeque;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::address::Address;
use super::reply::Peer;
use super::{ClientError, HttpResponse};
use crate::client::sse::{Event, Parser};

/// A stream of events.
#[derive(Debug)]
pub(super) struct EventStream {
    peer: Peer,
    /// The operation that is not possible if they can't be parsed.
    can_not: &'static str,
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl EventStream {
    /// The events in this answer from the supervisor at this address.
    pub(super) fn new(at: &Address, answer: HttpResponse, can_not: &'static str) -> Self {
        let peer = Peer::of(at, answer.headers());
        let (parser, ready) = (Parser::default(), VecDeque::new());
        Self { peer, can_not, body: answer.into_body(), parser, ready }
    }

    /// The next event; `None` when the connection has ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            // A broken connection means only that the supervisor is gone.
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            if self.parser.feed(&piece, &mut self.ready).is_err() {
                return Some(Err(self.garbled(&"an event is too large")));
            }
        }
    }

    /// Parse the data of an event.
    pub(super) fn read<T: DeserializeOwned>(&self, event: &Event) -> Result<T, ClientError> {
        serde_json::from_str(&event.data).map_err(|error| self.garbled(&error))
    }

    fn garbled(&self, why: &dyn std::fmt::Display) -> ClientError {
        self.peer.garbled(self.can_not, why)
    }
}
