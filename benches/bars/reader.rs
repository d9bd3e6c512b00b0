//! Reading what a contestant shows, with a deadline.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use memchr::memmem;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) use crate::shared::PATIENCE;

/// How long anything may take, even if something comes all the time.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A pipe and what has come out of it.
#[derive(Debug)]
pub(crate) struct Reader {
    pipe: File,
    pub(crate) text: Vec<u8>,
}

impl Reader {
    pub(crate) const fn new(pipe: File) -> Self {
        Self { pipe, text: vec![] }
    }

    /// To wait for more together with other things.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Take what comes next; nothing at the end, or when nothing came for so long.
    pub(crate) fn take(&mut self, patience: Duration) -> Option<usize> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left.as_millis()).unwrap();
            let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) => return None,
                Err(nix::Error::EINTR) => continue,
                result => _ = result.unwrap(),
            }
            let old = self.text.len();
            self.text.resize(old + (64 << 10), 0);
            let count = self.pipe.read(&mut self.text[old..]).unwrap();
            self.text.truncate(old + count);
            return (count > 0).then_some(count);
        }
    }

    /// Read until this has come so often as a whole line; whether it did.
    pub(crate) fn until(&mut self, what: &[u8], often: usize) -> bool {
        self.until_from(0, what, often)
    }

    /// The same, counting only what comes after this place.
    pub(crate) fn until_from(&mut self, from: usize, what: &[u8], often: usize) -> bool {
        let (mut found, mut place, begun) = (0, from, Instant::now());
        loop {
            // Only whole lines: the rest of a line may still be on its way.
            let end = memchr::memrchr(b'\n', &self.text).map_or(0, |end| end + 1).max(place);
            found += memmem::find_iter(&self.text[place..end], what).count();
            place = end;
            if found >= often {
                return true;
            }
            if begun.elapsed() > LIMIT || self.take(PATIENCE).is_none() {
                return false;
            }
        }
    }

    /// Read to the end.
    pub(crate) fn rest(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT && self.take(PATIENCE).is_some() {}
    }

    /// The numbers that follow this mark.
    pub(crate) fn numbers(&self, mark: &[u8]) -> Vec<u64> {
        let number = |at: usize| {
            let digits = self.text[at + mark.len()..].split(|&b| b == b'=').next()?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        memmem::find_iter(&self.text, mark).filter_map(number).collect()
    }
}
