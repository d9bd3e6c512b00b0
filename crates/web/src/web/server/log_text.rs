//! The log as text: as an answer, or as a download with a ticket.

use std::sync::{Arc, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Server, read};
use crate::sys::clock;
use crate::web::answers::{Answered, json, problem, refuse};
use crate::web::cookie;
use crate::web::fleet::run_on_host;
use crate::web::grant::{Grant, ProvenSession};
use crate::web::run_api::{run_at, unreadable, visible};
use crate::web::sessions::Session;
use crate::web::text::{self, TextAsk};
use crate::web::tickets::{Ticket, Tickets};

#[derive(Deserialize)]
struct TicketAsk {
    query: String,
}

impl Server {
    /// A check that ends the sending of text when the session has ended.
    fn while_live(self: &Arc<Self>, id: String) -> impl Fn() -> bool + Send + use<> {
        let server = Arc::clone(self);
        move || server.is_live(&id)
    }

    /// Answer with the log as text.
    pub(super) async fn text(
        self: &Arc<Self>,
        parts: &Parts,
        ProvenSession { id, grant }: ProvenSession,
    ) -> Answered {
        let run = run_at(&self.runs, &grant.scope, parts.uri.path()).await?;
        let ask = TextAsk::parse(parts.uri.query().unwrap_or_default(), &grant.scope);
        let ask = ask.ok_or_else(text::refused)?;
        Ok(text::answer(&run, ask, &grant.scope, self.while_live(id)).await)
    }

    /// Answer with a ticket for a download.
    pub(super) async fn ticket(
        &self,
        parts: &Parts,
        ProvenSession { id, grant }: ProvenSession,
        body: Body,
    ) -> Answered {
        let run = run_at(&self.runs, &grant.scope, parts.uri.path()).await?;
        let TicketAsk { query } = read(body).await?;
        TextAsk::parse(&query, &grant.scope).ok_or_else(text::refused)?;
        self.issue(Ticket { session: id, run: run.known.id.clone(), query })
    }

    fn issue(&self, ticket: Ticket) -> Answered {
        match self.tickets().issue(ticket) {
            Ok(ticket) => Ok(json(StatusCode::OK, &json!({ "ticket": ticket }))),
            Err(error) => {
                let reason = format!("no ticket can be made: {error}");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, &reason)
            }
        }
    }

    /// Answer with a ticket for a download from a host.
    pub(in crate::web) async fn ticket_of_host(
        &self,
        parts: &Parts,
        session: &ProvenSession,
        body: Body,
    ) -> Answered {
        let (run, _) = visible(parts.uri.path(), &session.grant.scope)?;
        let TicketAsk { query } = read(body).await?;
        self.issue(Ticket { session: session.id.clone(), run: run.to_owned(), query })
    }

    /// The download for a ticket. The browser must send the cookie of the ticket's session.
    pub(super) async fn download(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> Answered {
        let gone = || problem(StatusCode::NOT_FOUND, "this download has expired; start it again");
        let ticket = path
            .rsplit('/')
            .next()
            .and_then(|id| self.tickets().redeem(id, std::time::Instant::now()));
        let site = self.site(headers);
        let Ticket { session, run, query } = ticket.ok_or_else(gone)?;
        let found = cookie::all(headers, site, self.port).find_map(|cookie| {
            self.sessions().with_cookie(&session, cookie, clock::now()).cloned()
        });
        let Session { grant, .. } = found.ok_or_else(gone)?;
        if let Some(place) = run_on_host(&run) {
            let session = ProvenSession { id: session, grant };
            return self.download_of_host(place, &query, &session).await;
        }
        let Grant { scope, .. } = grant;
        let run = self.runs.get(&run).await.map_err(|error| unreadable(&error))?;
        let run = run.ok_or_else(gone)?;
        let ask = TextAsk::parse(&query, &scope).ok_or_else(gone)?;
        Ok(text::file(&run, ask, &scope, self.while_live(session)).await)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
