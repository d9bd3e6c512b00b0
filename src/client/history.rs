//! The journal of a run, read through its supervisor: for clients without access to the files.

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::events::EventStream;
use super::{Client, ClientError, of_process, percent_encoded};

/// Some lines of the journal.
#[derive(Debug, Deserialize)]
pub struct LinePage {
    /// Each line as an object of the API.
    pub lines: Vec<Value>,
    /// The cursor after the last line.
    pub next: Option<String>,
    /// Whether there are more.
    pub more: bool,
}

/// A stream of new lines and events.
#[derive(Debug)]
pub struct LineStream(EventStream);

/// An item of the stream.
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

    /// What is wrong with this process, or with any, as an object of the API; `None` if the supervisor is of a
    /// version that can't tell.
    pub async fn why(&self, name: Option<&str>) -> Result<Option<Value>, ClientError> {
        let path = match name {
            Some(name) => format!("/api/processes/{}/why", percent_encoded(name)),
            None => "/api/why".to_owned(),
        };
        let reply = self.ask_while_alive(Method::GET, &path, Bytes::new()).await?;
        if reply.status == StatusCode::NOT_FOUND && reply.is_reason() {
            return Ok(None);
        }
        of_process(reply)?.read().map(Some)
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
    /// The next item; `None` if the connection ended before the run did. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Next, ClientError>> {
        Some(match self.0.next().await? {
            Ok(event) if event.name == "end-of-run" => Ok(Next::End),
            Ok(event) => self.0.read(&event).map(Next::Line),
            Err(error) => Err(error),
        })
    }
}
