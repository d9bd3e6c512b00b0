//! The address of a supervisor, as a client knows it, and the time between attempts to reach it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

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

const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause before a view tries again to reach its run.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses between attempts, each twice as long as the one before.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    pause: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses of at most this length.
    pub const fn up_to(longest: Duration) -> Self {
        Self::between(FIRST_PAUSE, longest)
    }

    /// Pauses from this length up to this one.
    pub const fn between(first: Duration, longest: Duration) -> Self {
        Self { first, pause: first, longest }
    }

    /// Wait until the next attempt.
    pub async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(self.longest);
    }

    /// Begin again with the shortest pause.
    pub const fn reset(&mut self) {
        self.pause = self.first;
    }
}
