//! The read side of a stream.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::{pread, retry_on_intr};

use crate::model::plan::LogPolicy;
use crate::model::time::Timestamp;
use crate::segment::{Dirs, LOG, LONGEST_SEGMENT, Listing, Segment};
use crate::sys::files;
use crate::times::TimesReader;
use crate::write::clear;

/// What is at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// This many bytes (more than 0) were copied.
    Bytes(usize),
    /// Bytes are missing; the stream continues at `next`.
    Gap {
        /// Offset of the next byte that exists.
        next: u64,
    },
    /// Nothing there yet.
    End,
}

/// Reads a stream at any offset. Cheapest in ascending order.
#[derive(Debug)]
pub struct StreamReader {
    dirs: Dirs,
    listing: Listing,
    current: Option<Current>,
    times: TimesReader,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    file: File,
}

impl StreamReader {
    /// A reader of the stream with this name in file names; nothing is opened yet.
    pub fn open(dirs: &Dirs, slug: &str) -> Self {
        Self::listed(dirs, Listing::new(slug, LOG))
    }

    /// A reader of the stream with this listing.
    pub(crate) fn listed(dirs: &Dirs, listing: Listing) -> Self {
        Self { dirs: dirs.clone(), listing, current: None, times: TimesReader::default() }
    }

    /// The offset after the last byte that exists now.
    pub fn end(&mut self) -> io::Result<u64> {
        self.listing.refresh(&self.dirs)?;
        let sizes = self.listing.segments().iter().rev().take(4);
        Ok(sizes.map(|s| s.end(self.size(*s))).max().unwrap_or(0))
    }

    /// The offset of the oldest byte that still exists, or of the next byte if there is none.
    pub fn start(&mut self) -> io::Result<u64> {
        self.listing.refresh(&self.dirs)?;
        let segments = self.listing.segments();
        let first = segments.iter().find(|segment| self.size(**segment) > 0);
        // If there was none, the first one may be written just now: it must not be skipped.
        Ok(first.or(segments.last()).map_or(0, |segment| segment.start))
    }

    /// Whether nothing older exists than the segment of this offset.
    pub fn begins_in_segment_of(&mut self, offset: u64) -> io::Result<bool> {
        let start = self.start()?;
        Ok(self.listing.holding(offset).next().is_none_or(|segment| segment.start <= start))
    }

    /// The segment that was read last.
    pub fn segment(&self) -> Option<Segment> {
        self.current.as_ref().map(|current| current.segment)
    }

    /// Copy the bytes at `offset` into `buffer`, at most to the end of one segment.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Read> {
        if buffer.is_empty() {
            return Ok(Read::End);
        }
        let read = match self.read_current(offset, buffer)? {
            Some(read) => Read::Bytes(read),
            None => self.search(offset, buffer)?,
        };
        Ok(self.skip_cleared(offset, read, buffer))
    }

    /// What was read, or a gap if it has been cleared: then all of it, or the end of it, is zeros.
    fn skip_cleared(&self, offset: u64, read: Read, buffer: &[u8]) -> Read {
        let Read::Bytes(count) = read else { return read };
        if memchr::memchr(0, &buffer[..count]).is_none() {
            return read;
        }
        let next = clear::removed_upto(&self.dirs, self.listing.slug());
        if next > offset { Read::Gap { next } } else { read }
    }

    /// Read on directly after a read that did not fill its buffer, without checking whether the
    /// segment has grown. Only for callers that are woken when it grows.
    pub fn read_beyond(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Read> {
        if buffer.is_empty() { Ok(Read::End) } else { self.search(offset, buffer) }
    }

    fn read_current(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(current) = &self.current else { return Ok(None) };
        let Some(at) = offset.checked_sub(current.segment.start) else { return Ok(None) };
        let read = read_at(&current.file, at, buffer)?;
        Ok((read > 0).then_some(read))
    }

    /// Find the segment of any offset, first in the present listing, then in a fresh one.
    ///
    /// A reader that follows a stream gets here whenever it reaches the end, usually in vain. That
    /// costs only a look at the time stamps of the directories.
    fn search(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Read> {
        let known = self.listing.holding(offset).next();
        if known.is_some()
            && known != self.segment()
            && let Some(read) = self.enter_any(offset, buffer)?
        {
            return Ok(Read::Bytes(read));
        }
        self.listing.refresh(&self.dirs)?;
        let holding = self.listing.holding(offset).next();
        if self.next(offset).is_some() {
            self.listing.reload(&self.dirs)?;
        } else if holding == self.segment() {
            return Ok(Read::End);
        }
        // A writer that begins a segment never returns to the one before it. Since a later segment
        // exists, the earlier one is final, so read it once more before reporting a gap.
        match (self.enter_any(offset, buffer)?, self.next(offset)) {
            (Some(read), _) => Ok(Read::Bytes(read)),
            (None, Some(next)) => Ok(Read::Gap { next }),
            (None, None) => Ok(Read::End),
        }
    }

    /// Where the stream continues after an offset, according to the listing.
    fn next(&self, offset: u64) -> Option<u64> {
        let mut behind = self.listing.behind(offset).iter();
        behind.find(|segment| self.size(**segment) > 0).map(|segment| segment.start)
    }

    /// Read from the last segment that begins at or before `offset`. Empty segments are skipped: a
    /// writer that could not write to one may have left it.
    fn enter_any(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut skip = 0;
        loop {
            let Some(segment) = self.listing.holding(offset).nth(skip) else { return Ok(None) };
            if let Some(read) = self.enter(segment, offset, buffer)? {
                return Ok(Some(read));
            }
            if self.size(segment) > 0 {
                return Ok(None);
            }
            skip += 1;
        }
    }

    /// Read from this segment. It becomes the current one if it yields any bytes.
    fn enter(
        &mut self,
        segment: Segment,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<Option<usize>> {
        if self.segment() == Some(segment) {
            return self.read_current(offset, buffer);
        }
        let Some(file) = segment.open(&self.dirs, self.listing.slug(), LOG)? else {
            return Ok(None);
        };
        let read = read_at(&file, offset - segment.start, buffer)?;
        if read > 0 {
            self.current = Some(Current { segment, file });
        }
        Ok((read > 0).then_some(read))
    }

    fn size(&self, segment: Segment) -> u64 {
        segment.metadata(&self.dirs, self.listing.slug()).map_or(0, |meta| meta.size())
    }

    /// When the byte before the offset `end` arrived.
    ///
    /// If no time was recorded, this is the time of the last write to its segment. For a reader
    /// that follows the stream the difference is a few milliseconds.
    pub fn time_of(&mut self, end: u64) -> io::Result<Timestamp> {
        if let Some(time) = self.times.time_of(&self.dirs, &self.listing, end)? {
            return Ok(time);
        }
        let segment = self.listing.holding(end.saturating_sub(1)).next();
        let meta = segment.and_then(|segment| segment.metadata(&self.dirs, self.listing.slug()));
        let written = |meta: Metadata| Timestamp::of_file(meta.mtime(), meta.mtime_nsec());
        Ok(meta.map_or(Timestamp::EPOCH, written))
    }

    /// The end of a run of bytes from `offset` that arrived no later than `until` and is about
    /// `most` bytes long. If no times were recorded, everything is one run.
    pub fn run(&mut self, offset: u64, until: Timestamp, most: u64) -> io::Result<u64> {
        let run = self.times.run(&self.dirs, &self.listing, offset, until, most)?;
        Ok(run.unwrap_or(offset.saturating_add(most)))
    }
}

/// The largest hole that clearing leaves: a segment takes the write that fills it as a whole.
const LARGEST_CLEARED: u64 = LogPolicy::LARGEST_SEGMENT + (1 << 20);

/// Read from a segment file. A segment ends at [`LONGEST_SEGMENT`] and where a hole begins that is larger
/// than any cleared segment: no sink leaves such a file, but `truncate` does.
fn read_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let room = usize::try_from(LONGEST_SEGMENT.saturating_sub(at)).unwrap_or(usize::MAX);
    let most = buffer.len().min(room);
    let buffer = &mut buffer[..most];
    let read = retry_on_intr(|| pread(file, &mut *buffer, at))?;
    let is_zero = buffer[..read].iter().all(|byte| *byte == 0);
    if read > 0 && is_zero && files::hole(file, at)? > LARGEST_CLEARED {
        return Ok(0);
    }
    Ok(read)
}
