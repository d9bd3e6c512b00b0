//! Answers of the web server itself, refusals, and the headers of all answers; and what
//! handlers take out of a request that the gate has let pass.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::client::ClientError;
use crate::web::access::ProvenSession;
use crate::web::runs::Run;
use crate::web::server::WebState;

/// A page may load only files of this server, and no inline script or frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
    ),
];

/// Add the headers that every answer has.
pub(crate) fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    // The router adds it to the refusals of the gate, too, which must not reveal which paths exist.
    headers.remove(header::ALLOW);
    response
}

/// An answer, or a refusal.
pub(crate) type Answered = Result<Response, Refusal>;

/// The answer to a refused request.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &str) -> Self {
        Self::from(json(status, &json!({ "error": reason })))
    }
}

/// The supervisor does not answer.
impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, &error.to_string())
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Refuse a request for this reason.
pub(crate) fn refuse<T>(status: StatusCode, reason: &str) -> Result<T, Refusal> {
    Err(Refusal::new(status, reason))
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, Json(value)).into_response()
}

/// A file of the page.
pub(crate) fn file(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}

impl<S: Sync> FromRequestParts<S> for ProvenSession {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let session = parts.extensions.get::<Self>().cloned();
        session.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "not logged in"))
    }
}

/// The name of the client that sends the request, for the supervisor.
pub(crate) struct Client(pub(crate) String);

impl FromRequestParts<WebState> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let session = ProvenSession::from_request_parts(parts, state).await?;
        Ok(Self(state.client_of(&session)))
    }
}

pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let malformed = || Refusal::new(StatusCode::BAD_REQUEST, "the request is malformed");
        let body = Bytes::from_request(request, state).await.map_err(|_| malformed())?;
        serde_json::from_slice(&body).map(Self).map_err(|_| malformed())
    }
}

/// The id of the run in the path, if the session may see a part of the run.
pub(crate) struct RunId(pub(crate) String);

impl FromRequestParts<WebState> for RunId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let id = parameter(parts, "run").await?;
        let session = ProvenSession::from_request_parts(parts, state).await?;
        if session.grant.scope.has_run(&id) { Ok(Self(id)) } else { Err(unknown()) }
    }
}

/// The run in the path, if the session may see a part of it.
pub(crate) struct RunInPath(pub(crate) Arc<Run>);

impl FromRequestParts<WebState> for RunInPath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let RunId(id) = RunId::from_request_parts(parts, state).await?;
        let run = state.runs.get(&id).await.map_err(|error| unreadable(&error))?;
        run.map(Self).ok_or_else(unknown)
    }
}

/// The decoded segment of the path with this name in the pattern of the route.
pub(crate) async fn parameter(parts: &mut Parts, name: &str) -> Result<String, Refusal> {
    let all = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| unknown())?;
    let found = all.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned()).ok_or_else(unknown)
}

/// The refusal if a run or process does not exist or is not visible to the session.
pub(crate) fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such run or process")
}

/// The refusal if the runs can't be read.
pub(crate) fn unreadable(error: &io::Error) -> Refusal {
    let reason = format!("the runs of this user can't be listed: {error}");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &reason)
}

/// The refusal of a request to a limited session.
pub(crate) fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "this login does not allow that")
}
