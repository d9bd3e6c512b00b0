//! The API: HTTP with JSON, one router for every transport.
//!
//! | method and path | does |
//! |---|---|
//! | `GET /api/state` | the whole run |
//! | `GET /api/alive` | at once: whether the supervisor is still taking over, and answers nothing else yet |
//! | `GET /api/processes`, `GET /api/processes/{name}` | its processes, one of them |
//! | `POST /api/processes/{name}/start`, `…/stop`, `…/restart` | to one |
//! | `POST /api/start`, `/api/stop`, `/api/restart` | to `{"names":[…]}`; none named means all |
//! | `POST /api/signal` | `{"signal":"USR1","names":[…]}` to their process groups |
//! | `POST /api/processes/{name}/input` | `{"text":"…","enter":true}` typed into its terminal |
//! | `GET /api/processes/{name}/screen` | what its terminal shows; `?color=1` with its colours |
//! | `GET /api/lines` | a page of the journal: `name` (often), `after`, `last`, `limit`, `since`, `until`, `grep`, `ignore-case`, `invert`, `events` |
//! | `GET /api/events` | server-sent events as they come, or behind `Last-Event-ID`; `?lines=1` with output |
//! | `POST /api/quit`, `POST /api/kill` | to the run |
//! | `PUT /api/size` | `{"columns":80,"rows":24}` for the panes |
//! | `GET /api/head` | server-sent events `head`, at last `end`; `?view=1` counts as a view, which may be told to `leave` |
//! | `POST /api/detach` | every view leaves; the processes run on |
//!
//! What changes something answers when it is done, with `?wait=false` when it is accepted (202).
//! 404: no such name, 409: refused or failed (both with the outcome), 400: the request is no good.

mod history;
pub(super) mod pane;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, State};
use axum::http::{HeaderName, HeaderValue, Method, Request as HttpRequest, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::events;
use super::handle::Ending;
use super::server::Api;
use crate::model::ProcName;
use crate::model::nearest;
use crate::model::request::{Outcome, Request};
use crate::model::signal::SignalName;

/// Version of the program that answers, in every response.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("tmo-version");

/// A body larger than this is no request of ours.
const LARGEST_BODY: usize = 256 << 10;

/// The API over whatever transport it is served.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/state", get(state))
        .route("/api/alive", get(alive))
        .route("/api/processes", get(processes))
        .route("/api/processes/{name}", get(process))
        .route("/api/processes/{name}/input", post(pane::input))
        .route("/api/processes/{name}/screen", get(pane::screen))
        .route("/api/processes/{name}/{verb}", post(act_on_one))
        .route("/api/start", post(act_on_named))
        .route("/api/stop", post(act_on_named))
        .route("/api/restart", post(act_on_named))
        .route("/api/lines", get(history::lines))
        .route("/api/events", get(history::events))
        .route("/api/signal", post(signal))
        .route("/api/quit", post(quit))
        .route("/api/kill", post(kill))
        .route("/api/size", put(size))
        .route("/api/detach", post(detach))
        .route("/api/head", get(head))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::map_response(signed))
        .with_state(api)
}

/// A request that is answered without an outcome.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("the body of the request did not come within {} s", .0.as_secs())]
    Slow(Duration),
    #[error(transparent)]
    Ending(#[from] Ending),
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Ending(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        error(status, &self.to_string())
    }
}

/// `{"error": …}`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) error: String,
}

/// An answer that is only a reason.
pub(super) fn error(status: StatusCode, reason: &str) -> Response {
    json(status, &Problem { error: reason.to_owned() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let (status, mut text) = match serde_json::to_vec(value) {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::warn!("an answer has no JSON form: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":"no JSON form"}"#.to_vec())
        }
    };
    // Whoever types `curl` sees the prompt on a line of its own.
    text.push(b'\n');
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (status, kind, text).into_response()
}

async fn signed(mut response: Response) -> Response {
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    response.headers_mut().insert(VERSION_HEADER, version);
    response
}

async fn no_such_path(uri: Uri) -> Response {
    error(StatusCode::NOT_FOUND, &format!("there is no `{}` here", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let reason = format!("`{}` does not take {method}", uri.path());
    error(StatusCode::METHOD_NOT_ALLOWED, &reason)
}

async fn state(State(api): State<Api>) -> Result<Response, Refusal> {
    Ok(json(StatusCode::OK, &api.handle.state().await?))
}

/// What can be told of a supervisor without asking it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Alive {
    /// It takes over a run whose supervisor was killed; whatever else it is asked waits for that.
    pub(super) taking_over: bool,
}

async fn alive(State(api): State<Api>) -> Response {
    json(StatusCode::OK, &Alive { taking_over: api.handle.is_taking_over() })
}

#[derive(Serialize)]
struct Processes {
    api: u32,
    processes: Vec<crate::model::request::ProcessState>,
}

async fn processes(State(api): State<Api>) -> Result<Response, Refusal> {
    let processes = api.handle.state().await?.processes;
    Ok(json(StatusCode::OK, &Processes { api: 1, processes }))
}

async fn process(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(name) = name.map_err(|error| Refusal::Bad(error.body_text()))?;
    let all = api.handle.state().await?.processes;
    if let Some(found) = all.iter().find(|process| process.name.as_str() == name) {
        return Ok(json(StatusCode::OK, found));
    }
    let known: Vec<ProcName> = all.into_iter().map(|process| process.name).collect();
    Ok(json(StatusCode::NOT_FOUND, &nearest::unknown(&name, &known)))
}

/// The request that a verb of the API stands for.
fn named(verb: &str, names: Vec<String>) -> Option<Request> {
    match verb {
        "start" => Some(Request::Start { names }),
        "stop" => Some(Request::Stop { names }),
        "restart" => Some(Request::Restart { names }),
        _ => None,
    }
}

async fn act_on_one(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path((name, verb)) = path.map_err(|error| Refusal::Bad(error.body_text()))?;
    let Some(request) = named(&verb, vec![name]) else { return Ok(no_such_path(uri).await) };
    carry_out(&api, &uri, request).await
}

/// The body of `/api/start`, `/api/stop`, `/api/restart`.
///
/// A misspelt key must not turn "these" into "all", so unknown keys are refused.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Names {
    #[serde(default)]
    names: Vec<String>,
}

async fn act_on_named(
    State(api): State<Api>,
    uri: Uri,
    request: HttpRequest<Body>,
) -> Result<Response, Refusal> {
    let body = whole(&api, request).await?;
    let Names { names } = if body.is_empty() { Names::default() } else { read(&body)? };
    let verb = uri.path().trim_start_matches("/api/");
    let Some(request) = named(verb, names) else { return Ok(no_such_path(uri).await) };
    carry_out(&api, &uri, request).await
}

/// The body of `/api/signal`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signalled {
    signal: SignalName,
    #[serde(default)]
    names: Vec<String>,
}

async fn signal(
    State(api): State<Api>,
    uri: Uri,
    request: HttpRequest<Body>,
) -> Result<Response, Refusal> {
    let Signalled { signal, names } = read(&whole(&api, request).await?)?;
    carry_out(&api, &uri, Request::Signal { signal, names }).await
}

async fn quit(State(api): State<Api>, uri: Uri) -> Result<Response, Refusal> {
    carry_out(&api, &uri, Request::Quit).await
}

async fn kill(State(api): State<Api>, uri: Uri) -> Result<Response, Refusal> {
    carry_out(&api, &uri, Request::Kill).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    columns: u16,
    rows: u16,
}

async fn size(
    State(api): State<Api>,
    uri: Uri,
    request: HttpRequest<Body>,
) -> Result<Response, Refusal> {
    let Size { columns, rows } = read(&whole(&api, request).await?)?;
    if columns == 0 || rows == 0 {
        return Err(Refusal::Bad("a terminal has at least one column and one row".to_owned()));
    }
    carry_out(&api, &uri, Request::Resize { columns, rows }).await
}

async fn head(State(api): State<Api>, uri: Uri) -> Result<Response, Refusal> {
    let shown = switch(&uri, "view", false)?;
    let view = if shown {
        let leave = api.leave.subscribe();
        Some(events::View { _attached: api.handle.view().await?, leave })
    } else {
        None
    };
    Ok(events::response(api.handle, api.closing, view))
}

/// What came of [`detach`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Detached {
    /// How many views there were.
    pub(super) views: usize,
    /// All of them are gone.
    pub(super) gone: bool,
}

/// Answers when the views are gone; one in a stopped terminal may not be for long.
async fn detach(State(api): State<Api>) -> Response {
    const PATIENCE: Duration = Duration::from_secs(5);
    let views = api.leave.receiver_count();
    api.leave.send_replace(());
    let gone = tokio::time::timeout(PATIENCE, api.leave.closed()).await.is_ok();
    json(StatusCode::OK, &Detached { views, gone })
}

/// A key tells a request from others; nobody needs a long one.
const LONGEST_KEY: usize = 64;

async fn carry_out(api: &Api, uri: &Uri, request: Request) -> Result<Response, Refusal> {
    let wait = switch(uri, "wait", true)?;
    let key = value(uri, "key").filter(|key| !key.is_empty()).map(str::to_owned);
    if key.as_ref().is_some_and(|key| key.len() > LONGEST_KEY) {
        return Err(Refusal::Bad(format!("a `key` is at most {LONGEST_KEY} bytes long")));
    }
    let outcome = api.handle.request_once(request, wait, key).await?;
    Ok(json(status(&outcome, wait), &outcome))
}

const fn status(outcome: &Outcome, wait: bool) -> StatusCode {
    match outcome {
        Outcome { unknown: Some(_), .. } => StatusCode::NOT_FOUND,
        Outcome { ok: false, .. } => StatusCode::CONFLICT,
        Outcome { ok: true, .. } if wait => StatusCode::OK,
        Outcome { .. } => StatusCode::ACCEPTED,
    }
}

/// The whole body, unless it is too large or does not come.
async fn whole(api: &Api, request: HttpRequest<Body>) -> Result<Bytes, Refusal> {
    let patience = api.limits.patience;
    // A client that announces a body and sends none would hold its connection for ever.
    match tokio::time::timeout(patience, Bytes::from_request(request, &())).await {
        Err(_) => Err(Refusal::Slow(patience)),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let reason = format!("the body of a request is at most {LARGEST_BODY} bytes long");
            Err(Refusal::TooLarge(reason))
        }
        Ok(Err(error)) => Err(Refusal::Bad(error.body_text())),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let bad =
        |why: &dyn Display| Refusal::Bad(format!("the body is not what is expected here: {why}"));
    // A list would do for serde: an empty one as no names, which means all processes.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(bad(&"it must be an object"));
    }
    serde_json::from_slice(body).map_err(|error| bad(&error))
}

/// A yes or no in the query.
fn switch(uri: &Uri, key: &str, default: bool) -> Result<bool, Refusal> {
    value(uri, key).map_or(Ok(default), |value| truth(key, value))
}

/// What a yes or a no may look like.
fn truth(key: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        other => Err(Refusal::Bad(format!("`{key}={other}`: give 1 or 0"))),
    }
}

/// The last value of this name in the query.
fn value<'a>(uri: &'a Uri, key: &str) -> Option<&'a str> {
    let pairs = uri.query().unwrap_or("").split('&');
    let mut values = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    values.rfind(|&(name, _)| name == key).map(|(_, value)| value)
}
