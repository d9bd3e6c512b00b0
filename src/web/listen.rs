//! The addresses that the web server listens at.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// The first port that is tried.
pub const USUAL_PORT: u16 = 10_000;
/// How many ports are tried.
const TRIES: u16 = 100;

/// The listening sockets, both with the same port.
#[derive(Debug)]
pub struct Listening {
    /// The port.
    pub port: u16,
    /// Of IPv4 loopback.
    pub v4: TcpListener,
    /// Of IPv6 loopback, unless this machine has none.
    pub v6: Option<TcpListener>,
}

/// Listen at this port.
///
/// Browsers prefer `::1` for `localhost` and names that end with it. So both addresses are taken: at a free
/// one another user could be listening.
pub fn at(port: u16) -> io::Result<Listening> {
    let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let port = v4.local_addr()?.port();
    let v6 = match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(v6) => Some(v6),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // There is no IPv6 here, so nobody else can listen there either.
        Err(_) => None,
    };
    Ok(Listening { port, v4, v6 })
}

/// Listen at the first free port from the usual one on.
pub fn anywhere() -> io::Result<Listening> {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    let mut last = None;
    for port in USUAL_PORT..USUAL_PORT + TRIES {
        match at(port) {
            Ok(listening) => return Ok(listening),
            Err(error) if taken(&error) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
