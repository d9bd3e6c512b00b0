//! The addresses that the web server listens at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// The first port that is tried.
pub const USUAL_PORT: u16 = 10_000;
/// How many ports are tried.
const TRIES: u16 = 100;

/// The listening sockets, all with the same port.
#[derive(Debug)]
pub struct Listening {
    /// The port.
    pub port: u16,
    /// Those of IPv4 and, unless this machine has none, IPv6 loopback, and of the host that was asked for.
    pub sockets: Vec<TcpListener>,
}

/// Listen at this port of the loopback addresses, and of this host.
///
/// Browsers prefer `::1` for `localhost` and names that end with it. So both addresses are taken: at a free
/// one another user could be listening.
pub fn at(host: Option<IpAddr>, port: u16) -> io::Result<Listening> {
    let more = host.filter(|host| !host.is_loopback());
    // All addresses of IPv4 include that of loopback.
    let is_all = more.is_some_and(|host| host.is_unspecified());
    let first = more.filter(|_| is_all).unwrap_or(Ipv4Addr::LOCALHOST.into());
    let v4 = TcpListener::bind(SocketAddr::from((first, port)))?;
    let port = v4.local_addr()?.port();
    let mut sockets = vec![v4];
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(v6) => sockets.push(v6),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // There is no IPv6 here, so nobody else can listen there either.
        Err(_) => {}
    }
    if let Some(host) = more.filter(|_| !is_all) {
        sockets.push(TcpListener::bind(SocketAddr::from((host, port)))?);
    }
    Ok(Listening { port, sockets })
}

/// Listen at the first free port from the usual one on.
pub fn anywhere(host: Option<IpAddr>) -> io::Result<Listening> {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    let mut last = None;
    for port in USUAL_PORT..USUAL_PORT + TRIES {
        match at(host, port) {
            Ok(listening) => return Ok(listening),
            Err(error) if taken(&error) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
