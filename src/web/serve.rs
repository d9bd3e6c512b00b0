//! The server process: accepts connections until its guardian goes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::door;
use super::gate::Names;
use super::server::{Ends, Server};
use super::sessions::Sessions;
use super::source::Runs;
use crate::config::Env;
use crate::instance::inherit;

/// How many connections are served at once.
const CONNECTIONS: usize = 256;
/// How long a browser may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long the last answers may take when the server ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the guardian hands over to its server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handover {
    /// The port.
    pub port: u16,
    /// The id in the name of this server.
    pub id: String,
    /// The directory of [`door`].
    pub dir: PathBuf,
    /// The descriptor that listens at IPv4 loopback.
    pub v4: RawFd,
    /// The same for IPv6.
    pub v6: Option<RawFd>,
    /// The descriptor of the file with the sessions.
    pub sessions: RawFd,
    /// The descriptor of a pipe that closes when the guardian goes.
    pub guardian: RawFd,
}

/// Serve until the guardian goes.
pub fn run(handover: &Handover) -> io::Result<()> {
    let listener = |fd: OwnedFd| {
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        Ok::<_, io::Error>(listener)
    };
    let v4 = listener(inherit::take(handover.v4)?)?;
    let v6 = handover.v6.map(|fd| listener(inherit::take(fd)?)).transpose()?;
    let sessions = Sessions::open(inherit::take(handover.sessions)?.into());
    let guardian = inherit::take(handover.guardian)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let runs = Arc::new(Runs::new(Env::real()));
        let names = Names::new(&handover.id);
        let server = Arc::new(Server::new(names, handover.port, sessions, runs));
        let path = door::path(&handover.dir, handover.port);
        let door = door::open(&path)?;
        tokio::spawn(door::answer(door, Arc::clone(&server)));
        let v4 = TcpListener::from_std(v4)?;
        let v6 = v6.map(TcpListener::from_std).transpose()?;
        accept((v4, v6), &server, gone(guardian)).await;
        // A guardian that was killed can't remove it.
        let _ = std::fs::remove_file(path);
        Ok(())
    });
    runtime.shutdown_background();
    result
}

/// Returns when the guardian is gone.
async fn gone(pipe: OwnedFd) {
    let Ok(mut pipe) = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe) else { return };
    while pipe.read(&mut [0]).await.is_ok_and(|read| read > 0) {}
}

async fn accept(
    (v4, v6): (TcpListener, Option<TcpListener>),
    server: &Arc<Server>,
    gone: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut clients = JoinSet::new();
    let mut gone = std::pin::pin!(gone);
    loop {
        let place = async { Arc::clone(&room).acquire_owned().await };
        let next = async {
            let place = place.await;
            (place, either(&v4, v6.as_ref()).await)
        };
        tokio::select! {
            () = &mut gone => break,
            Some(_) = clients.join_next() => {}
            (place, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let server = Arc::clone(server);
                    clients.spawn(async move {
                        serve(stream, peer, server).await;
                        drop(place);
                    });
                }
                // Too many open files, or a client that has gone already.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
    server.closing.send_replace(Some("shutdown"));
    let answered = async { while clients.join_next().await.is_some() {} };
    // Each page holds a receiver until it has been told.
    let told = server.closing.closed();
    let _ = timeout(FAREWELL, async { tokio::join!(answered, told) }).await;
}

async fn either(v4: &TcpListener, v6: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match v6 {
        Some(v6) => tokio::select! {
            accepted = v4.accept() => accepted,
            accepted = v6.accept() => accepted,
        },
        None => v4.accept().await,
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, server: Arc<Server>) {
    let Ok(local) = stream.local_addr() else { return };
    // A state must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let ends = Ends { peer, local };
    let mut closing = server.closing.subscribe();
    let service = service_fn(move |request: Request<Incoming>| {
        let server = Arc::clone(&server);
        server.answer(ends, request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = async { let _ = closing.wait_for(Option::is_some).await; } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!("a browser ended in the middle of a request: {error}");
    }
}
