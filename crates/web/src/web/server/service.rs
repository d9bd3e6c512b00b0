//! The way of a request: the gate, the limits of its body and of its answer, and the way to its handler.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Json, Router};
use http_body_util::LengthLimitError;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api::version::OURS;
use crate::server::budget::BUSY;
use crate::sys::clock;
use crate::web::access::{Need, ProvenSession, Role};
use crate::web::fleet::{bridged_session, host_of, no_bridge};
use crate::web::proxy;
use crate::web::runs::entries;
use crate::web::server::answers::{Answered, Refusal, finish, not_allowed, refuse, unreadable};
use crate::web::server::limits::Ends;
use crate::web::server::routes::{AnswerKind, Routes, Rule};
use crate::web::server::{Answers, Server, WebState, assets};

/// The largest body of a request that may change something, and how long it may take to arrive.
const LARGEST_BODY: usize = 1 << 20;
const BODY_TIME: Duration = Duration::from_secs(30);
/// The largest body of a login, and of what any guest may ask many times at once.
const SMALL_BODY: usize = 16 << 10;
const LOGIN_BODY_TIME: Duration = Duration::from_secs(10);
/// Answers requests.
#[derive(Clone)]
pub(crate) struct WebService {
    pub(crate) server: Arc<Server>,
    router: TowerToHyperService<Router>,
}

impl WebService {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let router = Routes::new(Arc::clone(&server)).into_router();
        Self { server, router: TowerToHyperService::new(router) }
    }

    /// Answer a request of a connection with these ends.
    pub(crate) async fn respond(
        self,
        ends: Ends,
        mut request: Request,
    ) -> Result<Response, Infallible> {
        if let Some(name) = proxy::named(request.headers()) {
            let Server { runs, places, processes, closing, .. } = &*self.server;
            let closing = closing.subscribe();
            return Ok(processes.proxied(runs, places, closing, ends, &name, request).await);
        }
        request.extensions_mut().insert(ends);
        self.route(request).await
    }

    /// Answer a request to tmo itself.
    pub(crate) async fn route(self, request: Request) -> Result<Response, Infallible> {
        self.router.call(request).await.map(finish)
    }
}

/// What happens to a request before its handler: the gate, the limits of its body and of the memory of its answer, and
/// the way to another host.
pub(crate) async fn guard(
    State((server, rule)): State<(WebState, Rule)>,
    mut request: Request,
    next: Next,
) -> Answered {
    let session = if server.is_bridge {
        let session = rule.is_bridged.then(|| bridged_session(request.headers()));
        Some(session.ok_or_else(no_bridge)?)
    } else {
        server.admit(&request, Some(rule.need))?
    };
    if let Some(session) = &session
        && request.headers().contains_key("x-tmo-visible")
    {
        server.renew(&session.id);
    }
    let is_of_session = matches!(rule.need, Need::Session(_) | Need::Archive);
    let Some(session) = session.filter(|_| is_of_session) else {
        let request = with_whole_body(request, SMALL_BODY, LOGIN_BODY_TIME).await?;
        return Ok(next.run(request).await);
    };
    if rule.needs_whole_scope && session.grant.scope.names().is_some() {
        return Err(not_allowed());
    }
    let most = if rule.need == Need::Session(Role::Read) { SMALL_BODY } else { LARGEST_BODY };
    request = with_whole_body(request, most, BODY_TIME).await?;
    if rule.is_bridged
        && let Some((host, path)) = host_of(request.uri().path())
    {
        let host = host.to_owned();
        return server.forward(&session, rule.answer, &host, &path, request).await;
    }
    let Answers { own, of_guests } = &server.answers;
    let [pages, others] = if server.is_guest(&session) { of_guests } else { own };
    request.extensions_mut().insert(session);
    let answer = next.run(request);
    let answered = match rule.answer {
        AnswerKind::Small => others.answer(Answers::USUAL, answer).await,
        AnswerKind::Lines => pages.page(answer).await,
        AnswerKind::Text | AnswerKind::Socket(_) | AnswerKind::Slow => Some(answer.await),
    };
    answered.ok_or_else(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, BUSY))
}

/// A request whose body has arrived, if it is one with a body that its handler reads as a whole.
async fn with_whole_body(
    request: Request,
    most: usize,
    patience: Duration,
) -> Result<Request, Refusal> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    match timeout(patience, axum::body::to_bytes(body, most)).await {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body))),
        Ok(Err(error)) => match error.into_inner().downcast::<LengthLimitError>() {
            Ok(_) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"),
            Err(_) => refuse(StatusCode::BAD_REQUEST, "the body is malformed"),
        },
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the request takes too long"),
    }
}

pub(crate) async fn page(State(server): State<WebState>) -> Response {
    assets::page(server.names.own())
}

pub(crate) async fn asset(State(server): State<WebState>, uri: Uri) -> Response {
    assets::asset(uri.path(), server.names.own())
}

/// The role of the session.
pub(crate) async fn me(ProvenSession { grant, .. }: ProvenSession) -> Json<Value> {
    Json(json!({ "role": grant.role.word(), "version": OURS, "time": clock::now().to_string() }))
}

/// The runs of the user.
pub(crate) async fn runs(
    State(server): State<WebState>,
    session: ProvenSession,
) -> Result<Json<Value>, Refusal> {
    let all = server.runs.listed().await.map_err(|error| unreadable(&error))?;
    Ok(Json(json!({ "runs": entries(&all, &session.grant.scope) })))
}
