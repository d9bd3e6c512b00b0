//! Reloads the configuration of a run with `tmo reload` of the executable of the run: that version makes the plan as the
//! start did.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;
use tokio::process::Command;

use super::answers::{json, problem};
use super::grant::Scope;
use super::routes::run_of;
use super::run_api::{unknown, unreadable};
use super::source::Runs;
use crate::config::env::SENDER;

/// What was done.
#[derive(Serialize)]
struct Reloaded {
    /// `NAME: WHAT`, for each process.
    changes: Vec<String>,
    warnings: Vec<String>,
}

/// Reload the run in the path.
pub(super) async fn answer(runs: &Runs, scope: &Scope, by: &str, parts: &Parts) -> Response {
    let Some((id, _)) = run_of(parts.uri.path()).filter(|(id, _)| scope.has_run(id)) else {
        return unknown();
    };
    let run = match runs.get(id).await {
        Ok(Some(run)) => run,
        Ok(None) => return unknown(),
        Err(error) => return unreadable(&error),
    };
    let (Some(plan), Some(socket)) = (&run.known.plan, run.known.socket()) else {
        return problem(StatusCode::CONFLICT, "this run is over; `tmo start` begins another");
    };
    let words: [OsString; 4] =
        ["reload".into(), "--no-wait".into(), "--socket".into(), socket.into()];
    match run_tmo(plan.tmo.as_path(), &words, by).await {
        Ok(output) => translated(&output),
        Err(error) => {
            let reason = format!("can't run {}: {error}", plan.tmo.as_path().display());
            problem(StatusCode::INTERNAL_SERVER_ERROR, &reason)
        }
    }
}

/// Run a command of tmo for this client.
pub(super) async fn run_tmo(tmo: &Path, words: &[OsString], by: &str) -> io::Result<Output> {
    let mut command = Command::new(crate::sys::program(tmo));
    // The directory in which the server was started must not matter.
    command.args(words).current_dir("/").env(SENDER, by);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.output().await
}

fn translated(output: &Output) -> Response {
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
    };
    let told = lines(&output.stderr);
    if output.status.success() {
        let changes = lines(&output.stdout);
        return json(StatusCode::ACCEPTED, &Reloaded { changes, warnings: told });
    }
    let reason = told.join("\n");
    problem(StatusCode::CONFLICT, if reason.is_empty() { "it was not reloaded" } else { &reason })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Output};

    use super::translated;

    #[test]
    fn a_refused_reload_is_a_conflict() {
        let status = |code: i32| {
            let (stdout, stderr) = (b"web: unchanged\n".to_vec(), b"tmo: why\n".to_vec());
            let status = ExitStatus::from_raw(code << 8);
            translated(&Output { status, stdout, stderr }).status().as_u16()
        };
        assert_eq!((status(0), status(1)), (202, 409));
    }
}
