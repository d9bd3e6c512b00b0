//! The accept loop: one task per client, limited in number, closed to other users.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use futures_util::future::OptionFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::{Accept, patiently, room};
use super::budget::{self, Budget};
use super::disconnect;
use super::engine_handle::Handle;
use super::http::answer::Refusal;
use super::http::{self, layers};
use super::overmind_session;
use super::prefixed_stream::{Language, rewound, sniff};
use super::reading::Reading;
use super::tcp;
use crate::api::proof::Token;
use crate::crash::access::CrashAccess;
use crate::journal::history::{Echo, JournalAccess};

/// Limits on clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Clients served at once.
    pub connections: usize,
    /// Clients beyond them that get an error at once; further ones are closed without a reply.
    pub refusals: usize,
    /// Deadline for a client's first request; without it, a silent client would hold its place for ever.
    pub patience: Duration,
    /// TCP clients that may be in the middle of their proof at once.
    pub strangers: usize,
    /// Deadline for each of these proofs.
    pub stranger_patience: Duration,
    /// How long clients may take to read their last output when the server ends.
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

/// What clients read from disk.
#[derive(Clone)]
pub struct Files {
    pub journal: JournalAccess,
    /// Crash reports, and what they explain.
    pub crashes: Arc<CrashAccess>,
}

/// State shared by all conversations.
#[derive(Clone)]
pub struct Api {
    pub(super) handle: Handle,
    pub(super) echo: Arc<dyn Echo>,
    pub(super) reading: Reading,
    pub(super) limits: Limits,
    pub(super) closing: watch::Receiver<bool>,
    /// Number of echoes opened so far.
    pub(super) echoes: Arc<AtomicU64>,
    /// Each view holds a receiver and detaches when a value is sent.
    pub(super) leave: Arc<watch::Sender<()>>,
}

impl FromRef<Api> for Reading {
    fn from_ref(api: &Api) -> Self {
        api.reading.clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reading
where
    Self: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_ref(state))
    }
}

impl FromRequestParts<Self> for Api {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, api: &Self) -> Result<Self, Infallible> {
        Ok(api.clone())
    }
}

impl Api {
    /// The API of this engine; streams end when `closing` becomes true.
    pub fn new(
        handle: Handle,
        Files { journal, crashes }: Files,
        limits: Limits,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let JournalAccess { echo, history } = journal;
        let reading =
            Reading::new(handle.clone(), history, crashes, Some(Budget::new(budget::ALL)));
        Self {
            handle,
            echo,
            reading,
            limits,
            closing,
            echoes: Arc::default(),
            leave: Arc::new(watch::Sender::new(())),
        }
    }

    /// Wait until the journal has grown; false once the run is over or the server ends, which may happen
    /// before the last output has been read.
    pub(super) async fn wait_for_more(&mut self) -> bool {
        let Handle { head, end, .. } = &mut self.handle;
        tokio::select! {
            changed = head.changed() => changed.is_ok(),
            () = Handle::ended(end) => false,
            () = closed(&mut self.closing) => false,
        }
    }
}

/// Serve clients until `shutdown`, then give the connected ones time to finish.
///
/// The listeners are already bound or inherited. Only an error while they are prepared ends the server.
pub async fn serve(
    listeners: Listeners,
    handle: Handle,
    files: Files,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (closing, closes) = watch::channel(false);
    let mut doors = Doors::open(listeners, limits, &handle, &closes)?;
    let api = Api::new(handle, files, limits, closes);
    let mut clients = Clients { router: http::router(api.clone()), api, tasks: JoinSet::new() };
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Reap finished tasks, so that they do not accumulate.
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
    // Accept no more clients: closing the listeners refuses pending connections at once. TCP clients still
    // receive what was sent to them.
    let Doors { main, spare, tcp } = doors;
    drop((main, spare));
    let _ = closing.send(true);
    clients.farewell().await;
    if let Some(tcp) = tcp {
        tcp.farewell(limits.farewell).await;
    }
    Ok(())
}

/// Returns when the server ends.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server has already ended.
    let _ = closing.wait_for(|&closing| closing).await;
}

/// The listening sockets.
#[derive(Debug)]
pub struct Listeners {
    /// The control socket at its published path.
    pub main: std::os::unix::net::UnixListener,
    /// A second socket, used when the control socket has been removed.
    pub spare: Option<std::os::unix::net::UnixListener>,
    /// The TCP listener, and the token that its clients must prove to know.
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
        handle: &Handle,
        closing: &watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let open = |listener: std::os::unix::net::UnixListener| {
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let tcp = listeners.tcp.map(|(tcp, token)| {
            tcp::Door::open(tcp, token, limits, handle.clone(), closing.clone())
        });
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

    /// Wait until accepting works again, and admit the client whose accept succeeded.
    async fn room(&mut self, doors: &mut Doors, error: io::Error) {
        if let Some(stream) = room(doors, &mut self.tasks, error).await {
            self.admit(stream);
        }
    }

    async fn farewell(mut self) {
        let limit = self.api.limits.farewell;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // A client that does not read must not delay the end of the supervisor.
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::debug!("{} clients did not read the last words", self.tasks.len());
        }
        self.tasks.shutdown().await;
    }
}

/// Whether the client is this user or root. Anyone who may send requests can run commands as this user.
fn ours(stream: &UnixStream) -> bool {
    let mine = nix::unistd::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == mine || peer.uid() == 0 => true,
        Ok(peer) => {
            tracing::warn!("a client of user {} was turned away", peer.uid());
            false
        }
        Err(error) => {
            tracing::debug!("a client was gone before its user could be determined: {error}");
            false
        }
    }
}

/// The first byte of a TLS connection.
const TLS_HANDSHAKE: &[u8] = &[0x16];

/// Serve one client in its own protocol.
async fn converse(mut stream: UnixStream, router: Router, api: Api) {
    let mut closing = api.closing.clone();
    let first = tokio::select! {
        first = tokio::time::timeout(api.limits.patience, sniff(&mut stream)) => first,
        () = closed(&mut closing) => return,
    };
    match first {
        // A browser, through a forwarded port. Close at once: its bytes may never contain a newline.
        Ok(Ok(Some((Language::Lines, first)))) if first.starts_with(TLS_HANDSHAKE) => {}
        Ok(Ok(Some((Language::Lines, first)))) => {
            overmind_session::converse(stream, first, api).await;
        }
        Ok(Ok(Some((Language::Http, first)))) => {
            serve_http(first, stream, router, &api.limits, closing).await;
        }
        Ok(Ok(None) | Err(_)) => {}
        Err(_) => tracing::debug!("a client said nothing for {:?}", api.limits.patience),
    }
}

async fn serve_http(
    first: Vec<u8>,
    mut stream: UnixStream,
    router: Router,
    limits: &Limits,
    mut closing: watch::Receiver<bool>,
) {
    // A client may close its own direction after its request. Reading then returns end of file in any case,
    // so a full disconnect has to be detected separately.
    let departure = disconnect::hang_up_of(&stream);
    let connection = http1::Builder::new()
        .half_close(departure.is_some())
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        // Buffer little for a slow reader, so that the events it receives are recent.
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

/// Refuse a client over the limit. Only HTTP has a reply for that; overmind's protocol has none.
async fn refuse(mut stream: UnixStream, limits: Limits) {
    let first = tokio::time::timeout(limits.farewell, sniff(&mut stream)).await;
    let Ok(Ok(Some((Language::Http, first)))) = first else { return };
    let reason = format!("{} clients are connected, more are not served", limits.connections);
    let router = Router::new().fallback(move || {
        let refusal = Refusal::Reason(StatusCode::SERVICE_UNAVAILABLE, reason.clone());
        std::future::ready(refusal)
    });
    let router = router.layer(axum::middleware::from_fn(layers::signed));
    let stream = TokioIo::new(rewound(&first, &mut stream));
    let served = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(stream, TowerToHyperService::new(router));
    // A slow client must not delay others.
    let _ = tokio::time::timeout(limits.farewell, served).await;
}
