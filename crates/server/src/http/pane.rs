//! Input to the terminal of a process, and what the terminal shows.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use super::actions::{Named, Sent};
use super::answer::{Answer, ApiResult, Done, Refusal, json};
use super::extract::{Body, LARGEST_LONG, Name, Query, Words, truth};
use crate::api::answers::{Detached, Problem, TypingRequest};
use crate::engine_handle::{EngineRequest, PaneRequest};
use crate::model::terminal::emulator::Screen;
use crate::serve::Api;

/// Type into the terminal of a process.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/input",
    tag = "terminals",
    params(("name" = String, Path, description = "The name of one process.")),
    request_body = TypingRequest,
    responses(
        (status = 200, description = "It is typed.", body = Answer<Done>),
        (status = 409, description = "It does not run, or its terminal refused.", body = Answer<Problem>),
        Named,
        Sent,
    )
)]
pub(super) async fn input(
    api: Api,
    Name(name): Name,
    _: Query<()>,
    Body(TypingRequest { text, enter }): Body<TypingRequest, LARGEST_LONG>,
) -> ApiResult {
    if text.contains('\0') {
        return Err(Refusal::bad("no terminal takes a NUL".to_owned()));
    }
    let ask = PaneRequest::Type { text, enter };
    api.handle.ask(|reply| EngineRequest::Pane { name, ask, reply }).await??;
    Ok(json(StatusCode::OK, &Done { ok: true }))
}

/// Options of a request for the screen.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Look {
    /// With its colours, as escape sequences.
    #[param(required = false, default = false)]
    color: bool,
    /// Keep trailing spaces, and don't divide wrapped lines.
    #[param(required = false, default = false)]
    blanks: bool,
}

impl Words for Look {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "color" => self.color = truth(name, value)?,
            "blanks" => self.blanks = truth(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What the terminal of a process shows.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/screen",
    tag = "terminals",
    params(("name" = String, Path, description = "The name of one process."), Look),
    responses(
        (status = 200, description = "Its screen.", body = Answer<Screen>),
        (status = 409, description = "It has no terminal, or its terminal refused.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn screen(
    api: Api,
    Name(name): Name,
    Query(Look { color, blanks }): Query<Look>,
) -> ApiResult {
    let ask = PaneRequest::Screen { color, blanks };
    let screen = api.handle.ask(|reply| EngineRequest::Pane { name, ask, reply }).await??;
    Ok(json(StatusCode::OK, &screen))
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
