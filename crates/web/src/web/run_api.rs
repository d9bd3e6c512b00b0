//! The API of a run, answered from its files or by its supervisor.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use form_urlencoded::Serializer;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;

use super::answers::{Answered, file, problem, refuse};
use super::grant::Scope;
use super::routes::{OfSession, run_of};
use super::source::{Run, Runs};
use crate::model::event::LOG;

/// The largest body of a request.
const LARGEST_BODY: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The id of the run in a path, and the rest of the path, if this session may see a part of the run.
pub(super) fn visible<'a>(
    path: &'a str,
    scope: &Scope,
) -> Result<(&'a str, &'a str), Box<Response>> {
    Ok(run_of(path).filter(|(id, _)| scope.has_run(id)).ok_or_else(unknown)?)
}

/// The run with this id.
pub(super) async fn run_with(runs: &Runs, id: &str) -> Result<Arc<Run>, Box<Response>> {
    let run = runs.get(id).await.map_err(|error| unreadable(&error))?;
    Ok(run.ok_or_else(unknown)?)
}

/// The run in a path, if this session may see a part of it.
pub(super) async fn run_at(
    runs: &Runs,
    scope: &Scope,
    path: &str,
) -> Result<Arc<Run>, Box<Response>> {
    run_with(runs, visible(path, scope)?.0).await
}

/// Answer a request to a run.
pub(super) async fn answer(
    runs: &Runs,
    part: OfSession,
    scope: &Scope,
    by: String,
    mut parts: Parts,
    body: Body,
) -> Answered {
    let uri = parts.uri.clone();
    let (id, rest) = visible(uri.path(), scope)?;
    let target = match scope.names() {
        Some(names) => within(names, rest, uri.query().unwrap_or_default()),
        None => Some(uri.query().map_or(rest.to_owned(), |query| format!("{rest}?{query}"))),
    };
    let Some(target) = target else {
        return refuse(StatusCode::FORBIDDEN, "this login does not allow that");
    };
    let run = run_with(runs, id).await?;
    let answer = if part == OfSession::Supervisor {
        forward(&run, by, &parts.method, &target, body).await
    } else {
        match target.parse() {
            Ok(uri) => parts.uri = uri,
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "the address is malformed"),
        }
        parts.headers.clear();
        let reading = TowerToHyperService::new(run.reading.clone());
        let Ok(answer) = reading.call(Request::from_parts(parts, Body::empty())).await;
        answer
    };
    if scope.names().is_some() && !answer.status().is_success() {
        // The reason may name other processes.
        return refuse(answer.status(), "this can't be read");
    }
    Ok(answer)
}

/// Answer with samples of the resource use of a run's processes.
pub(super) async fn figures(runs: &Runs, scope: &Scope, parts: &Parts) -> Answered {
    let run = run_at(runs, scope, parts.uri.path()).await?;
    Ok(run.samples().answer(scope, parts.uri.query().unwrap_or_default()))
}

/// Restrict a request to the output of these processes; `None` if it asks for more.
fn within(names: &[String], path: &str, query: &str) -> Option<String> {
    if !matches!(path, "/api/lines" | "/api/extent" | "/api/count" | "/api/output") {
        let name = path.strip_prefix("/api/processes/")?.strip_suffix("/screen")?;
        let is_it = names.iter().any(|known| known == whole(name));
        return is_it.then(|| format!("{path}?{query}"));
    }
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    if pairs.iter().any(|(key, _)| matches!(&**key, "types" | "events")) {
        return None;
    }
    for (_, name) in pairs.iter_mut().filter(|(key, _)| key == "name") {
        let known = names.iter().find(|known| *known == whole(name))?;
        *name = exactly(known).into();
    }
    if !pairs.iter().any(|(key, _)| key == "name") {
        pairs.extend(names.iter().map(|name| ("name".into(), exactly(name).into())));
    }
    // Events of a process may name others.
    if path == "/api/lines" {
        pairs.push(("types".into(), LOG.into()));
    }
    let mut query = Serializer::new(String::new());
    Some(format!("{path}?{}", query.extend_pairs(pairs).finish()))
}

/// The selector of exactly this process. Its plain name could be an entry of the Procfile with other instances.
pub(super) fn exactly(name: &str) -> String {
    format!("={name}")
}

/// The name in a selector.
pub(super) fn whole(word: &str) -> &str {
    word.strip_prefix('=').unwrap_or(word)
}

/// A page of lines, as the API of the run answers it.
pub(super) async fn read_lines(run: &Run, scope: &Scope, query: &str) -> (StatusCode, Bytes) {
    let (path, everything) = ("/api/lines", format!("/api/lines?{query}"));
    let target = scope.names().map_or(Some(everything), |names| within(names, path, query));
    let request = target.and_then(|target| Request::get(target).body(Body::empty()).ok());
    let Some(request) = request else { return (StatusCode::FORBIDDEN, Bytes::new()) };
    let Ok(answer) = TowerToHyperService::new(run.reading.clone()).call(request).await;
    with_body(answer).await
}

/// An answer with its whole body, or that there is none because the body has failed.
async fn with_body(answer: Response) -> (StatusCode, Bytes) {
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    body.map_or((StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()), |body| (status, body))
}

/// Forward a request to the supervisor of a run, in the name of this client.
pub(super) async fn forward(
    run: &Run,
    by: String,
    method: &Method,
    target: &str,
    body: Body,
) -> Response {
    let read = timeout(BODY_TIME, axum::body::to_bytes(body, LARGEST_BODY)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return problem(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"),
        Err(_) => return problem(StatusCode::REQUEST_TIMEOUT, "the request takes too long"),
    };
    let answer = match run.client().await {
        Some(Ok(client)) => client.by(by).forward(method.clone(), target, body).await,
        Some(Err(error)) => Err(error),
        None => {
            return problem(StatusCode::CONFLICT, "this run is over; `tmo start` begins another");
        }
    };
    match answer {
        Ok((status, text)) => (status, file("application/json", text)).into_response(),
        Err(error) => problem(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// The answer about a run or process that does not exist or is not visible to the session.
pub(super) fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such run or process")
}

/// The answer when the runs can't be read.
pub(super) fn unreadable(error: &io::Error) -> Response {
    let reason = format!("the runs of this user can't be listed: {error}");
    problem(StatusCode::INTERNAL_SERVER_ERROR, &reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::io;

    use axum::body::{Body, Bytes};
    use axum::http::StatusCode;
    use axum::response::Response;

    use super::{with_body, within};

    #[tokio::test]
    async fn a_body_that_fails_is_no_empty_page() {
        let parts = [Ok(Bytes::from_static(b"[")), Err(io::Error::other("it is gone"))];
        let failing = Response::new(Body::from_stream(futures_util::stream::iter(parts)));
        assert_eq!(with_body(failing).await.0, StatusCode::INTERNAL_SERVER_ERROR);
        let complete = Response::new(Body::from("[]"));
        assert_eq!(with_body(complete).await, (StatusCode::OK, Bytes::from_static(b"[]")));
    }

    fn of_web(path: &str, query: &str) -> Option<String> {
        within(&["web".to_owned(), "a b".to_owned()], path, query)
    }

    #[test]
    fn a_limited_session_gets_the_output_of_its_processes() {
        let all = of_web("/api/lines", "limit=5").unwrap();
        assert_eq!(all, "/api/lines?limit=5&name=%3Dweb&name=%3Da+b&types=process%3Alog");
        for asked in ["name=a%20b", "name=%3Da%20b"] {
            assert_eq!(of_web("/api/output", asked).unwrap(), "/api/output?name=%3Da+b");
        }
        assert_eq!(of_web("/api/processes/web/screen", "").unwrap(), "/api/processes/web/screen?");
        for (path, query) in [
            ("/api/lines", "name=db"),
            ("/api/lines", "name=web&name=db"),
            ("/api/lines", "name=w*"),
            ("/api/lines", "name=%3D%3Dweb"),
            ("/api/lines", "n%61me=db"),
            ("/api/lines", "events=true"),
            ("/api/lines", "types=process:exited"),
            ("/api/processes/db/screen", ""),
            ("/api/processes/web/why", ""),
            ("/api/processes/web", ""),
            ("/api/why", ""),
            ("/api/state", ""),
            ("/api/figures", ""),
            ("/api/crashes/1", ""),
        ] {
            assert_eq!(of_web(path, query), None, "{path}?{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_gets_around_it(query in "(name|n%61me|after|types|[a-z%&=+*0-9]{0,9}|[=&]){0,12}") {
            let Some(target) = of_web("/api/lines", &query) else { return Ok(()) };
            let (path, query) = target.split_once('?').unwrap();
            prop_assert_eq!(path, "/api/lines");
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            let values = |wanted: &str| -> Vec<String> {
                pairs.iter().filter(|(key, _)| key == wanted).map(|(_, v)| v.to_string()).collect()
            };
            prop_assert!(!values("name").is_empty());
            prop_assert!(values("name").iter().all(|name| name == "=web" || name == "=a b"));
            prop_assert_eq!(values("types"), ["process:log"]);
        }
    }
}
