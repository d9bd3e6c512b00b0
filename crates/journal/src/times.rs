//! When the bytes of a stream arrived: next to each segment, a file of (time, end offset) pairs.
//!
//! The times are optional: if they are missing, the time of the last write to the segment is used.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use super::format::u64_at;
use super::segment::{Dirs, Listing, Segment, TIMES};
use crate::model::time::Timestamp;

/// Size of an entry on disk.
pub const ENTRY: usize = 16;
/// How many entries are read at once.
const BATCH: usize = 256;

/// Encodes one entry: nanoseconds since the epoch, then the offset after the last byte that had
/// arrived by then.
pub fn encode(time: Timestamp, end: u64) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..8].copy_from_slice(&time.to_le_bytes());
    bytes[8..].copy_from_slice(&end.to_le_bytes());
    bytes
}

/// The inverse of [`encode`].
pub fn decode(bytes: &[u8; ENTRY]) -> (Timestamp, u64) {
    (Timestamp::from_nanos(u64_at(bytes, 0)), u64_at(bytes, 8))
}

/// Finds the times of offsets. Cheap if the offsets only increase.
#[derive(Debug, Default)]
pub struct TimesReader {
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    file: File,
    /// A batch of entries, starting with entry number `first`.
    batch: Vec<(Timestamp, u64)>,
    first: u64,
    /// The index within the batch; all entries before it end too early.
    at: usize,
    /// For offsets below this one, the entry may be before the current index.
    floor: u64,
}

impl TimesReader {
    /// When the byte before the offset `end` arrived, if that was recorded. `listing` must be that
    /// of the stream and contain the segment of that byte.
    pub fn time_of(
        &mut self,
        dirs: &Dirs,
        listing: &Listing,
        end: u64,
    ) -> io::Result<Option<Timestamp>> {
        self.find(dirs, listing, end).map(|entry| entry.map(|(time, _)| time))
    }

    /// The end of a run of bytes from `from` on that arrived no later than `until` and is not much
    /// longer than `most`; it contains at least one entry. `None` if there are no times.
    pub fn run(
        &mut self,
        dirs: &Dirs,
        listing: &Listing,
        from: u64,
        until: Timestamp,
        most: u64,
    ) -> io::Result<Option<u64>> {
        let Some((_, mut end)) = self.find(dirs, listing, from + 1)? else { return Ok(None) };
        while end - from < most {
            match self.find_here(end.saturating_add(1))? {
                Some((time, next)) if time <= until && next - from <= most => end = next,
                Some(_) | None => break,
            }
        }
        Ok(Some(end))
    }

    /// The first entry that ends at `end` or later.
    fn find(
        &mut self,
        dirs: &Dirs,
        listing: &Listing,
        end: u64,
    ) -> io::Result<Option<(Timestamp, u64)>> {
        let Some(byte) = end.checked_sub(1) else { return Ok(None) };
        // Two segments may have this start: one that its writer could not fill, and the real one, which has the
        // bytes.
        let start = listing.holding(byte).next().map(|segment| segment.start);
        for segment in listing.holding(byte).take_while(|s| Some(s.start) == start) {
            if self.current.as_ref().is_none_or(|current| current.segment != segment) {
                match Current::open(dirs, listing.slug(), segment)? {
                    Some(current) => self.current = Some(current),
                    None => continue,
                }
            }
            if let Some(found) = self.find_here(end)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn find_here(&mut self, end: u64) -> io::Result<Option<(Timestamp, u64)>> {
        match &mut self.current {
            Some(current) => current.find(end),
            None => Ok(None),
        }
    }
}

impl Current {
    fn open(dirs: &Dirs, slug: &str, segment: Segment) -> io::Result<Option<Self>> {
        let file = segment.open(dirs, slug, TIMES)?;
        Ok(file.map(|file| Self { segment, file, batch: vec![], first: 0, at: 0, floor: u64::MAX }))
    }

    /// Binary search for the first entry that ends at `end` or later.
    fn seek(&mut self, end: u64) -> io::Result<()> {
        let (mut low, mut high) = (0, self.file.metadata()?.size() / ENTRY as u64);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut bytes = [0; ENTRY];
            self.file.read_exact_at(&mut bytes, middle * ENTRY as u64)?;
            if decode(&bytes).1 < end { low = middle + 1 } else { high = middle }
        }
        (self.first, self.at, self.floor) = (low, 0, end);
        self.batch.clear();
        Ok(())
    }

    fn find(&mut self, end: u64) -> io::Result<Option<(Timestamp, u64)>> {
        if end < self.floor {
            self.seek(end)?;
        }
        loop {
            while let Some(&entry) = self.batch.get(self.at) {
                if entry.1 >= end {
                    return Ok(Some(entry));
                }
                self.floor = self.floor.max(entry.1.saturating_add(1));
                self.at += 1;
            }
            // The entry is either near, or so far away (after a hole, for example) that reading on
            // to it would be slow.
            if self.at >= BATCH {
                self.seek(end)?;
            }
            if !self.refill()? {
                return Ok(None);
            }
        }
    }

    /// Read the next batch of entries; false if there are none.
    fn refill(&mut self) -> io::Result<bool> {
        let next = self.first + self.batch.len() as u64;
        let mut bytes = [0; ENTRY * BATCH];
        let read = self.file.read_at(&mut bytes, next * ENTRY as u64)?;
        let (entries, _) = bytes[..read].as_chunks::<ENTRY>();
        self.batch.clear();
        self.batch.extend(entries.iter().map(decode));
        (self.first, self.at) = (next, 0);
        Ok(!entries.is_empty())
    }
}
