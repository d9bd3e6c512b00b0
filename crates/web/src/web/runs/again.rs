//! Starts a run that is over once more, in its directory, with `tmo start` of this executable.
//!
//! A page first gets the commands of the processes, and then asks for a start by their digest: if one was changed
//! meanwhile, the page shows them again. Hooks, checks and variables are read by the start and are not shown.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::model::hex::hex;
use crate::web::runs::run::Run;
use crate::web::server::answers::{Answered, Refusal, json, refuse};
use crate::web::server::extract::RunInPath;

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

/// Answer with what a start would run.
pub(crate) async fn propose(RunInPath(run): RunInPath) -> Answered {
    let (Configuration { root: directory, processes }, digest) =
        read_configuration(&directory(&run)?).await?;
    Ok(json(StatusCode::OK, &Proposal { directory, processes, digest }))
}

/// Start the run, if its configuration has the digest in the query.
pub(crate) async fn start(RunInPath(run): RunInPath, uri: Uri) -> Answered {
    let directory = directory(&run)?;
    let (_, digest) = read_configuration(&directory).await?;
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    if !query.any(|(key, value)| key == "digest" && value == digest) {
        let reason = "the configuration has changed meanwhile; these are the commands now";
        return refuse(StatusCode::CONFLICT, reason);
    }
    let started = run_tmo(&directory, &["start", "-D"]).await?;
    if started.status.success() {
        Ok(json(StatusCode::ACCEPTED, &serde_json::json!({})))
    } else {
        refuse(StatusCode::CONFLICT, &error_output(&started))
    }
}

/// The directory of the project of a run that is over.
fn directory(run: &Run) -> Result<PathBuf, Refusal> {
    if run.known.plan.is_some() {
        return refuse(StatusCode::CONFLICT, "this run is not over");
    }
    match run.known.root() {
        Some(root) => Ok(root.to_owned()),
        None => refuse(StatusCode::CONFLICT, "where this run was started is not known"),
    }
}

/// The configuration in a directory, and its digest.
async fn read_configuration(dir: &Path) -> Result<(Configuration, String), Refusal> {
    let printed = run_tmo(dir, &["start", "--print-config"]).await?;
    match serde_json::from_slice(&printed.stdout) {
        Ok(configuration) if printed.status.success() => {
            Ok((configuration, hex(&Sha256::digest(&printed.stdout))))
        }
        Ok(_) | Err(_) => refuse(StatusCode::CONFLICT, &error_output(&printed)),
    }
}

/// Run this executable in a directory.
async fn run_tmo(dir: &Path, words: &[&str]) -> Result<Output, Refusal> {
    let failed = |error| {
        let reason = format!("can't run tmo in {}: {error}", dir.display());
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &reason)
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(crate::sys::program(&program));
    command.args(words).current_dir(dir).stdin(Stdio::null());
    command.output().await.map_err(failed)
}

fn error_output(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim_end();
    if text.is_empty() { "tmo has ended without a word".to_owned() } else { text.to_owned() }
}
