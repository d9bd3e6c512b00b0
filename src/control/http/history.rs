//! The journal over HTTP: pages of lines, and events as they come.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{Refusal, error, json, truth};
use crate::control::events::stream_of;
use crate::control::handle::Handle;
use crate::control::history::{Answer, HistoryAsk, HistoryEntry, HistoryProblem};
use crate::control::server::{Api, closed};

/// How many entries a page has where nothing is said.
const USUAL: usize = 100;
/// And at most.
const MOST: usize = 10_000;
/// How many are read at once for a client that follows.
const BATCH: usize = 256;

/// `GET /api/lines`: a page.
pub(super) async fn lines(State(api): State<Api>, uri: Uri) -> Result<Response, Refusal> {
    let mut limit = USUAL;
    let ask = read(&uri, &mut |name, value| {
        if name == "limit" {
            limit = number(name, value)?.clamp(1, MOST);
        }
        Ok(name == "limit")
    })?;
    let after = ask.after.clone();
    let upto = api.handle.head.borrow().records;
    let history = api.journal.history.clone();
    let page = blocking(move || {
        history
            .ask(&ask)
            .and_then(|mut answer| answer.next(upto, limit).map_err(HistoryProblem::Io))
    });
    let (entries, more) = match page.await? {
        Ok(page) => page,
        Err(problem) => return refused(problem),
    };
    let next = entries.last().map(|entry| entry.cursor.clone()).or(after);
    let mut body = String::from("{\"api\":1,\"lines\":[");
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(&entry.json);
    }
    let next = serde_json::to_string(&next).unwrap_or_else(|_| "null".to_owned());
    // Writing to a string does not fail.
    let _ = writeln!(body, "],\"next\":{next},\"more\":{more}}}");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::OK, kind, body).into_response())
}

/// `GET /api/events`: server-sent events, each with its place as its id; `?lines=1` with what
/// processes print.
pub(super) async fn events(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut lines = false;
    let mut ask = read(&uri, &mut |name, value| {
        if name == "lines" {
            lines = truth(name, value)?;
        }
        Ok(name == "lines")
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    ask.after = last.map(str::to_owned).or(ask.after);
    ask.events = !lines;
    ask.from_now = ask.last.is_none() && ask.since.is_none();
    let history = api.journal.history.clone();
    let answer = match blocking(move || history.ask(&ask)).await? {
        Ok(answer) => answer,
        Err(problem) => return refused(problem),
    };
    let follow = Follow {
        answer: Some(answer),
        ready: VecDeque::new(),
        handle: api.handle,
        closing: api.closing,
        over: false,
        ended: false,
    };
    let events = stream::unfold(follow, |mut follow| async move {
        let event = follow.next().await?;
        Some((Ok::<_, Infallible>(event), follow))
    });
    Ok(stream_of(Body::from_stream(events)))
}

/// A client that follows. It is read for only when it has taken what was read before.
struct Follow {
    answer: Option<Box<dyn Answer>>,
    ready: VecDeque<HistoryEntry>,
    handle: Handle,
    closing: watch::Receiver<bool>,
    /// Nothing comes any more but what is there.
    over: bool,
    ended: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(HistoryEntry { cursor, kind, json }) = self.ready.pop_front() {
                return Some(format!("event: {kind}\nid: {cursor}\ndata: {json}\n\n").into());
            }
            let over = self.over;
            let upto = self.handle.head.borrow_and_update().records;
            let mut answer = self.answer.take()?;
            let read = spawn_blocking(move || (answer.next(upto, BATCH), answer)).await;
            let (read, answer) = read.ok()?;
            self.answer = Some(answer);
            let (entries, more) = read.ok()?;
            self.ready.extend(entries);
            if !self.ready.is_empty() || more {
                continue;
            }
            if over {
                let end = self.handle.end.borrow().clone().filter(|_| !self.ended)?;
                self.ended = true;
                let json = serde_json::to_string(&end).ok()?;
                return Some(format!("event: end-of-run\ndata: {json}\n\n").into());
            }
            let Handle { head, end, .. } = &mut self.handle;
            tokio::select! {
                changed = head.changed() => self.over = changed.is_err(),
                () = Handle::ended(end) => self.over = true,
                () = closed(&mut self.closing) => self.over = true,
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    spawn_blocking(work).await.map_err(|_| Refusal::Bad("the search has failed".to_owned()))
}

fn refused(problem: HistoryProblem) -> Result<Response, Refusal> {
    match problem {
        HistoryProblem::Bad(why) => Err(Refusal::Bad(why)),
        HistoryProblem::Unknown(outcome) => Ok(json(StatusCode::NOT_FOUND, &outcome)),
        HistoryProblem::Io(why) => {
            let text = format!("the journal can't be read: {why}");
            Ok(error(StatusCode::INTERNAL_SERVER_ERROR, &text))
        }
    }
}

/// The question in the query; what it knows nothing of goes to `other`, which says whether it does.
/// A misspelt word must not mean all there is.
fn read(
    uri: &Uri,
    other: &mut dyn FnMut(&str, &str) -> Result<bool, Refusal>,
) -> Result<HistoryAsk, Refusal> {
    let mut ask = HistoryAsk::default();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
        let value = value.into_owned();
        match &*name {
            "name" => ask.names.push(value),
            "after" => ask.after = Some(value),
            "last" => ask.last = Some(number(&name, &value)?.min(MOST)),
            "since" => ask.since = Some(value),
            "until" => ask.until = Some(value),
            "grep" => ask.grep = Some(value),
            "ignore-case" => ask.ignore_case = truth(&name, &value)?,
            "invert" => ask.invert = truth(&name, &value)?,
            "events" => ask.events = truth(&name, &value)?,
            _ if other(&name, &value)? => {}
            _ => return Err(Refusal::Bad(format!("there is no `{name}` here"))),
        }
    }
    Ok(ask)
}

fn number(name: &str, value: &str) -> Result<usize, Refusal> {
    value.parse().map_err(|_| Refusal::Bad(format!("`{name}={value}`: give a number")))
}
