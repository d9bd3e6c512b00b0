//! How clients reach a run: a Unix socket, or TCP (`--network`).

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The kind of a control address, by the Go network names that overmind accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A Unix socket.
    #[default]
    Unix,
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
}

impl Network {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Unix, Self::Tcp, Self::Tcp4, Self::Tcp6];

    /// The Go name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Tcp4 => "tcp4",
            Self::Tcp6 => "tcp6",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.name() == name)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A TCP address that a run listens on in addition to its Unix socket, or that a client connects to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpAddress {
    /// The kind of TCP.
    pub network: Network,
    /// Host and port as the user specified them; no host means all addresses of this machine.
    pub address: String,
    /// The token set by the user, which clients must prove to know.
    pub token: Option<String>,
}

impl TcpAddress {
    /// Host and port; no host means every address of this machine.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.rsplit_once(':')?;
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // Without brackets, an IPv6 address cannot be distinguished from an address with a port.
        let host = inner.or_else(|| (!host.contains(':')).then_some(host))?;
        Some((host, port.parse().ok()?))
    }

    /// The host, if it is a name that has to be resolved, possibly by other machines: neither an IP address
    /// nor `localhost`.
    pub fn foreign_name(&self) -> Option<&str> {
        let (host, _) = self.host_and_port()?;
        let known = host.is_empty() || host.eq_ignore_ascii_case("localhost");
        (!known && host.parse::<IpAddr>().is_err()).then_some(host)
    }
}

/// An address and a token that were set in different places, so the token was not meant for this address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixed {
    /// Where the address was set.
    pub address: &'static str,
    /// Where the token was set.
    pub token: &'static str,
}

impl fmt::Debug for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keep the token out of debug output.
        write!(f, "{} {}", self.network, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, TcpAddress};

    #[test]
    fn networks_have_gos_names() {
        for network in Network::ALL {
            assert_eq!(Network::parse(network.name()), Some(network));
        }
        assert_eq!(Network::parse("udp"), None);
        assert_eq!(Network::default(), Network::Unix);
    }

    fn tcp(address: &str) -> TcpAddress {
        TcpAddress { network: Network::Tcp, address: address.to_owned(), token: None }
    }

    #[test]
    fn addresses_are_host_and_port() {
        for (text, host, port) in [
            ("a:1", "a", 1),
            (":5500", "", 5500),
            ("[::1]:7", "::1", 7),
            ("127.0.0.1:0", "127.0.0.1", 0),
        ] {
            assert_eq!(tcp(text).host_and_port(), Some((host, port)), "{text}");
        }
        for bad in ["", "x", "./.overmind.sock", "a:", "a:x", "a:70000", "::1:7", "[::1]"] {
            assert_eq!(tcp(bad).host_and_port(), None, "{bad}");
        }
    }

    #[test]
    fn only_what_is_neither_an_ip_address_nor_localhost_is_a_foreign_name() {
        for known in [":1", "127.0.0.1:1", "192.0.2.1:1", "[::1]:1", "localhost:1", "LocalHost:1"] {
            assert_eq!(tcp(known).foreign_name(), None, "{known}");
        }
        for (text, name) in [
            ("evil.invalid:80", "evil.invalid"),
            ("[evil.invalid]:80", "evil.invalid"),
            ("localhost.evil.invalid:80", "localhost.evil.invalid"),
            ("127.1:80", "127.1"),
            ("[fe80::1%evil]:80", "fe80::1%evil"),
        ] {
            assert_eq!(tcp(text).foreign_name(), Some(name), "{text}");
        }
        // An invalid address is refused without a look-up.
        assert_eq!(tcp("no port").foreign_name(), None);
    }
}
