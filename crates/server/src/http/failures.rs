//! The failure strings of a process, as declared in the file beside the Procfile.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};

use super::actions::{Named, Sent, sender};
use super::answer::{Answer, ApiResult, Refusal, json};
use super::extract::{Body, Name, Query};
use crate::api::answers::Problem;
use crate::engine_handle::{EngineRequest, FailureTexts, FailuresRequest};
use crate::serve::Api;

/// A request about the texts of a process; what is asked is added by the handler.
pub(super) struct Declarations {
    api: Api,
    name: String,
    by: String,
}

impl FromRequestParts<Api> for Declarations {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let Name(name) = Name::from_request_parts(parts, api).await?;
        Query::<()>::parse(&parts.uri)?;
        Ok(Self { api: api.clone(), name, by: sender(parts) })
    }
}

impl Declarations {
    async fn ask(self, ask: FailuresRequest) -> ApiResult {
        let Self { api, name, by } = self;
        let ask = |reply| EngineRequest::Failures { name, ask, by, reply };
        Ok(json(StatusCode::OK, &api.handle.ask(ask).await??))
    }
}

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
pub(super) async fn list(of: Declarations) -> ApiResult {
    of.ask(FailuresRequest::List).await
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
pub(super) async fn add(of: Declarations, Body(text): Body<FailureText>) -> ApiResult {
    of.ask(FailuresRequest::Add(text.failure_string)).await
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
pub(super) async fn remove(of: Declarations, Body(text): Body<FailureText>) -> ApiResult {
    of.ask(FailuresRequest::Remove(text.failure_string)).await
}
