//! The journal of a run, by its supervisor: for a client that has no files of it.

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::events::EventStream;
use super::{Client, ClientError, of_process};

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
pub struct LineStream(EventStream);

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
        Ok(LineStream(EventStream::new(&self.at, answer, "read the log that it sends")))
    }
}

impl LineStream {
    /// The next of them; `None` when the connection has ended before the run. May be cancelled at
    /// any time.
    pub async fn next(&mut self) -> Option<Result<Next, ClientError>> {
        Some(match self.0.next().await? {
            Ok(event) if event.name == "end-of-run" => Ok(Next::End),
            Ok(event) => self.0.read(&event).map(Next::Line),
            Err(error) => Err(error),
        })
    }
}
