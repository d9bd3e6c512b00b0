//! The conversation with the holder of a terminal.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::protocol::terminal::{Frames, FromClient, FromHolder, Hello};

/// How long to look for the successor of a holder that has ended, and how often.
const SUCCESSOR: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(20);

/// A connection to a holder.
pub(super) struct Link {
    stream: UnixStream,
    frames: Frames,
}

impl Link {
    /// Connect to the holder at this socket.
    pub(super) async fn dial(socket: &Path, hello: Hello) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let mut link = Self { stream, frames: Frames::default() };
        link.stream.write_all(&FromClient::Hello(hello).encode()).await?;
        Ok(link)
    }

    /// The same with the successor of a holder that has just ended.
    pub(super) async fn dial_again(socket: &Path, hello: Hello) -> Option<Self> {
        let until = Instant::now() + SUCCESSOR;
        while Instant::now() < until {
            match Self::dial(socket, hello.clone()).await {
                Ok(link) => return Some(link),
                // No event tells that it listens.
                Err(_) => sleep(RETRY).await,
            }
        }
        None
    }

    /// Send a frame. If the holder has just ended, the next read finds its successor.
    pub(super) async fn send(&mut self, frame: &FromClient) {
        let _ = timeout(SUCCESSOR, self.stream.write_all(&frame.encode())).await;
    }

    /// The next frame; an error if the holder is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<FromHolder> {
        loop {
            if let Some(frame) = self.frames.of_holder().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.frames.add(&buffer[..read]),
            }
        }
    }
}
