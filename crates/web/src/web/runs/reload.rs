//! Reloads the configuration of a run with `tmo reload` of the executable of the run: that version makes the plan as the
//! start did. `tmo ps` of the same one tells what a reload would change.

use std::path::Path;
use std::process::{Output, Stdio};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;

use crate::config::env::SENDER;
use crate::model::{ProcName, Untrusted};
use crate::web::runs::api::RUN_OVER;
use crate::web::server::answers::{Answered, json, refuse};
use crate::web::server::extract::{Client, RunInPath};

/// Reload the run in the path.
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
    let mut command = Command::new(crate::sys::program(tmo));
    command.args(words).arg("--socket").arg(socket);
    // The directory in which the server was started must not matter.
    command.current_dir("/").env(SENDER, by).stdin(Stdio::null());
    command.output().await.map_err(|error| format!("can't run {}: {error}", tmo.display()))
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
