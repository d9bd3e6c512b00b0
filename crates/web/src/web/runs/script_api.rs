//! The API for scripts: the paths under `/api/`, for one run at a time. `routes.rs` lists them.
//!
//! It is a thin layer over the API of runs. A request is for the run that it names (`?run=`), or for the only active
//! one. A limited session receives only the parts of an answer that are about its processes.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api::proof::random_hex;
use crate::api::version::{OURS, built_from};
use crate::client::percent_encoded;
use crate::model::request::API;
use crate::model::state::{ProcessState, State};
use crate::model::time::Timestamp;
use crate::run::registry::Standing;
use crate::server::http::counts_by_status;
use crate::sys::clock;
use crate::web::access::{ProvenSession, Scope};
use crate::web::log::messages::{PageRequest, last_id_before, position_of};
use crate::web::runs::{Link, Run, Seen, entries, read_lines, send, state};
use crate::web::server::{
    Answered, Ending, Refusal, Server, WebState, answers, not_allowed, parameter, refuse,
    unreadable,
};

/// The default number of lines in an answer with a part of a log.
const USUAL_LINES: u64 = 500;
/// The most lines that a request may ask for.
const MOST_LINES: u64 = 10_000;
/// The default number of last lines in the state of a process.
const USUAL_LAST: u64 = 20;
/// The most last lines that a request may ask for.
const MOST_LAST: u64 = 1000;
/// How long to wait for figures.
const FIGURES_PATIENCE: Duration = Duration::from_secs(5);

/// A request to the API for scripts.
pub(crate) struct ScriptRequest {
    server: WebState,
    session: ProvenSession,
    run: Arc<Run>,
    method: Method,
    path: String,
    /// The name in the path, or nothing.
    word: String,
    query: Parameters,
}

impl FromRequestParts<WebState> for ScriptRequest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let session = ProvenSession::from_request_parts(parts, state).await?;
        let word = parameter(parts, "name").await.unwrap_or_default();
        let mut query = Parameters::new(&parts.uri);
        let run = run_of(state, &session.grant.scope, query.0.remove("run")).await?;
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        Ok(Self { server: Arc::clone(state), session, run, method, path, word, query })
    }
}

/// The run with this id or title, or else the only active one, among those that a session sees.
async fn run_of(
    server: &Server,
    scope: &Scope,
    wanted: Option<String>,
) -> Result<Arc<Run>, Refusal> {
    let known = server.runs.listed().await.map_err(|error| unreadable(&error))?;
    let all: Vec<_> = known.iter().filter(|known| scope.has_run(&known.id)).collect();
    let found = if let Some(wanted) = wanted {
        let mut titled = all.iter().filter(|known| known.title() == wanted);
        let by_title = titled.next().filter(|_| titled.next().is_none());
        // A project can choose any title, so ids take precedence.
        all.iter().find(|known| known.id == wanted).or(by_title).copied()
    } else {
        let running = all.iter().filter(|known| known.standing != Standing::Over);
        match (&running.collect::<Vec<_>>()[..], &all[..]) {
            ([only], _) => Some(**only),
            ([], [only]) => Some(*only),
            _ => {
                let reason = "`?run=` must name the run by its id";
                let runs = entries(&known, scope);
                let answer = json!({ "api": API, "error": reason, "runs": runs });
                return Err(answers::json(StatusCode::CONFLICT, &answer).into());
            }
        }
    };
    match found.and_then(|found| server.runs.get_among(&known, &found.id)) {
        Some(run) => Ok(run),
        None => refuse(StatusCode::NOT_FOUND, "there is no such run"),
    }
}

/// The parameters of a query that have not been read yet.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn new(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A number in the query, at most `most`.
    fn number(&mut self, name: &str, most: u64) -> Result<Option<u64>, Refusal> {
        match self.0.remove(name).map(|text| text.parse::<u64>()) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number.min(most))),
            Some(Err(_)) => refuse(StatusCode::BAD_REQUEST, &format!("`{name}` must be a number")),
        }
    }

    /// A truth value in the query, false if it is not there.
    fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.0.remove(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                refuse(StatusCode::BAD_REQUEST, &format!("`{name}` must be `true` or `false`"))
            }
        }
    }

    /// Refuse the rest of the query: a misspelt parameter must not be ignored.
    fn refuse_others(&self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => refuse(StatusCode::BAD_REQUEST, &format!("there is no `{name}` here")),
        }
    }
}

impl ScriptRequest {
    fn scope(&self) -> &Scope {
        &self.session.grant.scope
    }

    /// The part of a run's state that this session may see.
    async fn seen(&self) -> Result<State, Refusal> {
        match state(&self.run.known).await {
            Ok(mut state) => {
                state.processes.retain(|process| self.scope().has_process(process.name.as_str()));
                Ok(self.scope().of_state(state))
            }
            // The reason may name other processes.
            Err(_) if self.scope().names().is_some() => {
                refuse(StatusCode::BAD_GATEWAY, "this can't be read")
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The name in the path, if it is the whole name of a process.
    async fn process(&self) -> Result<String, Refusal> {
        let state = self.seen().await?;
        if state.processes.iter().any(|process| process.name.as_str() == self.word) {
            return Ok(self.word.clone());
        }
        refuse(StatusCode::NOT_FOUND, "there is no such process")
    }

    fn is_selected(&self, name: &str) -> bool {
        let selections = &self.server.selections;
        !selections.with(&self.session.id, &self.run.known.id, |without| without.contains(name))
    }

    pub(crate) async fn state(mut self) -> Answered {
        let most = self.query.number("lines", MOST_LAST)?.unwrap_or(USUAL_LAST);
        self.query.refuse_others()?;
        let state = self.seen().await?;
        let names: Vec<_> =
            state.processes.iter().map(|process| process.name.to_string()).collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let read = self.run.read_history(move |history| {
            let records = history.records()?;
            let last =
                names.iter().map(|name| history.last_lines(name, most, records, Timestamp::EPOCH));
            Ok((records, last.collect::<io::Result<Vec<_>>>()?))
        });
        let (records, last) = read.await.map_err(|error| unread(&error))?;
        let mut answer = json!(state);
        let processes = answer["processes"].as_array_mut().into_iter().flatten();
        for ((process, known), lines) in processes.zip(&state.processes).zip(last) {
            process["selected"] = self.is_selected(known.name.as_str()).into();
            process["lines"] = lines.into();
        }
        answer["last_message_id"] = last_id_before(records).into();
        Ok(Json(answer).into_response())
    }

    pub(crate) async fn processes(self) -> Answered {
        self.query.refuse_others()?;
        let state = self.seen().await?;
        let entry = |process: &ProcessState| {
            let (name, status) = (process.name.as_str(), process.state.word());
            let selected = self.is_selected(name);
            json!({ "name": name, "status": status, "pid": process.pid, "selected": selected })
        };
        let all: Vec<_> = state.processes.iter().map(entry).collect();
        Ok(Json(all).into_response())
    }

    pub(crate) async fn poll(mut self) -> Answered {
        let last = self.query.number("last_message_id", u64::MAX)?.unwrap_or(0);
        let most = self.query.number("lines", MOST_LINES)?.unwrap_or(USUAL_LINES).max(1);
        let [styles, html] = [self.query.flag("styles")?, self.query.flag("html")?];
        self.query.refuse_others()?;
        let after = position_of(last).map_or_else(String::new, |after| format!("&after={after}"));
        let runs = if styles || html { "&styles=true" } else { "" };
        let query = format!("limit={most}{after}{runs}");
        let page = read_lines(&self.run, self.scope(), &query).await?;
        let wanted = PageRequest { last, styles, html, scope: self.scope() };
        let answer = wanted.answer(&page).map_err(|error| unread(&error))?;
        Ok(answers::file("application/json", answer))
    }

    pub(crate) async fn status(self) -> Answered {
        self.query.refuse_others()?;
        let state = self.seen().await?;
        let is_up = state.pid != 0;
        Ok(Json(json!({
            "api": API,
            "title": state.title,
            "running": is_up,
            "uptime": is_up.then(|| clock::now().since(state.started).as_secs()),
            "processes": counts_by_status(&state.processes),
            "version": state.version,
            "web": { "version": OURS, "built_from": built_from(), "pid": std::process::id() },
        }))
        .into_response())
    }

    /// Refuse a request about the whole run to a limited session.
    fn refuse_limited(&self) -> Result<(), Refusal> {
        match self.scope().names() {
            None => Ok(()),
            Some(_) => Err(not_allowed()),
        }
    }

    pub(crate) async fn info(self) -> Answered {
        self.query.refuse_others()?;
        self.refuse_limited()?;
        let state = self.seen().await?;
        let is_up = state.pid != 0;
        let of_run = |value: Value| if is_up { value } else { Value::Null };
        Ok(Json(json!({
            "api": API,
            "running": is_up,
            "pid": of_run(state.pid.into()),
            "mode": state.backend,
            "working_dir": state.root,
            "socket": of_run(json!(state.socket)),
            "tmux_session": of_run(json!(state.tmux.as_ref().map(|tmux| &tmux.session))),
            "tmux_socket": of_run(json!(state.tmux.as_ref().map(|tmux| &tmux.socket))),
            "version": state.version,
        }))
        .into_response())
    }

    pub(crate) async fn metrics(self) -> Answered {
        self.query.refuse_others()?;
        let mut follow = self.run.follow();
        let is_known = |seen: &Seen| match seen.link {
            Link::Over | Link::Gone => true,
            Link::Unknown => false,
            Link::Up => {
                !seen.sample.figures.is_empty()
                    || !seen.processes.iter().any(|process| process.pid.is_some())
            }
        };
        let is_sampled = self.run.known.is_sampled();
        if is_sampled {
            // After a timeout, the answer has no figures.
            let _ = timeout(FIGURES_PATIENCE, follow.wait_for(is_known)).await;
        }
        let seen = follow.borrow().clone();
        let its =
            seen.sample.figures.iter().filter(|one| self.scope().has_process(one.name.as_str()));
        let all: Vec<_> = its.collect();
        let answer = json!({ "api": API, "enabled": is_sampled, "processes": all });
        Ok(Json(answer).into_response())
    }

    pub(crate) async fn log(mut self) -> Answered {
        let lines = self.query.number("lines", MOST_LINES)?.unwrap_or(USUAL_LINES).max(1);
        let page = self.query.number("page", u64::MAX)?;
        self.query.refuse_others()?;
        let name = self.process().await?;
        if page == Some(0) {
            return refuse(StatusCode::BAD_REQUEST, "the first `page` is 1");
        }
        // Without a number, the last page.
        let choose = move |all: u64| {
            let page = page.unwrap_or_else(|| all.div_ceil(lines).max(1));
            let before = (page - 1).saturating_mul(lines);
            before.saturating_add(1)..=before.saturating_add(lines)
        };
        let wanted = name.clone();
        let read = self.run.read_history(move |history| history.numbered(&wanted, choose));
        let Ok(found) = read.await else {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the journal can't be read");
        };
        let parsed = found.lines.iter().filter_map(|line| serde_json::from_str(line).ok());
        let texts: Vec<Value> = parsed.collect();
        let pages = found.all.div_ceil(lines).max(1);
        let last = (found.first + texts.len() as u64).saturating_sub(1);
        Ok(Json(json!({
            "api": API,
            "name": name,
            "page": page.unwrap_or(pages),
            "pages": pages,
            "first": found.first,
            "last": last,
            "all": found.all,
            "bytes": found.bytes,
            "approximate": found.is_estimate,
            "lines": texts,
        }))
        .into_response())
    }

    pub(crate) async fn toggle(self) -> Answered {
        self.query.refuse_others()?;
        let name = self.process().await?;
        self.forget_ended();
        let flip = |without: &mut HashSet<String>| {
            let is_selected = without.remove(&name);
            if !is_selected {
                without.insert(name.clone());
            }
            is_selected
        };
        let selected = self.server.selections.with(&self.session.id, &self.run.known.id, flip);
        let answer = json!({ "api": API, "name": name, "selected": selected });
        Ok(Json(answer).into_response())
    }

    /// Select all processes, or none.
    pub(crate) async fn select(self) -> Answered {
        let all = self.path.ends_with("/select-all");
        self.query.refuse_others()?;
        self.forget_ended();
        let state = self.seen().await?;
        self.server.selections.with(&self.session.id, &self.run.known.id, |without| {
            without.clear();
            if !all {
                without.extend(state.processes.iter().map(|process| process.name.to_string()));
            }
        });
        self.processes().await
    }

    fn forget_ended(&self) {
        self.server.selections.forget(|session| self.server.is_live(session));
    }

    /// Start, stop or restart a process. The request is accepted at once, with an idempotency key.
    pub(crate) async fn act(mut self) -> Answered {
        let verb = self.path.rsplit('/').next().unwrap_or_default();
        let key = match self.query.0.remove("key") {
            Some(key) => key,
            None => random_hex(8).or_else(|_| {
                refuse(StatusCode::INTERNAL_SERVER_ERROR, "the system provides no random numbers")
            })?,
        };
        self.query.refuse_others()?;
        let name = self.process().await?;
        if self.scope().names().is_some() {
            // The name of an entry selects all its instances.
            let all = state(&self.run.known).await.or_else(|_| {
                refuse(StatusCode::BAD_GATEWAY, "the supervisor of the run does not answer")
            })?;
            let mut meant = all.processes.iter().filter(|process| process.is_meant(&name));
            if !meant.all(|process| self.scope().has_process(process.name.as_str())) {
                return Err(not_allowed());
            }
        }
        let (process, sent_key) = (percent_encoded(&name), percent_encoded(&key));
        let target = format!("/api/processes/{process}/{verb}?wait=false&key={sent_key}");
        let done = self.forward(&target, Bytes::new()).await?;
        if done.status() != StatusCode::ACCEPTED {
            return Ok(done);
        }
        let answer = json!({ "api": API, "ok": true, "name": name, "command": key });
        Ok(answers::json(StatusCode::ACCEPTED, &answer))
    }

    /// Read or change the failure declarations of a process: the path is the same for scripts.
    pub(crate) async fn failures(self, body: Bytes) -> Answered {
        self.process().await?;
        self.query.refuse_others()?;
        self.forward(&self.path, body).await
    }

    /// Forward a request about the whole run.
    pub(crate) async fn forward_whole(self) -> Answered {
        self.query.refuse_others()?;
        self.refuse_limited()?;
        let target = match &*self.path {
            "/api/output/clear" => "/api/clear",
            "/api/shutdown" => "/api/quit?wait=false",
            same => same,
        };
        self.forward(target, Bytes::new()).await
    }

    async fn forward(&self, target: &str, body: Bytes) -> Answered {
        let client = self.server.client_of(&self.session);
        let answered = send(&self.run, client, &self.method, target, body).await;
        let answer = answered.unwrap_or_else(Refusal::into_response);
        if self.scope().names().is_some() && !answer.status().is_success() {
            // The reason may name other processes.
            return refuse(answer.status(), "this can't be done");
        }
        Ok(answer)
    }
}

/// Have the guardian start another server.
pub(crate) async fn restart(
    extract::State(server): extract::State<WebState>,
    uri: Uri,
) -> Answered {
    Parameters::new(&uri).refuse_others()?;
    server.closing.send_replace(Some(Ending::Restart));
    let answer = json!({ "api": API, "ok": true, "pid": std::process::id() });
    Ok(answers::json(StatusCode::ACCEPTED, &answer))
}

/// The answer when the journal can't be read.
fn unread(why: &dyn Display) -> Refusal {
    let reason = format!("the journal can't be read: {why}");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &reason)
}
