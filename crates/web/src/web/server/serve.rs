//! The server process: accepts connections until its guardian is gone.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
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
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::Env;
use crate::run::inherit;
use crate::web::access::options::Access;
use crate::web::access::{ServerNames, Sessions};
use crate::web::fleet::FleetHosts;
use crate::web::runs::{Runs, samples};
use crate::web::server::service::WebService;
use crate::web::server::{Ending, Ends, RECHECK, Server, Taken, closed, command_socket, peer_of};

/// How many bytes may wait in a connection for its client, and the largest head of a request.
const BUFFER: usize = 64 << 10;
/// A client that takes no data for this long is disconnected.
const STALLED: Duration = Duration::from_secs(60);
/// How long a browser may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long the last answers may take when the server ends.
const FAREWELL: Duration = Duration::from_millis(500);
/// The same if another server follows, which then answers further requests.
const LONG_FAREWELL: Duration = Duration::from_secs(2);
/// How long a connection without a request is kept at a restart: its first request may be on its way.
const FIRST_REQUEST: Duration = Duration::from_millis(300);

/// The arguments that the guardian passes to its server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Handover {
    pub port: u16,
    /// The id in the name of this server.
    pub id: String,
    /// The directory of [`super::command_socket`].
    pub dir: PathBuf,
    /// The options for access from other machines.
    pub access: Access,
    /// The descriptors of the listening sockets.
    pub sockets: Vec<RawFd>,
    /// The id of the only instance that is shown; `None`: all.
    #[serde(default)]
    pub only: Option<String>,
    /// The file of the fleet whose runs are shown, too.
    #[serde(default)]
    pub fleet: Option<PathBuf>,
    /// The id of the run with which the server ends, if there is one.
    #[serde(default)]
    pub run: Option<String>,
    /// Whether the server ends when no run is left.
    #[serde(default)]
    pub until_no_run: bool,
    /// The descriptor of the file with the sessions.
    pub sessions: RawFd,
    /// The descriptor of a pipe that closes when the guardian ends.
    pub guardian: RawFd,
}

/// Serve until the guardian ends or there is another reason to end.
pub fn serve_until_end(handover: &Handover) -> io::Result<Ending> {
    let listener = |fd: OwnedFd| {
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        Ok::<_, io::Error>(listener)
    };
    let sockets = handover.sockets.iter().map(|&fd| listener(inherit::take(fd)?));
    let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
    let sessions = Sessions::open(inherit::take(handover.sessions)?.into());
    let guardian = inherit::take(handover.guardian)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let runs = Arc::new(Runs::new(Env::real(), handover.only.clone()));
        let names = ServerNames::new(&handover.id, handover.access.public.clone());
        let access = handover.access.clone();
        let mut server = Server::new(names, handover.port, access, sessions, runs)?;
        if let Some(file) = &handover.fleet {
            let read = FleetHosts::load(file, &Env::real());
            let failed = |error| tracing::error!("{}: {error}; no hosts are shown", file.display());
            server.fleet = read.map_err(failed).ok();
        }
        let server = Arc::new(server);
        let path = command_socket::path(&handover.dir, handover.port);
        let door = command_socket::open(&path)?;
        tokio::spawn(command_socket::serve_commands(door, Arc::clone(&server)));
        tokio::spawn(Arc::clone(&server).follow_users(RECHECK));
        tokio::spawn(samples::keep_sampling(Arc::clone(&server.runs)));
        let run = handover.run.clone();
        if run.is_some() || handover.until_no_run {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                server.runs.end_of(run.as_deref()).await;
                server.closing.send_replace(Some(Ending::Run));
            });
        }
        let sockets: Result<Vec<_>, _> = sockets.into_iter().map(TcpListener::from_std).collect();
        let ending = accept(&sockets?, &server, gone(guardian)).await;
        // A killed guardian could not remove it.
        let _ = std::fs::remove_file(path);
        Ok(ending)
    });
    runtime.shutdown_background();
    result
}

/// Wait until the guardian is gone.
async fn gone(pipe: OwnedFd) {
    let Ok(mut pipe) = tokio::net::unix::pipe::Receiver::from_owned_fd(pipe) else { return };
    while pipe.read(&mut [0]).await.is_ok_and(|read| read > 0) {}
}

async fn accept(
    sockets: &[TcpListener],
    server: &Arc<Server>,
    gone: impl Future<Output = ()>,
) -> Ending {
    let mut asked = server.closing.subscribe();
    let web = WebService::new(Arc::clone(server));
    let room = Arc::new(Semaphore::new(server.places.most()));
    let mut clients = JoinSet::new();
    let mut gone = std::pin::pin!(gone);
    let ending = loop {
        let next = async { (Arc::clone(&room).acquire_owned().await, any_of(sockets).await) };
        tokio::select! {
            () = &mut gone => break Ending::Guardian,
            ending = closed(&mut asked) => break ending,
            Some(_) = clients.join_next() => {}
            (permit, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let Ok(local) = stream.local_addr() else { continue };
                    let ends = Ends { peer, local };
                    let peer = peer_of(ends);
                    let Some(place) = server.places.of_connection(peer) else { continue };
                    let taken = Taken::new(permit.ok(), place, peer);
                    clients.spawn(serve(stream, taken, ends, web.clone()));
                }
                // Too many open files, or a client that has gone already.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    drop(asked);
    server.closing.send_replace(Some(ending));
    let farewell = if ending == Ending::Restart { LONG_FAREWELL } else { FAREWELL };
    let answered = async { while clients.join_next().await.is_some() {} };
    // Each page holds a receiver until it has been notified.
    let notified = server.closing.closed();
    let _ = timeout(farewell, async { tokio::join!(answered, notified) }).await;
    ending
}

/// Accept the next connection at any of these sockets.
async fn any_of(sockets: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        let mut all = sockets.iter().map(|socket| socket.poll_accept(context));
        all.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

async fn serve(stream: TcpStream, taken: Taken, ends: Ends, web: WebService) {
    let mut closing = web.server.closing.subscribe();
    crate::sys::end_stalled(&stream, STALLED);
    // Small frames must be sent at once.
    let _ = stream.set_nodelay(true);
    let (begun, mut is_begun) = watch::channel(false);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(taken.clone());
        begun.send_replace(true);
        web.clone().respond(ends, request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        ending = closed(&mut closing) => {
            let first = async { let _ = is_begun.wait_for(|is_begun| *is_begun).await; };
            let done = tokio::select! {
                // A client that has just connected must get an answer.
                done = connection.as_mut(), if ending == Ending::Restart => Some(done),
                _ = timeout(FIRST_REQUEST, first), if ending == Ending::Restart => None,
                () = std::future::ready(()), if ending != Ending::Restart => None,
            };
            if let Some(done) = done {
                done
            } else {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = done {
        tracing::debug!("a browser ended in the middle of a request: {error}");
    }
}
