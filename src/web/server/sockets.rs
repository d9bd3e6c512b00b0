//! The `WebSockets` of a page: changes, and terminals.

use std::sync::Arc;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;

use super::Server;
use crate::model::ProcName;
use crate::web::answers::problem;
use crate::web::grant::Grant;
use crate::web::live::PageConnection;
use crate::web::places::Place;
use crate::web::routes::{OfSession, run_of};
use crate::web::serve::Taken;
use crate::web::terminal::{self, TypingParameters};
use crate::web::{run_api, screens};

/// The largest message of a page.
const LARGEST_MESSAGE: usize = 64 << 10;
/// The most bytes that may wait to be written to a page.
const MOST_WAITING: usize = 16 << 20;
/// The protocol of both kinds of WebSocket.
const PROTOCOL: &str = "tmo.1";
const TERMINAL_PROTOCOL: &str = "tmo-tty.1";

/// The answer when a session, or all together, have too many `WebSockets`.
fn too_many() -> Response {
    problem(StatusCode::TOO_MANY_REQUESTS, "too many pages are open; close some of them")
}

impl Server {
    /// A place for a WebSocket, and the place of its connection.
    fn socket_place(
        &self,
        parts: &mut Parts,
        session: &(String, Grant),
    ) -> Option<(Option<Taken>, Place)> {
        let place = self.places.of_socket(&session.0, self.is_guest(session))?;
        Some((parts.extensions.remove(), place))
    }

    pub(super) async fn live(
        self: &Arc<Self>,
        mut parts: Parts,
        session: (String, Grant),
    ) -> Response {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let Some(held) = self.socket_place(&mut parts, &session) else { return too_many() };
        let server = Arc::clone(self);
        upgrade
            .protocols([PROTOCOL])
            .max_message_size(LARGEST_MESSAGE)
            .write_buffer_size(0)
            .max_write_buffer_size(MOST_WAITING)
            .on_upgrade(async move |socket| {
                let (_held, id) = (held, session.0.clone());
                let page = PageConnection::new(socket, Arc::clone(&server), session);
                tokio::select! {
                    () = page.serve() => {}
                    () = server.end_of_session(&id) => {}
                }
            })
    }

    /// The terminal of a process.
    pub(super) async fn terminal(
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
        let Some(held) = self.socket_place(&mut parts, &session) else { return too_many() };
        let is_limited = scope.names().is_some();
        let asked = TypingParameters::of(uri.query().unwrap_or_default());
        let server = Arc::clone(self);
        upgrade
            .protocols([TERMINAL_PROTOCOL])
            .max_message_size(LARGEST_MESSAGE)
            .write_buffer_size(0)
            .on_upgrade(async move |socket| {
                // Each key renews the session. After the end of the session, keys are ignored.
                let (_held, id) = (held, session.0.clone());
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
                    () = server.end_of_session(&id) => {}
                }
            })
    }
}
