//! The log as text: as an answer, or as a download with a ticket.

use std::sync::{Arc, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::{Server, read};
use crate::sys::clock;
use crate::web::answers::{json, problem};
use crate::web::grant::Grant;
use crate::web::routes::{RouteHandler, run_of};
use crate::web::sessions::Session;
use crate::web::source::Run;
use crate::web::text::{self, TextAsk};
use crate::web::tickets::{Ticket, Tickets};
use crate::web::{cookie, run_api};

#[derive(Deserialize)]
struct TicketAsk {
    query: String,
}

#[derive(Serialize)]
struct TicketAnswer {
    ticket: String,
}

impl Server {
    /// The run that a path names, if it is visible to this session.
    async fn run_in(&self, path: &str, grant: &Grant) -> Result<Arc<Run>, Box<Response>> {
        let id = run_of(path).map(|(id, _)| id).filter(|id| grant.scope.has_run(id));
        match self.runs.get(id.unwrap_or_default()).await {
            Ok(Some(run)) => Ok(run),
            Ok(None) => Err(Box::new(run_api::unknown())),
            Err(error) => Err(Box::new(run_api::unreadable(&error))),
        }
    }

    /// A check that ends the sending of text when the session has ended.
    fn while_live(self: &Arc<Self>, id: String) -> impl Fn() -> bool + Send + use<> {
        let server = Arc::clone(self);
        move || server.is_live(&id)
    }

    /// Answer with the log as text, with a ticket, or with the download for a ticket.
    pub(super) async fn as_text(
        self: &Arc<Self>,
        handler: RouteHandler,
        parts: &Parts,
        session: Option<(String, Grant)>,
        body: Body,
    ) -> Response {
        let path = parts.uri.path();
        if handler == RouteHandler::Download {
            return self.download(path, &parts.headers).await;
        }
        // The gate has already refused requests without a session.
        let Some((id, grant)) = session else { return StatusCode::UNAUTHORIZED.into_response() };
        let run = match self.run_in(path, &grant).await {
            Ok(run) => run,
            Err(answer) => return *answer,
        };
        if handler == RouteHandler::Ticket {
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
            Err(error) => {
                let reason = format!("no ticket can be made: {error}");
                problem(StatusCode::INTERNAL_SERVER_ERROR, &reason)
            }
        }
    }

    /// The download for a ticket. The browser must send the cookie of the ticket's session.
    async fn download(self: &Arc<Self>, path: &str, headers: &HeaderMap) -> Response {
        let gone = || problem(StatusCode::NOT_FOUND, "this download has expired; start it again");
        let ticket = path
            .rsplit('/')
            .next()
            .and_then(|id| self.tickets().redeem(id, std::time::Instant::now()));
        let site = self.site(headers);
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
}
