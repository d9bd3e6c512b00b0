//! Appending to a life file.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use super::{LifeEntry, LifeEvent, LifeReader};
use crate::model::time::Timestamp;
use crate::sys::files;

/// Appends to a life file.
#[derive(Debug)]
pub struct LifeWriter {
    file: File,
    seq: u64,
    /// The least size that the file must have; if it is shorter, it was truncated.
    len: u64,
}

impl LifeWriter {
    /// Open a life file for appending, continuing its sequence numbers; a torn last line is closed
    /// first.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = files::append_to(path)?;
        if file.metadata()?.len() > files::OWN_LIMIT {
            // Too large to come from a shim, and reading it would take long.
            std::fs::remove_file(path)?;
            file = files::append_to(path)?;
        }
        let seq = LifeReader::new(path).poll()?.iter().map(|entry| entry.seq).max().unwrap_or(0);
        let len = file.metadata()?.len();
        let mut last = [b'\n'];
        if len > 0 && file.read_at(&mut last, len - 1)? > 0 && last != *b"\n" {
            file.write_all(b"#\n")?;
        }
        Ok(Self { file, seq, len })
    }

    /// Whether the file was removed or truncated: what is appended to it now does not show a new
    /// reader which shim has written it.
    pub fn is_spoiled(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() == 0 || meta.len() < self.len)
    }

    /// The sequence number of the last entry.
    pub const fn last(&self) -> u64 {
        self.seq
    }

    /// Do not reuse sequence numbers up to this one.
    pub fn go_on_after(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    /// Append one event; returns its number.
    pub fn append(&mut self, at: Timestamp, event: LifeEvent) -> std::io::Result<u64> {
        self.append_with(0, at, event)
    }

    /// Like `Self::append`, with a key for the marker.
    pub fn append_with(
        &mut self,
        key: u32,
        at: Timestamp,
        event: LifeEvent,
    ) -> std::io::Result<u64> {
        let seq = self.seq.saturating_add(1);
        let entry = LifeEntry { seq, at, key, event };
        let mut line = serde_json::to_vec(&entry).map_err(std::io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.len += line.len() as u64;
        self.seq = seq;
        Ok(seq)
    }
}
