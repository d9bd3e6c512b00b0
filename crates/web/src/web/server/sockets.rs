//! The `WebSockets` of a page: changes, and terminals.

use std::sync::Arc;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::Server;
use crate::model::ProcName;
use crate::web::answers::{Answered, problem};
use crate::web::grant::ProvenSession;
use crate::web::live::PageConnection;
use crate::web::places::{Place, Taken};
use crate::web::routes::OfSession;
use crate::web::run_api::{run_with, unknown, visible};
use crate::web::screens;
use crate::web::terminal::{self, TypingParameters};

/// The largest message of a page.
const LARGEST_MESSAGE: usize = 64 << 10;
/// The most bytes that may wait to be written to a page.
const MOST_WAITING: usize = 16 << 20;
/// The protocol of both kinds of WebSocket.
pub(in crate::web) const PROTOCOL: &str = "tmo.1";
pub(in crate::web) const TERMINAL_PROTOCOL: &str = "tmo-tty.1";

/// The answer when a session, or all together, have too many `WebSockets`.
pub(in crate::web) fn too_many() -> Response {
    problem(StatusCode::TOO_MANY_REQUESTS, "too many pages are open; close some of them")
}

/// The upgrade of a request to a WebSocket.
async fn upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, Response> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(IntoResponse::into_response)?;
    Ok(upgrade.max_message_size(LARGEST_MESSAGE).write_buffer_size(0))
}

impl Server {
    /// A place for a WebSocket, and the place of its connection.
    pub(in crate::web) fn socket_place(
        &self,
        parts: &mut Parts,
        session: &ProvenSession,
    ) -> Option<(Option<Taken>, Place)> {
        let place = self.places.of_socket(&session.id, self.is_guest(session))?;
        Some((parts.extensions.remove(), place))
    }

    pub(super) async fn live(
        self: &Arc<Self>,
        mut parts: Parts,
        session: ProvenSession,
    ) -> Answered {
        let upgrade = upgrade(&mut parts).await?.protocols([PROTOCOL]);
        let held = self.socket_place(&mut parts, &session).ok_or_else(too_many)?;
        let server = Arc::clone(self);
        Ok(upgrade.max_write_buffer_size(MOST_WAITING).on_upgrade(async move |socket| {
            let (_held, id) = (held, session.id.clone());
            let page = PageConnection::new(socket, Arc::clone(&server), session);
            tokio::select! {
                () = page.serve() => {}
                () = server.end_of_session(&id) => {}
            }
        }))
    }

    /// The terminal of a process.
    pub(super) async fn terminal(
        self: &Arc<Self>,
        part: OfSession,
        mut parts: Parts,
        session: ProvenSession,
    ) -> Answered {
        let (uri, scope) = (parts.uri.clone(), &session.grant.scope);
        let (id, rest) = visible(uri.path(), scope)?;
        let (_, name) = rest.rsplit_once('/').ok_or_else(unknown)?;
        let name = percent_decode_str(name).decode_utf8().map_err(|_| unknown())?;
        if !scope.has_process(&name) {
            return Err(unknown().into());
        }
        let name = ProcName::new(&*name).map_err(|_| unknown())?;
        let run = run_with(&self.runs, id).await?;
        let upgrade = upgrade(&mut parts).await?.protocols([TERMINAL_PROTOCOL]);
        let held = self.socket_place(&mut parts, &session).ok_or_else(too_many)?;
        let is_limited = scope.names().is_some();
        let asked = TypingParameters::of(uri.query().unwrap_or_default());
        let server = Arc::clone(self);
        Ok(upgrade.on_upgrade(async move |socket| {
            // Each key renews the session. After the end of the session, keys are ignored.
            let (_held, id) = (held, session.id.clone());
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
        }))
    }
}
