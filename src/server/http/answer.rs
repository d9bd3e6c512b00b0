//! What is answered: JSON with the version of its shape, or a reason why not.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::Problem;
use crate::model::request::API;
use crate::server::handle::Ending;

/// An object that is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<T> {
    /// Version of the shapes.
    #[schema(example = 1)]
    api: u32,
    #[serde(flatten)]
    answer: T,
}

/// It is done; there is nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// True.
    pub(super) ok: bool,
}

/// A request that is answered without an outcome.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Bad(String),
    /// It may mean something to another version.
    #[error("{0}")]
    Strange(String),
    /// It is well-formed, but this version has no use for what is in it.
    #[error("{0}")]
    Useless(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("the body of the request did not come within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Ending(#[from] Ending),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Strange(what) => return strange(StatusCode::BAD_REQUEST, what),
            Self::Useless(what) => return strange(StatusCode::UNPROCESSABLE_ENTITY, what),
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Ending(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        error(status, &self.to_string())
    }
}

/// An answer that is only a reason.
pub(in crate::server) fn error(status: StatusCode, reason: &str) -> Response {
    json(status, &Problem { error: reason.to_owned() })
}

/// What is not known here, in an answer: of which version the client is matters then.
#[derive(Debug, Clone)]
pub(in crate::server) struct Strange(pub(in crate::server) String);

/// An answer that is only a reason: another version may know what was asked for.
pub(super) fn strange(status: StatusCode, what: String) -> Response {
    let mut response = error(status, &what);
    response.extensions_mut().insert(Strange(what));
    response
}

/// An answer with the version of its shape.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    plain_json(status, &Answer { api: API, answer })
}

/// An answer that carries its version itself.
pub(super) fn plain_json(status: StatusCode, value: &impl Serialize) -> Response {
    let (status, text) = match serde_json::to_string(value) {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::warn!("an answer has no JSON form: {error}");
            let text = format!(r#"{{"api":{API},"error":"the answer has no JSON form"}}"#);
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    };
    written_json(status, text)
}

/// An answer that is JSON already.
pub(super) fn written_json(status: StatusCode, mut text: String) -> Response {
    // Whoever types `curl` sees the prompt on a line of its own.
    text.push('\n');
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
