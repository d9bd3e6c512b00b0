//! Starts a run that is over once more, in its directory, with `tmo start` of this executable.
//!
//! A page first gets the commands of the processes, and then asks for a start by their digest: if one was changed
//! meanwhile, the page shows them again. Hooks, checks and variables are read by the start and are not shown.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::answers::{Answered, json, problem, refuse};
use super::grant::Scope;
use super::run_api::run_at;
use super::source::Runs;

/// The configuration as `tmo start --print-config` prints it, as far as it is shown.
#[derive(Deserialize)]
struct Configuration {
    root: String,
    processes: Vec<ToRun>,
}

#[derive(Serialize, Deserialize)]
struct ToRun {
    name: String,
    command: String,
    begins: bool,
}

/// What a start would run.
#[derive(Serialize)]
struct Proposal {
    directory: String,
    processes: Vec<ToRun>,
    /// What the request to start must name.
    digest: String,
}

/// Answer with what would be run, or run it.
pub(super) async fn answer(runs: &Runs, scope: &Scope, parts: &Parts) -> Answered {
    let dir = directory(runs, scope, parts.uri.path()).await?;
    let (configuration, digest) = read(&dir).await?;
    if parts.method != Method::POST {
        let Configuration { root: directory, processes } = configuration;
        return Ok(json(StatusCode::OK, &Proposal { directory, processes, digest }));
    }
    let asked = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let is_same = asked.into_iter().any(|(key, value)| key == "digest" && value == digest);
    if !is_same {
        let reason = "the configuration has changed meanwhile; these are the commands now";
        return refuse(StatusCode::CONFLICT, reason);
    }
    let started = tmo(&dir, &["start", "-D"]).await?;
    if started.status.success() {
        Ok(json(StatusCode::ACCEPTED, &serde_json::json!({})))
    } else {
        refuse(StatusCode::CONFLICT, &reason(&started))
    }
}

/// The directory of the project of a run that is over.
async fn directory(runs: &Runs, scope: &Scope, path: &str) -> Result<PathBuf, Box<Response>> {
    let run = run_at(runs, scope, path).await?;
    if run.known.plan.is_some() {
        return refuse(StatusCode::CONFLICT, "this run is not over");
    }
    match run.known.root() {
        Some(root) => Ok(root.to_owned()),
        None => refuse(StatusCode::CONFLICT, "where this run was started is not known"),
    }
}

/// The configuration in a directory, and its digest.
async fn read(dir: &Path) -> Result<(Configuration, String), Response> {
    let printed = tmo(dir, &["start", "--print-config"]).await?;
    let parsed = serde_json::from_slice(&printed.stdout);
    match parsed {
        Ok(configuration) if printed.status.success() => {
            let digest = Sha256::digest(&printed.stdout);
            Ok((configuration, crate::model::hex::hex(&digest)))
        }
        Ok(_) | Err(_) => Err(problem(StatusCode::CONFLICT, &reason(&printed))),
    }
}

async fn tmo(dir: &Path, words: &[&str]) -> Result<Output, Response> {
    let failed = |error| {
        let reason = format!("can't run tmo in {}: {error}", dir.display());
        problem(StatusCode::INTERNAL_SERVER_ERROR, &reason)
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(crate::sys::program(&program));
    command.args(words).current_dir(dir).stdin(Stdio::null());
    command.output().await.map_err(failed)
}

fn reason(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim_end();
    if text.is_empty() { "tmo has ended without a word".to_owned() } else { text.to_owned() }
}
