//! What goes into the terminal of a process, and what is to be seen there.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use super::acting::{Named, Sent};
use super::answer::{Answer, Done, Refusal, error, json};
use super::asked::{LongBody, Name, Query, Words, truth};
use crate::api::answers::{Problem, Shown, Typed};
use crate::server::handle::{PaneAsk, PaneProblem};
use crate::server::serve::Api;

/// Type into the terminal of a process.
#[utoipa::path(
    post,
    path = "/api/processes/{name}/input",
    tag = "terminals",
    params(("name" = String, Path, description = "The name of one process.")),
    request_body = Typed,
    responses(
        (status = 200, description = "It is typed.", body = Answer<Done>),
        (status = 409, description = "It does not run, or tmux refused.", body = Answer<Problem>),
        Named,
        Sent,
    )
)]
pub(super) async fn input(
    State(api): State<Api>,
    Name(name): Name,
    _: Query<()>,
    LongBody(Typed { text, enter }): LongBody<Typed>,
) -> Result<Response, Refusal> {
    if text.contains('\0') {
        return Err(Refusal::Bad("no terminal takes a NUL".to_owned()));
    }
    Ok(match api.handle.pane(name, PaneAsk::Type { text, enter }).await? {
        Ok(_) => json(StatusCode::OK, &Done { ok: true }),
        Err(problem) => refused(&problem),
    })
}

/// How a screen is told.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Look {
    /// With its colours, as escape sequences.
    #[param(required = false, default = false)]
    color: bool,
}

impl Words for Look {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "color" => self.color = truth(name, value)?,
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
        (status = 200, description = "Its screen.", body = Answer<Shown>),
        (status = 409, description = "It has no terminal, or tmux refused.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn screen(
    State(api): State<Api>,
    Name(name): Name,
    Query(Look { color }): Query<Look>,
) -> Result<Response, Refusal> {
    Ok(match api.handle.pane(name, PaneAsk::Screen { color }).await? {
        Ok(screen) => json(StatusCode::OK, &Shown { screen }),
        Err(problem) => refused(&problem),
    })
}

fn refused(problem: &PaneProblem) -> Response {
    match problem {
        PaneProblem::Unknown(outcome) => json(StatusCode::NOT_FOUND, outcome),
        PaneProblem::Refused(why) => error(StatusCode::CONFLICT, why),
    }
}
