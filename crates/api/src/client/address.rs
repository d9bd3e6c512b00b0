//! The address of a supervisor, as a client knows it.

use std::fmt;
use std::path::PathBuf;

use crate::model::network::{Mixed, TcpAddress};

/// An address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(Box<TcpTarget>),
}

/// A TCP address with what a client needs for the proof that it may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpTarget {
    /// The address, and the token if one is given.
    pub tcp: TcpAddress,
    /// The directory with the runtime directories of this user's runs, which contain their tokens.
    pub runs: PathBuf,
    /// The sources of address and token, if they differ: then the token is not used there.
    pub mixed: Option<Mixed>,
}

impl Address {
    /// The network, as error messages name it.
    pub const fn network(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Tcp(target) => target.tcp.network.name(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(target) => f.write_str(&target.tcp.address),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Address {
    fn from(path: P) -> Self {
        Self::Unix(path.into())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}
