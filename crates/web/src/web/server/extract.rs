//! What handlers take out of a request that the gate has let pass.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::web::access::ProvenSession;
use crate::web::runs::Run;
use crate::web::server::{Refusal, WebState};

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

/// A body in JSON.
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
