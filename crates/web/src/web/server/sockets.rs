//! The `WebSockets` of a page: changes, and terminals.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;

use crate::model::ProcName;
use crate::web::access::ProvenSession;
use crate::web::log::live::PageConnection;
use crate::web::server::{Place, Refusal, RunInPath, Server, Taken, WebState, parameter, unknown};
use crate::web::terminal::socket::{self, TypingParameters};
use crate::web::terminal::{Terminal, screens};

/// The largest message of a page.
const LARGEST_MESSAGE: usize = 64 << 10;
/// The most bytes that may wait to be written to a page.
const MOST_WAITING: usize = 16 << 20;
/// The protocol of both kinds of WebSocket.
pub(crate) const PROTOCOL: &str = "tmo.1";
pub(crate) const TERMINAL_PROTOCOL: &str = "tmo-tty.1";

/// The places of a WebSocket: its own, and that of its connection.
pub(crate) struct HeldPlaces {
    _socket: Place,
    _connection: Option<Taken>,
}

/// A request for a WebSocket.
pub(crate) struct SocketRequest {
    server: WebState,
    session: ProvenSession,
    upgrade: WebSocketUpgrade,
    held: HeldPlaces,
}

impl FromRequestParts<WebState> for SocketRequest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let session = ProvenSession::from_request_parts(parts, state).await?;
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        let upgrade =
            upgrade.map_err(|refused| Refusal::new(refused.status(), &refused.body_text()))?;
        let upgrade = upgrade.max_message_size(LARGEST_MESSAGE).write_buffer_size(0);
        let upgrade = upgrade.max_write_buffer_size(MOST_WAITING);
        let held = state.hold_places(parts, &session)?;
        Ok(Self { server: Arc::clone(state), session, upgrade, held })
    }
}

impl SocketRequest {
    /// Open the WebSocket with this protocol, and serve it until its session ends.
    fn serve<F: Future<Output = ()> + Send>(
        self,
        protocol: &'static str,
        serve: impl FnOnce(WebSocket) -> F + Send + 'static,
    ) -> Response {
        let Self { server, session, upgrade, held } = self;
        upgrade.protocols([protocol]).on_upgrade(async move |socket| {
            let _held = held;
            tokio::select! {
                () = serve(socket) => {}
                () = server.end_of_session(&session.id) => {}
            }
        })
    }
}

/// Send the changes in a run to a page.
pub(crate) async fn live(request: SocketRequest) -> Response {
    let server = Arc::clone(&request.server);
    let session = request.session.clone();
    request.serve(PROTOCOL, move |socket| PageConnection::new(socket, server, session).serve())
}

/// A request for the terminal of a process.
pub(crate) struct TerminalRequest {
    terminal: Arc<Terminal>,
    parameters: TypingParameters,
    socket: SocketRequest,
}

impl FromRequestParts<WebState> for TerminalRequest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Refusal> {
        let RunInPath(run) = RunInPath::from_request_parts(parts, state).await?;
        let ProvenSession { grant, .. } = ProvenSession::from_request_parts(parts, state).await?;
        let name = parameter(parts, "name").await?;
        let name = ProcName::new(&*name).ok().filter(|name| grant.scope.has_process(name.as_str()));
        let terminal = state.terminals.terminal_of(&run, &name.ok_or_else(unknown)?);
        let parameters = TypingParameters::parse(parts.uri.query().unwrap_or_default());
        let socket = SocketRequest::from_request_parts(parts, state).await?;
        Ok(Self { terminal, parameters, socket })
    }
}

/// Let a page type into a terminal. Each key renews the session; after its end, keys are ignored.
pub(crate) async fn typing(request: TerminalRequest) -> Response {
    let TerminalRequest { terminal, parameters, socket } = request;
    let server = Arc::clone(&socket.server);
    let id = socket.session.id.clone();
    socket.serve(TERMINAL_PROTOCOL, async move |stream| {
        socket::open(stream, &terminal, parameters, &|| server.renew(&id)).await;
    })
}

/// Show a terminal to a page.
pub(crate) async fn watching(request: TerminalRequest) -> Response {
    let TerminalRequest { terminal, socket, .. } = request;
    let is_limited = socket.session.grant.scope.names().is_some();
    socket.serve(TERMINAL_PROTOCOL, async move |socket| {
        screens::show(socket, terminal.view(), is_limited).await;
    })
}

impl Server {
    /// The places of a WebSocket of this session.
    pub(crate) fn hold_places(
        &self,
        parts: &mut Parts,
        session: &ProvenSession,
    ) -> Result<HeldPlaces, Refusal> {
        let place = self.places.of_socket(&session.id, self.is_guest(session));
        let socket = place.ok_or_else(|| {
            let reason = "too many pages are open; close some of them";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, reason)
        })?;
        Ok(HeldPlaces { _socket: socket, _connection: parts.extensions.remove() })
    }
}
