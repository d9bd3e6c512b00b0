//! Keeps a terminal's holder running: the shim starts another one when the holder has ended.
//!
//! A holder leaves a few numbers for its successor, in a file without a name that the shim keeps open. A process can remove the files of its log at any time. Without the numbers, the next holder could continue at
//! offsets that have been used.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::event::PollFlags;

use super::{Holder, Terminal};
use crate::protocol::terminal::Size;
use crate::sys;

/// How long a holder must have lived for its successor to be started at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How many holders in a row may live shorter than that before the next one has to wait.
const MOST_SHORT_LIVES: u32 = 3;
/// How long a holder may take to discard input. One that is stopped does not.
const DISCARD_PATIENCE: Duration = Duration::from_millis(500);

/// Keeps a holder for the terminal of a shim.
#[derive(Debug)]
pub struct HolderKeeper {
    terminal: Terminal,
    holder: Option<Holder>,
    /// How many holders in a row have lived for a short time only.
    short_lives: u32,
    /// When to start the next one.
    due: Option<Instant>,
}

impl HolderKeeper {
    /// Start the first holder of this terminal.
    pub fn begin(terminal: Terminal, spec: &Path) -> Self {
        let mut keeper = Self { terminal, holder: None, short_lives: 0, due: None };
        keeper.start(spec);
        keeper
    }

    fn start(&mut self, spec: &Path) {
        match self.terminal.hold(spec) {
            Ok(holder) => (self.holder, self.due) = (Some(holder), None),
            // The user has too many processes: some will end.
            Err(_) => self.due = Some(Instant::now() + SHORT_LIFE),
        }
    }

    /// The process id of the holder, 0 while there is none.
    pub fn pid(&self) -> u32 {
        self.holder.as_ref().map_or(0, |holder| holder.pid)
    }

    /// What is closed when the holder ends.
    pub fn end(&self) -> Option<BorrowedFd<'_>> {
        self.holder.as_ref().map(|holder| holder.end.as_fd())
    }

    /// When [`Self::renew`] has something to do.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Discard what was typed for a process that has ended and is not in the terminal yet.
    pub fn discard_input(&self) {
        let Some(Holder { end, .. }) = &self.holder else { return };
        let mut to = end;
        if has_ended(end) || to.write_all(&[0]).is_err() {
            return;
        }
        // If it ends meanwhile, so does what it kept.
        let _ = sys::wait_for(end, PollFlags::IN, Some(DISCARD_PATIENCE));
        has_ended(end);
    }

    /// End a holder whose socket was removed, so that [`Self::renew`] starts one with another. What it has not written
    /// yet is in the pipe.
    pub fn replace_if_unreachable(&self, socket: &Path) {
        let is_gone = !socket.exists() && socket.parent().is_some_and(Path::exists);
        if is_gone && let Some(holder) = &self.holder {
            // An error means that it has ended.
            let _ = sys::signal_pid(holder.pid, SIGKILL);
        }
    }

    /// Start another holder if this one has ended.
    pub fn renew(&mut self, spec: &Path) {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            return self.start(spec);
        }
        let Some(holder) = &self.holder else { return };
        if !has_ended(&holder.end) {
            return;
        }
        let is_short = now.duration_since(holder.began) < SHORT_LIFE;
        self.short_lives = if is_short { self.short_lives + 1 } else { 0 };
        self.holder = None;
        if self.short_lives > MOST_SHORT_LIVES {
            self.due = Some(now + SHORT_LIFE);
        } else {
            self.start(spec);
        }
    }
}

/// Whether the other end is closed. Its answers to [`HolderKeeper::discard_input`] are no longer needed.
fn has_ended(mut end: &UnixStream) -> bool {
    loop {
        match end.read(&mut [0; 64]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}

/// The places of the numbers in the file.
const BEGIN: u64 = 0;
const END: u64 = 8;
const OWN_SIZE: u64 = 16;
const LENGTH: usize = 20;

/// The numbers, as the last holder has left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// Where the output of the terminal begins in the stream.
    pub(super) begin: u64,
    /// Everything before this offset is in the stream.
    pub(super) end: u64,
    /// The size of the terminal while no client looks at it.
    pub(super) own_size: Size,
}

/// The file. Where it can't be made or written, a successor finds out what it can from the stream.
#[derive(Debug)]
pub(super) struct Notes(Option<File>);

impl Notes {
    /// A file without any numbers.
    pub(super) fn new() -> Self {
        Self(sys::memory_file().ok())
    }

    pub(super) fn raw_fd(&self) -> Option<RawFd> {
        self.0.as_ref().map(File::as_raw_fd)
    }

    /// The numbers of an earlier holder, if there was one.
    pub(super) fn load(&self) -> Option<Noted> {
        let mut bytes = [0; LENGTH];
        self.0.as_ref()?.read_exact_at(&mut bytes, BEGIN).ok()?;
        let (numbers, size) = bytes.split_at(16);
        let number =
            |at: usize| Some(u64::from_le_bytes(numbers.get(at..at + 8)?.try_into().ok()?));
        let cells = |at: usize| Some(u16::from_le_bytes(size.get(at..at + 2)?.try_into().ok()?));
        Some(Noted { begin: number(0)?, end: number(8)?, own_size: (cells(0)?, cells(2)?) })
    }

    /// Leave all numbers.
    pub(super) fn write(&self, noted: Noted) {
        let bytes = [noted.begin.to_le_bytes(), noted.end.to_le_bytes()].concat();
        let size = bytes_of_size(noted.own_size);
        self.write_at(&[&bytes[..], &size].concat(), BEGIN);
    }

    /// Everything before this offset is in the stream now.
    pub(super) fn write_end(&self, end: u64) {
        self.write_at(&end.to_le_bytes(), END);
    }

    /// The terminal has this size while no client looks at it.
    pub(super) fn write_own_size(&self, size: Size) {
        self.write_at(&bytes_of_size(size), OWN_SIZE);
    }

    fn write_at(&self, bytes: &[u8], at: u64) {
        if let Some(file) = &self.0 {
            // See [`Notes`].
            let _ = file.write_all_at(bytes, at);
        }
    }
}

fn bytes_of_size((columns, rows): Size) -> [u8; 4] {
    let ([a, b], [c, d]) = (columns.to_le_bytes(), rows.to_le_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::{Noted, Notes};

    #[test]
    fn a_successor_reads_what_was_written_last() {
        let notes = Notes::new();
        assert_eq!(notes.load(), None);
        let noted = Noted { begin: 7, end: u64::MAX, own_size: (132, 43) };
        notes.write(noted);
        assert_eq!(notes.load(), Some(noted));
        notes.write_end(1 << 40);
        notes.write_own_size((80, 24));
        assert_eq!(notes.load(), Some(Noted { begin: 7, end: 1 << 40, own_size: (80, 24) }));
    }
}
