//! Compares the output of a process's last life with that of its good ones.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::actions::Named;
use super::answer::{Answer, ApiResult, json};
use super::crashes::read;
use super::extract::{Name, Query};
use crate::api::answers::Problem;
use crate::crash::compare::{Compared, Life, Shape};
use crate::model::{Exit, LifeId};
use crate::server::reading::Reading;

/// Two lives of a process side by side.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Comparison {
    /// The current or last life; for a process that runs again after a failure, the life that failed. Null if it
    /// has not run.
    life: Option<ComparedLife>,
    /// The last good lives before it, the last one first.
    good: Vec<ComparedLife>,
    /// Lines that only `life` has printed, in order: the first line of each kind.
    new: Vec<ComparedLine>,
    /// Lines that only the last good life has printed, in order.
    missing: Vec<ComparedLine>,
    /// The last life before `life` that ended in the same way.
    alike: Option<ComparedLife>,
    /// Whether only the beginning was compared, because a life has printed very much.
    is_cut: bool,
}

/// A life that was compared.
#[derive(Debug, Serialize, ToSchema)]
struct ComparedLife {
    /// Its number.
    #[schema(value_type = u32)]
    life: LifeId,
    /// When it began, RFC 3339 in UTC.
    started: String,
    /// When it ended; null if it runs.
    ended: Option<String>,
    /// How it ended.
    exit: Option<Exit>,
    /// Whether it failed.
    failed: bool,
}

/// Lines that differ only in numbers, times and ids.
#[derive(Debug, Serialize, ToSchema)]
struct ComparedLine {
    /// The first line.
    text: String,
    /// The cursor of the first line.
    cursor: String,
    /// When the first line was printed, RFC 3339 in UTC.
    time: String,
    /// The number of lines.
    count: usize,
}

impl From<&Life> for ComparedLife {
    fn from(life: &Life) -> Self {
        Self {
            life: life.life,
            started: life.started.to_string(),
            ended: life.ended.map(|(time, _)| time.to_string()),
            exit: life.ended.map(|(_, exit)| exit),
            failed: life.has_failed(),
        }
    }
}

impl From<&Shape> for ComparedLine {
    fn from(shape: &Shape) -> Self {
        Self {
            text: shape.text.clone(),
            cursor: shape.at.to_string(),
            time: shape.time.to_string(),
            count: shape.count,
        }
    }
}

impl From<Compared> for Comparison {
    fn from(compared: Compared) -> Self {
        match compared {
            Compared::NoLife => Self::default(),
            Compared::NothingGood(life) => Self { life: Some((&life).into()), ..Self::default() },
            Compared::Lives(lives) => Self {
                life: Some((&lives.life).into()),
                good: lives.good.iter().map(Into::into).collect(),
                new: lives.new.iter().map(Into::into).collect(),
                missing: lives.missing.iter().map(Into::into).collect(),
                alike: lives.alike.as_ref().map(Into::into),
                is_cut: lives.is_cut,
            },
        }
    }
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
    let compared = read(&reading, move |crashes| crashes.compare(&name)).await??;
    Ok(json(StatusCode::OK, &Comparison::from(compared)))
}
