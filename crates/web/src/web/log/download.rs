//! The log as text: as an answer, or as a download with a ticket.
//!
//! A browser sends its cookie with a download, but not the proof of the session's key. A page that has proven the key
//! therefore gets a ticket, which is valid once and for a short time.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::json;

use crate::sys::clock;
use crate::web::access::{Grant, ProvenSession, Session, browser};
use crate::web::fleet::run_on_host;
use crate::web::log::text::{self, TextAsk};
use crate::web::log::tickets::{Ticket, Tickets};
use crate::web::server::{
    Answered, JsonBody, Refusal, RunId, RunInPath, Server, WebState, refuse, unknown, unreadable,
};

#[derive(Deserialize)]
pub(crate) struct TicketAsk {
    query: String,
}

/// Answer with the log as text.
pub(crate) async fn text(
    State(server): State<WebState>,
    RunInPath(run): RunInPath,
    ProvenSession { id, grant }: ProvenSession,
    uri: Uri,
) -> Answered {
    let ask = TextAsk::parse(uri.query().unwrap_or_default(), &grant.scope);
    let ask = ask.ok_or_else(text::refused)?;
    text::answer(&run, ask, &grant.scope, server.while_live(id)).await
}

/// Answer with a ticket for a download. A run on another host is found by the download.
pub(crate) async fn ticket(
    State(server): State<WebState>,
    RunId(run): RunId,
    ProvenSession { id: session, grant }: ProvenSession,
    JsonBody(TicketAsk { query }): JsonBody<TicketAsk>,
) -> Answered {
    if run_on_host(&run).is_none() {
        let found = server.runs.get(&run).await.map_err(|error| unreadable(&error))?;
        found.ok_or_else(unknown)?;
        TextAsk::parse(&query, &grant.scope).ok_or_else(text::refused)?;
    }
    match server.tickets().issue(Ticket { session, run, query }) {
        Ok(ticket) => Ok(Json(json!({ "ticket": ticket })).into_response()),
        Err(error) => {
            let reason = format!("no ticket can be made: {error}");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &reason)
        }
    }
}

/// The download for a ticket. The browser must send the cookie of the ticket's session.
pub(crate) async fn download(
    State(server): State<WebState>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
) -> Answered {
    let gone = || Refusal::new(StatusCode::NOT_FOUND, "this download has expired; start it again");
    let ticket = server.tickets().redeem(&ticket, Instant::now());
    let Ticket { session, run, query } = ticket.ok_or_else(gone)?;
    let found = browser::cookie_values(&headers, server.site(&headers), server.port)
        .find_map(|cookie| server.sessions().with_cookie(&session, cookie, clock::now()).cloned());
    let Session { grant, .. } = found.ok_or_else(gone)?;
    if let Some((host, id)) = run_on_host(&run) {
        let session = ProvenSession { id: session, grant };
        return server.download_of_host(host, id, &query, &session).await;
    }
    let Grant { scope, .. } = grant;
    let run = server.runs.get(&run).await.map_err(|error| unreadable(&error))?;
    let run = run.ok_or_else(gone)?;
    let ask = TextAsk::parse(&query, &scope).ok_or_else(gone)?;
    text::file(&run, ask, &scope, server.while_live(session)).await
}

impl Server {
    /// A check that ends the sending of text when the session has ended.
    fn while_live(self: &Arc<Self>, id: String) -> impl Fn() -> bool + Send + use<> {
        let server = Arc::clone(self);
        move || server.is_live(&id)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
