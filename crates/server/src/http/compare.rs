//! Compares the output of a process's last life with that of its good ones.

use axum::http::StatusCode;

use super::actions::Named;
use super::answer::{Answer, ApiResult, json};
use super::crashes::read;
use super::extract::{Name, Query};
use crate::api::answers::Problem;
use crate::crash::compare::Comparison;
use crate::reading::Reading;

/// Compare the output of a process's last life with that of its last good ones.
///
/// The key `D` in `tmo ui` shows the same. Lines that differ only in numbers, times and ids are of one kind.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/compare",
    tag = "crashes",
    params(("name" = String, Path, description = "The name of the process.")),
    responses(
        (status = 200, description = "What differs.", body = Answer<Comparison>),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn compare(reading: Reading, Name(name): Name, _: Query<()>) -> ApiResult {
    let compared = read(&reading, move |crashes| crashes.compare(&name)).await??;
    Ok(json(StatusCode::OK, &compared))
}
