//! `tmo bridge`: the end of a bridge on a host.
//!
//! It answers what a page asks about runs, on its standard input and output. Whoever can execute it has the rights of the
//! user anyway, so that nobody logs in.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::SENDER;
use crate::config::Env;
use crate::model::untrusted::cleaned;
use crate::web::answers::{finish, refuse};
use crate::web::grant::{Grant, ProvenSession};
use crate::web::routes::{OfSession, RouteHandler, find};
use crate::web::server::Server;
use crate::web::source::Runs;

/// The interval between pings, and how long their answers may take: without them, it ends.
const PING: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(15);
/// The most characters of a sender's name.
const LONGEST_SENDER: usize = 100;

impl OfSession {
    /// Whether pages reach this part through a bridge.
    pub(super) const fn is_bridged(self) -> bool {
        !matches!(self, Self::Logout | Self::Runs | Self::Ticket | Self::Apps | Self::Script(_))
    }
}

/// Serve until the other end of the bridge is gone.
pub fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let env = Env::real();
        let runs = Arc::new(Runs::new(env.clone(), None));
        let server = Arc::new(Server::of_bridge(runs, &env)?);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            Arc::clone(&server).answer_bridged(request.map(Body::new))
        });
        let stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        let served = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PATIENCE)
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        served.map_err(io::Error::other)
    });
    // Standard input is read by a thread, which can't be ended.
    runtime.shutdown_background();
    served
}

impl Server {
    /// Answer a request that has come over a bridge.
    async fn answer_bridged(self: Arc<Self>, request: Request) -> Result<Response, Infallible> {
        let (parts, body) = request.into_parts();
        // A WebSocket begins by this method there.
        let is_socket = parts.method == Method::CONNECT;
        let method = if is_socket { &Method::GET } else { &parts.method };
        let answered = match find(method, parts.uri.path()) {
            Ok((_, RouteHandler::OfSession(part))) if part.is_bridged() => {
                let sender = parts.headers.get(SENDER).and_then(|name| name.to_str().ok());
                let id = cleaned(sender.unwrap_or("page")).chars().take(LONGEST_SENDER).collect();
                let session = ProvenSession { id, grant: Grant::OWNER };
                self.answer_within_budget(session, part, parts, body).await
            }
            Ok(_) | Err(_) => refuse(StatusCode::NOT_FOUND, "a bridge has no such path"),
        };
        Ok(finish(answered.unwrap_or_else(|refused| *refused)))
    }
}
