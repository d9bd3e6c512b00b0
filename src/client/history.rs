//! The journal of a run, by its supervisor: for a client that has no files of it.

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::reply::Peer;
use super::{Client, ClientError, of_process};
use crate::client::sse;

/// Some lines of the journal.
#[derive(Debug, Deserialize)]
pub struct LinePage {
    /// Each as an object of the API.
    pub lines: Vec<Value>,
    /// The cursor behind them.
    pub next: Option<String>,
    /// Whether there are more.
    pub more: bool,
}

/// Lines and events as they come.
#[derive(Debug)]
pub struct LineStream {
    peer: Peer,
    body: Incoming,
    parser: sse::Parser,
    events: std::vec::IntoIter<sse::Event>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A line or an event.
    Line(Value),
    /// The run is over.
    End,
}

impl Client {
    /// A page of the journal; the query is that of `/api/lines`.
    pub async fn lines(&self, query: &str) -> Result<LinePage, ClientError> {
        let path = format!("/api/lines?{query}");
        let reply = self.ask_while_alive(Method::GET, &path, Bytes::new()).await?;
        of_process(reply)?.read()
    }

    /// Follow the journal; the query is that of `/api/events`.
    pub async fn follow(&self, query: &str) -> Result<LineStream, ClientError> {
        let path = format!("/api/events?{query}");
        let answer = self.send(Method::GET, &path, Bytes::new()).await?;
        if answer.status() != StatusCode::OK {
            let reply = self.whole("GET /api/events".to_owned(), answer).await?;
            return Err(of_process(reply).map_or_else(|error| error, |reply| reply.refusal()));
        }
        Ok(LineStream {
            peer: Peer::of(&self.at, answer.headers()),
            body: answer.into_body(),
            parser: sse::Parser::default(),
            events: Vec::new().into_iter(),
        })
    }
}

impl LineStream {
    /// The next of them; `None` when the connection has ended before the run. May be cancelled at
    /// any time.
    pub async fn next(&mut self) -> Option<Result<Next, ClientError>> {
        loop {
            if let Some(event) = self.events.next() {
                if event.name == "end-of-run" {
                    return Some(Ok(Next::End));
                }
                let line = serde_json::from_str(&event.data).map(Next::Line);
                return Some(line.map_err(|error| self.garbled(&error)));
            }
            let piece = self.body.frame().await?.ok()?.into_data().unwrap_or_default();
            let mut events = Vec::new();
            if self.parser.feed(&piece, &mut events).is_err() {
                return Some(Err(self.garbled(&"an event is too large")));
            }
            self.events = events.into_iter();
        }
    }

    fn garbled(&self, what: &dyn std::fmt::Display) -> ClientError {
        self.peer.garbled("read the log that it sends", what)
    }
}
