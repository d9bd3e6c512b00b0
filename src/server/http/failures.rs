//! The failure strings of a process, as declared in the file beside the Procfile.

use axum::extract::State as Of;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};

use super::actions::{Named, Sent, SentBy};
use super::answer::{Answer, ApiResult, json};
use super::extract::{Body, Name, Query};
use crate::api::answers::Problem;
use crate::server::engine_handle::{EngineRequest, FailureTexts, FailuresRequest};
use crate::server::serve::Api;

/// A text to look for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureText {
    /// Part of a line, matched in any case; not empty, and without control characters.
    #[schema(min_length = 1)]
    failure_string: String,
}

/// The responses of these operations.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Listed {
    /// What is now declared for the process.
    #[response(status = 200)]
    Done(#[to_schema] Answer<FailureTexts>),
    /// The file, or the `tmo.toml` beside it, can't be read or written; or the text to be removed is not
    /// declared, or is declared in `tmo.toml`; the reason then names the line there.
    #[response(status = 409)]
    Refused(#[to_schema] Answer<Problem>),
}

/// The additional response to a request with a failure string.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the description")]
pub(super) enum Looked {
    /// No line can hold the text, or every line does.
    #[response(status = 422)]
    Useless(#[to_schema] Answer<Problem>),
}

/// The texts that mean that a process has failed.
///
/// Those of `failure_declarations.json` beside the Procfile; `tmo.toml` may have others.
#[utoipa::path(
    get,
    path = "/api/failure-declarations/{name}",
    tag = "failures",
    params(("name" = String, Path, description = "An entry, or one instance: `web`, `web#2`.")),
    responses(Listed, Named)
)]
pub(super) async fn list(
    Of(api): Of<Api>,
    Name(name): Name,
    sent: SentBy,
    _: Query<()>,
) -> ApiResult {
    ask(&api, name, sent, FailuresRequest::List).await
}

/// Declare one more text that means that a process has failed.
///
/// It is written into `failure_declarations.json`, and looked for from now on in what the process
/// prints; as `tmo failures add` does.
#[utoipa::path(
    post,
    path = "/api/failure-declarations/{name}/add",
    tag = "failures",
    params(("name" = String, Path, description = "An entry, or one instance: `web`, `web#2`.")),
    request_body = FailureText,
    responses(Listed, Looked, Named, Sent)
)]
pub(super) async fn add(
    Of(api): Of<Api>,
    Name(name): Name,
    sent: SentBy,
    _: Query<()>,
    Body(FailureText { failure_string }): Body<FailureText>,
) -> ApiResult {
    ask(&api, name, sent, FailuresRequest::Add(failure_string)).await
}

/// Take back a text that was declared.
///
/// It is not looked for any more; as `tmo failures remove` does.
#[utoipa::path(
    post,
    path = "/api/failure-declarations/{name}/remove",
    tag = "failures",
    params(("name" = String, Path, description = "An entry, or one instance: `web`, `web#2`.")),
    request_body = FailureText,
    responses(Listed, Looked, Named, Sent)
)]
pub(super) async fn remove(
    Of(api): Of<Api>,
    Name(name): Name,
    sent: SentBy,
    _: Query<()>,
    Body(FailureText { failure_string }): Body<FailureText>,
) -> ApiResult {
    ask(&api, name, sent, FailuresRequest::Remove(failure_string)).await
}

async fn ask(api: &Api, name: String, SentBy(by): SentBy, ask: FailuresRequest) -> ApiResult {
    let texts = api.handle.ask(|reply| EngineRequest::Failures { name, ask, by, reply }).await??;
    Ok(json(StatusCode::OK, &texts))
}
