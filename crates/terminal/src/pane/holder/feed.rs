//! Moving what a terminal prints into the stream.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::io::{Errno, ioctl_fionread};

use crate::journal::append::Appender;
use crate::model::time::Timestamp;
use crate::sys;

/// How much is moved at once.
const CHUNK: usize = 64 << 10;
/// How often at most to read from the terminal before what has been read is appended. A pipe has room for 16 reads,
/// however short they are.
const READS: usize = 15;

/// What was taken from a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Some bytes; there may be more.
    Bytes,
    /// There is nothing at present.
    Nothing,
    /// No process has the terminal any more, and everything has been taken.
    End,
}

/// How often at most to take all that a terminal or a pipe has: more than fits into it.
const MOST_TAKEN: u32 = 64;

/// What is ready to be appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathered {
    count: usize,
    is_over: bool,
}

/// Takes what a terminal prints.
#[derive(Debug)]
pub(super) struct Feed {
    master: OwnedFd,
    pipe: (PipeReader, PipeWriter),
    /// The kernel can move bytes from a terminal into a pipe.
    moves: bool,
    buffer: Vec<u8>,
}

impl Feed {
    pub(super) fn new(master: OwnedFd, pipe: (PipeReader, PipeWriter)) -> Self {
        // A kernel that can't do it, or a sandbox that forbids it, says so even if there is nothing to be moved.
        let probed = sys::splice(master.as_fd(), (pipe.1.as_fd(), None), CHUNK);
        let cant = |error: &io::Error| error.kind() == io::ErrorKind::InvalidInput;
        let moves = !probed.is_err_and(|error| cant(&error) || sys::is_refused(&error));
        let buffer = if moves { vec![] } else { vec![0; CHUNK] };
        Self { master, pipe, moves, buffer }
    }

    /// Whether nothing is lost if this process is killed.
    pub(super) const fn is_lossless(&self) -> bool {
        self.moves
    }

    pub(super) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Append what is in the pipe: an earlier holder has left it, or the probe has moved it.
    pub(super) fn take_rest(&mut self, appender: &mut Appender, now: Timestamp) {
        let count = ioctl_fionread(&self.pipe.0).ok().and_then(|count| usize::try_from(count).ok());
        if let Some(count @ 1..) = count {
            appender.append_from(now, &mut self.pipe.0, count);
        }
    }

    /// Append what the terminal has printed.
    pub(super) fn take(&mut self, appender: &mut Appender, now: Timestamp) -> io::Result<Taken> {
        let gathered = self.gather()?;
        Ok(self.append(gathered, appender, now))
    }

    /// Append everything that the terminal has printed before this call.
    pub(super) fn take_all(
        &mut self,
        appender: &mut Appender,
        now: Timestamp,
    ) -> io::Result<Taken> {
        let mut taken = self.take(appender, now)?;
        for _ in 0..MOST_TAKEN {
            if taken != Taken::Bytes || self.take(appender, now)? != Taken::Bytes {
                break;
            }
            taken = Taken::Bytes;
        }
        Ok(taken)
    }

    /// Take what the terminal has printed, but do not append it yet.
    pub(super) fn gather(&mut self) -> io::Result<Gathered> {
        let mut count = 0;
        let mut is_over = false;
        // A terminal gives some hundred bytes at a time, and a file takes long for each call.
        for _ in 0..READS {
            match self.read_once() {
                Ok(0) => is_over = true,
                Ok(read) => {
                    count += read;
                    if self.moves {
                        continue;
                    }
                }
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN | Errno::INTR) => {}
                    // Linux reports the end of a terminal as this error.
                    Some(Errno::IO) => is_over = true,
                    _ => return Err(error),
                },
            }
            break;
        }
        Ok(Gathered { count, is_over })
    }

    /// Append what was gathered.
    pub(super) fn append(
        &mut self,
        Gathered { count, is_over }: Gathered,
        appender: &mut Appender,
        now: Timestamp,
    ) -> Taken {
        match (count, is_over) {
            (0, true) => return Taken::End,
            (0, false) => return Taken::Nothing,
            _ if self.moves => appender.append_from(now, &mut self.pipe.0, count),
            _ => appender.append(now, &self.buffer[..count]),
        }
        Taken::Bytes
    }

    fn read_once(&mut self) -> io::Result<usize> {
        if self.moves {
            sys::splice(self.master.as_fd(), (self.pipe.1.as_fd(), None), CHUNK)
        } else {
            Ok(rustix::io::read(&self.master, &mut self.buffer)?)
        }
    }
}
