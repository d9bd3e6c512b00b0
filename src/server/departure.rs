//! Whether a client is gone altogether, or has closed its own side only.
//!
//! Linux tells the two apart. Elsewhere a client that closes its side counts as gone.

use tokio::net::UnixStream;

/// Returns when this client has closed its connection altogether; nothing if that can't be watched.
#[cfg(target_os = "linux")]
pub(super) fn of(stream: &UnixStream) -> Option<impl Future<Output = ()> + use<>> {
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    // The same connection, asked for nothing but what is always told: the hangup.
    let fd = rustix::io::fcntl_dupfd_cloexec(stream, 3).ok()?;
    #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
    // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::PRIORITY) }.ok()?;
    Some(async move {
        // It is of no use if it can't be watched any more.
        if fd.ready(Interest::PRIORITY).await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// As above, which can't be here.
#[cfg(not(target_os = "linux"))]
pub(super) const fn of(_: &UnixStream) -> Option<std::future::Pending<()>> {
    None
}
