//! The addresses that the web server listens at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// The default port, which is tried first.
pub const USUAL_PORT: u16 = 10_000;
/// How many ports are tried.
const TRIES: u16 = 100;

/// The listening sockets, all with the same port.
#[derive(Debug)]
pub struct Listening {
    /// The port.
    pub port: u16,
    /// The sockets of IPv4 loopback, of IPv6 loopback if this machine has it, and of the requested host.
    pub sockets: Vec<TcpListener>,
}

/// Listen at this port of the loopback addresses and of this host.
///
/// Browsers resolve `localhost` and its subdomains to `::1` or `127.0.0.1`. The server must hold both addresses, as
/// another user could listen at a free one.
pub fn at(host: Option<IpAddr>, port: u16) -> io::Result<Listening> {
    let more = host.filter(|host| !host.is_loopback());
    // The unspecified address includes loopback.
    let is_all = more.is_some_and(|host| host.is_unspecified());
    let first = more.filter(|_| is_all).unwrap_or(Ipv4Addr::LOCALHOST.into());
    let v4 = TcpListener::bind(SocketAddr::from((first, port)))?;
    let port = v4.local_addr()?.port();
    let mut sockets = vec![v4];
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(v6) => sockets.push(v6),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // Without IPv6, no other program can listen there either.
        Err(_) => {}
    }
    if let Some(host) = more.filter(|_| !is_all) {
        sockets.push(TcpListener::bind(SocketAddr::from((host, port)))?);
    }
    Ok(Listening { port, sockets })
}

/// Listen at the first free port from the default one on.
pub fn anywhere(host: Option<IpAddr>) -> io::Result<Listening> {
    let last = USUAL_PORT + TRIES - 1;
    for port in USUAL_PORT..last {
        match at(host, port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            tried => return tried,
        }
    }
    at(host, last)
}
