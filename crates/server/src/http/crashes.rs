//! What is wrong in the run, its crash reports, and what differs from a good life.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::actions::Named;
use super::answer::{Answer, ApiResult, Refusal, blocking, json, plain_json};
use super::extract::{Name, Query, Words, number};
use crate::api::answers::Problem;
use crate::crash::access::{CrashAccess, ReportsAsk};
use crate::crash::compare::Comparison;
use crate::crash::why::{Explanation, WhyError};
use crate::crash::{CrashReport, Summary};
use crate::model::request::Outcome;
use crate::reading::Reading;

impl From<WhyError> for Refusal {
    fn from(error: WhyError) -> Self {
        match error {
            WhyError::Unknown(unknown) => Self::Unknown(Box::new(Outcome::from(*unknown))),
            error => Self::failed(error.to_string()),
        }
    }
}

/// Do this on another thread. Only a few clients at once: reports may be long, and are held in memory.
pub(super) async fn read_crashes<T: Send + 'static>(
    reading: &Reading,
    work: impl FnOnce(&CrashAccess) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |_| Refusal::failed("the supervisor is ending".to_owned());
    let turn = Arc::clone(&reading.crash_readers).acquire_owned().await.map_err(failed)?;
    let crashes = Arc::clone(&reading.crashes);
    blocking(move || {
        let result = work(&crashes);
        drop(turn);
        result
    })
    .await
}

/// Why something is wrong in the run, or that nothing is.
///
/// As `tmo why --json`.
#[utoipa::path(
    get,
    path = "/api/why",
    tag = "crashes",
    responses(
        (
            status = 200,
            description = "The process that failed last, with the causes; or `well`.",
            body = Explanation,
        ),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
    )
)]
pub(super) async fn why(reading: Reading, _: Query<()>) -> ApiResult {
    explain(&reading, None).await
}

/// Why a process has ended, or does not come up.
///
/// As `tmo why NAME --json`. Also explains its last crash if it runs again.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/why",
    tag = "crashes",
    params(("name" = String, Path, description = "A name, a pattern with `*`, or an entry of the Procfile.")),
    responses(
        (status = 200, description = "The causes; or `well`.", body = Explanation),
        (status = 500, description = "The journal can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn why_one(reading: Reading, Name(name): Name, _: Query<()>) -> ApiResult {
    explain(&reading, Some(name)).await
}

async fn explain(reading: &Reading, name: Option<String>) -> ApiResult {
    let state = reading.handle.state().await?;
    // A finished run has no supervisor.
    let state = Some(state).filter(|state| state.pid != 0);
    let explained =
        read_crashes(reading, move |crashes| crashes.explain(state, name.as_deref())).await?;
    Ok(plain_json(StatusCode::OK, &explained?))
}

impl Words for ReportsAsk {
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "name" => self.name = Some(value.to_owned()),
            "last" => self.last = Some(number(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The crash reports of the project.
#[derive(Debug, Serialize, ToSchema)]
struct Crashes {
    /// The newest first.
    crashes: Vec<Summary>,
}

/// The crash reports of the project, also those of earlier runs.
///
/// Each as in `tmo crashes --json`, the newest first.
#[utoipa::path(
    get,
    path = "/api/crashes",
    tag = "crashes",
    params(ReportsAsk),
    responses(
        (status = 200, description = "Those that can be read.", body = Answer<Crashes>),
        (status = 500, description = "Their directory can't be read.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn list(reading: Reading, Query(ask): Query<ReportsAsk>) -> ApiResult {
    let crashes = read_crashes(&reading, move |crashes| crashes.summaries(&ask)).await??;
    Ok(json(StatusCode::OK, &Crashes { crashes }))
}

/// A crash report.
///
/// As `tmo crashes show --json`: with the output of all processes around the end. It has names of environment
/// variables, never their values.
#[utoipa::path(
    get,
    path = "/api/crashes/{id}",
    tag = "crashes",
    params(("id" = String, Path, description = "The id, as listed: `web-2026-01-02T03-04-05Z`.")),
    responses(
        (status = 200, description = "The whole report.", body = Answer<CrashReport>),
        (status = 404, description = "There is no such report.", body = Answer<Problem>),
        (status = 500, description = "It can't be read.", body = Answer<Problem>),
    )
)]
pub(super) async fn report(reading: Reading, Name(id): Name, _: Query<()>) -> ApiResult {
    let Some(report) = read_crashes(&reading, move |crashes| crashes.report(&id)).await?? else {
        let reason = "there is no crash report with this id; `/api/crashes` lists them";
        return Err(Refusal::Reason(StatusCode::NOT_FOUND, reason.to_owned()));
    };
    Ok(json(StatusCode::OK, &report))
}

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
    let compared = read_crashes(&reading, move |crashes| crashes.compare(&name)).await??;
    Ok(json(StatusCode::OK, &compared))
}
