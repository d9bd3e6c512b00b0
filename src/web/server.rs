//! Handles a request: the gate checks it, then its handler answers.

mod log_text;
mod login;
mod sockets;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::access::Access;
use super::answers::{finish, json, problem};
use super::compat::Selections;
use super::ending::Ending;
use super::follow::until;
use super::gate::{Names, Need, Sender, bearer, judge};
use super::grant::{Grant, Scope};
use super::listing::{RunEntry, entries};
use super::password::Passwords;
use super::routes::{Found, OfSession, Part, find};
use super::screens::Terminals;
use super::sessions::{SessionEntry, Sessions};
use super::source::Runs;
use super::tickets::Tickets;
use super::{apps, assets, compat, cookie, run_api};
use crate::api::version::OURS;
use crate::sys::{TcpPeer, clock, is_own_uid, tcp_peer};

/// The largest body of a request that the server itself reads.
const LARGEST_BODY: usize = 16 << 10;
/// How long such a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The address of the browser.
    pub(super) peer: SocketAddr,
    /// The address of this server.
    pub(super) local: SocketAddr,
}

/// The web server.
#[derive(Debug)]
pub(super) struct Server {
    /// The names by which it may be addressed.
    pub(super) names: Names,
    /// Its port.
    pub(super) port: u16,
    /// The runs of the user.
    pub(super) runs: Arc<Runs>,
    sessions: Mutex<Sessions>,
    /// The processes that each session has deselected under `/api/`.
    pub(super) selections: Selections,
    tickets: Mutex<Tickets>,
    terminals: Terminals,
    /// The options for access from other machines.
    pub(super) access: Access,
    passwords: Passwords,
    /// Changes when a session ends before its time.
    session_ended: watch::Sender<()>,
    /// Why the server ends; `None` until then.
    pub(super) closing: watch::Sender<Option<Ending>>,
}

#[derive(Serialize)]
struct Me<'a> {
    role: &'a str,
    version: &'a str,
    time: String,
}

#[derive(Serialize)]
struct AllRuns {
    runs: Vec<RunEntry>,
}

impl Server {
    /// A server with this name, port and sessions, for these runs.
    pub(super) fn new(
        (names, port): (Names, u16),
        access: Access,
        sessions: Sessions,
        runs: Arc<Runs>,
    ) -> io::Result<Self> {
        let (closing, session_ended) = (watch::Sender::new(None), watch::Sender::new(()));
        let passwords = Passwords::new(access.users.clone(), &access.state)?;
        let (sessions, tickets) = (Mutex::new(sessions), Mutex::default());
        let (selections, terminals) = (Selections::default(), Terminals::default());
        Ok(Self {
            names,
            port,
            runs,
            sessions,
            selections,
            tickets,
            terminals,
            access,
            passwords,
            session_ended,
            closing,
        })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses of a link, local and public, separated by a space.
    pub(super) fn link(&self, grant: Grant) -> io::Result<String> {
        let fragment = self.sessions().link(grant, None, clock::now())?;
        let local = format!("http://{}:{}/#login={fragment}", self.names.own(), self.port);
        Ok(match self.names.public() {
            Some(public) => format!("{local} https://{public}/#login={fragment}"),
            None => local,
        })
    }

    /// All sessions.
    pub(super) fn list_sessions(&self) -> Vec<SessionEntry> {
        self.sessions().list(clock::now())
    }

    /// End the sessions whose id and user satisfy a predicate; returns their number.
    pub(super) fn end_sessions(&self, is_meant: impl Fn(&str, Option<&str>) -> bool) -> usize {
        let ended = self.sessions().end_if(is_meant, clock::now());
        self.session_ended.send_replace(());
        ended
    }

    /// Note a use of this session; false if it has ended.
    pub(super) fn renew(&self, id: &str) -> bool {
        self.sessions().renew(id, clock::now())
    }

    /// Who has begun this session with a password.
    pub(super) fn user_of(&self, session: &str) -> Option<String> {
        self.sessions().user_of(session)
    }

    /// Whether this session has not ended. A token, which has none, is checked at each request.
    pub(super) fn is_live(&self, session: &str) -> bool {
        session.is_empty() || self.sessions().is_live(session, clock::now())
    }

    /// Wait until this session has ended.
    async fn end_of_session(&self, (id, grant): (String, Grant)) {
        let mut ended = self.session_ended.subscribe();
        while self.sessions().is_live(&id, clock::now()) {
            let due = grant.until.map(|until| Instant::now() + until.since(clock::now()));
            tokio::select! {
                _ = ended.changed() => {}
                () = until(due) => {}
            }
        }
    }

    /// Answer a request.
    pub(super) async fn answer(
        self: Arc<Self>,
        ends: Ends,
        request: Request,
    ) -> Result<Response, Infallible> {
        Ok(finish(self.respond(ends, request).await))
    }

    async fn respond(self: Arc<Self>, ends: Ends, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let (need, part) = match find(&method, &path) {
            Found::Route(need, part) => (need, part),
            // The gate checks these first, so that its refusals do not reveal which paths exist.
            Found::OtherMethod | Found::Nothing => (Need::OwnPage, Part::Asset),
        };
        let session = self.session_of(&parts.headers);
        let sender = match &session {
            Some((_, grant)) if bearer(&parts.headers).is_some() => Sender::Token(grant),
            Some((_, grant)) => Sender::Session(grant),
            None => Sender::Unknown,
        };
        let at = (&self.names, !ends.local.ip().to_canonical().is_loopback());
        if let Err(refused) = judge((&method, &parts.headers), at, need, sender) {
            tracing::debug!(%method, path, status = refused.status.as_u16(), "refused");
            return problem(refused.status, refused.reason);
        }
        if find(&method, &path) == Found::OtherMethod {
            return problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not support this method",
            );
        }
        if let (Some((id, _)), true) = (&session, parts.headers.contains_key("x-tmo-visible")) {
            self.renew(id);
        }
        match (part, session) {
            (Part::Page, _) => assets::page(self.names.own()),
            (Part::Asset, _) => assets::asset(&path, self.names.own()),
            (Part::Login, _) => self.login(ends, &parts.headers, body).await,
            (Part::LoginFinish, _) => self.finish_login(ends, &parts.headers, body).await,
            (Part::LoginDevice, _) => self.greet_device(&parts.headers, body).await,
            (Part::LoginPassword, _) => self.login_by_password(ends, &parts.headers, body).await,
            (Part::Hello, _) => self.hello(body).await,
            (Part::Logout, session) => self.logout(session),
            (Part::Text | Part::Ticket | Part::Download, session) => {
                self.as_text(part, &parts, session, body).await
            }
            (Part::OfSession(part), Some(session)) => {
                self.answer_in(session, part, (parts, body)).await
            }
            // The gate has already refused requests without a session.
            (Part::OfSession(_), None) => StatusCode::UNAUTHORIZED.into_response(),
        }
    }

    /// Answer a request of a session.
    async fn answer_in(
        self: &Arc<Self>,
        session: (String, Grant),
        part: OfSession,
        (parts, body): (Parts, Body),
    ) -> Response {
        let scope = &session.1.scope;
        match part {
            OfSession::Me => me(&session.1),
            OfSession::Runs => self.list(scope).await,
            OfSession::Live => self.live(parts, session).await,
            OfSession::Terminal | OfSession::Look => self.terminal(part, parts, session).await,
            OfSession::Apps(what) => {
                let is_public = self.is_public(&parts.headers);
                apps::answer((what, is_public), (&self.runs, scope), (parts, body)).await
            }
            OfSession::Figures => run_api::figures(&self.runs, scope, &parts).await,
            OfSession::Files | OfSession::Supervisor => {
                run_api::answer(&self.runs, part, scope, (parts, body)).await
            }
            OfSession::Chosen => compat::answer(self, (&session.0, scope), (parts, body)).await,
        }
    }

    async fn list(&self, scope: &Scope) -> Response {
        match self.runs.list().await {
            Ok(all) => json(StatusCode::OK, &AllRuns { runs: entries(&all, scope) }),
            Err(error) => run_api::unreadable(&error),
        }
    }

    /// Id and rights of the session that a request proves; a token has no id.
    fn session_of(&self, headers: &HeaderMap) -> Option<(String, Grant)> {
        if bearer(headers).is_some() {
            return self.access.of_token(headers).map(|grant| (String::new(), grant));
        }
        let mut cookies = cookie::all(headers, self.names.site(headers)?, self.port);
        let of_header = headers.get("x-tmo-key").and_then(|key| key.to_str().ok());
        let of_socket = || {
            let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
            offered.split(',').find_map(|one| one.trim().strip_prefix("key."))
        };
        let key = of_header.or_else(of_socket)?;
        let sessions = self.sessions();
        let session = cookies.find_map(|cookie| sessions.of_request(cookie, key, clock::now()))?;
        Some((session.id.clone(), session.grant.clone()))
    }
}

/// Answer with the role of the session.
fn me(grant: &Grant) -> Response {
    let (role, time) = (grant.role.word(), clock::now().to_string());
    json(StatusCode::OK, &Me { role, version: OURS, time })
}

/// Whether the peer is another user of this machine.
pub(super) fn is_of_other_user(ends: Ends) -> bool {
    match tcp_peer(ends.peer, ends.local) {
        TcpPeer::Open { owner } => !is_own_uid(owner),
        TcpPeer::Closed => true,
        // Where the system can't determine the peer, only the secret of the link decides.
        TcpPeer::Unknown => false,
    }
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Box<Response>> {
    let bytes = timeout(BODY_TIME, axum::body::to_bytes(body, LARGEST_BODY)).await;
    let value =
        bytes.ok().and_then(Result::ok).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    value.ok_or_else(|| Box::new(problem(StatusCode::BAD_REQUEST, "the request is malformed")))
}

#[cfg(test)]
mod tests;
