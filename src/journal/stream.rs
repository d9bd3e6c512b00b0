//! The read side of a stream.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::{pread, retry_on_intr};

use super::segment::{Dirs, LOG, LONGEST, Listing, Segment};
use super::times::TimesReader;
use crate::model::plan::LogPolicy;
use crate::model::time::Timestamp;
use crate::sys::files;

/// What lies at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// This many bytes (more than 0) were copied.
    Bytes(usize),
    /// Bytes are missing; the stream goes on at `next`.
    Gap {
        /// Offset of the first byte that is there again.
        next: u64,
    },
    /// Nothing yet.
    End,
}

/// Reads a stream at any offset, best in rising order.
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
        Self {
            dirs: dirs.clone(),
            listing: Listing::new(slug, LOG),
            current: None,
            times: TimesReader::default(),
        }
    }

    /// The offset behind the last byte that is there now.
    pub fn end(&mut self) -> io::Result<u64> {
        self.listing.refresh(&self.dirs)?;
        let sizes = self.listing.segments().iter().rev().take(4);
        Ok(sizes.map(|s| s.end(self.size(*s))).max().unwrap_or(0))
    }

    /// The offset of the oldest byte that is still there ([`StreamReader::end`] if there is
    /// none).
    pub fn start(&mut self) -> io::Result<u64> {
        self.listing.refresh(&self.dirs)?;
        let mut segments = self.listing.segments().iter();
        match segments.find(|segment| self.size(**segment) > 0) {
            Some(segment) => Ok(segment.start),
            None => self.end(),
        }
    }

    /// The segment that was read last.
    pub fn segment(&self) -> Option<Segment> {
        self.current.as_ref().map(|current| current.segment)
    }

    /// Copy what lies at `offset` into `buffer`; never more than the rest of one segment.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Read> {
        if buffer.is_empty() {
            return Ok(Read::End);
        }
        if let Some(read) = self.read_current(offset, buffer)? {
            return Ok(Read::Bytes(read));
        }
        self.search(offset, buffer)
    }

    /// The same directly behind a read that did not fill its buffer: it does not look again
    /// whether the segment has grown. Only for someone who is woken when it has.
    pub fn read_beyond(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Read> {
        if buffer.is_empty() { Ok(Read::End) } else { self.search(offset, buffer) }
    }

    fn read_current(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(current) = &self.current else { return Ok(None) };
        let Some(at) = offset.checked_sub(current.segment.start) else { return Ok(None) };
        let read = read_at(&current.file, at, buffer)?;
        Ok((read > 0).then_some(read))
    }

    /// Find the segment of any offset, by the listing as it is, then by a fresh one.
    ///
    /// Someone who follows a stream comes here at each end of it, mostly for nothing: that costs
    /// the time stamps of the directories.
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
        // Who begins a segment has left the one before it for ever: now that another was seen,
        // what that one holds is all it ever will.
        match (self.enter_any(offset, buffer)?, self.next(offset)) {
            (Some(read), _) => Ok(Read::Bytes(read)),
            (None, Some(next)) => Ok(Read::Gap { next }),
            (None, None) => Ok(Read::End),
        }
    }

    /// Where the stream goes on behind an offset, as far as the listing tells.
    fn next(&self, offset: u64) -> Option<u64> {
        let mut behind = self.listing.behind(offset).iter();
        behind.find(|segment| self.size(**segment) > 0).map(|segment| segment.start)
    }

    /// Read from the last segment that begins at or before `offset`. Empty ones don't count: a
    /// writer that could not fill one may have left it.
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

    /// Read from this segment; it becomes the current one if that yields anything.
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

    /// When the byte before the offset `end` came.
    ///
    /// Where no time was kept, the time at which its segment was written last: while the stream
    /// is followed, that is the same to some milliseconds.
    pub fn time_of(&mut self, end: u64) -> io::Result<Timestamp> {
        if let Some(time) = self.times.time_of(&self.dirs, &self.listing, end)? {
            return Ok(time);
        }
        let segment = self.listing.holding(end.saturating_sub(1)).next();
        let meta = segment.and_then(|segment| segment.metadata(&self.dirs, self.listing.slug()));
        let written = |meta: Metadata| Timestamp::of_file(meta.mtime(), meta.mtime_nsec());
        Ok(meta.map_or(Timestamp::EPOCH, written))
    }

    /// When the byte at `offset` came and the end of a run of bytes that came until `until`
    /// and is about `most` long. Where no time was kept, all is one run.
    pub fn run(&mut self, offset: u64, until: Timestamp, most: u64) -> io::Result<u64> {
        let run = self.times.run(&self.dirs, &self.listing, offset, (until, most))?;
        Ok(run.unwrap_or(offset.saturating_add(most)))
    }
}

/// Read from a segment file. A segment ends at [`LONGEST`] and where a hole begins that is larger
/// than any segment: no sink leaves such a file, but `truncate` does.
fn read_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let room = usize::try_from(LONGEST.saturating_sub(at)).unwrap_or(usize::MAX);
    let most = buffer.len().min(room);
    let buffer = &mut buffer[..most];
    let read = retry_on_intr(|| pread(file, &mut *buffer, at))?;
    let is_zero = buffer[..read].iter().all(|byte| *byte == 0);
    if read > 0 && is_zero && files::hole(file, at)? > LogPolicy::LARGEST_SEGMENT {
        return Ok(0);
    }
    Ok(read)
}
