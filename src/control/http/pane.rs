//! What goes into the terminal of a process, and what is to be seen there.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Request as HttpRequest, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{Refusal, error, json, read, switch, whole};
use crate::control::handle::{PaneAsk, PaneProblem};
use crate::control::server::Api;

/// The body of a request to type something.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Typed {
    #[serde(default)]
    pub(in crate::control) text: String,
    #[serde(default)]
    pub(in crate::control) enter: bool,
}

/// What a terminal shows.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::control) struct Shown {
    pub(in crate::control) screen: String,
}

pub(super) async fn input(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    request: HttpRequest<Body>,
) -> Result<Response, Refusal> {
    let Path(name) = name.map_err(|error| Refusal::Bad(error.body_text()))?;
    let Typed { text, enter } = read(&whole(&api, request).await?)?;
    if text.contains('\0') {
        return Err(Refusal::Bad("no terminal takes a NUL".to_owned()));
    }
    Ok(match api.handle.pane(name, PaneAsk::Type { text, enter }).await? {
        Ok(_) => json(StatusCode::OK, &serde_json::json!({ "ok": true })),
        Err(problem) => refused(&problem),
    })
}

pub(super) async fn screen(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path(name) = name.map_err(|error| Refusal::Bad(error.body_text()))?;
    let color = switch(&uri, "color", false)?;
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
