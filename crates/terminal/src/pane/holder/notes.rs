//! What a holder leaves for its successor: a few numbers in a file without a name that the shim keeps open.
//!
//! A process can remove the files of its log at any time. Without the numbers, the next holder could continue at
//! offsets that have been used.

use std::fs::File;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::FileExt as _;

use crate::protocol::terminal::Size;
use crate::sys;

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
    pub(super) fn read(&self) -> Option<Noted> {
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
        assert_eq!(notes.read(), None);
        let noted = Noted { begin: 7, end: u64::MAX, own_size: (132, 43) };
        notes.write(noted);
        assert_eq!(notes.read(), Some(noted));
        notes.write_end(1 << 40);
        notes.write_own_size((80, 24));
        assert_eq!(notes.read(), Some(Noted { begin: 7, end: 1 << 40, own_size: (80, 24) }));
    }
}
