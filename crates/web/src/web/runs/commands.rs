//! What a page changes with commands of tmo: it reloads the configuration of a run, and starts one again that is over.
//!
//! `tmo reload` of the executable of the run makes the plan as the start did. `tmo ps` of the same one tells what a reload
//! would change.
//!
//! A start is asked for by the digest of the commands of the processes, which the page has shown: if one was changed
//! meanwhile, it shows them again. Hooks, checks and variables are read by the start and are not shown.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::config::env::SENDER;
use crate::model::text::hex::hex;
use crate::model::{ProcName, Untrusted};
use crate::web::runs::{RUN_OVER, Run};
use crate::web::server::{Answered, Client, Refusal, RunInPath, json, refuse};

pub(crate) async fn reload(RunInPath(run): RunInPath, Client(client): Client) -> Answered {
    let (Some(plan), Some(socket)) = (&run.known.plan, run.known.socket()) else {
        return refuse(StatusCode::CONFLICT, RUN_OVER);
    };
    match run_reload(plan.tmo.as_path(), &[], &socket, &client).await {
        Ok(output) => translated(&output),
        Err(why) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &why),
    }
}

/// What has changed since the processes of the run in the path were started.
pub(crate) async fn drift(RunInPath(run): RunInPath, Client(client): Client) -> Answered {
    /// The part of `tmo ps --json` that is of interest.
    #[derive(Default, Serialize, Deserialize)]
    struct Drifted {
        processes: Vec<DriftedProcess>,
    }
    #[derive(Serialize, Deserialize)]
    struct DriftedProcess {
        name: ProcName,
        #[serde(default)]
        drift: Vec<Untrusted>,
    }
    let (Some(plan), Some(socket)) = (&run.known.plan, run.known.socket()) else {
        return Ok(json(StatusCode::OK, &Drifted::default()));
    };
    let output = run_own(plan.tmo.as_path(), &["ps", "--json"], &socket, &client).await;
    let printed = output.map(|output| output.stdout).unwrap_or_default();
    let mut found = serde_json::from_slice::<Drifted>(&printed).unwrap_or_default();
    found.processes.retain(|process| !process.drift.is_empty());
    Ok(json(StatusCode::OK, &found))
}

/// Run `tmo reload` with these options, of this executable, for the run at this socket and for this client.
pub(crate) async fn run_reload(
    tmo: &Path,
    options: &[&str],
    socket: &Path,
    by: &str,
) -> Result<Output, String> {
    run_own(tmo, &[&["reload", "--no-wait"], options].concat(), socket, by).await
}

/// Run this command of this executable for the run at this socket and for this client.
async fn run_own(tmo: &Path, words: &[&str], socket: &Path, by: &str) -> Result<Output, String> {
    // The directory in which the server was started must not matter.
    let mut command = command_in(Path::new("/"), tmo, words);
    let output = command.arg("--socket").arg(socket).env(SENDER, by).output().await;
    output.map_err(|error| format!("can't run {}: {error}", tmo.display()))
}

fn command_in(dir: &Path, program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(crate::sys::program(program));
    command.args(words).current_dir(dir).stdin(Stdio::null());
    command
}

fn translated(output: &Output) -> Answered {
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
    };
    let told = lines(&output.stderr);
    if output.status.success() {
        // `NAME: WHAT`, for each process.
        let changes = lines(&output.stdout);
        return Ok(json(StatusCode::ACCEPTED, &json!({ "changes": changes, "warnings": told })));
    }
    let reason = told.join("\n");
    refuse(StatusCode::CONFLICT, if reason.is_empty() { "it was not reloaded" } else { &reason })
}

/// The configuration as `tmo start --print-config` prints it, as far as it is shown.
#[derive(Serialize, Deserialize)]
struct Configuration {
    #[serde(rename(serialize = "directory"))]
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
    #[serde(flatten)]
    configuration: Configuration,
    /// What the request to start must name.
    digest: String,
}

/// Answer with what a start would run.
pub(crate) async fn propose(RunInPath(run): RunInPath) -> Answered {
    Ok(json(StatusCode::OK, &read_proposal(&directory(&run)?).await?))
}

/// Start the run, if its configuration has the digest in the query.
pub(crate) async fn start(RunInPath(run): RunInPath, uri: Uri) -> Answered {
    let directory = directory(&run)?;
    let Proposal { digest, .. } = read_proposal(&directory).await?;
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

/// What a start in a directory would run.
async fn read_proposal(dir: &Path) -> Result<Proposal, Refusal> {
    let printed = run_tmo(dir, &["start", "--print-config"]).await?;
    match serde_json::from_slice(&printed.stdout) {
        Ok(configuration) if printed.status.success() => {
            Ok(Proposal { configuration, digest: hex(&Sha256::digest(&printed.stdout)) })
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
    command_in(dir, &program, words).output().await.map_err(failed)
}

fn error_output(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim_end();
    if text.is_empty() { "tmo has ended without a word".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Output};

    use axum::response::IntoResponse as _;

    use super::translated;

    #[test]
    fn a_refused_reload_is_a_conflict() {
        let status = |code: i32| {
            let (stdout, stderr) = (b"web: unchanged\n".to_vec(), b"tmo: why\n".to_vec());
            let status = ExitStatus::from_raw(code << 8);
            let answer = translated(&Output { status, stdout, stderr });
            answer.into_response().status().as_u16()
        };
        assert_eq!((status(0), status(1)), (202, 409));
    }
}
