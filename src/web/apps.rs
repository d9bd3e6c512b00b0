//! The apps of a run: uploads, removals, the list.
//!
//! The server only receives an archive. It then runs `tmo app` with the executable of the run: that version makes the
//! plan as the start did, and its installation continues if this server is killed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answers::{json, problem};
use super::grant::Scope;
use super::reload::run_tmo;
use super::routes::{AppsPart, run_of};
use super::run_api::{unknown, unreadable};
use super::source::Runs;
use crate::apps::manifest::InstallState;
use crate::apps::store::{self, Incoming, StoreError};
use crate::apps::zip::LARGEST_ARCHIVE;

/// How much of an archive is kept in memory.
const CHUNK: usize = 1 << 20;
/// How long an upload may stall.
const PATIENCE: Duration = Duration::from_secs(30);

/// The JSON output of `tmo app`.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    error: Option<String>,
    reason: Option<String>,
    process: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    process: String,
}

#[derive(Serialize)]
struct List {
    apps: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    process: String,
    script: String,
    args: Vec<String>,
    autostart: bool,
    installed: bool,
    /// When this version was added, in nanoseconds since the epoch.
    version: u64,
}

/// The run that a request names.
struct Place {
    /// The directory of its apps.
    dir: PathBuf,
    /// Its executable of tmo.
    tmo: PathBuf,
    socket: PathBuf,
    /// The name of the app in the path; empty for the list.
    name: String,
    /// Whether it takes apps at the public address.
    takes_public: bool,
}

/// The run in this path, if this session may see all of it.
async fn place(runs: &Arc<Runs>, scope: &Scope, path: &str) -> Result<Place, Response> {
    let (id, rest) = run_of(path).filter(|(id, _)| scope.has_run(id)).ok_or_else(unknown)?;
    if scope.names().is_some() {
        return Err(problem(StatusCode::FORBIDDEN, "this login does not allow that"));
    }
    let name =
        rest.strip_prefix("/apps/").map_or("", |rest| rest.strip_suffix("/remove").unwrap_or(rest));
    let name = percent_decode_str(name).decode_utf8().map_err(|_| unknown())?.into_owned();
    if name.contains('\0') {
        return Err(problem(StatusCode::BAD_REQUEST, "a name can't contain NUL"));
    }
    let run = runs.get(id).await.map_err(|error| unreadable(&error))?.ok_or_else(unknown)?;
    let (Some(plan), Some(socket)) = (&run.known.plan, run.known.socket()) else {
        let reason = "this run is over; `tmo start` begins another";
        return Err(problem(StatusCode::CONFLICT, reason));
    };
    let Some(dir) = &plan.apps else {
        let reason = "this run was started by an earlier version of tmo, without apps";
        return Err(problem(StatusCode::CONFLICT, reason));
    };
    let (dir, tmo) = (dir.as_path().to_owned(), plan.tmo.as_path().to_owned());
    Ok(Place { dir, tmo, socket, name, takes_public: plan.web.uploads })
}

/// Answer a request about the apps of a run, which may have come to the public address.
pub(super) async fn answer(
    (what, is_public): (AppsPart, bool),
    (runs, scope, by): (&Arc<Runs>, &Scope, &str),
    (parts, body): (Parts, Body),
) -> Response {
    let answer = async {
        let place = place(runs, scope, parts.uri.path()).await?;
        match what {
            AppsPart::List => list(place).await,
            AppsPart::Upload if is_public && !place.takes_public => Err(problem(
                StatusCode::FORBIDDEN,
                "this project takes no uploads at the public address: set `uploads = true` in `[web]` of its \
                 tmo.toml, and start the run again",
            )),
            AppsPart::Upload => upload(&place, by, (parts, body)).await,
            AppsPart::Remove => place.run_tmo(&["remove".into(), "--yes".into()], by).await,
        }
    };
    answer.await.unwrap_or_else(|refused| refused)
}

/// Receive an archive, and add or update an app with it.
async fn upload(
    place: &Place,
    by: &str,
    (parts, body): (Parts, Body),
) -> Result<Response, Response> {
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST_ARCHIVE) {
        return Err(too_large());
    }
    let dir = place.dir.clone();
    let incoming = blocking(move || Incoming::create(&dir)).await?.map_err(unstored)?;
    let incoming = receive(body, incoming).await?;
    let query = parts.uri.query().unwrap_or_default();
    if query.contains("%00") {
        return Err(problem(StatusCode::BAD_REQUEST, "a script or an argument can't contain NUL"));
    }
    place.run_tmo(&upload_arguments(query, incoming.path()), by).await
}

/// List the apps.
async fn list(place: Place) -> Result<Response, Response> {
    let manifest = blocking(move || store::read(&place.dir)).await?.map_err(unstored)?;
    let apps = manifest.apps.into_iter().map(|(name, app)| Row {
        name,
        process: app.dir,
        script: app.script,
        args: app.args,
        autostart: app.autostart,
        installed: app.state == InstallState::Installed,
        version: app.version,
    });
    Ok(json(StatusCode::OK, &List { apps: apps.collect() }))
}

/// The arguments of `tmo app` for a query with `script`, `arg`, `start` and `update`.
fn upload_arguments(query: &str, zip: &std::path::Path) -> Vec<OsString> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let is =
        |wanted: &str, value: &str| pairs.iter().any(|(key, word)| key == wanted && word == value);
    let mut words: Vec<OsString> = vec!["--zip".into(), zip.into()];
    if is("update", "1") {
        words.insert(0, "update".into());
        return words;
    }
    words.insert(0, "add".into());
    // Values may begin with a hyphen.
    for (key, value) in &pairs {
        match &**key {
            "script" if !value.is_empty() => words.push(format!("--script={value}").into()),
            "arg" => words.push(format!("--arg={value}").into()),
            _ => {}
        }
    }
    if is("start", "false") {
        words.push("--no-start".into());
    }
    words
}

impl Place {
    /// Make a change by `tmo app` for this client.
    async fn run_tmo(&self, words: &[OsString], by: &str) -> Result<Response, Response> {
        let rest = ["--json", "--no-wait", "--socket"].map(OsString::from);
        let place = [self.socket.clone().into(), "--".into(), OsString::from(&self.name)];
        let words: Vec<_> = [&["app".into()][..], words, &rest, &place].concat();
        let output = run_tmo(&self.tmo, &words, by).await.map_err(|error| {
            let reason = format!("can't run {}: {error}", self.tmo.display());
            problem(StatusCode::INTERNAL_SERVER_ERROR, &reason)
        })?;
        Ok(translated(&output))
    }
}

/// The answer that corresponds to the output of `tmo app`.
fn translated(output: &Output) -> Response {
    let Ok(outcome) = serde_json::from_slice::<Outcome>(&output.stdout) else {
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().next().unwrap_or("it has ended without an answer");
        let status = if output.status.code() == Some(2) {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        return problem(status, line);
    };
    if outcome.ok {
        return json(
            StatusCode::ACCEPTED,
            &Accepted { process: outcome.process.unwrap_or_default() },
        );
    }
    let status = match outcome.error.as_deref() {
        Some("too-large") => StatusCode::PAYLOAD_TOO_LARGE,
        Some("invalid") => StatusCode::UNPROCESSABLE_ENTITY,
        Some("conflict") => StatusCode::CONFLICT,
        Some("protected") => StatusCode::FORBIDDEN,
        Some("unknown") => StatusCode::NOT_FOUND,
        Some(_) | None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, &outcome.reason.unwrap_or_default())
}

/// Write a body to a file. Only a part of it is in memory at any time.
async fn receive(mut body: Body, incoming: Incoming) -> Result<Incoming, Response> {
    let mut file = incoming.writer().map_err(|error| unwritten(&error))?;
    let (mut size, mut waiting) = (0, vec![]);
    loop {
        let next = timeout(PATIENCE, body.frame()).await;
        let next =
            next.map_err(|_| problem(StatusCode::REQUEST_TIMEOUT, "the upload has stalled"))?;
        let is_last = next.is_none();
        if let Some(frame) = next {
            let frame =
                frame.map_err(|_| problem(StatusCode::BAD_REQUEST, "the upload was cut off"))?;
            if let Ok(data) = frame.into_data() {
                size += data.len() as u64;
                if size > LARGEST_ARCHIVE {
                    return Err(too_large());
                }
                waiting.extend_from_slice(&data);
            }
        }
        if is_last || waiting.len() >= CHUNK {
            let chunk = std::mem::take(&mut waiting);
            file =
                blocking(move || write(file, &chunk)).await?.map_err(|error| unwritten(&error))?;
        }
        if is_last {
            return Ok(incoming);
        }
    }
}

fn write(mut file: File, chunk: &[u8]) -> io::Result<File> {
    file.write_all(chunk)?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    spawn_blocking(work).await.map_err(|error| {
        problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("the files of the apps: {error}"))
    })
}

fn too_large() -> Response {
    let reason = format!("the archive is larger than {} MiB", LARGEST_ARCHIVE >> 20);
    problem(StatusCode::PAYLOAD_TOO_LARGE, &reason)
}

#[expect(clippy::needless_pass_by_value, reason = "it is the argument of `map_err`")]
fn unstored(error: StoreError) -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

fn unwritten(error: &io::Error) -> Response {
    let reason = format!("the archive can't be stored: {}", crate::sys::why(error));
    problem(StatusCode::INSUFFICIENT_STORAGE, &reason)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::{ExitStatus, Output};

    use super::{translated, upload_arguments};

    #[test]
    fn a_query_becomes_arguments_that_stay_values() {
        let words = |query| upload_arguments(query, Path::new("/z"));
        let add = words("script=--yes&arg=-a&arg=b%20c&start=false&zip=/etc/x");
        let expected =
            ["add", "--zip", "/z", "--script=--yes", "--arg=-a", "--arg=b c", "--no-start"];
        assert_eq!(add, expected);
        assert_eq!(words("script="), ["add", "--zip", "/z"]);
        assert_eq!(words("update=1&script=x&start=false"), ["update", "--zip", "/z"]);
    }

    #[test]
    fn each_kind_of_refusal_has_a_status() {
        let status = |stdout: &str, code: i32| {
            let status = ExitStatus::from_raw(code << 8);
            let output =
                Output { status, stdout: stdout.into(), stderr: b"tmo: why\nmore".to_vec() };
            translated(&output).status().as_u16()
        };
        for (kind, expected) in [
            ("too-large", 413),
            ("invalid", 422),
            ("conflict", 409),
            ("protected", 403),
            ("unknown", 404),
            ("failed", 500),
        ] {
            let text = format!(r#"{{"ok": false, "error": "{kind}", "reason": "why"}}"#);
            assert_eq!(status(&text, 1), expected, "{kind}");
        }
        assert_eq!(status(r#"{"ok": true, "process": "web"}"#, 0), 202);
        assert_eq!((status("", 2), status("", 101)), (400, 500));
    }
}
