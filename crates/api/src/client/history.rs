//! The journal of a run, read through its supervisor: for clients without access to the files.

use hyper::Method;
use hyper::body::Bytes;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::events::{Event, EventStream};
use super::{Client, ClientError, of_process, percent_encoded};
use crate::journal::history::{Line, LogQuery};
use crate::model::text::untrusted::cleaned_json;

/// Lines per request: keeps an answer small even if every line is long.
const PAGE: usize = 200;

/// Some lines of the journal.
#[derive(Debug, Deserialize)]
pub struct LinePage {
    /// The lines. What they say is of another program: it is cleaned.
    pub lines: Vec<Line<'static>>,
    /// The cursor after the last line.
    pub next: Option<String>,
    /// Whether there are more.
    pub more: bool,
}

/// What another program says, without what could control a terminal.
struct Cleaned<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Cleaned<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = cleaned_json(Value::deserialize(from)?);
        serde_json::from_value(value).map(Self).map_err(D::Error::custom)
    }
}

/// An item of the stream of new lines and events.
#[derive(Debug)]
pub enum Next {
    /// A line or an event.
    Line(Box<Line<'static>>),
    /// The run is over.
    End,
}

impl Client {
    /// The first lines of the journal that are asked for.
    pub async fn lines(&self, ask: &LogQuery) -> Result<LinePage, ClientError> {
        let path = format!("/api/lines?{}", encoded(ask, ("limit", &PAGE.to_string())));
        let reply = self.ask_while_alive(Method::GET, &path, Bytes::new()).await?;
        let Cleaned(page): Cleaned<LinePage> = of_process(reply)?.read()?;
        if page.lines.len() > PAGE || (page.more && page.next == ask.after) {
            return Err(ClientError::OtherLines);
        }
        Ok(page)
    }

    /// What is wrong with this process, or with any, as an object of the API.
    pub async fn why(&self, name: Option<&str>) -> Result<Value, ClientError> {
        let path = match name {
            Some(name) => format!("/api/processes/{}/why", percent_encoded(name)),
            None => "/api/why".to_owned(),
        };
        let reply = self.ask_while_alive(Method::GET, &path, Bytes::new()).await?;
        of_process(reply)?.read()
    }

    /// Follow the journal, with what processes print unless only events are asked for.
    pub async fn follow(&self, ask: &LogQuery) -> Result<EventStream<Next>, ClientError> {
        let lines = ("lines", if ask.events { "false" } else { "true" });
        let path = format!("/api/events?{}", encoded(ask, lines));
        self.events(&path, "read the log that it sends", Next::read).await
    }
}

impl Next {
    fn read(Event { name, data }: &Event) -> serde_json::Result<Option<Self>> {
        if name == "end-of-run" {
            return Ok(Some(Self::End));
        }
        let Cleaned(line) = serde_json::from_str(data)?;
        Ok(Some(Self::Line(Box::new(line))))
    }
}

fn encoded(ask: &LogQuery, (name, value): (&str, &str)) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(ask.parameters()).append_pair(name, value);
    query.finish()
}
