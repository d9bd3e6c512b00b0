//! Handles a request: the gate checks it, then its handler answers.

pub(crate) mod answers;
pub(crate) mod assets;
pub mod command_socket;
pub mod guardian;
pub(crate) mod limits;
pub(crate) mod routes;
pub mod serve;
pub(crate) mod service;
pub(crate) mod sockets;
mod user_check;

pub(crate) use self::answers::{
    Answered, Client, JsonBody, Refusal, RunId, RunInPath, file, json, not_allowed, parameter,
    refuse, unknown, unreadable,
};
pub(crate) use self::guardian::{Ending, closed};
pub(crate) use self::limits::{Ends, Peer, Place, Places, Taken};

pub(crate) use self::sockets::{PROTOCOL, TERMINAL_PROTOCOL};

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::user_check::Checked;
use crate::config::Env;
use crate::config::place::dirs::state_base;
use crate::server::budget::Budget;
use crate::sys::files::open_null;
use crate::sys::{TcpPeer, clock, is_own_uid, tcp_peer};
use crate::web::access::options::Access;
use crate::web::access::password::Passwords;
use crate::web::access::{
    Authentication, Grant, KnownUser, Need, NewLink, ProvenSession, Role, ServerNames, Sessions,
    UsersError, bearer, browser, judge,
};
use crate::web::fleet::{FleetHosts, no_bridge};
use crate::web::locked;
use crate::web::log::Tickets;
use crate::web::proxy::Proxy;
use crate::web::runs::Runs;
use crate::web::runs::selections::Selections;
use crate::web::terminal::Terminals;

/// How often it is checked whether a session has ended, if nothing reports that.
pub(crate) const RECHECK: Duration = Duration::from_secs(60);

/// The memory of all answers under way: 80 MiB.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Of pages of lines and of all others, to the user.
    pub(crate) own: [Budget; 2],
    /// The same, to guests and programs.
    pub(crate) of_guests: [Budget; 2],
}

impl Answers {
    /// The memory that an answer other than a page of lines may need while it is made.
    pub(crate) const USUAL: usize = 64 << 10;

    fn new() -> Self {
        let budgets = |sizes: [usize; 2]| sizes.map(|mebibytes| Budget::new(mebibytes << 20));
        // A page needs 16 MiB while it is made, so one of a client that does not read leaves room for others.
        Self { own: budgets([32, 8]), of_guests: budgets([32, 8]) }
    }
}

/// What handlers share.
pub(crate) type WebState = Arc<Server>;

/// The web server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The names by which it may be addressed.
    pub(crate) names: ServerNames,
    pub(crate) port: u16,
    /// The runs of the user.
    pub(crate) runs: Arc<Runs>,
    /// The processes of these runs, by names of their own.
    pub(crate) processes: Proxy,
    /// The hosts whose runs pages show, too.
    pub(crate) fleet: Option<Arc<FleetHosts>>,
    /// Whether this server is the end of a bridge, whose requests need no session.
    pub(crate) is_bridge: bool,
    sessions: Mutex<Sessions>,
    /// The processes that each session has deselected under `/api/`.
    pub(crate) selections: Selections,
    pub(crate) tickets: Mutex<Tickets>,
    terminals: Terminals,
    /// The options for access from other machines.
    pub(crate) access: Access,
    pub(crate) passwords: Passwords,
    /// The limits of connections.
    pub(crate) places: Places,
    /// The memory of answers.
    pub(crate) answers: Answers,
    /// Changes when a session ends before its time.
    pub(crate) session_ended: watch::Sender<()>,
    /// The last check of the users.
    pub(crate) checked: Mutex<Checked>,
    /// A user has logged in with a password.
    pub(crate) user_logged_in: Notify,
    /// Why the server ends; `None` until then.
    pub(crate) closing: watch::Sender<Option<Ending>>,
}

impl Server {
    /// A server with this name, port and sessions, for these runs.
    pub(crate) fn new(
        names: ServerNames,
        port: u16,
        access: Access,
        sessions: Sessions,
        runs: Arc<Runs>,
    ) -> io::Result<Self> {
        Ok(Self {
            processes: Proxy::new(port, names.public().is_some(), access.names),
            passwords: Passwords::new(access.users.clone(), &access.state)?,
            places: Places::new(names.public().is_some()),
            names,
            port,
            runs,
            fleet: None,
            is_bridge: false,
            sessions: Mutex::new(sessions),
            selections: Selections::default(),
            tickets: Mutex::default(),
            terminals: Terminals::default(),
            access,
            answers: Answers::new(),
            session_ended: watch::Sender::new(()),
            checked: Mutex::default(),
            user_logged_in: Notify::new(),
            closing: watch::Sender::new(None),
        })
    }

    /// The server at the end of a bridge.
    pub(crate) fn of_bridge(runs: Arc<Runs>, env: &Env) -> io::Result<Self> {
        let access = Access { state: state_base(env), ..Access::default() };
        let sessions = Sessions::open(open_null()?);
        let server = Self::new(ServerNames::new("bridge", None), 0, access, sessions, runs)?;
        Ok(Self { is_bridge: true, ..server })
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        locked(&self.sessions)
    }

    /// The addresses of a link, local and public, separated by a space.
    pub(crate) fn link(&self, grant: Grant) -> io::Result<String> {
        let NewLink { local, public: far } = self.sessions().link(grant, None, clock::now())?;
        let local = format!("http://{}:{}/#login={local}", self.names.own(), self.port);
        Ok(match self.names.public() {
            Some(public) => format!("{local} https://{public}/#login={far}"),
            None => local,
        })
    }

    /// End the sessions whose id and user satisfy a predicate; returns their number.
    pub(crate) fn end_sessions(
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
    pub(crate) fn renew(&self, id: &str) -> bool {
        self.is_bridge || self.sessions().renew(id, clock::now())
    }

    /// Who has begun this session with a password.
    pub(crate) fn user_of(&self, session: &str) -> Option<String> {
        self.sessions().user_of(session)
    }

    /// Whether this session has not ended. A token, which has none, is checked at each request.
    pub(crate) fn is_live(&self, session: &str) -> bool {
        self.is_bridge
            || session.is_empty()
            || self.sessions().end_of(session, clock::now()).is_some()
    }

    /// Wait until this session has ended.
    pub(crate) async fn end_of_session(&self, id: &str) {
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

    /// The session of a request that the gate lets pass, if the route has this need.
    pub(crate) fn admit(
        &self,
        request: &Request,
        need: Option<Need>,
    ) -> Result<Option<ProvenSession>, Refusal> {
        let headers = request.headers();
        let Ok(session) = self.session_of(headers) else {
            let reason = "users can't be checked; see the output of `tmo web`";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, reason);
        };
        let usual = if session.is_some() { Need::Session(Role::Read) } else { Need::OwnPage };
        let sender = match &session {
            Some(known) if bearer(headers).is_some() => Authentication::Token(&known.grant),
            Some(known) => Authentication::Session(&known.grant),
            None => Authentication::Unknown,
        };
        let is_near = |ends: &Ends| ends.local.ip().to_canonical().is_loopback();
        let is_far = !request.extensions().get().is_some_and(is_near);
        let need = need.unwrap_or(usual);
        if let Err(refused) = judge(request.method(), headers, &self.names, is_far, need, sender) {
            let status = refused.status.as_u16();
            tracing::debug!(method = %request.method(), path = request.uri().path(), status, "refused");
            return refuse(refused.status, refused.reason);
        }
        Ok(session)
    }

    /// The session of a request without a route. The gate checks it, too, so that its refusals do not reveal which
    /// paths exist.
    pub(crate) fn admit_elsewhere(
        &self,
        request: &Request,
    ) -> Result<Option<ProvenSession>, Refusal> {
        if self.is_bridge { Err(no_bridge()) } else { self.admit(request, None) }
    }

    /// Whether this is the session of a shared link, of a user with a password, or of a program, and not of the owner.
    fn is_guest(&self, ProvenSession { id, grant }: &ProvenSession) -> bool {
        id.is_empty() || grant.until.is_some() || self.user_of(id).is_some()
    }

    /// Who sends the requests of this session, for the supervisor.
    pub(crate) fn client_of(&self, ProvenSession { id, grant }: &ProvenSession) -> String {
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
        let mut cookies = browser::cookie_values(headers, self.names.site(headers)?, self.port);
        let of_header = headers.get("x-tmo-key").and_then(|key| key.to_str().ok());
        let key = of_header.or_else(|| {
            let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
            offered.split(',').find_map(|one| one.trim().strip_prefix("key."))
        })?;
        let sessions = self.sessions();
        let session = cookies.find_map(|cookie| sessions.of_request(cookie, key, clock::now()))?;
        let proven = ProvenSession { id: session.id.clone(), grant: session.grant.clone() };
        Some((proven, session.user.is_some()))
    }
}

/// Who is at the other end of a connection.
pub(crate) fn peer_of(ends: Ends) -> Peer {
    match tcp_peer(ends.peer, ends.local) {
        TcpPeer::Open { owner } if is_own_uid(owner) => Peer::Own,
        TcpPeer::Open { owner } => Peer::Other(owner),
        TcpPeer::Closed => Peer::Unknown,
        // Where the system can't determine the peer, only the secret of the link decides.
        TcpPeer::Unknown => Peer::Own,
    }
}

#[cfg(test)]
mod tests;
