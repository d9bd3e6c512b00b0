//! Whether a client is gone altogether, or has closed its own side only.
//!
//! Linux tells the two apart. Elsewhere a client that closes its side counts as gone.

#[cfg(target_os = "linux")]
pub(super) use linux::Departure;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Departure;

/// Returns when the client that is watched is gone; never if none is.
pub(super) async fn of(watched: Option<Departure>) {
    // It is of no use if it can't be watched any more.
    let seen = match watched {
        Some(departure) => departure.seen().await.is_ok(),
        None => false,
    };
    if !seen {
        std::future::pending::<()>().await;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::net::UnixStream;

    /// Tells when a client has closed its connection altogether.
    pub(in crate::server) struct Departure(AsyncFd<OwnedFd>);

    impl Departure {
        /// Watch this client; nothing if it can't be.
        pub(in crate::server) fn watch(stream: &UnixStream) -> Option<Self> {
            // The same connection, asked for nothing but what is always told: the hangup.
            let fd = rustix::io::fcntl_dupfd_cloexec(stream, 3).ok()?;
            #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
            // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::PRIORITY) };
            fd.ok().map(Self)
        }

        pub(super) async fn seen(&self) -> io::Result<()> {
            self.0.ready(Interest::PRIORITY).await.map(|_| ())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::convert::Infallible;
    use std::io;

    use tokio::net::UnixStream;

    /// There is none: what would be told cannot be.
    pub(in crate::server) struct Departure(Infallible);

    impl Departure {
        /// Nothing, ever.
        pub(in crate::server) fn watch(_: &UnixStream) -> Option<Self> {
            None
        }

        #[expect(clippy::unused_async, reason = "elsewhere it waits")]
        pub(super) async fn seen(&self) -> io::Result<()> {
            match self.0 {}
        }
    }
}
