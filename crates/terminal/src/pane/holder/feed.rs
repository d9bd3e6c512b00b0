//! Moving what a terminal prints into the stream, and how often a holder rings the bell for it.

use std::io;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionread};

use crate::journal::write::append::Appender;
use crate::model::time::Timestamp;
use crate::pane::sink;
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

/// How often the bell is rung in a flood. A terminal holds only 4 KiB, so its output is taken at once; but the views
/// need not wake up each time.
const INTERVAL: Duration = Duration::from_millis(3);

/// Decides when to ring: at once, except in a flood.
#[derive(Debug, Default)]
pub(super) struct Pace {
    flood: sink::Pace,
    rung: Option<Instant>,
    /// When it must be rung.
    due: Option<Instant>,
}

impl Pace {
    /// These many bytes were taken now: it must be rung, now or at [`Pace::due`].
    pub(super) fn took(&mut self, bytes: usize, now: Instant, time: Timestamp) {
        let is_flood = self.flood.is_a_flood(time, bytes);
        let last = self.rung.filter(|_| is_flood);
        let next = last.map_or(now, |last| now.max(last + INTERVAL));
        self.due = Some(self.due.map_or(next, |due| due.min(next)));
    }

    /// When it must be rung.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it must be rung now; then it counts as rung.
    pub(super) fn rings(&mut self, now: Instant) -> bool {
        let rings = self.due.is_some_and(|due| due <= now);
        if rings {
            (self.rung, self.due) = (Some(now), None);
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{INTERVAL, Pace};
    use crate::model::time::Timestamp;

    const STEP: Duration = Duration::from_micros(50);

    /// The times of the rings, if this many bytes are taken at each of these steps.
    fn rung(bytes: usize, steps: impl Fn(u32) -> bool, count: u32) -> Vec<u32> {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut rings = |step| {
            let time = u64::from(step) * 50_000 + 1_000_000_000;
            let now = start + STEP * step;
            if steps(step) {
                pace.took(bytes, now, Timestamp::from_nanos(time));
            }
            pace.rings(now)
        };
        (0..count).filter(|&step| rings(step)).collect()
    }

    #[test]
    fn lines_are_told_at_once() {
        assert_eq!(rung(80, |_| true, 1000).len(), 1000);
        let seldom = |step: u32| step.is_multiple_of(100);
        assert_eq!(rung(9000, seldom, 1000), (0..1000).step_by(100).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_is_told_at_intervals_and_to_its_end() {
        let interval = u32::try_from(INTERVAL.as_micros() / STEP.as_micros()).unwrap();
        let rung = rung(9000, |step| step < 1000, 1100);
        assert!(
            (1000 / interval..1000 / interval + 15).contains(&u32::try_from(rung.len()).unwrap())
        );
        assert!(rung.last().is_some_and(|last| *last >= 999), "{rung:?}");
    }
}
