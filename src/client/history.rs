//! The journal of a run, read through its supervisor: for clients without access to the files.

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::events::EventStream;
use super::{Client, ClientError, of_process, percent_encoded};
use crate::api::history::{HistoryAsk, Line};
use crate::model::untrusted::cleaned_json;

/// Some lines of the journal.
#[derive(Debug, Deserialize)]
pub struct LinePage {
    /// The lines. What they say is of another program: it is cleaned.
    #[serde(deserialize_with = "cleaned_lines")]
    pub lines: Vec<Line<'static>>,
    /// The cursor after the last line.
    pub next: Option<String>,
    /// Whether there are more.
    pub more: bool,
}

/// A line without what could control a terminal.
struct Cleaned(Line<'static>);

impl<'de> Deserialize<'de> for Cleaned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = cleaned_json(Value::deserialize(from)?);
        serde_json::from_value(value).map(Self).map_err(D::Error::custom)
    }
}

fn cleaned_lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Line<'static>>, D::Error> {
    let lines = Vec::<Cleaned>::deserialize(from)?;
    Ok(lines.into_iter().map(|Cleaned(line)| line).collect())
}

/// A stream of new lines and events.
#[derive(Debug)]
pub struct LineStream(EventStream);

/// An item of the stream.
#[derive(Debug)]
pub enum Next {
    /// A line or an event.
    Line(Box<Line<'static>>),
    /// The run is over.
    End,
}

impl Client {
    /// At most `limit` lines of the journal.
    pub async fn lines(&self, ask: &HistoryAsk, limit: usize) -> Result<LinePage, ClientError> {
        let path = format!("/api/lines?{}", encoded(ask, ("limit", &limit.to_string())));
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

    /// Follow the journal, with what processes print unless only events are asked for.
    pub async fn follow(&self, ask: &HistoryAsk) -> Result<LineStream, ClientError> {
        let lines = ("lines", if ask.events { "false" } else { "true" });
        let path = format!("/api/events?{}", encoded(ask, lines));
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
            Ok(event) => self.0.read(&event).map(|Cleaned(line)| Next::Line(Box::new(line))),
            Err(error) => Err(error),
        })
    }
}

fn encoded(ask: &HistoryAsk, (name, value): (&str, &str)) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(ask.parameters()).append_pair(name, value);
    query.finish()
}
