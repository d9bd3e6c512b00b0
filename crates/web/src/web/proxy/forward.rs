//! A request on its way to a process, and the answer on its way back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::web::proxy::headers::{self, introduce, pass_on, rewrite_redirect};
use crate::web::proxy::page::Problem;
use crate::web::proxy::upstream::{Connection, Upstream};
use crate::web::proxy::waking::{Caller, InUse};
use crate::web::runs::Runs;
use crate::web::server::{Ending, Ends, Place, Taken, closed};

/// How long the second side of a connection that has changed its protocol may take to end after the first one.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The connection of the browser.
pub(super) struct Near {
    pub(super) ends: Ends,
    /// Its place.
    pub(super) taken: Option<Taken>,
    /// The place of the request among those to the process.
    pub(super) place: Place,
    /// Changes when the server ends.
    pub(super) closing: watch::Receiver<Option<Ending>>,
    /// Who sends the request.
    pub(super) caller: Caller,
}

/// Send a request to a process.
pub(super) async fn forward(
    runs: &Runs,
    upstream: &Arc<Upstream>,
    near: Near,
    mut request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let protocol = headers::upgrade(request.headers());
    let upgraded = protocol.is_some().then(|| upgrade::on(&mut request));
    // A request that may not start the process is no use of it.
    let in_use = if near.caller.may_start { upstream.in_use(runs).await } else { None };
    let connection = match upgraded {
        Some(_) => upstream.new_connection(runs, near.caller).await?,
        None => upstream.connection(runs, near.caller).await?,
    };
    let host_sent = upstream.host(connection.port);
    let host_asked = request.headers().get(header::HOST).cloned();
    *request.version_mut() = Version::HTTP_11;
    let has_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
    pass_on(request.headers_mut(), protocol);
    // Without it, a GET would lose its body.
    if has_chunks {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    }
    introduce(request.headers_mut(), near.ends, host_sent.as_ref());
    let (mut response, connection) = send(runs, near.caller, upstream, connection, request).await?;
    if let (Some(host_sent), Some(host_asked)) = (&host_sent, &host_asked) {
        rewrite_redirect(response.headers_mut(), host_sent, host_asked);
    }
    let changed = headers::upgrade(response.headers())
        .filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS);
    pass_on(response.headers_mut(), changed.clone());
    if changed.is_some() {
        return switch(near, in_use, upgraded, response);
    }
    upstream.keep(connection.sender);
    let held = (in_use, near.place);
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            // Until the whole answer has been passed on.
            let _ = &held;
            frame
        }))
    }))
}

/// The answer to a request, and the connection that brings it. A process may close a connection at the moment in which
/// it is used again; then the request is sent once more if it can't have had an effect.
async fn send(
    runs: &Runs,
    caller: Caller,
    upstream: &Arc<Upstream>,
    mut connection: Connection,
    request: Request<Body>,
) -> Result<(Response<Incoming>, Connection), Problem> {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let again = (connection.is_reused && is_safe && request.body().is_end_stream()).then(|| {
        let mut again = Request::new(Body::empty());
        again.method_mut().clone_from(request.method());
        again.uri_mut().clone_from(request.uri());
        *again.headers_mut() = request.headers().clone();
        again
    });
    let mut unsent = match connection.sender.try_send_request(request).await {
        Ok(response) => return Ok((response, connection)),
        Err(mut error) => match error.take_message().or(again).filter(|_| connection.is_reused) {
            Some(unsent) => unsent,
            None => return Err(upstream.broken(error.error())),
        },
    };
    let mut fresh = upstream.new_connection(runs, caller).await?;
    if let Some(host_sent) = upstream.host(fresh.port) {
        unsent.headers_mut().insert(header::HOST, host_sent);
    }
    match fresh.sender.try_send_request(unsent).await {
        Ok(response) => Ok((response, fresh)),
        Err(error) => Err(upstream.broken(error.error())),
    }
}

/// Pass on what both sides send, until one of them has ended and the other one has had some time to end, too.
async fn copy_both(near: impl AsyncRead + AsyncWrite, far: impl AsyncRead + AsyncWrite) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (split(near), split(far));
    let up = async {
        let _ = copy(&mut from_near, &mut to_far).await;
        let _ = to_far.shutdown().await;
    };
    let down = async {
        let _ = copy(&mut from_far, &mut to_near).await;
        let _ = to_near.shutdown().await;
    };
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    let _ = tokio::select! {
        () = &mut up => timeout(LAST_WORDS, down).await,
        () = &mut down => timeout(LAST_WORDS, up).await,
    };
}

/// Both sides have changed to another protocol, as a WebSocket: pass on every byte.
fn switch(
    near: Near,
    in_use: Option<InUse>,
    upgraded: Option<OnUpgrade>,
    mut response: Response<Incoming>,
) -> Result<Response<Body>, Problem> {
    let Some(upgraded) = upgraded else {
        let why = "the process changed the protocol unasked";
        return Err(Problem::new(StatusCode::BAD_GATEWAY, why));
    };
    let far = upgrade::on(&mut response);
    tokio::spawn(async move {
        let (Near { taken: _taken, place: _place, mut closing, .. }, _in_use) = (near, in_use);
        let (near, far) = tokio::join!(upgraded, far);
        let (Ok(near), Ok(far)) = (near, far) else { return };
        tokio::select! {
            () = copy_both(TokioIo::new(near), TokioIo::new(far)) => {}
            _ = closed(&mut closing) => {}
        }
    });
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(answer)
}
