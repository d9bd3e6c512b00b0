//! Whether a client has closed the connection, or only its own direction.
//!
//! Only Linux distinguishes the two. Elsewhere, a client that closes its direction counts as gone.

use tokio::net::UnixStream;

/// Returns a future that completes when the client has closed both directions; `None` if that cannot be
/// watched.
#[cfg(target_os = "linux")]
pub(super) fn hang_up_of(stream: &UnixStream) -> Option<impl Future<Output = ()> + use<>> {
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    // A duplicate descriptor, polled for no event except the hang-up, which is always reported.
    let fd = rustix::io::fcntl_dupfd_cloexec(stream, 3).ok()?;
    #[expect(unsafe_code, reason = "the descriptor must stay open while it is registered")]
    // SAFETY: the `AsyncFd` owns the descriptor, so it is closed after it was deregistered.
    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::PRIORITY) }.ok()?;
    Some(async move {
        // If polling fails, the future never completes.
        if fd.ready(Interest::PRIORITY).await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Not supported on this system.
#[cfg(not(target_os = "linux"))]
pub(super) const fn hang_up_of(_: &UnixStream) -> Option<std::future::Pending<()>> {
    None
}
