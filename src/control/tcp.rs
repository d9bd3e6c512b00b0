//! The control address on TCP (`--network tcp`), as overmind has it, but not open to everybody.
//!
//! The Unix socket stays the way that this user's own commands take; what comes in here is let
//! through to it. A client that knows the token is let in, and one of this user on this machine,
//! as far as the system tells whose a connection is. HTTP must be greeted with even so, because
//! any web page can make a browser send that, but nothing before it. Without a token nothing but
//! loopback is listened on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs as _};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::accept::{Accept, room};
use super::dial;
use super::server::{Limits, closed};
use super::sniff::{Language, judge};
use super::versions::VERSION_HEADER;
use crate::model::network::{Network, TcpAddress};
use crate::model::request::API;
use crate::sys;

/// What a client that knows the token says first, followed by the token and a newline.
const GREETING: &[u8] = b"tmo-token ";
/// No token is longer.
const LONGEST_TOKEN: usize = 256;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[error("listen {tcp:?}: {why}")]
pub struct TcpError {
    /// Where.
    tcp: TcpAddress,
    /// Why not.
    why: String,
}

impl TcpError {
    fn new(tcp: &TcpAddress, why: impl Into<String>) -> Self {
        Self { tcp: tcp.clone(), why: why.into() }
    }
}

/// Host and port of an address; no host means every address of this machine.
fn split(tcp: &TcpAddress) -> Option<(&str, u16)> {
    let (host, port) = tcp.address.rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // An IPv6 address without brackets can't be told from one with a port.
    let host = inner.or_else(|| (!host.contains(':')).then_some(host))?;
    Some((host, port.parse().ok()?))
}

/// The addresses that these words mean, the IPv4 ones first, as Go prefers them.
pub(super) fn resolve(tcp: &TcpAddress) -> io::Result<Vec<SocketAddr>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "it must be HOST:PORT");
    let (host, port) = split(tcp).ok_or_else(bad)?;
    let host = match (host, tcp.network) {
        ("", Network::Tcp6) => "::",
        ("", _) => "0.0.0.0",
        (host, _) => host,
    };
    let fits = |address: &SocketAddr| match tcp.network {
        Network::Tcp4 => address.is_ipv4(),
        Network::Tcp6 => address.is_ipv6(),
        Network::Unix | Network::Tcp => true,
    };
    let mut found: Vec<_> = (host, port).to_socket_addrs()?.filter(fits).collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no suitable address"));
    }
    Ok(found)
}

/// Listen there; also returns what the user should know.
pub fn bind(tcp: &TcpAddress) -> Result<(StdListener, Option<String>), TcpError> {
    let bad = |why| Err(TcpError::new(tcp, why));
    let failed = |error: io::Error| TcpError::new(tcp, format!("bind: {}", dial::reason(&error)));
    if split(tcp).is_none() {
        return bad("it must be HOST:PORT; give it with `-s`, for example `-s 127.0.0.1:5500`");
    }
    if tcp.token.as_ref().is_some_and(|t| t.len() > LONGEST_TOKEN || t.contains('\n')) {
        return bad("a token has at most 256 bytes, and no line break");
    }
    let mut found = resolve(tcp).map_err(failed)?.into_iter();
    let mut address = found.next().ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    let mut note = None;
    if tcp.token.is_none() && !address.ip().is_loopback() {
        if !address.ip().is_unspecified() {
            return bad("others can reach it; set TMO_TOKEN, which clients then need as well, \
                or listen on 127.0.0.1");
        }
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
        note = Some(format!(
            "it listens on {address} only: for other machines, set TMO_TOKEN here and there"
        ));
    }
    let listener = StdListener::bind(address).map_err(failed)?;
    if let (0, Ok(real)) = (address.port(), listener.local_addr()) {
        note = Some(format!("it listens on {real}"));
    }
    Ok((listener, note))
}

/// Where clients come in over TCP.
pub(super) struct Door {
    clients: mpsc::Receiver<UnixStream>,
    task: JoinHandle<()>,
}

impl Door {
    /// Open it; it is closed when `closing` becomes true.
    pub(super) fn open(
        listener: StdListener,
        token: Option<String>,
        limits: Limits,
        mut closing: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let (admit, clients) = mpsc::channel(1);
        let guard = Guard { token, limits, admit };
        let task = tokio::spawn(async move {
            let mut door = &listener;
            let mut passing = JoinSet::new();
            loop {
                tokio::select! {
                    () = closed(&mut closing) => break,
                    Some(_) = passing.join_next() => {}
                    came = Accept::accept(&mut door), if passing.len() < limits.connections => {
                        let came = match came {
                            Ok(came) => Some(came),
                            Err(error) => tokio::select! {
                                () = closed(&mut closing) => break,
                                came = room(&mut door, &mut passing, error) => came,
                            },
                        };
                        if let Some((stream, peer)) = came {
                            passing.spawn(guard.clone().pass(stream, peer));
                        }
                    }
                }
            }
            drop(guard);
            // The last words are on their way.
            while passing.join_next().await.is_some() {}
        });
        Ok(Self { clients, task })
    }

    /// The next client that is let in, as if it had come over the Unix socket.
    pub(super) async fn accept(&mut self) -> UnixStream {
        match self.clients.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }

    /// Let those that are there have what was said to them, for at most this long.
    pub(super) async fn farewell(mut self, limit: Duration) {
        // Nobody takes those who have not been let in yet.
        self.clients.close();
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

#[derive(Clone)]
struct Guard {
    token: Option<String>,
    limits: Limits,
    admit: mpsc::Sender<UnixStream>,
}

/// What is known of a client by its first bytes.
enum Verdict {
    /// It has the token; so many bytes of greeting are to be left out.
    Known(usize),
    /// A program that must be this user's: it greets without a token, or speaks overmind's lines.
    Local(usize),
    /// It has a wrong token.
    Wrong,
    /// It begins with HTTP, as a browser does that some page has sent here.
    Browser,
}

impl Guard {
    /// Find out who a client is, and pass it on.
    async fn pass(self, mut stream: TcpStream, peer: SocketAddr) {
        // Small answers shall not wait for more to come.
        let _ = stream.set_nodelay(true);
        let mut first = Vec::new();
        let heard = tokio::time::timeout(self.limits.patience, self.hear(&mut stream, &mut first));
        let Ok(Ok(Some(verdict))) = heard.await else { return };
        let greeting = match verdict {
            Verdict::Known(greeting) => greeting,
            Verdict::Local(greeting) if is_our_user(&stream, peer) => greeting,
            Verdict::Local(_) | Verdict::Wrong | Verdict::Browser => {
                tracing::warn!("a client at {peer} was turned away");
                return refuse(stream, self.limits.farewell).await;
            }
        };
        let Ok((mut near, far)) = UnixStream::pair() else { return };
        if self.admit.send(far).await.is_err() {
            return;
        }
        // Not held while the client is served, which would keep the door open.
        drop(self);
        if near.write_all(&first[greeting..]).await.is_ok() {
            // An end of either side is no error.
            let _ = copy_bidirectional(&mut stream, &mut near).await;
        }
    }

    /// Read until it is known who it is; nothing if it goes before that.
    async fn hear(
        &self,
        stream: &mut TcpStream,
        first: &mut Vec<u8>,
    ) -> io::Result<Option<Verdict>> {
        while stream.read_buf(first).await? > 0 {
            if let Some(verdict) = verdict(first, self.token.as_deref()) {
                return Ok(Some(verdict));
            }
        }
        Ok(None)
    }
}

fn verdict(first: &[u8], token: Option<&str>) -> Option<Verdict> {
    let Some(said) = first.strip_prefix(GREETING) else {
        if GREETING.starts_with(first) {
            return None;
        }
        return Some(match judge(first)? {
            Language::Http => Verdict::Browser,
            Language::Lines => Verdict::Local(0),
        });
    };
    let Some(end) = memchr::memchr(b'\n', said) else {
        return (said.len() > LONGEST_TOKEN).then_some(Verdict::Wrong);
    };
    let (said, greeting) = (&said[..end], GREETING.len() + end + 1);
    Some(match token {
        Some(token) if same(token.as_bytes(), said) => Verdict::Known(greeting),
        _ if said.is_empty() => Verdict::Local(greeting),
        _ => Verdict::Wrong,
    })
}

/// Whether they are equal; how long that takes tells nothing of where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn is_our_user(stream: &TcpStream, peer: SocketAddr) -> bool {
    let Ok(local) = stream.local_addr() else { return false };
    let me = nix::unistd::geteuid().as_raw();
    peer.ip().to_canonical().is_loopback()
        && sys::tcp_owner(peer, local).is_some_and(|owner| owner == me || owner == 0)
}

/// Tell a client why it is not let in.
async fn refuse(mut stream: TcpStream, limit: Duration) {
    const REASON: &str = "over TCP this user of this machine is let in, and who knows the token: \
        set TMO_TOKEN to what it was when the run was started";
    let body = format!("{{\"api\":{API},\"error\":\"{REASON}\"}}");
    let answer = format!(
        "HTTP/1.1 {}\r\n{VERSION_HEADER}: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        StatusCode::UNAUTHORIZED,
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closed with something unread, the connection would be torn, and the answer with it.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // It may be gone, or go on for ever.
    let _ = tokio::time::timeout(limit, farewell).await;
}

/// Connect over TCP; what comes and goes is passed on from and to the stream that is returned.
pub(super) async fn connect(tcp: &TcpAddress, patience: Duration) -> io::Result<UnixStream> {
    let dial = async {
        let words = tcp.clone();
        let resolved = tokio::task::spawn_blocking(move || resolve(&words)).await;
        let addresses = resolved.map_err(io::Error::other)??;
        let mut failure = io::ErrorKind::AddrNotAvailable.into();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut stream = tokio::time::timeout(patience, dial).await.map_err(timed_out)??;
    let _ = stream.set_nodelay(true);
    // Overmind passes over lines that it does not know.
    let token = tcp.token.as_deref().unwrap_or_default();
    stream.write_all(&[GREETING, token.as_bytes(), b"\n"].concat()).await?;
    let (near, mut far) = UnixStream::pair()?;
    tokio::spawn(async move {
        // An end of either side is no error; who waits for an answer sees it.
        let _ = copy_bidirectional(&mut stream, &mut far).await;
    });
    Ok(near)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, bind, resolve, split, verdict};
    use crate::model::network::{Network, TcpAddress};

    fn tcp(network: Network, address: &str, token: Option<&str>) -> TcpAddress {
        TcpAddress { network, address: address.to_owned(), token: token.map(str::to_owned) }
    }

    #[test]
    fn addresses_are_host_and_port() {
        let parts = |text: &str| {
            split(&tcp(Network::Tcp, text, None)).map(|(host, port)| (host.to_owned(), port))
        };
        for (text, host, port) in [
            ("a:1", "a", 1),
            (":5500", "", 5500),
            ("[::1]:7", "::1", 7),
            ("127.0.0.1:0", "127.0.0.1", 0),
        ] {
            assert_eq!(parts(text), Some((host.to_owned(), port)), "{text}");
        }
        for bad in ["", "x", "./.overmind.sock", "a:", "a:x", "a:70000", "::1:7", "[::1]"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_network_chooses_among_addresses() {
        let first = |network, address: &str| {
            resolve(&tcp(network, address, None)).map(|found| found[0].to_string()).ok()
        };
        assert_eq!(first(Network::Tcp, ":1").as_deref(), Some("0.0.0.0:1"));
        assert_eq!(first(Network::Tcp6, ":1").as_deref(), Some("[::]:1"));
        assert_eq!(first(Network::Tcp4, "[::1]:1"), None);
        assert_eq!(first(Network::Tcp6, "127.0.0.1:1"), None);
    }

    #[test]
    fn without_a_token_only_loopback_is_listened_on() {
        let (listener, note) = bind(&tcp(Network::Tcp, ":0", None)).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        assert!(note.unwrap().starts_with("it listens on 127.0.0.1:"));
        let (listener, note) = bind(&tcp(Network::Tcp4, "0.0.0.0:0", Some("t"))).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
        let real = listener.local_addr().unwrap();
        assert_eq!(note, Some(format!("it listens on {real}")));
        let told = |address: &str, token| {
            bind(&tcp(Network::Tcp, address, token)).unwrap_err().to_string()
        };
        assert!(told("192.0.2.1:5500", None).contains("others can reach it"));
        assert!(told("./.overmind.sock", None).contains("HOST:PORT"));
        assert!(told(":0", Some("a\nb")).contains("no line break"));
    }

    #[test]
    fn a_client_is_known_by_its_first_bytes() {
        let kind = |first: &str, token| match verdict(first.as_bytes(), token) {
            None => "unclear",
            Some(Verdict::Known(skip)) => {
                assert_eq!(&first[skip..], "restart");
                "known"
            }
            Some(Verdict::Wrong) => "wrong",
            Some(Verdict::Browser) => "http",
            Some(Verdict::Local(skip)) => {
                assert!(["", "status\n", "tmo-tokens\n"].contains(&&first[skip..]), "{first}");
                "local"
            }
        };
        let table = [
            ("", "unclear"),
            ("tmo-tok", "unclear"),
            ("tmo-token a", "unclear"),
            ("tmo-token ab\nrestart", "known"),
            ("tmo-token abc\nrestart", "wrong"),
            ("tmo-token \n", "local"),
            ("tmo-token \nstatus\n", "local"),
            ("GE", "unclear"),
            ("GET /", "http"),
            ("status\n", "local"),
            ("tmo-tokens\n", "local"),
        ];
        for (first, expected) in table {
            assert_eq!(kind(first, Some("ab")), expected, "{first}");
        }
        assert_eq!(kind("tmo-token ab\n", None), "wrong");
        assert_eq!(kind(&format!("tmo-token {}", "a".repeat(300)), Some("ab")), "wrong");
    }
}
