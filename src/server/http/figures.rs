//! What the processes use.

use axum::extract::State;
use axum::http::StatusCode;

use super::answer::{Answer, ApiResult, json};
use super::extract::Query;
use crate::figures::Sample;
use crate::server::serve::Api;

/// CPU, memory, threads, open files and output of the running processes.
///
/// As a line of `tmo top --json`. Sampled when somebody asks, at most once per second for all clients together.
/// Percentages and rates are those since the previous request of any client; null if that was more than 10
/// seconds ago.
#[utoipa::path(
    get,
    path = "/api/figures",
    tag = "state",
    responses((status = 200, description = "A sample, at most a second old.", body = Answer<Sample<'static>>))
)]
pub(super) async fn figures(State(api): State<Api>, _: Query<()>) -> ApiResult {
    let processes = api.handle.state().await?.processes;
    let figures = api.samples.of(processes).await?;
    Ok(json(StatusCode::OK, &Sample { run: &api.handle.run, processes: &figures }))
}
