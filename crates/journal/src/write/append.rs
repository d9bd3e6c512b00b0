//! The write side of a stream.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::segment_writer::{Make, SegmentWriter};
use crate::model::time::Timestamp;
use crate::segment::{Dirs, LOG, Listing, Segment, SegmentDir, TIMES};
use crate::sys::{self, files};
use crate::times;

/// Size of a spill segment.
pub const SPILL_SEGMENT: u64 = 512 << 10;
/// The name of the events' stream in file names.
pub const EVENTS_SLUG: &str = "@events";

/// Appends to a stream. There is only one appender per stream at a time.
///
/// It never fails: [`super::segment_writer`] explains what happens when it can't write.
#[derive(Debug)]
pub struct Appender {
    row: SegmentWriter<Files>,
    how: How,
    end: u64,
    noted: u64,
    /// How long it writes to one segment.
    period: Option<Duration>,
    /// The open segment, and when it was begun.
    begun: (u64, Timestamp),
}

/// How the files of a segment are opened.
#[derive(Debug, Clone, Copy)]
struct How {
    /// With a file for the times.
    timed: bool,
    /// For [`Appender::append_from`]: the kernel moves bytes only into a file that is not in append mode.
    moved: bool,
}

#[derive(Debug)]
struct Files {
    log: File,
    times: Option<File>,
}

impl Appender {
    /// Continue at the end of the stream. `limit` is the size of a segment; `timed` means that the
    /// time of each append is recorded.
    ///
    /// The last segment is continued if it is less than half full, so that many short runs do not
    /// leave as many files.
    pub fn open(dirs: &Dirs, slug: &str, limit: u64, timed: bool) -> Self {
        Self::open_as(dirs, slug, (limit, 0), How { timed, moved: false })
    }

    /// The same for a stream whose bytes come from a pipe, with the time of each append. Nothing is appended before the
    /// offset `at_least`: files may be missing.
    pub fn open_for_pipe(dirs: &Dirs, slug: &str, (limit, at_least): (u64, u64)) -> Self {
        Self::open_as(dirs, slug, (limit, at_least), How { timed: true, moved: true })
    }

    fn open_as(dirs: &Dirs, slug: &str, (limit, at_least): (u64, u64), how: How) -> Self {
        let mut listing = Listing::new(slug, LOG);
        // A directory that can't be read can't be written to either; `append` handles that.
        let _ = listing.refresh(dirs);
        let end_of = |segment: &Segment| {
            segment.end(segment.metadata(dirs, slug).map_or(0, |meta| meta.len()))
        };
        let end = listing.segments().iter().map(end_of).max().unwrap_or(0).max(at_least);
        let mut row = SegmentWriter::new(dirs, slug, &[LOG, TIMES], (limit, SPILL_SEGMENT));
        let last = listing.segments().iter().rev().find(|segment| end_of(segment) == end);
        let open = last
            .filter(|last| {
                last.place == SegmentDir::Journal && end - last.start < limit.div_ceil(2)
            })
            .and_then(|last| Some((*last, files_of(&row, *last, how).ok()?)))
            .filter(|(_, files)| !how.timed || files.times.is_some());
        row.adopt(listing.segments(), open);
        let begun = (u64::MAX, Timestamp::EPOCH);
        let mut this = Self { row, how, end, noted: end, period: None, begun };
        this.choose(crate::sys::clock::now());
        this
    }

    /// Have it continue in a new segment after this time at the latest.
    #[must_use]
    pub fn renewed_after(mut self, period: Option<Duration>) -> Self {
        self.period = period;
        self
    }

    /// The address of the next byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether output goes to the spill directory because the disk refuses it.
    pub fn spilling(&self) -> bool {
        self.row.spilling()
    }

    /// Append bytes that were read at the time `now`. In any case, [`Appender::end`] advances by
    /// their number.
    pub fn append(&mut self, now: Timestamp, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.note(now);
            self.choose(now);
            let at = self.end;
            let Some((segment, files)) = self.row.open() else {
                self.end += rest.len() as u64;
                self.noted = self.end;
                break;
            };
            let written = if self.how.moved {
                files.log.write_at(rest, at - segment.start)
            } else {
                files.log.write(rest)
            };
            match written {
                Ok(written) if written > 0 => {
                    self.end += written as u64;
                    rest = &rest[written..];
                    self.row.accepted();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.refuse(now),
            }
        }
        self.note(now);
    }

    /// Append this many bytes that are in a pipe, without reading them if possible: a process that is killed while
    /// it does this has not lost any of them.
    pub fn append_from(&mut self, now: Timestamp, pipe: &mut PipeReader, count: usize) {
        let mut rest = count;
        while rest > 0 {
            self.note(now);
            self.choose(now);
            let at = self.end;
            let Some((segment, files)) = self.row.open() else {
                // Neither directory takes it. It must not stay in the pipe, or the process would stop.
                self.end += discard(pipe, rest) as u64;
                self.noted = self.end;
                break;
            };
            let to = (files.log.as_fd(), Some(at - segment.start));
            match sys::splice(pipe.as_fd(), to, rest) {
                Ok(moved) if moved > 0 => {
                    self.end += moved as u64;
                    rest -= moved;
                    self.row.accepted();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The file system of the journal can't do it, or a sandbox forbids it.
                Err(error)
                    if error.kind() == io::ErrorKind::InvalidInput || sys::is_refused(&error) =>
                {
                    let mut bytes = vec![0; rest];
                    let Ok(read @ 1..) = pipe.read(&mut bytes) else { break };
                    self.append(now, &bytes[..read]);
                    rest -= read;
                }
                Ok(_) | Err(_) => self.refuse(now),
            }
        }
        self.note(now);
    }

    fn refuse(&mut self, now: Timestamp) {
        let how = self.how;
        self.row.refuse(self.end, now, &|row, segment| files_of(row, segment, how));
    }

    /// End the stream. If the newest bytes could not be written to the disk, leave an empty segment
    /// there at the end offset, so that the next writer does not use any offset twice.
    pub fn finish(&mut self, now: Timestamp) {
        if self.row.spilling() {
            let how = self.how;
            self.row.next_on_disk(self.end, now, &|row, segment| files_of(row, segment, how));
        }
    }

    fn choose(&mut self, now: Timestamp) {
        let (how, end) = (self.how, self.end);
        let sound = |segment: Segment| end.saturating_sub(segment.start)..=u64::MAX;
        if let Some((segment, len)) = self.row.leave_spoiled(|files| &files.log, sound) {
            // Another writer has appended to the segment, which has used up offsets.
            self.end = self.end.max(segment.end(len));
        }
        let make: Make<'_, Files> = &|row, segment| files_of(row, segment, how);
        if self.is_too_old(now) {
            self.row.next_on_disk(self.end, now, make);
        }
        self.row.choose(self.end, now, make);
    }

    /// Whether the open segment was begun longer ago than the period.
    fn is_too_old(&mut self, now: Timestamp) -> bool {
        let Some(period) = self.period else { return false };
        let end = self.end;
        let Some((segment, files)) = self.row.open() else { return false };
        if segment.place != SegmentDir::Journal || segment.start == end {
            return false;
        }
        if self.begun.0 != segment.start {
            // An earlier writer may have begun it.
            let metadata = files.log.metadata();
            let created = metadata.and_then(|data| data.created().or_else(|_| data.modified()));
            let created = created.map_or(now, crate::sys::clock::timestamp);
            self.begun = (segment.start, created);
        }
        now.since(self.begun.1) >= period
    }

    /// Record the arrival time of the bytes since the last note.
    fn note(&mut self, now: Timestamp) {
        if self.noted == self.end {
            return;
        }
        self.noted = self.end;
        if let Some((_, files)) = self.row.open()
            && let Some(file) = &mut files.times
        {
            let entry = times::encode(now, self.end);
            // An incomplete entry would shift all following ones. So stop recording times for this
            // segment; readers can do without them.
            if file.write(&entry).ok() != Some(entry.len()) {
                files.times = None;
            }
        }
    }
}

/// Read up to this many bytes from a pipe and drop them; returns how many there were.
fn discard(pipe: &mut PipeReader, most: usize) -> usize {
    let mut bytes = vec![0; most];
    pipe.read(&mut bytes).unwrap_or(most)
}

/// Open the files of a segment for appending, without the times file if that can't be written.
fn files_of(row: &SegmentWriter<Files>, segment: Segment, how: How) -> io::Result<Files> {
    row.dirs.create(segment.place)?;
    let open = |ending| {
        let path = segment.path(&row.dirs, &row.slug, ending).ok_or(io::ErrorKind::NotFound)?;
        files::append_to(&path)
    };
    let whole = |file: &File| file.metadata().is_ok_and(|m| m.len() % times::ENTRY as u64 == 0);
    let log = open(LOG)?;
    if how.moved {
        let flags = fcntl_getfl(&log)?;
        fcntl_setfl(&log, flags.difference(OFlags::APPEND))?;
    }
    let times = if how.timed { open(TIMES).ok().filter(whole) } else { None };
    Ok(Files { log, times })
}
