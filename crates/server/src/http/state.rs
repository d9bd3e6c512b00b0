//! The state of the run, its supervisor and its processes: what they are, how they are run, what they use.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::actions::Named;
use super::answer::{Answer, ApiResult, Refusal, json, plain_json};
use super::crashes::read_crashes;
use super::extract::{Name, Query, Words, number};
use crate::api::answers::{Alive, Commands, Problem, RecentMatches};
use crate::crash::access::CrashAccess;
use crate::engine_handle::{Busy, EngineRequest};
use crate::figures::Sample;
use crate::model::plan::process_env::process_env;
use crate::model::plan::rules::{DependencyCondition, Need};
use crate::model::plan::{Backend, Plan, ProcessPlan};
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
    fn new(state: State, now: Timestamp) -> Self {
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
            processes: counts_by_status(&state.processes),
        }
    }
}

/// How many processes are in each state, also where that is 0.
pub fn counts_by_status(processes: &[ProcessState]) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<_, _> =
        ProcessStatus::ALL.map(|status| (status.word().to_owned(), 0)).into();
    for process in processes {
        *counts.entry(process.state.word().to_owned()).or_default() += 1;
    }
    counts
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
    Ok(json(StatusCode::OK, &Status::new(state, clock::now())))
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

/// The latest requests to change something, the oldest first, with who sent them and what became of them.
///
/// 64 are kept. The event `run:command` has each of them.
#[utoipa::path(
    get,
    path = "/api/commands",
    tag = "state",
    responses((status = 200, description = "The commands.", body = Answer<Commands>))
)]
pub(super) async fn commands(api: Api, _: Query<()>) -> ApiResult {
    let commands = api.handle.ask(|reply| EngineRequest::Commands { reply }).await?;
    Ok(json(StatusCode::OK, &Commands { commands }))
}

/// The parameters of a request for matches.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Most {
    /// No more than so many matches of each flag, the last ones; 50 are kept.
    #[param(value_type = usize, required = false, default = 10)]
    last: Option<usize>,
}

impl Words for Most {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "last" => self.last = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The last lines in which the flags of a process were found, with the lines around them.
///
/// How often they were found is told with the state of the process.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/flags",
    tag = "state",
    params(
        ("name" = String, Path, description = "The whole name of a process: `web`, `web#2`."),
        Most,
    ),
    responses(
        (status = 200, description = "What was found.", body = Answer<RecentMatches>),
        (status = 404, description = "No process has this name.", body = Answer<Outcome>),
    )
)]
pub(super) async fn flags(
    api: Api,
    Name(name): Name,
    Query(Most { last }): Query<Most>,
) -> ApiResult {
    let last = last.unwrap_or(10);
    let found = api.handle.ask(|reply| EngineRequest::Flags { name, last, reply }).await?;
    let flags = found.map_err(Refusal::Unknown)?;
    Ok(json(StatusCode::OK, &RecentMatches { flags }))
}

/// CPU, memory, threads, open files and output of the running processes.
///
/// As a line of `tmo top --json`. Sampled when somebody asks, at most once per second for all clients together.
/// Percentages and rates are those since the previous request of any client; null if that was more than 10
/// seconds ago.
#[utoipa::path(
    get,
    path = "/api/figures",
    tag = "state",
    responses((status = 200, description = "A sample, at most a second old.", body = Answer<Sample<'static>>))
)]
pub(super) async fn figures(reading: Reading, _: Query<()>) -> ApiResult {
    let processes = reading.handle.state().await?.processes;
    let figures = reading.samples.sample_of(processes).await?;
    Ok(json(StatusCode::OK, &Sample { run: &reading.handle.run, processes: &figures }))
}

/// How a process is run, as the run knows it now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Setup {
    /// The command; for a program that runs without a shell, its arguments with blanks between them.
    command: String,
    /// The absolute path of its working directory.
    directory: String,
    /// The names of its environment variables, in order. Values are not told.
    variables: Vec<String>,
    /// What it needs of other processes before it begins.
    depends_on: Vec<Dependency>,
    /// Those that need something of it before they begin.
    needed_by: Vec<Dependency>,
}

/// A process, and what another one needs of it, or it of the other one.
#[derive(Debug, Serialize, ToSchema)]
struct Dependency {
    /// The name of the process.
    name: String,
    /// What the one that is needed must have reached.
    #[schema(value_type = String)]
    until: DependencyCondition,
    /// Whether the dependent process is restarted after the other one was.
    restart: bool,
}

impl Dependency {
    fn new(name: &impl ToString, need: &Need) -> Self {
        Self { name: name.to_string(), until: need.until, restart: need.restart }
    }
}

impl Setup {
    fn new(plan: &Plan, process: &ProcessPlan) -> Self {
        let words =
            |words: &[OsText]| words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let needs_it = |other: &ProcessPlan| {
            let needs = other.rules.needs.iter().filter(|need| need.on == process.name);
            needs.map(|need| Dependency::new(&other.name, need)).collect::<Vec<_>>()
        };
        let mut variables: Vec<_> =
            process_env(plan, process).iter().map(|(name, _)| name.to_string()).collect();
        variables.sort_unstable();
        Self {
            command: process.argv.as_deref().map_or_else(|| process.command.to_string(), words),
            directory: process.cwd.as_ref().unwrap_or(&plan.root).to_string(),
            variables,
            depends_on: process
                .rules
                .needs
                .iter()
                .map(|need| Dependency::new(&need.on, need))
                .collect(),
            needed_by: plan.present().flat_map(needs_it).collect(),
        }
    }
}

/// How a process is run: its command, directory, names of variables, and dependencies.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/setup",
    tag = "state",
    params(("name" = String, Path, description = "The name of the process.")),
    responses(
        (status = 200, description = "How it is run.", body = Answer<Setup>),
        (status = 500, description = "The plan of the run can't be read, or is gone with it.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn setup(reading: Reading, Name(name): Name, _: Query<()>) -> ApiResult {
    let plan = read_crashes(&reading, CrashAccess::plan).await?;
    let plan = plan.ok_or_else(|| Refusal::failed("the plan of the run is gone".to_owned()))?;
    let Some(process) = plan.present().find(|process| process.name.as_str() == name) else {
        let known = plan.present().map(|process| &process.name);
        return Err(Refusal::Unknown(Box::new(Outcome::unknown(&name, known))));
    };
    Ok(json(StatusCode::OK, &Setup::new(&plan, process)))
}
