//! The client side of TCP: identify the listener, and prove the token to a tmo that has proven it first.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpStream, UnixStream};

use super::{CONNECT_PATIENCE, ClientError};
use crate::api::line_buffer::LineReader;
use crate::api::proof::{Exchange, HELLO, PROOF, Side, Token, plain, random};
use crate::api::tcp::resolve;
use crate::client::address::{Address, TcpTarget};
use crate::sys;

/// The kind of listener at a TCP address.
#[derive(Debug)]
pub(super) enum Answerer {
    /// A supervisor of ours. Both sides have proven that they know the token; the stream relays both
    /// directions of the connection.
    Tmo(UnixStream),
    /// Overmind itself.
    Overmind,
}

/// Connect and exchange proofs.
pub(super) async fn greet(target: &TcpTarget) -> Result<Answerer, ClientError> {
    let (stream, peer) = dial(target).await?;
    let talk = tokio::time::timeout(CONNECT_PATIENCE, exchange(target, stream, peer));
    talk.await.unwrap_or_else(|_| Err(ClientError::Silent { at: address(target) }))
}

/// Connect to an overmind and send it this line. When this returns, the line has been sent and the program
/// may exit.
pub(super) async fn send_plainly(
    target: &TcpTarget,
    line: &str,
) -> Result<UnixStream, ClientError> {
    let (mut stream, _) = dial(target).await?;
    stream.write_all(line.as_bytes()).await.map_err(|cause| failed(target, cause))?;
    relay(stream, Vec::new()).await.map_err(|cause| failed(target, cause))
}

fn address(target: &TcpTarget) -> Address {
    Address::Tcp(Box::new(target.clone()))
}

fn failed(target: &TcpTarget, cause: io::Error) -> ClientError {
    ClientError::Dial { at: address(target), cause }
}

fn unproven(target: &TcpTarget, why: impl Into<String>) -> ClientError {
    ClientError::Unproven { at: address(target), why: why.into() }
}

/// Connect, but send nothing to a listener of another user.
async fn dial(target: &TcpTarget) -> Result<(TcpStream, SocketAddr), ClientError> {
    if let Some(mixed) = target.mixed {
        return Err(ClientError::Mixed { at: address(target), mixed });
    }
    let dial = async {
        let words = target.tcp.clone();
        let resolved = tokio::task::spawn_blocking(move || resolve(&words)).await;
        let addresses = resolved.map_err(io::Error::other)??;
        TcpStream::connect(&addresses[..]).await
    };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let dialled = tokio::time::timeout(CONNECT_PATIENCE, dial).await.map_err(timed_out);
    let stream = dialled.and_then(|dialled| dialled).map_err(|cause| failed(target, cause))?;
    let peer = stream.peer_addr().map_err(|cause| failed(target, cause))?;
    // Send short requests without delay.
    let _ = stream.set_nodelay(true);
    if peer.ip().to_canonical().is_loopback() {
        check_owner(target, peer)?;
    }
    Ok((stream, peer))
}

/// Refuse another user's listener on this machine. Root can read the token anyway.
fn check_owner(target: &TcpTarget, peer: SocketAddr) -> Result<(), ClientError> {
    // If the system does not know the owner, rely on the proof.
    let Some(owners) = sys::tcp_listener_owners(peer) else { return Ok(()) };
    match owners.iter().find(|&&owner| !sys::is_own_uid(owner) && owner != 0) {
        Some(&owner) => Err(ClientError::Stranger { at: address(target), owner }),
        None if owners.is_empty() => {
            Err(failed(target, io::Error::from(io::ErrorKind::ConnectionRefused)))
        }
        None => Ok(()),
    }
}

async fn exchange(
    target: &TcpTarget,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> Result<Answerer, ClientError> {
    let lost =
        |error: io::Error| ClientError::Lost { at: address(target), cause: error.to_string() };
    let client = random().map_err(lost)?;
    stream.write_all(format!("{HELLO}{client}\nstatus\n").as_bytes()).await.map_err(lost)?;
    let (reader, mut writer) = stream.split();
    let mut lines = LineReader::new(reader, Vec::new());
    let line = lines.next().await.map_err(lost)?.unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let given = target.tcp.token.as_deref();
    let Some(hello) = line.strip_prefix(HELLO) else { return plain_answer(target, &line) };
    let words: Vec<&str> = hello.split(' ').collect();
    let [server, proof, at] = words[..] else {
        let what = "its greeting has another form".to_owned();
        return Err(ClientError::Garbled { at: address(target), what });
    };
    let exchange = Exchange { client, server: server.to_owned(), address: at.to_owned() };
    let mut tokens: Vec<Token> = given.map(Token::given).into_iter().collect();
    if peer.ip().to_canonical().is_loopback() {
        tokens.extend(Token::of_all_runs(&target.runs));
    }
    let Some(token) = tokens.iter().find(|token| token.proves(proof, Side::Server, &exchange))
    else {
        return Err(unproven(target, unknown_token(given.is_some())));
    };
    // Another listener relayed the proof, or the port was forwarded under another number.
    if at != plain(peer) {
        return Err(unproven(
            target,
            format!(
                "the run that answers listens at {at}: forward exactly this address, as in `ssh -L \
                 {at}:{at}`"
            ),
        ));
    }
    let proof = token.proof(Side::Client, &exchange);
    writer.write_all(format!("{PROOF}{proof}\n").as_bytes()).await.map_err(lost)?;
    let rest = lines.into_rest();
    relay(stream, rest).await.map(Answerer::Tmo).map_err(lost)
}

const fn unknown_token(given: bool) -> &'static str {
    if given {
        "the listener does not know your TMO_TOKEN; give the one that the run was started with"
    } else {
        "its token is not known here; set TMO_TOKEN to the one that the run was started with, or ask \
         in the session (XDG_RUNTIME_DIR) that started it"
    }
}

/// Identify a listener that has not proven the token, by the first line of its answer: overmind's table, or
/// anything else.
fn plain_answer(target: &TcpTarget, line: &str) -> Result<Answerer, ClientError> {
    if !line.starts_with("PROCESS") {
        let what = "it is neither tmo nor overmind".to_owned();
        return Err(ClientError::Garbled { at: address(target), what });
    }
    if target.tcp.token.is_some() {
        let why = "the listener does not know your TMO_TOKEN; if it is overmind, unset that";
        return Err(unproven(target, why));
    }
    Ok(Answerer::Overmind)
}

/// Relay both directions, beginning with the bytes that were already read.
async fn relay(mut stream: TcpStream, first: Vec<u8>) -> io::Result<UnixStream> {
    let (near, mut far) = UnixStream::pair()?;
    far.write_all(&first).await?;
    tokio::spawn(async move {
        // The end of either side is not an error here; the waiting request notices it.
        let _ = copy_bidirectional(&mut stream, &mut far).await;
    });
    Ok(near)
}
