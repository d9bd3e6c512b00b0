//! The API of a run, answered from its files or by its supervisor.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use form_urlencoded::Serializer;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use percent_encoding::percent_decode_str;

use crate::client::percent_encoded;
use crate::model::event::LOG;
use crate::web::access::{ProvenSession, Scope};
use crate::web::runs::Run;
use crate::web::server::routes::run_of;
use crate::web::server::{
    Answered, Client, Refusal, RunId, RunInPath, WebState, file, not_allowed, refuse, unknown,
};

/// Why a request to a run that has no supervisor is refused.
pub(crate) const RUN_OVER: &str = "this run is over; `tmo start` begins another";

/// A request to the API of a run, within the limits of its session.
pub(crate) struct RunRequest {
    run: Arc<Run>,
    method: Method,
    /// Path and query there.
    target: String,
    is_limited: bool,
}

impl FromRequestParts<WebState> for RunRequest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        RunId::from_request_parts(parts, state).await?;
        let ProvenSession { grant, .. } = ProvenSession::from_request_parts(parts, state).await?;
        let (_, path) = run_of(parts.uri.path()).ok_or_else(unknown)?;
        let query = parts.uri.query();
        let target = match grant.scope.names() {
            Some(names) => {
                within(names, path, query.unwrap_or_default()).ok_or_else(not_allowed)?
            }
            None => query.map_or(path.to_owned(), |query| format!("{path}?{query}")),
        };
        let RunInPath(run) = RunInPath::from_request_parts(parts, state).await?;
        let method = parts.method.clone();
        Ok(Self { run, method, target, is_limited: grant.scope.names().is_some() })
    }
}

impl RunRequest {
    /// The answer as far as the session may see it: the reason of a refusal may name other processes.
    fn visible(&self, answer: Response) -> Answered {
        if self.is_limited && !answer.status().is_success() {
            return refuse(answer.status(), "this can't be read");
        }
        Ok(answer)
    }
}

/// Answer a request from the files of a run.
pub(crate) async fn read_run(request: RunRequest) -> Answered {
    let answer = read_target(&request.run, &request.method, &request.target).await?;
    request.visible(answer)
}

/// Answer with samples of the resource use of a run's processes.
pub(crate) async fn figures(
    RunInPath(run): RunInPath,
    session: ProvenSession,
    uri: Uri,
) -> Answered {
    run.samples().samples_answer(&session.grant.scope, uri.query().unwrap_or_default())
}

/// Have the supervisor of a run answer a request.
pub(crate) async fn forward(Client(client): Client, request: RunRequest, body: Bytes) -> Answered {
    let RunRequest { run, method, target, .. } = &request;
    let answered = send(run, client, method, target, body).await;
    request.visible(answered.unwrap_or_else(Refusal::into_response))
}

/// Restrict a request to the output of these processes; `None` if it asks for more.
fn within(names: &[String], path: &str, query: &str) -> Option<String> {
    if !matches!(path, "/api/lines" | "/api/extent" | "/api/count" | "/api/output") {
        let word = path.strip_prefix("/api/processes/")?.strip_suffix("/screen")?;
        let word = percent_decode_str(word).decode_utf8().ok()?;
        let known = names.iter().find(|known| *known == whole(&word))?;
        let name = percent_encoded(&exactly(known));
        return Some(format!("/api/processes/{name}/screen?{query}"));
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
pub(crate) fn exactly(name: &str) -> String {
    format!("={name}")
}

/// The name in a selector.
pub(crate) fn whole(word: &str) -> &str {
    word.strip_prefix('=').unwrap_or(word)
}

/// The answer of the part of the API that only reads.
async fn read_target(run: &Run, method: &Method, target: &str) -> Answered {
    let request = Request::builder().method(method).uri(target).body(Body::empty());
    let Ok(request) = request else {
        return refuse(StatusCode::BAD_REQUEST, "the address is malformed");
    };
    let Ok(answer) = TowerToHyperService::new(run.reading.clone()).call(request).await;
    Ok(answer)
}

/// A page of lines, as the API of the run answers it.
pub(crate) async fn read_lines(run: &Run, scope: &Scope, query: &str) -> Result<Bytes, Refusal> {
    const PATH: &str = "/api/lines";
    let target = match scope.names() {
        Some(names) => within(names, PATH, query).ok_or_else(not_allowed)?,
        None => format!("{PATH}?{query}"),
    };
    whole_page(read_target(run, &Method::GET, &target).await?).await
}

/// The body of an answer, unless it is a refusal or its body fails.
async fn whole_page(answer: Response) -> Result<Bytes, Refusal> {
    const UNREADABLE: &str = "the journal can't be read";
    if answer.status() != StatusCode::OK {
        return refuse(answer.status(), UNREADABLE);
    }
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    body.map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, UNREADABLE))
}

/// Send a request to the supervisor of a run, in the name of this client.
pub(crate) async fn send(
    run: &Run,
    client: String,
    method: &Method,
    target: &str,
    body: Bytes,
) -> Answered {
    let Some(supervisor) = run.client().await else {
        return refuse(StatusCode::CONFLICT, RUN_OVER);
    };
    let (status, text) = supervisor?.by(client).forward(method.clone(), target, body).await?;
    Ok((status, file("application/json", text)).into_response())
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::body::{Body, Bytes};
    use axum::http::StatusCode;
    use axum::response::{IntoResponse as _, Response};
    use proptest::prelude::*;

    use super::{whole_page, within};

    #[tokio::test]
    async fn a_body_that_fails_is_no_empty_page() {
        let parts = [Ok(Bytes::from_static(b"[")), Err(io::Error::other("it is gone"))];
        let failing = Response::new(Body::from_stream(futures_util::stream::iter(parts)));
        let refused = whole_page(failing).await.unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let complete = Response::new(Body::from("[]"));
        assert_eq!(whole_page(complete).await.unwrap(), "[]");
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
        let screen = |name: &str| of_web(&format!("/api/processes/{name}/screen"), "");
        assert_eq!(screen("web").unwrap(), "/api/processes/%3Dweb/screen?");
        assert_eq!(screen("a%20b").unwrap(), "/api/processes/%3Da%20b/screen?");
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
