//! Lines that flags have matched, with the lines around them.

use axum::http::StatusCode;
use utoipa::IntoParams;

use super::answer::{Answer, ApiResult, Refusal, json};
use super::extract::{Name, Query, Words, number};
use crate::api::answers::RecentMatches;
use crate::engine_handle::EngineRequest;
use crate::model::request::Outcome;
use crate::serve::Api;

/// The parameters of a request for matches.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Most {
    /// No more than so many matches of each flag, the last ones; 50 are kept.
    #[param(value_type = usize, required = false, default = 10)]
    last: Option<usize>,
}

impl Words for Most {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "last" => self.last = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The last lines in which the flags of a process were found, with the lines around them.
///
/// How often they were found is told with the state of the process.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/flags",
    tag = "state",
    params(
        ("name" = String, Path, description = "The whole name of a process: `web`, `web#2`."),
        Most,
    ),
    responses(
        (status = 200, description = "What was found.", body = Answer<RecentMatches>),
        (status = 404, description = "No process has this name.", body = Answer<Outcome>),
    )
)]
pub(super) async fn flags(
    api: Api,
    Name(name): Name,
    Query(Most { last }): Query<Most>,
) -> ApiResult {
    let last = last.unwrap_or(10);
    let found = api.handle.ask(|reply| EngineRequest::Flags { name, last, reply }).await?;
    let flags = found.map_err(Refusal::Unknown)?;
    Ok(json(StatusCode::OK, &RecentMatches { flags }))
}
