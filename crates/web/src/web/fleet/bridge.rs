//! `tmo bridge`: the end of a bridge on a host.
//!
//! It answers what a page asks about runs, on its standard input and output. Whoever can execute it has the rights of the
//! user anyway, so that nobody logs in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use crate::config::Env;
use crate::model::text::untrusted::cleaned;
use crate::web::access::{Grant, ProvenSession};
use crate::web::fleet::SENDER;
use crate::web::runs::Runs;
use crate::web::server::service::WebService;
use crate::web::server::{Refusal, Server};

/// The interval between pings, and how long their answers may take: without them, it ends.
const PING: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(15);

/// The session of a request over a bridge: whoever can execute the bridge is the owner.
pub(crate) fn bridged_session(headers: &HeaderMap) -> ProvenSession {
    let sender = headers.get(SENDER).and_then(|name| name.to_str().ok());
    let id = cleaned(sender.unwrap_or("page")).chars().take(100).collect();
    ProvenSession { id, grant: Grant::OWNER }
}

/// The refusal of a request that pages do not send over a bridge.
pub(crate) fn no_bridge() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "a bridge has no such path")
}

/// Serve until the other end of the bridge is gone.
pub fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let env = Env::real();
        let runs = Arc::new(Runs::new(env.clone(), None));
        let web = WebService::new(Arc::new(Server::of_bridge(runs, &env)?));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            web.clone().route(request.map(Body::new))
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
