//! Responses: JSON with the version of its format, or the reason for a refusal; and work that
//! reads files, on a thread of its own: the loop that serves clients also runs the engine.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use crate::api::answers::Problem;
use crate::engine_handle::{Ending, RequestError};
use crate::journal::history::HistoryProblem;
use crate::model::request::{API, Outcome};

/// A JSON response.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<T> {
    /// The schema version.
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

/// The result of a handler.
pub(super) type ApiResult = Result<Response, Refusal>;

/// Why a request fails.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request fails for this reason.
    Reason(StatusCode, String),
    /// The same, but the request contains something that another version may understand.
    Strange(StatusCode, String),
    /// No process has the requested name.
    Unknown(Box<Outcome>),
}

impl Refusal {
    /// The request is malformed.
    pub(super) const fn bad(reason: String) -> Self {
        Self::Reason(StatusCode::BAD_REQUEST, reason)
    }

    /// The server could not do its part.
    pub(super) const fn failed(reason: String) -> Self {
        Self::Reason(StatusCode::INTERNAL_SERVER_ERROR, reason)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Reason(status, error) => json(status, &Problem { error }),
            Self::Strange(status, error) => {
                let mut response = json(status, &Problem { error: error.clone() });
                response.extensions_mut().insert(Strange(error));
                response
            }
            Self::Unknown(outcome) => json(StatusCode::NOT_FOUND, &outcome),
        }
    }
}

impl From<Ending> for Refusal {
    fn from(ending: Ending) -> Self {
        Self::Reason(StatusCode::SERVICE_UNAVAILABLE, ending.to_string())
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Unknown(outcome) => Self::Unknown(outcome),
            RequestError::Useless(why) => Self::Reason(StatusCode::UNPROCESSABLE_ENTITY, why),
            RequestError::Refused(why) => Self::Reason(StatusCode::CONFLICT, why),
        }
    }
}

impl From<HistoryProblem> for Refusal {
    fn from(problem: HistoryProblem) -> Self {
        match problem {
            HistoryProblem::Unknown(unknown) => Self::Unknown(Box::new(unknown.into())),
            HistoryProblem::Io(_) => Self::failed(problem.to_string()),
            HistoryProblem::Bad(_) | HistoryProblem::NoRun { .. } => Self::bad(problem.to_string()),
        }
    }
}

/// Marks a response to a request with unknown parts, where the version of the client matters.
#[derive(Debug, Clone)]
pub(super) struct Strange(pub(super) String);

/// A response with the version of its format.
pub(super) fn json(status: StatusCode, answer: &impl Serialize) -> Response {
    plain_json(status, &Answer { api: API, answer })
}

/// A response whose value already contains its version.
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

/// A response whose body is already JSON.
pub(super) fn written_json(status: StatusCode, mut text: String) -> Response {
    // With a newline, the prompt of a user who runs `curl` starts on a new line.
    text.push('\n');
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Do this on another thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |_| Refusal::failed("the search has failed; the log tells why".to_owned());
    spawn_blocking(work).await.map_err(failed)
}
