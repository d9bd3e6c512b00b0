//! One request: through the gate, then to the part that answers it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::access::Access;
use super::answers::{finish, json, problem};
use super::compat::Selections;
use super::ending::Ending;
use super::follow::until;
use super::gate::{Names, Need, Sender, Site, bearer, judge};
use super::grant::{Grant, Scope};
use super::listing::{RunEntry, entries};
use super::live::Page;
use super::password::{self, Device, DeviceAsk, Passwords, Verdict};
use super::routes::{Found, OfSession, Part, find, run_of};
use super::screens::Terminals;
use super::sessions::{LoginError, Session, SessionEntry, Sessions};
use super::source::{Run, Runs};
use super::terminal::Asked;
use super::text::{self, TextAsk};
use super::tickets::{Ticket, Tickets};
use super::users::is_name;
use super::{apps, assets, compat, cookie, note, run_api, screens, terminal};
use crate::api::version::OURS;
use crate::model::ProcName;
use crate::sys::{TcpPeer, clock, is_own_uid, tcp_peer};

/// The largest body of a request that is read here: a few words of a page.
const LARGEST_BODY: usize = 16 << 10;
/// How long it may take.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The largest message of a page over its WebSocket.
const LARGEST_MESSAGE: usize = 64 << 10;
/// How much may wait to be written to a WebSocket.
const MOST_WAITING: usize = 16 << 20;
/// What the two kinds of `WebSocket` speak.
const PROTOCOL: &str = "tmo.1";
const TERMINAL_PROTOCOL: &str = "tmo-tty.1";

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The browser's.
    pub(super) peer: SocketAddr,
    /// Ours.
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
    /// Which processes each session has deselected under `/api/`.
    pub(super) selections: Selections,
    tickets: Mutex<Tickets>,
    terminals: Terminals,
    /// Who gets in from elsewhere.
    pub(super) access: Access,
    passwords: Passwords,
    /// Changes when a session ends before its time.
    session_ended: watch::Sender<()>,
    /// Why the server ends, once it does.
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

#[derive(Deserialize)]
struct LoginAsk {
    id: String,
    nonce: String,
}

#[derive(Serialize)]
struct LoginAnswer {
    nonce: String,
    proof: String,
}

#[derive(Deserialize)]
struct FinishAsk {
    id: String,
    proof: String,
}

#[derive(Serialize)]
struct PasswordAnswer {
    /// A link, as the fragment of an address has it.
    login: String,
    device: Option<Device>,
}

#[derive(Serialize)]
struct SessionAnswer {
    session: String,
}

#[derive(Deserialize)]
struct HelloAsk {
    session: String,
    nonce: String,
}

#[derive(Deserialize)]
struct TicketAsk {
    query: String,
}

#[derive(Serialize)]
struct TicketAnswer {
    ticket: String,
}

#[derive(Serialize)]
struct HelloAnswer {
    proof: String,
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

    /// An address that logs in once; also the public one, with a space between them.
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

    /// End the sessions for whose id and user this holds; returns how many.
    pub(super) fn end_sessions(&self, is_meant: impl Fn(&str, Option<&str>) -> bool) -> usize {
        let ended = self.sessions().end_if(is_meant, clock::now());
        self.session_ended.send_replace(());
        ended
    }

    /// Somebody uses this session; false if it has ended.
    pub(super) fn renew(&self, id: &str) -> bool {
        self.sessions().renew(id, clock::now())
    }

    /// Whether this session has not ended. A token, which has none, is checked at each request.
    pub(super) fn is_live(&self, session: &str) -> bool {
        session.is_empty() || self.sessions().is_live(session, clock::now())
    }

    /// Returns when this session has ended.
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
            // They pass the gate first: its answers don't tell what exists.
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
            return problem(StatusCode::METHOD_NOT_ALLOWED, "this path has another method");
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
            // The gate lets nobody else pass.
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
            OfSession::Apps(what) => apps::answer(what, (&self.runs, scope), (parts, body)).await,
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

    /// Whether the request comes over the public address.
    fn is_public(&self, headers: &HeaderMap) -> bool {
        self.names.site(headers) == Some(Site::Public)
    }

    /// Refuse the link of a user to other users of this machine. At the public address the connection is that of a
    /// proxy, and the secret of the link decides alone.
    fn refuse_stranger(&self, ends: Ends, headers: &HeaderMap, id: &str) -> Option<Response> {
        let may_be_other = self.is_public(headers) || self.sessions().is_shared(id, clock::now());
        let reason = "this link logs in another user of this machine";
        let is_refused = !may_be_other && is_of_stranger(ends);
        is_refused.then(|| problem(StatusCode::FORBIDDEN, reason))
    }

    async fn login(&self, ends: Ends, headers: &HeaderMap, body: Body) -> Response {
        let LoginAsk { id, nonce } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        if let Some(answer) = self.refuse_stranger(ends, headers, &id) {
            return answer;
        }
        match self.sessions().begin(&id, &nonce, clock::now()) {
            Ok((nonce, proof)) => json(StatusCode::OK, &LoginAnswer { nonce, proof }),
            Err(error) => problem(status(error), &error.to_string()),
        }
    }

    async fn finish_login(&self, ends: Ends, headers: &HeaderMap, body: Body) -> Response {
        let FinishAsk { id, proof } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        if let Some(answer) = self.refuse_stranger(ends, headers, &id) {
            return answer;
        }
        let site = if self.is_public(headers) { Site::Public } else { Site::Local };
        let before: Vec<_> = cookie::all(headers, site, self.port).collect();
        let begun = self.sessions().finish((&id, &proof), &before, clock::now());
        // A second use of a link ends a session.
        self.session_ended.send_replace(());
        match begun {
            Ok(begun) => {
                let cookie = cookie::set(site, self.port, &begun.cookie);
                let answer = json(StatusCode::OK, &SessionAnswer { session: begun.id });
                ([(header::SET_COOKIE, cookie)], answer).into_response()
            }
            Err(error) => problem(status(error), &error.to_string()),
        }
    }

    /// Prove to a browser that has logged in with a password before that this is the same server.
    async fn greet_device(&self, headers: &HeaderMap, body: Body) -> Response {
        if !self.is_public(headers) {
            return no_passwords_here();
        }
        let ask = match read::<DeviceAsk>(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        match self.passwords.hello(&ask) {
            Some(proof) => json(StatusCode::OK, &HelloAnswer { proof }),
            None => problem(StatusCode::BAD_REQUEST, "the request is malformed"),
        }
    }

    async fn login_by_password(&self, ends: Ends, headers: &HeaderMap, body: Body) -> Response {
        if !self.is_public(headers) {
            return no_passwords_here();
        }
        let ask = match read::<password::Ask>(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        let from = self.access.from(ends.peer.ip(), headers);
        // What a stranger sends is not shown as a name.
        let name = if is_name(&ask.name) { ask.name.clone() } else { "(not a name)".to_owned() };
        match self.passwords.check(ask, from, Instant::now()).await {
            Verdict::Known(role, device) => {
                note(&format!("{name} has logged in from {from}"));
                let grant = Grant { role, scope: Scope::All, until: None };
                match self.sessions().link(grant, Some(name), clock::now()) {
                    Ok(login) => json(StatusCode::OK, &PasswordAnswer { login, device }),
                    Err(error) => run_api::unreadable(&error),
                }
            }
            Verdict::Wrong => {
                note(&format!("{name}: wrong name or password, from {from}"));
                problem(StatusCode::UNAUTHORIZED, "wrong name or password")
            }
            Verdict::Wait(time) => {
                note(&format!("{name}: too many wrong passwords from {from}"));
                let seconds = time.as_secs() + 1;
                let reason = format!("too many wrong passwords; try again in {seconds} s");
                let answer = problem(StatusCode::TOO_MANY_REQUESTS, &reason);
                ([(header::RETRY_AFTER, seconds.to_string())], answer).into_response()
            }
            Verdict::Broken(why) => {
                note(&format!("passwords can't be checked: {why}"));
                let reason = "passwords can't be checked; `tmo web` tells why";
                problem(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
        }
    }

    async fn hello(&self, body: Body) -> Response {
        let HelloAsk { session, nonce } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        match self.sessions().hello(&session, &nonce, clock::now()) {
            Some(proof) => json(StatusCode::OK, &HelloAnswer { proof }),
            None => problem(
                StatusCode::UNAUTHORIZED,
                "not logged in; `tmo web --link` prints a link that logs in",
            ),
        }
    }

    fn logout(&self, session: Option<(String, Grant)>) -> Response {
        if let Some((id, _)) = session {
            self.sessions().end(&id, clock::now());
            self.session_ended.send_replace(());
        }
        StatusCode::NO_CONTENT.into_response()
    }

    /// The run that a path names, if this session may see it.
    async fn run_in(&self, path: &str, grant: &Grant) -> Result<Arc<Run>, Box<Response>> {
        let id = run_of(path).map(|(id, _)| id).filter(|id| grant.scope.has_run(id));
        match self.runs.get(id.unwrap_or_default()).await {
            Ok(Some(run)) => Ok(run),
            Ok(None) => Err(Box::new(run_api::unknown())),
            Err(error) => Err(Box::new(run_api::unreadable(&error))),
        }
    }

    /// Text is sent for as long as the session lasts.
    fn while_live(self: &Arc<Self>, id: String) -> impl Fn() -> bool + Send + use<> {
        let server = Arc::clone(self);
        move || server.is_live(&id)
    }

    /// The log as text, a ticket for it, or what a ticket is for.
    async fn as_text(
        self: &Arc<Self>,
        part: Part,
        parts: &Parts,
        session: Option<(String, Grant)>,
        body: Body,
    ) -> Response {
        let path = parts.uri.path();
        if part == Part::Download {
            return self.download(path, &parts.headers).await;
        }
        // The gate lets nobody else pass.
        let Some((id, grant)) = session else { return StatusCode::UNAUTHORIZED.into_response() };
        let run = match self.run_in(path, &grant).await {
            Ok(run) => run,
            Err(answer) => return *answer,
        };
        if part == Part::Ticket {
            return self.ticket(&run, (id, grant), body).await;
        }
        match TextAsk::parse(parts.uri.query().unwrap_or_default(), &grant.scope) {
            Some(ask) => text::answer(&run, ask, &grant.scope, self.while_live(id)).await,
            None => text::refused(),
        }
    }

    async fn ticket(&self, run: &Run, session: (String, Grant), body: Body) -> Response {
        let TicketAsk { query } = match read(body).await {
            Ok(ask) => ask,
            Err(answer) => return *answer,
        };
        let (id, grant) = session;
        if TextAsk::parse(&query, &grant.scope).is_none() {
            return text::refused();
        }
        let run = run.known.id.clone();
        match self.tickets().issue(Ticket { session: id, run, query }) {
            Ok(ticket) => json(StatusCode::OK, &TicketAnswer { ticket }),
            Err(_) => problem(status(LoginError::NoRandom), &LoginError::NoRandom.to_string()),
        }
    }

    /// The file that a ticket is for, to the browser that has the cookie of its session.
    async fn download(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> Response {
        let gone = || problem(StatusCode::NOT_FOUND, "this download is over; begin it again");
        let ticket = path
            .rsplit('/')
            .next()
            .and_then(|id| self.tickets().redeem(id, std::time::Instant::now()));
        let site = if self.is_public(headers) { Site::Public } else { Site::Local };
        let Some(Ticket { session, run, query }) = ticket else { return gone() };
        let found = cookie::all(headers, site, self.port).find_map(|cookie| {
            self.sessions().with_cookie(&session, cookie, clock::now()).cloned()
        });
        let Some(Session { grant: Grant { scope, .. }, .. }) = found else { return gone() };
        match (self.runs.get(&run).await, TextAsk::parse(&query, &scope)) {
            (Ok(Some(run)), Some(ask)) => {
                text::file(&run, ask, &scope, self.while_live(session)).await
            }
            (Ok(None), _) | (Ok(Some(_)), None) => gone(),
            (Err(error), _) => run_api::unreadable(&error),
        }
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn live(self: &Arc<Self>, mut parts: Parts, session: (String, Grant)) -> Response {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let server = Arc::clone(self);
        upgrade
            .protocols([PROTOCOL])
            .max_message_size(LARGEST_MESSAGE)
            .write_buffer_size(0)
            .max_write_buffer_size(MOST_WAITING)
            .on_upgrade(async move |socket| {
                let page = Page::new(socket, Arc::clone(&server), session.clone());
                tokio::select! {
                    () = page.serve() => {}
                    () = server.end_of_session(session) => {}
                }
            })
    }

    /// The terminal of a process.
    async fn terminal(
        self: &Arc<Self>,
        part: OfSession,
        mut parts: Parts,
        session: (String, Grant),
    ) -> Response {
        let uri = parts.uri.clone();
        let found = run_of(uri.path()).and_then(|(id, rest)| Some((id, rest.rsplit_once('/')?.1)));
        let Some((id, name)) = found else { return run_api::unknown() };
        let Ok(name) = percent_decode_str(name).decode_utf8() else { return run_api::unknown() };
        let scope = &session.1.scope;
        if !scope.has_run(id) || !scope.has_process(&name) {
            return run_api::unknown();
        }
        let Ok(name) = ProcName::new(&*name) else { return run_api::unknown() };
        let run = match self.runs.get(id).await {
            Ok(Some(run)) => run,
            Ok(None) => return run_api::unknown(),
            Err(error) => return run_api::unreadable(&error),
        };
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let is_limited = scope.names().is_some();
        let asked = Asked::of(uri.query().unwrap_or_default());
        let server = Arc::clone(self);
        upgrade
            .protocols([TERMINAL_PROTOCOL])
            .max_message_size(LARGEST_MESSAGE)
            .write_buffer_size(0)
            .on_upgrade(async move |socket| {
                // A key keeps the session; after its end nothing is typed any more.
                let id = session.0.clone();
                let may_type = || server.renew(&id);
                let terminal = server.terminals.of(&run, &name);
                let shown = async {
                    if part == OfSession::Look {
                        screens::show(socket, terminal.view(), is_limited).await;
                    } else {
                        terminal::open(socket, &terminal, asked, &may_type).await;
                    }
                };
                tokio::select! {
                    () = shown => {}
                    () = server.end_of_session(session) => {}
                }
            })
    }
}

/// Who is logged in.
fn me(grant: &Grant) -> Response {
    let (role, time) = (grant.role.word(), clock::now().to_string());
    json(StatusCode::OK, &Me { role, version: OURS, time })
}

/// The answer to a password at an address of this machine.
fn no_passwords_here() -> Response {
    problem(
        StatusCode::FORBIDDEN,
        "passwords are taken at the public address only; here `tmo web --link` prints a link that logs in",
    )
}

const fn status(error: LoginError) -> StatusCode {
    match error {
        LoginError::NoLink | LoginError::Stolen => StatusCode::NOT_FOUND,
        LoginError::Again => StatusCode::CONFLICT,
        LoginError::NoRandom => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether another user of this machine is at the other end.
pub(super) fn is_of_stranger(ends: Ends) -> bool {
    match tcp_peer(ends.peer, ends.local) {
        TcpPeer::Open { owner } => !is_own_uid(owner),
        TcpPeer::Closed => true,
        // Where the system does not tell, the secret of the link decides alone.
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
