//! The conversation with the holder of a terminal.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::protocol::terminal::{Frames, FromClient, FromHolder, Hello};

/// How long to look for the successor of a holder that was killed, and how often.
const SUCCESSOR: Duration = Duration::from_secs(3);
/// The same if it has removed its socket, which it does at the end of the terminal.
const AFTER_END: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(20);

/// How much is read at once.
const READ: usize = 16 << 10;

/// A connection to a holder.
pub(super) struct Link {
    stream: UnixStream,
    frames: Frames,
    buffer: Vec<u8>,
}

impl Link {
    /// Connect to the holder at this socket.
    pub(super) async fn dial(socket: &Path, hello: Hello) -> io::Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let mut link = Self { stream, frames: Frames::default(), buffer: vec![0; READ] };
        link.stream.write_all(&FromClient::Hello(hello).encode()).await?;
        Ok(link)
    }

    /// The same with the successor of a holder that has just ended.
    pub(super) async fn dial_again(socket: &Path, hello: Hello) -> Option<Self> {
        let began = Instant::now();
        loop {
            let patience = match Self::dial(socket, hello.clone()).await {
                Ok(link) => return Some(link),
                Err(error) if error.kind() == io::ErrorKind::NotFound => AFTER_END,
                Err(_) => SUCCESSOR,
            };
            if began.elapsed() >= patience {
                return None;
            }
            // No event tells that it listens.
            sleep(RETRY).await;
        }
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
            match self.stream.read(&mut self.buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.frames.add(&self.buffer[..read]),
            }
        }
    }
}
