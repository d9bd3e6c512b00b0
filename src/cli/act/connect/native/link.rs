//! The conversation with the holder of a terminal.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::protocol::terminal::{Frames, FromClient, FromHolder, Hello};

/// How long to look for the successor of a holder that was killed, and how often.
const SUCCESSOR: Duration = Duration::from_secs(3);
/// The same if it has removed its socket, which it does at the end of the terminal.
const AFTER_END: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(20);

/// How much is read at once.
const READ: usize = 16 << 10;
/// A holder that is stopped gets no more requests than this, in bytes. Input has its own limit.
const MOST_WAITING: usize = 64 << 10;

/// A connection to a holder.
pub(super) struct HolderConnection {
    stream: UnixStream,
    frames: Frames,
    buffer: Vec<u8>,
    /// What is to be sent.
    out: Vec<u8>,
}

impl HolderConnection {
    /// Connect to the holder at this socket, which may be just about to listen: after the removal of its socket, say.
    pub(super) async fn dial(socket: &Path, hello: Hello) -> io::Result<Self> {
        let patience = |error: &io::Error| {
            let is_absent =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
            if is_absent { SUCCESSOR } else { Duration::ZERO }
        };
        Self::dial_within(socket, hello, patience).await
    }

    /// The same with the successor of a holder that has just ended.
    pub(super) async fn dial_again(socket: &Path, hello: Hello) -> Option<Self> {
        let patience = |error: &io::Error| {
            if error.kind() == io::ErrorKind::NotFound { AFTER_END } else { SUCCESSOR }
        };
        Self::dial_within(socket, hello, patience).await.ok()
    }

    async fn dial_within(
        socket: &Path,
        hello: Hello,
        patience: impl Fn(&io::Error) -> Duration,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() >= patience(&error) => return Err(error),
                // No event tells that it listens.
                Err(_) => sleep(RETRY).await,
            }
        };
        let out = FromClient::Hello(hello).encode();
        Ok(Self { stream, frames: Frames::default(), buffer: vec![0; READ], out })
    }

    /// Send a frame, during [`Self::next`].
    pub(super) fn send(&mut self, frame: &FromClient) {
        let is_limited = matches!(frame, FromClient::Input(_) | FromClient::Typed);
        if is_limited || self.out.len() < MOST_WAITING {
            self.out.extend(frame.encode());
        }
    }

    /// Send as much of it as the holder takes at once.
    pub(super) fn flush(&mut self) {
        if let Ok(written) = self.stream.try_write(&self.out) {
            self.out.drain(..written);
        }
    }

    /// Send what is to be sent, and return the next frame if `reads`; an error if the holder is gone. Cancel-safe.
    pub(super) async fn next(&mut self, reads: bool) -> io::Result<FromHolder> {
        loop {
            if reads && let Some(frame) = self.frames.of_holder().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let (mut from, mut to) = self.stream.split();
            tokio::select! {
                read = from.read(&mut self.buffer), if reads => match read? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => self.frames.add(&self.buffer[..read]),
                },
                // If the holder has ended, the next read finds that.
                written = to.write(&self.out), if !self.out.is_empty() => {
                    self.out.drain(..written.unwrap_or(self.out.len()));
                }
                else => std::future::pending().await,
            }
        }
    }
}
