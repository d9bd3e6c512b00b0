//! How a process is run.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::actions::Named;
use super::answer::{Answer, ApiResult, Refusal, json};
use super::crashes::read;
use super::extract::{Name, Query};
use crate::api::answers::Problem;
use crate::crash::access::CrashAccess;
use crate::model::plan::{Plan, ProcessPlan};
use crate::model::process_env::process_env;
use crate::model::request::Outcome;
use crate::model::rules::{DependencyCondition, Need};
use crate::model::text::OsText;
use crate::reading::Reading;

/// How a process is run, as the run knows it now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Setup {
    /// The command; for a program that runs without a shell, its arguments with blanks between them.
    command: String,
    /// The absolute path of its working directory.
    directory: String,
    /// The names of its environment variables, in order. Values are not told.
    variables: Vec<String>,
    /// What it needs of other processes before it begins.
    depends_on: Vec<Dependency>,
    /// Those that need something of it before they begin.
    needed_by: Vec<Dependency>,
}

/// A process, and what another one needs of it, or it of the other one.
#[derive(Debug, Serialize, ToSchema)]
struct Dependency {
    /// The name of the process.
    name: String,
    /// What the one that is needed must have reached.
    #[schema(value_type = String)]
    until: DependencyCondition,
    /// Whether the dependent process is restarted after the other one was.
    restart: bool,
}

impl Dependency {
    fn of(name: &impl ToString, need: &Need) -> Self {
        Self { name: name.to_string(), until: need.until, restart: need.restart }
    }
}

impl Setup {
    fn of(plan: &Plan, process: &ProcessPlan) -> Self {
        let words =
            |words: &[OsText]| words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let needs_it = |other: &ProcessPlan| {
            let needs = other.rules.needs.iter().filter(|need| need.on == process.name);
            needs.map(|need| Dependency::of(&other.name, need)).collect::<Vec<_>>()
        };
        let mut variables: Vec<_> =
            process_env(plan, process).iter().map(|(name, _)| name.to_string()).collect();
        variables.sort_unstable();
        Self {
            command: process.argv.as_deref().map_or_else(|| process.command.to_string(), words),
            directory: process.cwd.as_ref().unwrap_or(&plan.root).to_string(),
            variables,
            depends_on: process
                .rules
                .needs
                .iter()
                .map(|need| Dependency::of(&need.on, need))
                .collect(),
            needed_by: plan.present().flat_map(needs_it).collect(),
        }
    }
}

/// How a process is run: its command, directory, names of variables, and dependencies.
#[utoipa::path(
    get,
    path = "/api/processes/{name}/setup",
    tag = "state",
    params(("name" = String, Path, description = "The name of the process.")),
    responses(
        (status = 200, description = "How it is run.", body = Answer<Setup>),
        (status = 500, description = "The plan of the run can't be read, or is gone with it.", body = Answer<Problem>),
        Named,
    )
)]
pub(super) async fn setup(reading: Reading, Name(name): Name, _: Query<()>) -> ApiResult {
    let plan = read(&reading, CrashAccess::plan).await?;
    let plan = plan.ok_or_else(|| Refusal::failed("the plan of the run is gone".to_owned()))?;
    let Some(process) = plan.present().find(|process| process.name.as_str() == name) else {
        let known = plan.present().map(|process| &process.name);
        return Err(Refusal::Unknown(Box::new(Outcome::unknown(&name, known))));
    };
    Ok(json(StatusCode::OK, &Setup::of(&plan, process)))
}
