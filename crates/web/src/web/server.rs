//! Handles a request: the gate checks it, then its handler answers.

mod log_text;
mod login;
mod sockets;
mod user_check;

pub(super) use self::sockets::{PROTOCOL, TERMINAL_PROTOCOL, too_many};

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::user_check::Checked;
use super::access::Access;
use super::answers::{Answered, finish, json, problem, refuse};
use super::ending::Ending;
use super::fleet::{FleetHosts, host_of};
use super::gate::{Authentication, Need, ServerNames, bearer, judge};
use super::grant::{Grant, ProvenSession, Role, Scope};
use super::listing::{RunEntry, entries};
use super::password::Passwords;
use super::places::{Ends, Peer, Places};
use super::proxy::{self, Proxy};
use super::routes::{OfSession, RouteHandler, ScriptCall, find, no_such_path};
use super::screens::Terminals;
use super::script_api::Selections;
use super::sessions::{NewLink, SessionEntry, Sessions};
use super::source::Runs;
use super::tickets::Tickets;
use super::users::{KnownUser, UsersError};
use super::{again, apps, assets, cookie, reload, run_api, script_api};
use crate::api::version::OURS;
use crate::config::Env;
use crate::config::dirs::state_base;
use crate::server::budget::{BUSY, Budget};
use crate::sys::files::open_null;
use crate::sys::{TcpPeer, clock, is_own_uid, tcp_peer};

/// The largest body of a request that the server itself reads.
const LARGEST_BODY: usize = 16 << 10;
/// How long such a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How often it is checked whether a session has ended, if nothing reports that.
pub(super) const RECHECK: Duration = Duration::from_secs(60);

/// The memory of all answers under way: 80 MiB.
#[derive(Debug)]
struct Answers {
    /// Of pages of lines and of all others, to the user.
    own: [Budget; 2],
    /// The same, to guests and programs.
    of_guests: [Budget; 2],
}

impl Answers {
    /// The memory that an answer other than a page of lines may need while it is made.
    const USUAL: usize = 64 << 10;

    fn new() -> Self {
        let budgets = |sizes: [usize; 2]| sizes.map(|mebibytes| Budget::new(mebibytes << 20));
        // A page needs 16 MiB while it is made, so one of a client that does not read leaves room for others.
        Self { own: budgets([32, 8]), of_guests: budgets([32, 8]) }
    }
}

/// The web server.
#[derive(Debug)]
pub(super) struct Server {
    /// The names by which it may be addressed.
    pub(super) names: ServerNames,
    /// Its port.
    pub(super) port: u16,
    /// The runs of the user.
    pub(super) runs: Arc<Runs>,
    /// The processes of these runs, by names of their own.
    pub(super) processes: Proxy,
    /// The hosts whose runs pages show, too.
    pub(super) fleet: Option<Arc<FleetHosts>>,
    /// Whether this is the end of a bridge: whoever has built it needs no session.
    is_bridge: bool,
    sessions: Mutex<Sessions>,
    /// The processes that each session has deselected under `/api/`.
    pub(super) selections: Selections,
    tickets: Mutex<Tickets>,
    terminals: Terminals,
    /// The options for access from other machines.
    pub(super) access: Access,
    passwords: Passwords,
    /// The limits of connections.
    pub(super) places: Places,
    /// The memory of answers.
    answers: Answers,
    /// Changes when a session ends before its time.
    session_ended: watch::Sender<()>,
    /// The last check of the users.
    checked: Mutex<Checked>,
    /// A user has logged in with a password.
    user_logged_in: Notify,
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
        names: ServerNames,
        port: u16,
        access: Access,
        sessions: Sessions,
        runs: Arc<Runs>,
    ) -> io::Result<Self> {
        let (closing, session_ended) = (watch::Sender::new(None), watch::Sender::new(()));
        let passwords = Passwords::new(access.users.clone(), &access.state)?;
        let (sessions, tickets) = (Mutex::new(sessions), Mutex::default());
        let (selections, terminals) = (Selections::default(), Terminals::default());
        let places = Places::new(names.public().is_some());
        let processes = Proxy::new(port, names.public().is_some(), access.names);
        Ok(Self {
            names,
            port,
            runs,
            processes,
            fleet: None,
            is_bridge: false,
            sessions,
            selections,
            tickets,
            terminals,
            access,
            passwords,
            places,
            answers: Answers::new(),
            session_ended,
            checked: Mutex::default(),
            user_logged_in: Notify::new(),
            closing,
        })
    }

    /// The server at the end of a bridge.
    pub(super) fn of_bridge(runs: Arc<Runs>, env: &Env) -> io::Result<Self> {
        let access = Access { state: state_base(env), ..Access::default() };
        let sessions = Sessions::open(open_null()?);
        let server = Self::new(ServerNames::new("bridge", None), 0, access, sessions, runs)?;
        Ok(Self { is_bridge: true, ..server })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses of a link, local and public, separated by a space.
    pub(super) fn link(&self, grant: Grant) -> io::Result<String> {
        let NewLink { local, public: far } = self.sessions().link(grant, None, clock::now())?;
        let local = format!("http://{}:{}/#login={local}", self.names.own(), self.port);
        Ok(match self.names.public() {
            Some(public) => format!("{local} https://{public}/#login={far}"),
            None => local,
        })
    }

    /// All sessions.
    pub(super) fn list_sessions(&self) -> Vec<SessionEntry> {
        self.sessions().list(clock::now())
    }

    /// End the sessions whose id and user satisfy a predicate; returns their number.
    pub(super) fn end_sessions(
        &self,
        is_meant: impl Fn(&str, Option<&KnownUser>) -> bool,
    ) -> usize {
        let ended = self.sessions().end_if(is_meant, clock::now());
        if ended > 0 {
            self.session_ended.send_replace(());
        }
        ended
    }

    /// Note a use of this session; false if it has ended.
    pub(super) fn renew(&self, id: &str) -> bool {
        self.is_bridge || self.sessions().renew(id, clock::now())
    }

    /// Who has begun this session with a password.
    pub(super) fn user_of(&self, session: &str) -> Option<String> {
        self.sessions().user_of(session)
    }

    /// Whether this session has not ended. A token, which has none, is checked at each request.
    pub(super) fn is_live(&self, session: &str) -> bool {
        self.is_bridge
            || session.is_empty()
            || self.sessions().end_of(session, clock::now()).is_some()
    }

    /// Wait until this session has ended.
    pub(super) async fn end_of_session(&self, id: &str) {
        if self.is_bridge {
            return std::future::pending().await;
        }
        let mut ended = self.session_ended.subscribe();
        loop {
            let now = clock::now();
            let Some(end) = self.sessions().end_of(id, now) else { return };
            // The clock may be set, and the timer stands still while the machine is suspended.
            let pause = end.since(now).min(RECHECK);
            let _ = timeout(pause, ended.changed()).await;
        }
    }

    /// Answer a request.
    pub(super) async fn answer(
        self: Arc<Self>,
        ends: Ends,
        request: Request,
    ) -> Result<Response, Infallible> {
        if !self.is_bridge
            && let Some(name) = proxy::named(request.headers())
        {
            let (all, closing) = ((&*self.runs, &self.places), self.closing.subscribe());
            return Ok(self.processes.answer(all, closing, ends, &name, request).await);
        }
        let answered = self.respond(ends, request).await;
        Ok(finish(answered.unwrap_or_else(|refused| *refused)))
    }

    async fn respond(self: Arc<Self>, ends: Ends, request: Request) -> Answered {
        let (parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let Ok(session) = self.session_of(&parts.headers) else {
            let reason = "users can't be checked; see the output of `tmo web`";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, reason);
        };
        let found = find(&method, &path);
        // The gate checks other paths first, too, so that its refusals do not reveal which paths exist.
        let usual = if session.is_some() { Need::Session(Role::Read) } else { Need::OwnPage };
        let (need, part) = found.unwrap_or((usual, RouteHandler::Asset));
        let sender = match &session {
            Some(known) if bearer(&parts.headers).is_some() => Authentication::Token(&known.grant),
            Some(known) => Authentication::Session(&known.grant),
            None => Authentication::Unknown,
        };
        let is_far = !ends.local.ip().to_canonical().is_loopback();
        if let Err(refused) = judge(&method, &parts.headers, &self.names, is_far, need, sender) {
            tracing::debug!(%method, path, status = refused.status.as_u16(), "refused");
            return refuse(refused.status, refused.reason);
        }
        if found == Err(StatusCode::NOT_FOUND) && session.is_some() {
            return refuse(StatusCode::NOT_FOUND, &no_such_path(&path));
        }
        if found == Err(StatusCode::METHOD_NOT_ALLOWED) {
            let reason = "this path does not support this method";
            return refuse(StatusCode::METHOD_NOT_ALLOWED, reason);
        }
        if let (Some(ProvenSession { id, .. }), true) =
            (&session, parts.headers.contains_key("x-tmo-visible"))
        {
            self.renew(id);
        }
        match (part, session) {
            (RouteHandler::Page, _) => Ok(assets::page(self.names.own())),
            (RouteHandler::Asset, _) => Ok(assets::asset(&path, self.names.own())),
            (RouteHandler::Login, _) => self.login(ends, &parts.headers, body).await,
            (RouteHandler::LoginFinish, _) => self.finish_login(ends, &parts.headers, body).await,
            (RouteHandler::LoginDevice, _) => self.greet_device(&parts.headers, body).await,
            (RouteHandler::LoginPassword, _) => {
                self.login_by_password(ends, &parts.headers, body).await
            }
            (RouteHandler::Hello, _) => self.hello(body).await,
            (RouteHandler::Download, _) => self.download(&path, &parts.headers).await,
            (RouteHandler::OfSession(part), Some(session)) => match host_of(&path) {
                Some(place) => self.forward(&session, part, place, parts, body).await,
                None => self.answer_within_budget(session, part, parts, body).await,
            },
            // The gate has already refused requests without a session.
            (RouteHandler::OfSession(_), None) => Ok(StatusCode::UNAUTHORIZED.into_response()),
        }
    }

    /// Answer a request of a session when the answers under way leave room.
    pub(super) async fn answer_within_budget(
        self: &Arc<Self>,
        session: ProvenSession,
        part: OfSession,
        parts: Parts,
        body: Body,
    ) -> Answered {
        let Some(is_page) = is_page(part, parts.uri.path()) else {
            return self.answer_in(session, part, parts, body).await;
        };
        let Answers { own, of_guests } = &self.answers;
        let [pages, others] = if self.is_guest(&session) { of_guests } else { own };
        let server = Arc::clone(self);
        let answer = Box::pin(async move {
            let answered = server.answer_in(session, part, parts, body).await;
            answered.unwrap_or_else(|refused| *refused)
        });
        let answered = if is_page {
            pages.page(answer).await
        } else {
            others.answer(Answers::USUAL, answer).await
        };
        Ok(answered.ok_or_else(|| problem(StatusCode::SERVICE_UNAVAILABLE, BUSY))?)
    }

    /// Answer a request of a session.
    async fn answer_in(
        self: &Arc<Self>,
        session: ProvenSession,
        part: OfSession,
        parts: Parts,
        body: Body,
    ) -> Answered {
        let (scope, by) = (&session.grant.scope, self.client_of(&session));
        match part {
            OfSession::Logout => Ok(self.logout(&session.id)),
            OfSession::Me => Ok(me(&session.grant)),
            OfSession::Runs => self.list(scope).await,
            OfSession::Live => self.live(parts, session).await,
            OfSession::Terminal | OfSession::Look => self.terminal(part, parts, session).await,
            OfSession::Apps => {
                let is_public = self.is_public(&parts.headers);
                apps::answer(is_public, &self.runs, scope, &by, parts, body).await
            }
            OfSession::Again => again::answer(&self.runs, scope, &parts).await,
            OfSession::Reload => reload::answer(&self.runs, scope, &by, &parts).await,
            OfSession::Drift => reload::drift(&self.runs, scope, &by, &parts).await,
            OfSession::Figures => run_api::figures(&self.runs, scope, &parts).await,
            OfSession::Text => self.text(&parts, session).await,
            OfSession::Ticket => self.ticket(&parts, session, body).await,
            OfSession::Files | OfSession::Supervisor => {
                run_api::answer(&self.runs, part, scope, by, parts, body).await
            }
            OfSession::Script(call) => {
                script_api::answer(call, self, &session.id, scope, by, parts, body).await
            }
        }
    }

    /// Whether this is the session of a shared link, of a user with a password, or of a program, and not of the owner.
    fn is_guest(&self, ProvenSession { id, grant }: &ProvenSession) -> bool {
        id.is_empty() || grant.until.is_some() || self.user_of(id).is_some()
    }

    /// Who sends the requests of this session, for the supervisor.
    pub(super) fn client_of(&self, ProvenSession { id, grant }: &ProvenSession) -> String {
        if self.is_bridge {
            return id.clone();
        }
        match self.user_of(id) {
            Some(user) => format!("page ({user})"),
            None if id.is_empty() => "page (a token)".to_owned(),
            None if grant.until.is_some() => "page (a shared link)".to_owned(),
            None => "page".to_owned(),
        }
    }

    async fn list(&self, scope: &Scope) -> Answered {
        let all = self.runs.list().await.map_err(|error| run_api::unreadable(&error))?;
        Ok(json(StatusCode::OK, &AllRuns { runs: entries(&all, scope) }))
    }

    /// The session that a request proves.
    ///
    /// # Errors
    /// It is a session of a user, and the file of users can't be read.
    fn session_of(&self, headers: &HeaderMap) -> Result<Option<ProvenSession>, UsersError> {
        if bearer(headers).is_some() {
            let by_token = |grant| ProvenSession { id: String::new(), grant };
            return Ok(self.access.of_token(headers).map(by_token));
        }
        let Some((known, is_user)) = self.proven_session(headers) else { return Ok(None) };
        if is_user {
            self.check_users()?;
        }
        Ok(Some(known).filter(|session| self.is_live(&session.id)))
    }

    /// The session that a request of a page proves, and whether it is one of a user.
    fn proven_session(&self, headers: &HeaderMap) -> Option<(ProvenSession, bool)> {
        let mut cookies = cookie::all(headers, self.names.site(headers)?, self.port);
        let of_header = headers.get("x-tmo-key").and_then(|key| key.to_str().ok());
        let of_socket = || {
            let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
            offered.split(',').find_map(|one| one.trim().strip_prefix("key."))
        };
        let key = of_header.or_else(of_socket)?;
        let sessions = self.sessions();
        let session = cookies.find_map(|cookie| sessions.of_request(cookie, key, clock::now()))?;
        let proven = ProvenSession { id: session.id.clone(), grant: session.grant.clone() };
        Some((proven, session.user.is_some()))
    }
}

/// Whether this answer has a page of lines; `None` for what may take long (`WebSockets`, texts, archives, reloads), and
/// for a logout.
fn is_page(part: OfSession, path: &str) -> Option<bool> {
    match part {
        OfSession::Live
        | OfSession::Terminal
        | OfSession::Look
        | OfSession::Text
        | OfSession::Ticket
        | OfSession::Logout
        | OfSession::Again
        | OfSession::Reload
        | OfSession::Apps => None,
        OfSession::Files => Some(path.ends_with("/api/lines")),
        OfSession::Script(ScriptCall::Poll | ScriptCall::State | ScriptCall::Log) => Some(true),
        _ => Some(false),
    }
}

/// Answer with the role of the session.
fn me(grant: &Grant) -> Response {
    let (role, time) = (grant.role.word(), clock::now().to_string());
    json(StatusCode::OK, &Me { role, version: OURS, time })
}

/// Who is at the other end of a connection.
pub(super) fn peer_of(ends: Ends) -> Peer {
    match tcp_peer(ends.peer, ends.local) {
        TcpPeer::Open { owner } if is_own_uid(owner) => Peer::Own,
        TcpPeer::Open { owner } => Peer::Other(owner),
        TcpPeer::Closed => Peer::Unknown,
        // Where the system can't determine the peer, only the secret of the link decides.
        TcpPeer::Unknown => Peer::Own,
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
