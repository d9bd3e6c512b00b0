//! How clients reach a run: a Unix socket, or TCP (`--network`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a control address, by Go's names for them, which overmind takes.
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unix, Self::Tcp, Self::Tcp4, Self::Tcp6];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
            Self::Tcp4 => "tcp4",
            Self::Tcp6 => "tcp6",
        }
    }

    /// The network of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.name() == name)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A TCP address that a run listens on besides its Unix socket, or that a client asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpAddress {
    /// Which kind of TCP.
    pub network: Network,
    /// Host and port as the user named them; no host means all of this machine.
    pub address: String,
    /// The token that the user has set, which a client proves to know.
    pub token: Option<String>,
}

/// An address and a token that were not set in the same place: the token was not meant for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixed {
    /// Who has set the address.
    pub address: &'static str,
    /// Who has set the token.
    pub token: &'static str,
}

impl fmt::Debug for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is nobody's business.
        write!(f, "{} {}", self.network, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn networks_have_gos_names() {
        for network in Network::ALL {
            assert_eq!(Network::parse(network.name()), Some(network));
        }
        assert_eq!(Network::parse("udp"), None);
        assert_eq!(Network::default(), Network::Unix);
    }
}
