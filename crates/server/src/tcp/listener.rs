//! Admission of TCP clients: who owns the connection, what it may send, and what is forwarded.
//!
//! | client | may send |
//! |---|---|
//! | this user on this machine | overmind's commands; each line is checked as a whole |
//! | a client with the token | the same, and HTTP |
//! | any other client | a proof of the token, within [`Limits::stranger_patience`] |
//!
//! The owner of a connection is looked up at accept, before any byte is read. Whatever is admitted is
//! forwarded as if it had arrived over the Unix socket.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional, sink};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::failures::Failures;
use super::first_lines::{self, FirstLine, Refusal, is_command};
use crate::accept::{Accept, room};
use crate::api::line_buffer::LineReader;
use crate::api::proof::{Exchange, HELLO, PROOF, Side, Token, plain, random};
use crate::api::version::VERSION_HEADER;
use crate::engine_handle::{EngineRequest, Handle};
use crate::model::event::What;
use crate::model::request::API;
use crate::serve::{Limits, closed};
use crate::sys::{self, TcpPeer};

/// Minimum time between two log entries about refused clients.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// Accepts clients over TCP.
pub(crate) struct Door {
    clients: mpsc::Receiver<UnixStream>,
    task: JoinHandle<()>,
}

impl Door {
    /// Start accepting; stops when `closing` becomes true.
    pub(crate) fn open(
        listener: StdListener,
        token: Token,
        limits: Limits,
        handle: Handle,
        closing: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let (admit, clients) = mpsc::channel(1);
        let gate = Gate { token: Arc::new(token), failures: Failures::default(), limits, admit };
        let reception = Reception {
            gate,
            clients: JoinSet::new(),
            strangers: JoinSet::new(),
            waiting: VecDeque::new(),
            handle,
            noticed: None,
        };
        let task = tokio::spawn(reception.receive(listener, closing));
        Ok(Self { clients, task })
    }

    /// The next admitted client, as if it had connected to the Unix socket; `None` once closed.
    pub(crate) async fn accept(&mut self) -> Option<UnixStream> {
        self.clients.recv().await
    }

    /// Give clients at most this long to read what was sent to them.
    pub(crate) async fn farewell(mut self, limit: Duration) {
        // Clients that have not been admitted yet no longer are.
        self.clients.close();
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// The owner of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// This user, on this machine.
    Owner,
    /// Another user, another machine, or unknown because the system does not report the owner.
    Stranger,
    /// The peer has already closed its socket, so its owner is unknown.
    Gone,
}

/// Look up the owner of a connection.
async fn who(stream: &TcpStream, peer: SocketAddr) -> Who {
    let Ok(local) = stream.local_addr() else { return Who::Gone };
    if !peer.ip().to_canonical().is_loopback() {
        return Who::Stranger;
    }
    // Without sock_diag, this reads a table of all connections of the machine.
    let seen = tokio::task::spawn_blocking(move || sys::tcp_peer(peer, local)).await;
    match seen {
        // The socket that was found is the peer only if this connection has stayed open all the time: a
        // peer that resets its connection frees its port for another process, while the bytes it sent can
        // still be read.
        Ok(TcpPeer::Open { .. }) if was_reset(stream) => Who::Gone,
        Ok(TcpPeer::Open { owner }) if sys::is_own_uid(owner) => Who::Owner,
        Ok(TcpPeer::Closed) => Who::Gone,
        Ok(TcpPeer::Open { .. } | TcpPeer::Unknown) | Err(_) => Who::Stranger,
    }
}

/// Whether the connection is dead on this side as well, so that its address pair may belong to another one.
fn was_reset(stream: &TcpStream) -> bool {
    // A reset connection has no peer address any more.
    stream.peer_addr().is_err() || !matches!(stream.take_error(), Ok(None))
}

/// A client that has proven that it knows the token.
struct Proven {
    stream: TcpStream,
    /// Bytes received after the proof.
    rest: Vec<u8>,
}

/// The accept loop and its tasks.
struct Reception {
    gate: Gate,
    /// Clients that have been identified.
    clients: JoinSet<()>,
    /// Clients that still have to prove that they know the token.
    strangers: JoinSet<Option<Proven>>,
    /// Abort handles of these tasks, oldest first.
    waiting: VecDeque<AbortHandle>,
    handle: Handle,
    /// When a refused client was last reported in the log.
    noticed: Option<Instant>,
}

impl Reception {
    async fn receive(mut self, listener: TcpListener, mut closing: watch::Receiver<bool>) {
        let mut door = &listener;
        loop {
            tokio::select! {
                () = closed(&mut closing) => break,
                Some(_) = self.clients.join_next() => {}
                Some(done) = self.strangers.join_next() => {
                    if let Ok(Some(proven)) = done {
                        self.serve(Gate::pass_all(self.gate.clone(), proven));
                    }
                }
                came = Accept::accept(&mut door) => {
                    let came = match came {
                        Ok(came) => Some(came),
                        Err(error) => tokio::select! {
                            () = closed(&mut closing) => break,
                            came = room(&mut door, &mut self.clients, error) => came,
                        },
                    };
                    if let Some((stream, peer)) = came {
                        self.admit(stream, peer).await;
                    }
                }
            }
        }
        let Self { gate, mut clients, strangers, .. } = self;
        drop((gate, strangers));
        // Let the remaining clients read their last output.
        while clients.join_next().await.is_some() {}
    }

    async fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Send short replies without delay.
        let _ = stream.set_nodelay(true);
        match who(&stream, peer).await {
            Who::Owner => self.serve(self.gate.clone().hear_owner(stream)),
            Who::Stranger => {
                self.waiting.retain(|task| !task.is_finished());
                // Make room: drop the stranger that has waited longest.
                if self.waiting.len() >= self.gate.limits.strangers
                    && let Some(oldest) = self.waiting.pop_front()
                {
                    oldest.abort();
                }
                let task = self.strangers.spawn(self.gate.clone().hear_stranger(stream, peer));
                self.waiting.push_back(task);
            }
            Who::Gone => self.notice(peer).await,
        }
    }

    /// Serve a client. The server itself refuses clients over its limit with a message; if it already has
    /// many of those to refuse, the connection is closed without one.
    fn serve(&mut self, client: impl Future<Output = ()> + Send + 'static) {
        let limits = self.gate.limits;
        if self.clients.len() < limits.connections + limits.refusals {
            self.clients.spawn(client);
        }
    }

    /// Log a client that was refused because it had already closed its connection. Overmind's own client
    /// does that after `quit`, `kill`, `stop` and `restart`.
    async fn notice(&mut self, peer: SocketAddr) {
        tracing::warn!("refused a client at {peer}: it had closed its connection");
        if self.noticed.is_none_or(|last| last.elapsed() >= NOTICE_EVERY) {
            self.noticed = Some(Instant::now());
            let text = "A client on TCP was refused: it had closed its connection before its owner \
                could be looked up. Nothing was done; use tmo's own commands, which wait";
            let what = What::Refused { notice: text.to_owned() };
            // A failure means that the engine is ending.
            let _ = self.handle.tell(EngineRequest::Log(what)).await;
        }
    }
}

/// State shared by all client tasks.
#[derive(Clone)]
struct Gate {
    token: Arc<Token>,
    failures: Failures,
    limits: Limits,
    admit: mpsc::Sender<UnixStream>,
}

/// The result of reading a client's first line.
enum Heard {
    /// A valid proof of the token, and the bytes received after it.
    Proven(Vec<u8>),
    /// A command without a token, and the bytes received after it.
    Command(Vec<u8>, Vec<u8>),
}

impl Gate {
    /// Serve a client of this user: its commands, or anything after a proof of the token.
    async fn hear_owner(self, mut stream: TcpStream) {
        let heard = tokio::time::timeout(self.limits.patience, self.hear(&mut stream, true));
        match heard.await {
            Ok(Ok(Heard::Proven(rest))) => self.pass_all(Proven { stream, rest }).await,
            Ok(Ok(Heard::Command(line, rest))) => self.pass_commands(stream, line, rest).await,
            // The client is gone or sent nothing in time.
            Ok(Err(Refusal::Gone)) | Err(_) => {}
            Ok(Err(refusal)) => refuse(stream, refusal, self.limits.farewell).await,
        }
    }

    /// Let an unidentified client prove that it knows the token.
    async fn hear_stranger(self, mut stream: TcpStream, peer: SocketAddr) -> Option<Proven> {
        let patience = self.limits.stranger_patience;
        let heard = tokio::time::timeout(patience, self.hear(&mut stream, false));
        let refusal = match heard.await {
            Ok(Ok(Heard::Proven(rest))) => return Some(Proven { stream, rest }),
            Ok(Err(refusal)) => refusal,
            Ok(Ok(Heard::Command(..))) | Err(_) => Refusal::Silent,
        };
        tracing::warn!("refused a client at {peer}");
        refuse(stream, refusal, self.limits.farewell).await;
        None
    }

    /// Hear what a client sends first; `owner` is whether it is of this user.
    async fn hear(&self, stream: &mut TcpStream, owner: bool) -> Result<Heard, Refusal> {
        let server = stream.local_addr()?;
        let mut first = Vec::new();
        while !first_lines::may_begin(&first, owner)? {
            if stream.read_buf(&mut first).await? == 0 {
                return Err(Refusal::Silent);
            }
        }
        let (reader, writer) = stream.split();
        let mut lines = LineReader::new(reader, first);
        let line = lines.next().await?.ok_or(Refusal::Silent)?;
        match first_lines::judge(&line, owner)? {
            FirstLine::Hello(client) => {
                let client = client.to_owned();
                let address = plain(server);
                let exchange = Exchange { client, server: random()?, address };
                self.exchange(lines, writer, &exchange, owner).await
            }
            FirstLine::Command => Ok(Heard::Command(line, lines.into_rest())),
        }
    }

    /// Send the server's proof and read the client's.
    async fn exchange(
        &self,
        mut lines: LineReader<ReadHalf<'_>>,
        mut writer: WriteHalf<'_>,
        exchange: &Exchange,
        owner: bool,
    ) -> Result<Heard, Refusal> {
        // The server's proof allows an offline search for the token. A short token could be found that way,
        // so only this user gets a proof of it.
        if !owner && !self.token.is_long() {
            return Err(Refusal::Proof);
        }
        // Skip the next line, a command that the client sends in case overmind listens at this address.
        if lines.next().await?.is_none_or(|line| !is_command(&line)) {
            return Err(Refusal::Silent);
        }
        let proof = self.token.proof(Side::Server, exchange);
        let Exchange { server, address, .. } = exchange;
        writer.write_all(format!("{HELLO}{server} {proof} {address}\n").as_bytes()).await?;
        let line = lines.next().await?.ok_or(Refusal::Silent)?;
        let proof = std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix(PROOF));
        let proves = || proof.is_some_and(|proof| self.token.proves(proof, Side::Client, exchange));
        // No limit on guesses for the owner, who can read the token file anyway.
        let proven = if owner { proves() } else { self.failures.judge(proves).await };
        if proven { Ok(Heard::Proven(lines.into_rest())) } else { Err(Refusal::Proof) }
    }

    /// Forward everything in both directions.
    async fn pass_all(self, Proven { mut stream, rest }: Proven) {
        let Some(mut near) = self.let_in().await else { return };
        if near.write_all(&rest).await.is_ok() {
            // A disconnect on either side is not an error.
            let _ = copy_bidirectional(&mut stream, &mut near).await;
        }
    }

    /// Forward commands only: the first line that is not a command ends the connection.
    async fn pass_commands(self, mut stream: TcpStream, first: Vec<u8>, rest: Vec<u8>) {
        let Some(mut near) = self.let_in().await else { return };
        let (reader, mut to_client) = stream.split();
        let (mut answers, mut commands) = near.split();
        let there = async {
            let mut lines = LineReader::new(reader, rest);
            let mut line = Some(first);
            while let Some(mut command) = line {
                if is_command(&command) {
                    command.push(b'\n');
                    commands.write_all(&command).await?;
                } else if !command.trim_ascii().is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                line = lines.next().await?;
            }
            commands.shutdown().await
        };
        let back = async {
            copy(&mut answers, &mut to_client).await?;
            to_client.shutdown().await
        };
        // A disconnect on either side is not an error.
        let _: io::Result<((), ())> = async { tokio::try_join!(there, back) }.await;
    }

    /// Our end of a new connection to the server. Consumes the gate: a gate held while a client is served
    /// would keep the server's accept channel open.
    async fn let_in(self) -> Option<UnixStream> {
        let (near, far) = UnixStream::pair().ok()?;
        self.admit.send(far).await.ok()?;
        Some(near)
    }
}

/// Send the client the reason for the refusal, if that helps it, and close.
async fn refuse(mut stream: TcpStream, refusal: Refusal, limit: Duration) {
    let answer = match refusal {
        Refusal::Http(reason) => {
            let body = format!("{{\"api\":{API},\"error\":\"{reason}\"}}");
            format!(
                "HTTP/1.1 {}\r\n{VERSION_HEADER}: {}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                StatusCode::UNAUTHORIZED,
                env!("CARGO_PKG_VERSION"),
                body.len()
            )
        }
        Refusal::Proof => "tmo: the token is not proven\n".to_owned(),
        Refusal::Unknown => "tmo: unknown command\n".to_owned(),
        Refusal::Silent | Refusal::Gone => String::new(),
    };
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Read to the end first: closing with unread input resets the connection and loses the reply.
        copy(&mut stream, &mut sink()).await
    };
    // The client may be gone, or send for ever.
    let _ = tokio::time::timeout(limit, farewell).await;
}
