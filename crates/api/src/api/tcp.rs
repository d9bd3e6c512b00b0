//! Resolves TCP addresses in the same way for both ends.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use crate::model::network::{Network, TcpAddress};

/// The socket addresses for a TCP address. Those of IPv4 come first, as Go prefers them.
pub fn resolve(tcp: &TcpAddress) -> io::Result<Vec<SocketAddr>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "it must be HOST:PORT");
    let (host, port) = tcp.host_and_port().ok_or_else(bad)?;
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

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::model::network::{Network, TcpAddress};

    #[test]
    fn the_network_chooses_among_addresses() {
        let first = |network, address: &str| {
            let tcp = TcpAddress { network, address: address.to_owned(), token: None };
            resolve(&tcp).map(|found| found[0].to_string()).ok()
        };
        assert_eq!(first(Network::Tcp, ":1").as_deref(), Some("0.0.0.0:1"));
        assert_eq!(first(Network::Tcp6, ":1").as_deref(), Some("[::]:1"));
        assert_eq!(first(Network::Tcp4, "[::1]:1"), None);
        assert_eq!(first(Network::Tcp6, "127.0.0.1:1"), None);
    }
}
