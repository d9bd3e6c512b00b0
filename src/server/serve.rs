//! The accept loop: one task per client, bounded in number, closed to other users.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use futures_util::future::OptionFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::{Accept, patiently, room};
use super::departure;
use super::handle::Handle;
use super::http;
use super::lines;
use super::sniff::{Language, rewound, sniff};
use super::tcp;
use super::versions;
use crate::api::history::JournalAccess;
use crate::api::proof::Token;

/// How much the server puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients served at once.
    pub connections: usize,
    /// Clients beyond them that are told so at once; further ones are closed without a word.
    pub refusals: usize,
    /// How long a client may take to say what it wants: else a silent one holds its place for
    /// ever.
    pub patience: Duration,
    /// Clients on TCP that may be about to prove that they know the token.
    pub strangers: usize,
    /// How long each of them may take.
    pub stranger_patience: Duration,
    /// How long clients may take to read the last words when the server ends.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            refusals: 32,
            patience: Duration::from_secs(10),
            strangers: 32,
            stranger_patience: Duration::from_secs(3),
            farewell: Duration::from_millis(500),
        }
    }
}

/// What every conversation needs.
#[derive(Debug, Clone)]
pub struct Api {
    pub(super) handle: Handle,
    pub(super) journal: JournalAccess,
    pub(super) limits: Limits,
    pub(super) closing: watch::Receiver<bool>,
    /// How many there have been.
    pub(super) echoes: Arc<AtomicU64>,
    /// Each view holds a receiver, and goes when something is sent.
    pub(super) leave: Arc<watch::Sender<()>>,
}

impl Api {
    /// The API of this engine; streams end when `closing` becomes true.
    pub fn new(
        handle: Handle,
        journal: JournalAccess,
        limits: Limits,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let leave = Arc::new(watch::Sender::new(()));
        Self { handle, journal, limits, closing, echoes: Arc::default(), leave }
    }

    /// Wait until there is more in the journal; false once the run is over or the server ends, which may
    /// be known before the last words have been read.
    pub(super) async fn wait_for_more(&mut self) -> bool {
        let Handle { head, end, .. } = &mut self.handle;
        tokio::select! {
            changed = head.changed() => changed.is_ok(),
            () = Handle::ended(end) => false,
            () = closed(&mut self.closing) => false,
        }
    }
}

/// Serve clients until `shutdown`; then say goodbye to those that are there.
///
/// The listeners are taken as they were bound or inherited; other errors than those of making it ready
/// do not end the server.
pub async fn serve(
    listeners: Listeners,
    handle: Handle,
    journal: JournalAccess,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (closing, closes) = watch::channel(false);
    let mut doors = Doors::open(listeners, limits, (&handle, &closes))?;
    let api = Api::new(handle, journal, limits, closes);
    let mut clients = Clients { router: http::router(api.clone()), api, tasks: JoinSet::new() };
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Reaped as they end, so that nothing of a client stays behind.
            Some(_) = clients.tasks.join_next() => {}
            stream = doors.accept() => match stream {
                Ok(stream) => clients.admit(stream),
                Err(error) => {
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = clients.room(&mut doors, error) => {}
                    }
                }
            }
        }
    }
    // No new clients; whoever is still connecting learns at once that nobody is there. What came over
    // TCP still gets what was said to it.
    let Doors { main, spare, tcp } = doors;
    drop((main, spare));
    let _ = closing.send(true);
    clients.farewell().await;
    if let Some(tcp) = tcp {
        tcp.farewell(limits.farewell).await;
    }
    Ok(())
}

/// When the server ends.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _ = closing.wait_for(|&closing| closing).await;
}

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    /// The socket that everybody knows.
    pub main: std::os::unix::net::UnixListener,
    /// The one that is found when that is gone.
    pub spare: Option<std::os::unix::net::UnixListener>,
    /// The one on TCP, and the token that clients there prove to know.
    pub tcp: Option<(std::net::TcpListener, Token)>,
}

struct Doors {
    main: UnixListener,
    spare: Option<UnixListener>,
    tcp: Option<tcp::Door>,
}

impl Doors {
    fn open(
        listeners: Listeners,
        limits: Limits,
        (handle, closing): (&Handle, &watch::Receiver<bool>),
    ) -> io::Result<Self> {
        let open = |listener: std::os::unix::net::UnixListener| {
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let tcp =
            listeners.tcp.map(|tcp| tcp::Door::open(tcp, limits, handle.clone(), closing.clone()));
        Ok(Self {
            main: open(listeners.main)?,
            spare: listeners.spare.map(open).transpose()?,
            tcp: tcp.transpose()?,
        })
    }
}

impl Accept for Doors {
    type Client = UnixStream;

    async fn accept(&mut self) -> io::Result<UnixStream> {
        let spare = OptionFuture::from(self.spare.as_ref().map(accept));
        let tcp = OptionFuture::from(self.tcp.as_mut().map(tcp::Door::accept));
        tokio::select! {
            stream = accept(&self.main) => stream,
            Some(stream) = spare => stream,
            Some(Some(stream)) = tcp => Ok(stream),
        }
    }
}

async fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    patiently(|| listener.accept()).await.map(|(stream, _)| stream)
}

struct Clients {
    router: Router,
    api: Api,
    tasks: JoinSet<()>,
}

impl Clients {
    fn admit(&mut self, stream: UnixStream) {
        let limits = self.api.limits;
        if !ours(&stream) || self.tasks.len() >= limits.connections + limits.refusals {
            return;
        }
        if self.tasks.len() >= limits.connections {
            self.tasks.spawn(refuse(stream, limits));
        } else {
            self.tasks.spawn(converse(stream, self.router.clone(), self.api.clone()));
        }
    }

    /// Wait until accepting works again, and let in the client that showed it.
    async fn room(&mut self, doors: &mut Doors, error: io::Error) {
        if let Some(stream) = room(doors, &mut self.tasks, error).await {
            self.admit(stream);
        }
    }

    async fn farewell(mut self) {
        let limit = self.api.limits.farewell;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // A client that reads nothing must not keep the supervisor from ending.
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::debug!("{} clients did not read the last words", self.tasks.len());
        }
        self.tasks.shutdown().await;
    }
}

/// Whether the client is this user or root: whoever may ask, may run commands as this user.
fn ours(stream: &UnixStream) -> bool {
    let mine = nix::unistd::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == mine || peer.uid() == 0 => true,
        Ok(peer) => {
            tracing::warn!("a client of user {} was turned away", peer.uid());
            false
        }
        Err(error) => {
            tracing::debug!("a client was gone before it was known who it was: {error}");
            false
        }
    }
}

/// What a TLS connection begins with.
const TLS_HANDSHAKE: &[u8] = &[0x16];

/// Talk with one client in its own language.
async fn converse(mut stream: UnixStream, router: Router, api: Api) {
    let mut closing = api.closing.clone();
    let first = tokio::select! {
        first = tokio::time::timeout(api.limits.patience, sniff(&mut stream)) => first,
        () = closed(&mut closing) => return,
    };
    match first {
        // Of a browser, through a forwarded port. Its end is not waited for: it may hold no newline.
        Ok(Ok(Some((Language::Lines, first)))) if first.starts_with(TLS_HANDSHAKE) => {}
        Ok(Ok(Some((Language::Lines, first)))) => lines::converse(stream, first, api).await,
        Ok(Ok(Some((Language::Http, first)))) => {
            serve_http((first, stream), router, &api.limits, closing).await;
        }
        Ok(Ok(None) | Err(_)) => {}
        Err(_) => tracing::debug!("a client said nothing for {:?}", api.limits.patience),
    }
}

async fn serve_http(
    (first, mut stream): (Vec<u8>, UnixStream),
    router: Router,
    limits: &Limits,
    mut closing: watch::Receiver<bool>,
) {
    // A client that has asked and has nothing more to say may close its side. That it is gone
    // altogether is then told by nothing that is read.
    let departure = departure::of(&stream);
    let connection = http1::Builder::new()
        .half_close(departure.is_some())
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        // What waits for a slow reader is little, and the events it gets are fresh.
        .max_buf_size(32 << 10)
        .serve_connection(
            TokioIo::new(rewound(&first, &mut stream)),
            TowerToHyperService::new(router),
        );
    let mut connection = pin!(connection);
    let done = tokio::select! {
        done = &mut connection => done,
        Some(()) = OptionFuture::from(departure) => return,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!("a client ended in the middle of a request: {error}");
    }
}

/// Tell one client too many that there is no room; overmind's clients have no word for that.
async fn refuse(mut stream: UnixStream, limits: Limits) {
    let first = tokio::time::timeout(limits.farewell, sniff(&mut stream)).await;
    let Ok(Ok(Some((Language::Http, first)))) = first else { return };
    let reason = format!("{} clients are connected, more are not served", limits.connections);
    let router = Router::new().fallback(move || {
        let answer = http::answer::error(StatusCode::SERVICE_UNAVAILABLE, &reason);
        std::future::ready(answer)
    });
    let router = router.layer(axum::middleware::from_fn(versions::signed));
    let stream = TokioIo::new(rewound(&first, &mut stream));
    let served = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(stream, TowerToHyperService::new(router));
    // The client may dawdle, but not in the way of others.
    let _ = tokio::time::timeout(limits.farewell, served).await;
}
