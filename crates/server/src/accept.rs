//! Accepting clients, even when file descriptors or memory are short.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A source of clients.
pub(super) trait Accept {
    /// The accepted connection.
    type Client;

    /// Accept the next client. Cancel-safe: no client is lost.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Client>> + Send;
}

impl Accept for &TcpListener {
    type Client = (TcpStream, SocketAddr);

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        patiently(|| TcpListener::accept(self)).await
    }
}

/// Accept, and ignore clients that disconnect before they are accepted.
pub(super) async fn patiently<T, F>(accept: impl Fn() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                ) => {}
            came => return came,
        }
    }
}

/// Wait until accepting works again after this error; returns the client whose accept succeeded, if any.
///
/// A client that ends frees a descriptor. Other parts of the program free descriptors too, without any
/// notification, so accept is retried after a growing pause.
pub(super) async fn room<D: Accept>(
    door: &mut D,
    clients: &mut JoinSet<()>,
    error: io::Error,
) -> Option<D::Client> {
    const FIRST: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_secs(1);
    tracing::warn!("cannot accept a client, will try again: {error}");
    let mut pause = FIRST;
    loop {
        tokio::select! {
            Some(_) = clients.join_next() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(MOST);
        let waiting = pin!(door.accept());
        match futures_util::future::poll_immediate(waiting).await {
            Some(Err(_)) => {}
            Some(Ok(client)) => return Some(client),
            None => return None,
        }
    }
}
