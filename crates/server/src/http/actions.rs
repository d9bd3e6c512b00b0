//! Requests that change something: processes, the run, terminals.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::answer::{Answer, ApiResult, Refusal, json};
use super::extract::{Body, Name, OptionalBody, Query, Words, truth};
use crate::api::answers::{Commands, Detached, Problem};
use crate::engine_handle::EngineRequest;
use crate::model::command::Sender;
use crate::model::plan::AfterInstall;
use crate::model::request::{ChangeOrder, Outcome, Request};
use crate::model::signal::SignalName;
use crate::serve::Api;

/// Maximum length of an idempotency key, which only distinguishes requests.
const LONGEST_KEY: usize = 64;

/// Parameters of every request that changes something.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Manner {
    /// Answer when it is done (200 or 409), or, with `false`, as soon as it is accepted (202).
    /// `1`, `yes`, `0` and `no` work too.
    #[param(value_type = bool, required = false, default = true)]
    wait: Option<bool>,
    /// Idempotency key, at most 64 bytes: a request repeated with the same key is executed only
    /// once, even if another supervisor receives the repetition because the first was killed.
    #[param(max_length = 64)]
    key: Option<String>,
}

impl Words for Manner {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "wait" => self.wait = Some(truth(name, value)?),
            "key" if value.len() > LONGEST_KEY => {
                let reason = format!("a `key` is at most {LONGEST_KEY} bytes long");
                return Err(Refusal::bad(reason));
            }
            "key" => self.key = Some(value.to_owned()).filter(|key| !key.is_empty()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The common part of every request that changes something; the request itself is added by the handler.
pub(super) struct Order {
    api: Api,
    manner: Manner,
    by: String,
}

impl FromRequestParts<Api> for Order {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let Query(manner) = Query::read(&parts.uri)?;
        Ok(Self { api: api.clone(), manner, by: sender(parts) })
    }
}

/// Who sends a request, in the words of the client.
pub(super) fn sender(parts: &Parts) -> String {
    let by = parts.headers.get(USER_AGENT).and_then(|by| by.to_str().ok());
    by.unwrap_or("control socket").to_owned()
}

impl Order {
    /// Carry out the request and return its outcome.
    pub(super) async fn carry_out(self, request: Request) -> ApiResult {
        let Manner { wait, key } = self.manner;
        let wait = wait.unwrap_or(true);
        let from = Sender { by: self.by, key };
        let ask = |reply| EngineRequest::Do { request, wait, from, reply };
        let outcome = self.api.handle.ask(ask).await?;
        Ok(json(status(&outcome, wait), &outcome))
    }
}

/// The responses to a request that changes something.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Acted {
    /// It is done.
    #[response(status = 200)]
    Done(#[to_schema] Answer<Outcome>),
    /// It is accepted (`wait=false`).
    #[response(status = 202)]
    Accepted(#[to_schema] Answer<Outcome>),
    /// It is refused, or has failed, at least in part.
    #[response(status = 409)]
    Failed(#[to_schema] Answer<Outcome>),
}

/// The additional responses to a request that names processes.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Named {
    /// No process has such a name; nothing was done.
    #[response(status = 404)]
    Unknown(#[to_schema] Answer<Outcome>),
}

/// The additional responses to a request with a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Sent {
    /// The body did not come within 10 seconds.
    #[response(status = 408)]
    Slow(#[to_schema] Answer<Problem>),
    /// The body is longer than 256 KiB.
    #[response(status = 413)]
    TooLarge(#[to_schema] Answer<Problem>),
}

/// Which processes.
//
// A misspelt key must not turn "these" into "all", so unknown keys are refused.
#[derive(Debug, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
    #[serde(default)]
    pub(super) names: Vec<String>,
    /// The order in which they are stopped and started.
    #[serde(default)]
    pub(super) order: ChangeOrder,
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
pub(super) async fn commands(api: Api) -> ApiResult {
    let commands = api.handle.ask(|reply| EngineRequest::Commands { reply }).await?;
    Ok(json(StatusCode::OK, &Commands { commands }))
}

/// Start processes that are not running.
///
/// Without a body: all.
#[utoipa::path(
    post,
    path = "/api/start",
    tag = "processes",
    params(Manner),
    request_body(content = Option<Names>, description = "Which; without a body, all."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn start(order: Order, OptionalBody(of): OptionalBody<Names>) -> ApiResult {
    order.carry_out(Request::Start { names: of.names, order: of.order }).await
}

/// Stop processes and leave them stopped.
///
/// Without a body: all.
#[utoipa::path(
    post,
    path = "/api/stop",
    tag = "processes",
    params(Manner),
    request_body(content = Option<Names>, description = "Which; without a body, all."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn stop(order: Order, OptionalBody(of): OptionalBody<Names>) -> ApiResult {
    order.carry_out(Request::Stop { names: of.names, order: of.order }).await
}

/// Stop processes, then start them again.
///
/// Without a body: all.
#[utoipa::path(
    post,
    path = "/api/restart",
    tag = "processes",
    params(Manner),
    request_body(content = Option<Names>, description = "Which; without a body, all."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn restart(order: Order, OptionalBody(of): OptionalBody<Names>) -> ApiResult {
    order.carry_out(Request::Restart { names: of.names, order: of.order }).await
}

/// How an action is run.
#[derive(Debug, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Consent {
    /// Whether the user has confirmed it, as an action with `confirm = true` requires.
    #[schema(value_type = bool, required = false)]
    confirmed: Option<bool>,
}

/// Start one, unless it is running.
///
/// With a body, it is an action that runs: the request is refused while it does, and complete when it has ended.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/start",
    tag = "processes",
    params(("name" = String, Path, description = "A name, a pattern or an entry; with a body, the full name."), Manner),
    request_body(content = Option<Consent>, description = "For an action."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn start_one(
    Name(name): Name,
    order: Order,
    OptionalBody(of): OptionalBody<Consent>,
) -> ApiResult {
    let request = match of.confirmed {
        Some(confirmed) => Request::Act { name, confirmed },
        None => Request::Start { names: vec![name], order: ChangeOrder::default() },
    };
    order.carry_out(request).await
}

/// Stop one and leave it stopped.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/stop",
    tag = "processes",
    params(("name" = String, Path, description = "A name, a pattern or an entry."), Manner),
    responses(Acted, Named)
)]
pub(super) async fn stop_one(Name(name): Name, order: Order) -> ApiResult {
    order.carry_out(Request::Stop { names: vec![name], order: ChangeOrder::default() }).await
}

/// Stop one, then start it again.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/restart",
    tag = "processes",
    params(("name" = String, Path, description = "A name, a pattern or an entry."), Manner),
    responses(Acted, Named)
)]
pub(super) async fn restart_one(Name(name): Name, order: Order) -> ApiResult {
    order.carry_out(Request::Restart { names: vec![name], order: ChangeOrder::default() }).await
}

/// Note that a lazy process is in use, so that it is not stopped as idle.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/use",
    tag = "processes",
    params(("name" = String, Path, description = "The full name."), Manner),
    responses(Acted, Named)
)]
pub(super) async fn use_one(Name(name): Name, order: Order) -> ApiResult {
    order.carry_out(Request::Use { name }).await
}

/// The parameters of an installation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Installed {
    then: AfterInstall,
}

/// Install a process that does not run.
///
/// The request is refused if the process runs, is being installed, or has nothing to install. It is complete when
/// the installation has succeeded.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/install",
    tag = "processes",
    params(("name" = String, Path, description = "The full name."), Manner),
    request_body = Installed,
    responses(Acted, Named, Sent)
)]
pub(super) async fn install(
    Name(name): Name,
    order: Order,
    Body(Installed { then }): Body<Installed>,
) -> ApiResult {
    order.carry_out(Request::Install { name, then }).await
}

/// A signal, and for whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signalled {
    signal: SignalName,
    /// Names, patterns with `*`, or entries of the Procfile; none means all processes.
    #[serde(default)]
    names: Vec<String>,
}

/// Send a signal to the process groups of processes.
#[utoipa::path(
    post,
    path = "/api/signal",
    tag = "processes",
    params(Manner),
    request_body = Signalled,
    responses(Acted, Named, Sent)
)]
pub(super) async fn signal(
    order: Order,
    Body(Signalled { signal, names }): Body<Signalled>,
) -> ApiResult {
    order.carry_out(Request::Signal { signal, names }).await
}

/// Which watched processes.
#[derive(Debug, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Watched {
    /// Names, patterns with `*`, or entries of the Procfile; none means all that are watched.
    #[serde(default)]
    names: Vec<String>,
}

/// Have changed files not restart processes until they are resumed.
///
/// The state of a process has in `watch` what changed files do to it. Without a body: all.
#[utoipa::path(
    post,
    path = "/api/watch/pause",
    tag = "processes",
    params(Manner),
    request_body(content = Option<Watched>, description = "Which; without a body, all."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn watch_pause(
    order: Order,
    OptionalBody(of): OptionalBody<Watched>,
) -> ApiResult {
    order.carry_out(Request::Watch { names: of.names, on: false }).await
}

/// Have changed files restart processes again that were paused, or are held because they restarted themselves.
///
/// Without a body: all.
#[utoipa::path(
    post,
    path = "/api/watch/resume",
    tag = "processes",
    params(Manner),
    request_body(content = Option<Watched>, description = "Which; without a body, all."),
    responses(Acted, Named, Sent)
)]
pub(super) async fn watch_resume(
    order: Order,
    OptionalBody(of): OptionalBody<Watched>,
) -> ApiResult {
    order.carry_out(Request::Watch { names: of.names, on: true }).await
}

/// The desired numbers of instances.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scaled {
    /// By entry of the Procfile.
    #[schema(schema_with = counts)]
    counts: BTreeMap<String, u16>,
}

/// Schema of a map from names to numbers of instances.
fn counts() -> Object {
    let count = ObjectBuilder::new().schema_type(Type::Integer);
    let count = count.minimum(Some(0)).maximum(Some(u16::MAX));
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let object = object.additional_properties(Some(Schema::from(count)));
    let text = "By entry of the Procfile; entries that are not named stay as they are.";
    object.description(Some(text)).examples([json!({ "worker": 3 })]).build()
}

/// Set the number of instances of entries of the Procfile.
///
/// Missing instances are started, with names and ports as in a formation; surplus ones are stopped and
/// removed from the run, except for the first one, which is only stopped.
#[utoipa::path(
    post,
    path = "/api/scale",
    tag = "processes",
    params(Manner),
    request_body = Scaled,
    responses(Acted, Named, Sent)
)]
pub(super) async fn scale(order: Order, Body(Scaled { counts }): Body<Scaled>) -> ApiResult {
    order.carry_out(Request::Scale { counts }).await
}

/// Stop everything and end the run; a second call does so without further grace.
#[utoipa::path(post, path = "/api/quit", tag = "run", params(Manner), responses(Acted))]
pub(super) async fn quit(order: Order) -> ApiResult {
    order.carry_out(Request::Quit).await
}

/// Another name of `/api/quit`.
#[utoipa::path(post, path = "/api/shutdown", tag = "run", params(Manner), responses(Acted))]
pub(super) async fn shutdown(order: Order) -> ApiResult {
    order.carry_out(Request::Quit).await
}

/// SIGKILL everything and end the run.
#[utoipa::path(post, path = "/api/kill", tag = "run", params(Manner), responses(Acted))]
pub(super) async fn kill(order: Order) -> ApiResult {
    order.carry_out(Request::Kill).await
}

/// The size of a terminal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Size {
    /// Columns of a pane.
    #[schema(minimum = 1, maximum = 65535)]
    columns: u16,
    /// Rows of a pane.
    #[schema(minimum = 1, maximum = 65535)]
    rows: u16,
}

/// Tell the panes the size of the terminal that shows the log.
#[utoipa::path(
    put,
    path = "/api/size",
    tag = "terminals",
    params(Manner),
    request_body = Size,
    responses(Acted, Sent)
)]
pub(super) async fn size(order: Order, Body(Size { columns, rows }): Body<Size>) -> ApiResult {
    if columns == 0 || rows == 0 {
        return Err(Refusal::bad("a terminal has at least one column and one row".to_owned()));
    }
    order.carry_out(Request::Resize { columns, rows }).await
}

/// Detach every view; the processes keep running.
///
/// Answers when all views are gone, or after 5 seconds: one in a stopped terminal may linger.
#[utoipa::path(
    post,
    path = "/api/detach",
    tag = "terminals",
    responses((status = 200, description = "They were told to.", body = Answer<Detached>))
)]
pub(super) async fn detach(api: Api, _: Query<()>) -> Response {
    const PATIENCE: Duration = Duration::from_secs(5);
    let views = api.leave.receiver_count();
    api.leave.send_replace(());
    let gone = tokio::time::timeout(PATIENCE, api.leave.closed()).await.is_ok();
    json(StatusCode::OK, &Detached { views, gone })
}

pub(super) const fn status(outcome: &Outcome, wait: bool) -> StatusCode {
    match outcome {
        Outcome { unknown: Some(_), .. } => StatusCode::NOT_FOUND,
        Outcome { ok: false, .. } => StatusCode::CONFLICT,
        Outcome { ok: true, .. } if wait => StatusCode::OK,
        Outcome { .. } => StatusCode::ACCEPTED,
    }
}
