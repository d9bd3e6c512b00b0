//! The state of the run, its supervisor and its processes.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Answer, ApiResult, json, plain_json};
use super::extract::{Name, Query};
use crate::api::answers::Alive;
use crate::engine_handle::Busy;
use crate::model::plan::Backend;
use crate::model::request::Outcome;
use crate::model::state::{ProcessState, State, TmuxAddress};
use crate::model::text::OsText;
use crate::model::time::Timestamp;
use crate::model::{ProcessStatus, Untrusted};
use crate::reading::Reading;
use crate::serve::Api;
use crate::sys::clock;

/// The whole run.
#[utoipa::path(
    get,
    path = "/api/state",
    tag = "state",
    responses((status = 200, description = "The run as it is now.", body = State))
)]
pub(super) async fn state(reading: Reading, _: Query<()>) -> ApiResult {
    Ok(plain_json(StatusCode::OK, &reading.handle.state().await?))
}

/// The supervisor, and the run in short.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    /// Version of the program that runs here.
    version: String,
    /// Process id of the supervisor.
    pid: u32,
    /// When the run started, nanoseconds since the epoch.
    #[schema(value_type = u64)]
    started: Timestamp,
    /// How long it has been running, seconds.
    uptime: u64,
    /// Whether everything is being stopped.
    quitting: bool,
    /// The title.
    #[schema(value_type = String)]
    title: Untrusted,
    /// Working directory of the processes.
    root: OsText,
    /// The Procfile as it was named where the run was started.
    procfile: Option<OsText>,
    /// The control socket, absolute.
    socket: OsText,
    /// What provides the terminals: `tmux` or `native` (tmo itself).
    #[schema(value_type = String)]
    backend: Backend,
    /// tmux server name and session, if the terminals are in tmux.
    #[serde(skip_serializing_if = "Option::is_none")]
    tmux: Option<TmuxAddress>,
    /// How many processes are in each state, also where that is 0.
    processes: BTreeMap<String, u32>,
}

impl Status {
    fn of(state: State, now: Timestamp) -> Self {
        let mut processes: BTreeMap<_, _> =
            ProcessStatus::ALL.map(|status| (status.word().to_owned(), 0)).into();
        for process in state.processes {
            *processes.entry(process.state.word().to_owned()).or_default() += 1;
        }
        Self {
            version: state.version,
            pid: state.pid,
            started: state.started,
            // Zero if the clock was set back meanwhile.
            uptime: now.since(state.started).as_secs(),
            quitting: state.quitting,
            title: state.title,
            root: state.root,
            procfile: state.procfile,
            socket: state.socket,
            backend: state.backend,
            tmux: state.tmux,
            processes,
        }
    }
}

/// The supervisor, and the run in short.
#[utoipa::path(
    get,
    path = "/api/status",
    tag = "state",
    responses((status = 200, description = "The run in short.", body = Answer<Status>))
)]
pub(super) async fn status(reading: Reading, _: Query<()>) -> ApiResult {
    let state = reading.handle.state().await?;
    Ok(json(StatusCode::OK, &Status::of(state, clock::now())))
}

/// Whether the supervisor takes over or ends the run, and answers nothing else.
///
/// Answered at once, however busy it is.
#[utoipa::path(
    get,
    path = "/api/alive",
    tag = "state",
    responses((status = 200, description = "It lives.", body = Answer<Alive>))
)]
pub(super) async fn alive(api: Api, _: Query<()>) -> Response {
    let Busy { taking_over, ending } = &*api.handle.busy;
    let [taking_over, ending] = [taking_over, ending].map(|is| is.load(Ordering::Relaxed));
    json(StatusCode::OK, &Alive { taking_over, ending })
}

/// The processes of a run.
#[derive(Debug, Serialize, ToSchema)]
struct Processes {
    /// In the order of the Procfile.
    processes: Vec<ProcessState>,
}

/// All processes.
#[utoipa::path(
    get,
    path = "/api/processes",
    tag = "state",
    responses((status = 200, description = "As they are now.", body = Answer<Processes>))
)]
pub(super) async fn processes(reading: Reading, _: Query<()>) -> ApiResult {
    let processes = reading.handle.state().await?.processes;
    Ok(json(StatusCode::OK, &Processes { processes }))
}

/// One process.
#[utoipa::path(
    get,
    path = "/api/processes/{name}",
    tag = "state",
    params(("name" = String, Path, description = "The whole name of a process: `web`, `web#2`.")),
    responses(
        (status = 200, description = "As it is now.", body = Answer<ProcessState>),
        (status = 404, description = "No process has this name.", body = Answer<Outcome>),
    )
)]
pub(super) async fn process(reading: Reading, Name(name): Name, _: Query<()>) -> ApiResult {
    let all = reading.handle.state().await?.processes;
    if let Some(found) = all.iter().find(|process| process.name.as_str() == name) {
        return Ok(json(StatusCode::OK, found));
    }
    let known = all.iter().map(|process| &process.name);
    Ok(json(StatusCode::NOT_FOUND, &Outcome::unknown(&name, known)))
}
