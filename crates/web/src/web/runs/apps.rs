//! The apps of a run: uploads, removals, the list.
//!
//! The server changes the files as `tmo app` does (`apps::change`). Then the executable of the run reloads the apps:
//! that version makes the plan as the start did. The supervisor installs them, also if this server is killed.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::apps::change::{AppError, AppErrorKind, ProjectApps, other_names};
use crate::apps::manifest::{App, INSTALL_TIMEOUT, InstallState};
use crate::apps::store::{self, Incoming, StoreError, USUAL_SCRIPT};
use crate::apps::zip::LARGEST_ARCHIVE;
use crate::model::plan::AfterInstall;
use crate::model::request::Request;
use crate::web::runs::commands::run_reload;
use crate::web::runs::{RUN_OVER, Run, state};
use crate::web::server::{
    Answered, Client, Refusal, RunInPath, WebState, json, parameter, refuse, unknown,
};

/// How much of an archive is kept in memory.
const CHUNK: usize = 1 << 20;
/// How long an upload may stall.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// The apps of the run that a request names.
pub(crate) struct RunApps {
    run: Arc<Run>,
    /// The directory of its apps.
    dir: PathBuf,
    others: Vec<String>,
    /// Its executable of tmo.
    tmo: PathBuf,
    socket: PathBuf,
    /// The name of the app in the path; empty for the list.
    name: String,
    /// Who changes them.
    client: String,
    /// Whether it takes apps at the public address.
    takes_public: bool,
}

impl FromRequestParts<WebState> for RunApps {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let name = parameter(parts, "name").await.unwrap_or_default();
        if name.contains('\0') {
            return refuse(StatusCode::BAD_REQUEST, "a name can't contain NUL");
        }
        let RunInPath(run) = RunInPath::from_request_parts(parts, state).await?;
        let (Some(plan), Some(socket)) = (&run.known.plan, run.known.socket()) else {
            return refuse(StatusCode::CONFLICT, RUN_OVER);
        };
        let Client(client) = Client::from_request_parts(parts, state).await?;
        Ok(Self {
            dir: plan.apps.as_path().to_owned(),
            others: other_names(plan),
            tmo: plan.tmo.as_path().to_owned(),
            socket,
            name,
            client,
            takes_public: plan.web.uploads,
            run: Arc::clone(&run),
        })
    }
}

/// Receive an archive, and add or update an app with it.
pub(crate) async fn upload(
    State(server): State<WebState>,
    apps: RunApps,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    if server.is_public(&headers) && !apps.takes_public {
        return refuse(
            StatusCode::FORBIDDEN,
            "this project takes no uploads at the public address: set `uploads = true` in `[web]` of its \
             tmo.toml, and start the run again",
        );
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LARGEST_ARCHIVE) {
        return Err(too_large());
    }
    let dir = apps.dir.clone();
    let incoming = blocking(move || Incoming::create(&dir)).await?;
    let incoming = receive(body, incoming).await?;
    let query = uri.query().unwrap_or_default();
    if query.contains("%00") {
        return refuse(StatusCode::BAD_REQUEST, "a script or an argument can't contain NUL");
    }
    apps.change(change_of(query, incoming)?).await
}

pub(crate) async fn remove(apps: RunApps) -> Answered {
    apps.change(AppRequest::Remove).await
}

pub(crate) async fn list_apps(apps: RunApps) -> Answered {
    let manifest = blocking(move || store::read_manifest(&apps.dir)).await?;
    let row = |(name, app): (String, App)| {
        json!({
            "name": name,
            "process": app.dir,
            "script": app.script,
            "args": app.args,
            "autostart": app.autostart,
            "installed": app.state == InstallState::Installed,
            // When this version was added, in nanoseconds since the epoch.
            "version": app.version,
        })
    };
    let apps: Vec<_> = manifest.apps.into_iter().map(row).collect();
    Ok(Json(json!({ "apps": apps })).into_response())
}

/// What a request does to an app.
enum AppRequest {
    Add(App, Incoming),
    Update(Incoming),
    Remove,
}

/// The change that a query with `script`, `arg`, `start` and `update` asks for.
fn change_of(query: &str, zip: Incoming) -> Result<AppRequest, Refusal> {
    let mut app = App {
        script: USUAL_SCRIPT.to_owned(),
        autostart: true,
        install_timeout_seconds: INSTALL_TIMEOUT,
        ..App::default()
    };
    let mut updates = false;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("update", "0" | "1") => updates = value == "1",
            ("script", "") => {}
            ("script", _) => app.script = value.into_owned(),
            ("arg", _) => app.args.push(value.into_owned()),
            ("start", "true" | "false") => app.autostart = value == "true",
            _ => {
                let why = format!("there is no `{key}={value}` here");
                return refuse(StatusCode::BAD_REQUEST, &why);
            }
        }
    }
    Ok(if updates { AppRequest::Update(zip) } else { AppRequest::Add(app, zip) })
}

impl RunApps {
    /// Change the files, and have the run reload its apps.
    async fn change(self, change: AppRequest) -> Answered {
        let updates = matches!(change, AppRequest::Update(_));
        let states = match change {
            AppRequest::Add(..) => vec![],
            AppRequest::Update(_) | AppRequest::Remove => state(&self.run.known).await?.processes,
        };
        let (dir, others, name) = (self.dir.clone(), self.others.clone(), self.name.clone());
        let changed = blocking(move || {
            let apps = ProjectApps { dir: &dir, others: &others, states: &states };
            match change {
                AppRequest::Add(app, zip) => apps.add(&name, app, &mut zip.reader()?),
                AppRequest::Update(zip) => apps.update(&name, &mut zip.reader()?),
                AppRequest::Remove => apps.remove(&name),
            }
        });
        let app = changed.await?;
        self.reload().await?;
        if updates {
            let then = if app.autostart { AfterInstall::Run } else { AfterInstall::Stop };
            let install = Request::Install { name: app.dir.clone(), then };
            let client = self.run.client().await.ok_or_else(unknown)?;
            client?.by(self.client.clone()).request(&install, false).await?;
        }
        Ok(json(StatusCode::ACCEPTED, &json!({ "process": app.dir })))
    }

    /// Have the run reload its apps.
    async fn reload(&self) -> Result<(), Refusal> {
        let failed = |why: &str| {
            let reason = format!(
                "the files are changed, but the run could not reload its apps: {why}; `tmo reload` tries again"
            );
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &reason)
        };
        match run_reload(&self.tmo, &["--apps"], &self.socket, &self.client).await {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                Err(failed(text.lines().next().unwrap_or("it has ended without an answer")))
            }
            Err(why) => Err(failed(&why)),
        }
    }
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        let status = match error.kind() {
            AppErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            AppErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            AppErrorKind::Conflict => StatusCode::CONFLICT,
            AppErrorKind::Protected => StatusCode::FORBIDDEN,
            AppErrorKind::Unknown => StatusCode::NOT_FOUND,
            AppErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, &error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
    }
}

/// Write a body to a file. Only a part of it is in memory at any time.
async fn receive(mut body: Body, incoming: Incoming) -> Result<Incoming, Refusal> {
    let mut file = incoming.writer().map_err(|error| unwritten(&error))?;
    let (mut size, mut waiting) = (0, vec![]);
    loop {
        let next = timeout(UPLOAD_PATIENCE, body.frame()).await;
        let next =
            next.map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the upload has stalled"))?;
        let is_last = next.is_none();
        if let Some(frame) = next {
            let frame = frame
                .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the upload was cut off"))?;
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
            let write = move || file.write_all(&chunk).map(|()| file);
            file = blocking(|| write().map_err(|error| unwritten(&error))).await?;
        }
        if is_last {
            return Ok(incoming);
        }
    }
}

async fn blocking<T: Send + 'static, E: Into<Refusal> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await.map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &format!("the files of the apps: {error}"))
    });
    done?.map_err(Into::into)
}

fn too_large() -> Refusal {
    let reason = format!("the archive is larger than {} MiB", LARGEST_ARCHIVE >> 20);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, &reason)
}

fn unwritten(error: &io::Error) -> Refusal {
    let reason = format!("the archive can't be stored: {}", crate::sys::why(error));
    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, &reason)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::{AppRequest, Incoming, Refusal, change_of};
    use crate::apps::change::AppError;
    use crate::apps::store::StoreError;
    use crate::apps::zip::ZipError;
    use crate::model::ProcessStatus;

    #[test]
    fn a_query_says_how_an_app_is_run() {
        let dir = tempfile::tempdir().unwrap();
        let change = |query| change_of(query, Incoming::create(&dir.path().join("apps")).unwrap());
        let Ok(AppRequest::Add(app, _)) = change("script=--yes&arg=-a&arg=b%20c&start=false")
        else {
            panic!("it is no update")
        };
        assert_eq!((&*app.script, app.autostart), ("--yes", false));
        assert_eq!(app.args, ["-a", "b c"]);
        let Ok(AppRequest::Add(app, _)) = change("script=") else { panic!("it is no update") };
        assert_eq!((&*app.script, app.autostart), ("main.py", true));
        assert!(matches!(change("update=1&script=x&start=false"), Ok(AppRequest::Update(_))));
        for odd in ["zip=/etc/x", "strat=false", "start=maybe", "update=true", "x"] {
            assert!(change(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn each_kind_of_refusal_has_a_status() {
        let runs = AppError::Runs { name: "bot".into(), state: ProcessStatus::Running };
        for (error, expected) in [
            (StoreError::Zip(ZipError::LargeArchive).into(), 413),
            (StoreError::Zip(ZipError::NotZip).into(), 422),
            (runs, 409),
            (AppError::Protected("web".into()), 403),
            (StoreError::Absent("bot".into()).into(), 404),
            (StoreError::Zip(ZipError::Read(std::io::ErrorKind::Other.into())).into(), 500),
        ] {
            let text = error.to_string();
            let answer = Refusal::from(error).into_response();
            assert_eq!(answer.status().as_u16(), expected, "{text}");
        }
    }
}
