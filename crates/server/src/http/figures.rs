//! What the processes use.

use axum::http::StatusCode;

use super::answer::{Answer, ApiResult, json};
use super::extract::Query;
use crate::figures::Sample;
use crate::reading::Reading;

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
pub(super) async fn figures(reading: Reading, _: Query<()>) -> ApiResult {
    let processes = reading.handle.state().await?.processes;
    let figures = reading.samples.of(processes).await?;
    Ok(json(StatusCode::OK, &Sample { run: &reading.handle.run, processes: &figures }))
}
