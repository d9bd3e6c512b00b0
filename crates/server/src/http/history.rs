//! The journal over HTTP: pages of lines, and events as they happen.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::actions::Named;
use super::answer::{Answer, ApiResult, Refusal, blocking, json, plain_json, written_json};
use super::extract::{Query, Words, number, truth};
use crate::api::answers::Problem;
use crate::budget::BUSY;
use crate::engine_handle::EngineRequest;
use crate::events::{EventSource, stream_of};
use crate::journal::history::{
    self, Extent, HistoryEntry, HistoryPage, HistoryProblem, Line, LineCount, LogQuery, OutputAsk,
    OutputOverTime, OutputStream, PageAsk,
};
use crate::model::event;
use crate::model::request::{API, Cleared};
use crate::reading::Reading;
use crate::serve::Api;
use crate::sys;

/// Default number of entries per page.
const USUAL: usize = 100;
/// Maximum number of entries per page.
const MOST_PAGE_ENTRIES: usize = 10_000;
/// Maximum number of parts of a period.
const MOST_PARTS: usize = 1000;
/// Number of entries read at once for a client that follows.
const BATCH: usize = 256;

/// The parameters of a page.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paged {
    /// The maximum number of entries of a page; clamped to 1 to 10000.
    #[param(value_type = usize, required = false, default = 100, minimum = 0)]
    limit: Option<usize>,
    #[param(ignore)]
    ask: LogQuery,
    #[param(ignore)]
    page: PageAsk,
}

impl Words for Paged {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "limit" => self.limit = Some(number(name, value)?.clamp(1, MOST_PAGE_ENTRIES)),
            "before" => self.page.before = Some(value.to_owned()),
            "at" => self.page.at = Some(number(name, value)? as u64),
            "step" => self.page.step = truth(name, value)?,
            "styles" => self.page.styles = truth(name, value)?,
            _ => return chosen(&mut self.ask, name, value),
        }
        Ok(true)
    }
}

/// A page of the journal.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "for the description: it is put together of JSON")]
pub(super) struct Page {
    /// The schema version.
    #[schema(example = 1)]
    api: u32,
    /// Output and events, in order.
    lines: Vec<Line<'static>>,
    /// The `after` of the next page; null if nothing was found and no `after` was given.
    next: Option<String>,
    /// The `before` of the page before this one.
    previous: Option<String>,
    /// Whether there is more now, in the direction of the request: before the first line if there was a
    /// `before`, otherwise after the last one.
    more: bool,
    /// Whether `after` is older than the log or of another one: lines before the first are missing,
    /// or the log is new.
    reset: bool,
}

/// A page of the journal.
#[utoipa::path(
    get,
    path = "/api/lines",
    tag = "journal",
    params(LogQuery, PageAsk, Paged),
    responses(
        (status = 200, description = "What was found.", body = Page),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn lines(
    reading: Reading,
    Query(Paged { limit, mut ask, mut page }): Query<Paged>,
) -> ApiResult {
    let mut limit = limit.unwrap_or(USUAL);
    if page.is_special()
        && let Some(last) = ask.last.take()
    {
        page.before.get_or_insert_with(|| "end".to_owned());
        limit = limit.min(last);
    }
    let answers = reading.answers.clone();
    let read = async move {
        let read = read_lines(reading, ask, page, limit).await;
        read.unwrap_or_else(IntoResponse::into_response)
    };
    let busy = || Refusal::Reason(StatusCode::SERVICE_UNAVAILABLE, BUSY.to_owned());
    match answers {
        Some(answers) => answers.page(read).await.ok_or_else(busy),
        None => Ok(read.await),
    }
}

async fn read_lines(reading: Reading, ask: LogQuery, page: PageAsk, limit: usize) -> ApiResult {
    let (after, up) = (ask.after.clone(), page.before.is_some());
    let upto = reading.handle.head.borrow().records;
    let history = Arc::clone(&reading.history);
    let read = blocking(move || {
        if page.is_special() {
            return history.page(&ask, &page, limit, upto);
        }
        let mut answer = history.ask(&ask)?;
        let (entries, more) = answer.next(upto, limit).map_err(HistoryProblem::Io)?;
        let reached = entries.last().map(|entry| entry.cursor.clone());
        Ok(HistoryPage { entries, reached, more, reset: answer.is_reset() })
    });
    let HistoryPage { entries, reached, more, reset } = read.await??;
    let first = entries.first().map(|entry| entry.cursor.clone());
    let last = entries.last().map(|entry| entry.cursor.clone());
    let (next, previous) = if up { (last, reached) } else { (reached, first) };
    let next = next.or(after.filter(|_| !reset));
    let mut body = format!("{{\"api\":{API},\"lines\":[");
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(&entry.json);
    }
    let json = |cursor| serde_json::to_string(&cursor).unwrap_or_else(|_| "null".to_owned());
    let (next, previous) = (json(next), json(previous));
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "],\"next\":{next},\"previous\":{previous},\"more\":{more},\"reset\":{reset}}}"
    );
    Ok(written_json(StatusCode::OK, body))
}

/// The amount of output, in all and before a cursor (`after`).
///
/// This reads no text, so it takes the same time for a journal of any size.
#[utoipa::path(
    get,
    path = "/api/extent",
    tag = "journal",
    params(
        ("name" = Option<Vec<String>>, Query, description = "As of `/api/lines`."),
        ("after" = Option<String>, Query, description = "The cursor; without it, the end."),
    ),
    responses(
        (status = 200, description = "Bytes of output.", body = Extent),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn extent(reading: Reading, Query(Located(ask)): Query<Located>) -> ApiResult {
    let upto = reading.handle.head.borrow().records;
    let history = Arc::clone(&reading.history);
    let extent = blocking(move || history.extent(&ask, upto)).await??;
    Ok(plain_json(StatusCode::OK, &extent))
}

/// The number of lines, in all and before a cursor (`after`).
///
/// Each request counts for a limited time, so the first answers about a large journal are estimates.
#[utoipa::path(
    get,
    path = "/api/count",
    tag = "journal",
    params(
        ("name" = Option<Vec<String>>, Query, description = "As of `/api/lines`."),
        ("after" = Option<String>, Query, description = "The cursor; without it, the end."),
    ),
    responses(
        (status = 200, description = "Lines of output.", body = LineCount),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn count(reading: Reading, Query(Located(ask)): Query<Located>) -> ApiResult {
    let upto = reading.handle.head.borrow().records;
    let history = Arc::clone(&reading.history);
    let count = blocking(move || history.count(&ask, upto)).await??;
    Ok(plain_json(StatusCode::OK, &count))
}

/// The parameters of an extent.
#[derive(Debug, Default)]
pub(super) struct Located(LogQuery);

impl Words for Located {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "name" | "after" => chosen(&mut self.0, name, value),
            _ => Ok(false),
        }
    }
}

impl Words for OutputAsk {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "name" => self.names.push(value.to_owned()),
            "since" => self.since = Some(value.to_owned()),
            "until" => self.until = Some(value.to_owned()),
            "parts" => self.parts = number(name, value)?.clamp(1, MOST_PARTS),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// How much the processes printed over time.
///
/// This reads no text, so it takes the same time for a journal of any size.
#[utoipa::path(
    get,
    path = "/api/output",
    tag = "journal",
    params(OutputAsk),
    responses(
        (status = 200, description = "The bytes of each process.", body = OutputOverTime),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn output(reading: Reading, Query(ask): Query<OutputAsk>) -> ApiResult {
    let upto = reading.handle.head.borrow().records;
    let history = Arc::clone(&reading.history);
    let measured = blocking(move || history.output(&ask, upto)).await??;
    Ok(plain_json(StatusCode::OK, &measured))
}

/// Delete what was logged so far, by all processes in all runs, from the disk and the scroll-back of the terminals.
///
/// An unfinished line stays. Readers that are behind go on after it.
#[utoipa::path(
    post,
    path = "/api/clear",
    tag = "journal",
    responses(
        (status = 200, description = "It is deleted.", body = Answer<Cleared>),
        (status = 500, description = "The journal can't be cleared.", body = Answer<Problem>),
    )
)]
pub(super) async fn clear(api: Api, _: Query<()>) -> ApiResult {
    let (history, crashes) = (api.reading.history.clone(), api.reading.crashes.clone());
    let clear = move || {
        let mut cleared = history.clear()?;
        cleared.stays.extend(crashes.copies_of_output());
        Ok(cleared)
    };
    let cleared = blocking(clear).await?.map_err(|error| {
        Refusal::failed(format!("the journal can't be cleared: {}", sys::why(&error)))
    })?;
    // A supervisor that is ending closes its terminals.
    let _ = api.reading.handle.ask(|reply| EngineRequest::ClearScrollback { reply }).await;
    Ok(json(StatusCode::OK, &cleared))
}

/// The parameters of a stream of events.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Followed {
    /// With what processes print.
    #[param(required = false, default = false)]
    lines: bool,
    #[param(ignore)]
    ask: LogQuery,
}

impl Words for Followed {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "lines" => self.lines = truth(name, value)?,
            _ => return chosen(&mut self.ask, name, value),
        }
        Ok(true)
    }
}

/// What happens, as server-sent events, each with its cursor as its id.
///
/// What comes from now on; with `last` or `since` also what was before, and after `after` or
/// `Last-Event-ID` all that follows. The name of an event is that of what happened (`start`, `exit`,
/// `gap` …; later versions may have more), or `line`. With `types`, only those are sent, lines too if
/// `process:log` is among them. `end-of-run` is the last when the run is over; without it the
/// supervisor was replaced: connect again.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "journal",
    params(
        LogQuery,
        Followed,
        ("last-event-id" = Option<String>, Header, description = "As `after`, and counts before it."),
    ),
    responses(
        (
            status = 200,
            description = "Events until the run is over; `x-events` tells their data.",
            body = String,
            content_type = "text/event-stream",
        ),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    ),
    extensions(("x-events" = json!({
        "line": { "$ref": "#/components/schemas/Line" },
        "*": { "$ref": "#/components/schemas/Line" },
        "end-of-run": { "$ref": "#/components/schemas/End" },
    })))
)]
pub(super) async fn events(
    api: Api,
    Query(Followed { lines, mut ask }): Query<Followed>,
    headers: HeaderMap,
) -> ApiResult {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    ask.after = last.map(str::to_owned).or(ask.after);
    // A client that requests types decides with them whether it wants lines.
    ask.events = !lines && ask.types.is_empty();
    ask.from_now = ask.last.is_none() && ask.since.is_none();
    let history = api.reading.history.clone();
    let follow = Follow {
        answer: Some(blocking(move || history.ask(&ask)).await??),
        ready: VecDeque::new(),
        api,
        over: false,
        ended: false,
    };
    Ok(stream_of(follow))
}

/// A client that follows. More is read only after it has taken everything read before.
struct Follow {
    answer: Option<Box<dyn history::Answer>>,
    ready: VecDeque<HistoryEntry>,
    api: Api,
    /// Nothing more will be added; only entries that are already there are sent.
    over: bool,
    ended: bool,
}

impl EventSource for Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(HistoryEntry { cursor, kind, json }) = self.ready.pop_front() {
                return Some(format!("event: {kind}\nid: {cursor}\ndata: {json}\n\n").into());
            }
            let over = self.over;
            let upto = self.api.handle.head.borrow_and_update().records;
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
                let end = self.api.handle.end.borrow().clone().filter(|_| !self.ended)?;
                self.ended = true;
                let json = serde_json::to_string(&end).ok()?;
                return Some(format!("event: end-of-run\ndata: {json}\n\n").into());
            }
            self.over = !self.api.wait_for_more().await;
        }
    }
}

/// Parse the requested event types.
fn types(value: &str) -> Result<Vec<&'static str>, Refusal> {
    let all = || event::types().collect::<Vec<_>>().join(", ");
    let known = |word| {
        event::types().find(|known| *known == word).ok_or_else(|| {
            let what = format!("`{word}` is not a type; there are {}", all());
            Refusal::Strange(StatusCode::BAD_REQUEST, what)
        })
    };
    let words = value.split(',').filter(|word| !word.is_empty());
    let types: Vec<_> = words.map(known).collect::<Result<_, _>>()?;
    if types.is_empty() {
        return Err(Refusal::bad(format!("`types` names none; there are {}", all())));
    }
    Ok(types)
}

/// Parse the name of a stream.
fn stream(value: &str) -> Result<OutputStream, Refusal> {
    match value {
        "out" => Ok(OutputStream::Out),
        "err" => Ok(OutputStream::Err),
        _ => Err(Refusal::bad(format!("`stream={value}`: give out or err"))),
    }
}

/// Parse a parameter of [`LogQuery`].
fn chosen(ask: &mut LogQuery, name: &str, value: &str) -> Result<bool, Refusal> {
    let text = || Some(value.to_owned());
    match name {
        "name" => ask.names.push(value.to_owned()),
        "after" => ask.after = text(),
        "last" => ask.last = Some(number(name, value)?.min(MOST_PAGE_ENTRIES)),
        "since" => ask.since = text(),
        "until" => ask.until = text(),
        "grep" => ask.grep = text(),
        "stream" => ask.stream = Some(stream(value)?),
        "ignore-case" => ask.ignore_case = truth(name, value)?,
        "invert" => ask.invert = truth(name, value)?,
        "events" => ask.events = truth(name, value)?,
        "types" => ask.types.extend(types(value)?),
        "run" => ask.run = Some(number(name, value)?.max(1) as u64),
        "since-restart" => ask.since_restart = truth(name, value)?,
        "lines-before" => ask.lines_before = number(name, value)?.min(MOST_PAGE_ENTRIES),
        "lines-after" => ask.lines_after = number(name, value)?.min(MOST_PAGE_ENTRIES),
        _ => return Ok(false),
    }
    Ok(true)
}
