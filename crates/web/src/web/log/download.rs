//! The log as text: as an answer, or as a download with a ticket.
//!
//! A browser sends its cookie with a download, but not the proof of the session's key. A page that has proven the key
//! therefore gets a ticket, which is valid once and for a short time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::json;

use crate::api::secret::random_hex;
use crate::sys::clock;
use crate::web::access::{Grant, ProvenSession, Session, browser};
use crate::web::fleet::run_on_host;
use crate::web::log::text::{self, TextAsk};
use crate::web::server::{
    Answered, Content, Refusal, RunId, RunInPath, Server, WebState, refuse, unknown, unreadable,
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
    Content(TicketAsk { query }): Content<TicketAsk>,
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

/// How long a ticket is valid.
const LIFE: Duration = Duration::from_secs(30);
/// The most tickets; the oldest are dropped first.
const MOST_TICKETS: usize = 64;

/// A permission to download a log in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The id of the session.
    pub(crate) session: String,
    /// The run.
    pub(crate) run: String,
    /// The query for a part of its log.
    pub(crate) query: String,
}

/// The unused tickets.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: VecDeque<(String, Instant, Ticket)>,
}

impl Tickets {
    /// Store a ticket; returns its id, which is a secret.
    pub(crate) fn issue(&mut self, ticket: Ticket) -> io::Result<String> {
        let id = random_hex(16)?;
        self.open.truncate(MOST_TICKETS - 1);
        self.open.push_front((id.clone(), Instant::now() + LIFE, ticket));
        Ok(id)
    }

    /// Take a ticket out.
    pub(crate) fn redeem(&mut self, id: &str, now: Instant) -> Option<Ticket> {
        self.open.retain(|(_, until, _)| now < *until);
        let at = self.open.iter().position(|(known, ..)| known == id)?;
        self.open.remove(at).map(|(.., ticket)| ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LIFE, MOST_TICKETS, Ticket, Tickets};

    fn ticket(run: &str) -> Ticket {
        Ticket { session: "s".into(), run: run.into(), query: String::new() }
    }

    #[test]
    fn a_ticket_is_valid_once_and_for_a_short_time() {
        let mut tickets = Tickets::default();
        let id = tickets.issue(ticket("a")).unwrap();
        let now = Instant::now();
        assert_eq!(tickets.redeem("0", now), None);
        assert_eq!(tickets.redeem(&id, now), Some(ticket("a")));
        assert_eq!(tickets.redeem(&id, now), None);
        let late = tickets.issue(ticket("b")).unwrap();
        assert_eq!(tickets.redeem(&late, Instant::now() + LIFE), None);
    }

    #[test]
    fn there_are_only_so_many() {
        let mut tickets = Tickets::default();
        let first = tickets.issue(ticket("first")).unwrap();
        let ids: Vec<_> = (0..MOST_TICKETS).map(|_| tickets.issue(ticket("x")).unwrap()).collect();
        let now = Instant::now();
        assert_eq!(tickets.redeem(&first, now), None);
        assert!(ids.iter().all(|id| tickets.redeem(id, now).is_some()));
    }
}
