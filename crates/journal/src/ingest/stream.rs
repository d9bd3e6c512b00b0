//! One stream while it is being indexed.

use std::io;

use super::super::record::{Kind, Record};
use super::BUFFER;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::read::stream::{Read, StreamReader};
use crate::write::split::{Fed, Splitter};

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) number: StreamNo,
    pub(super) slug: String,
    pub(super) reader: StreamReader,
    pub(super) splitter: Splitter,
    /// The end of what has been read. The bytes from the splitter's position up to here are held
    /// back.
    pub(super) seen: u64,
    /// The place of the stream of standard error of the same process.
    pub(super) stderr: Option<usize>,
    /// The place of the main stream of the same process, if this is its standard error.
    pub(super) main: Option<usize>,
    /// If this is standard error: what had arrived when the life file was last read. Anything after that may belong to a
    /// life whose start is not known yet.
    pub(super) upto: u64,
}

/// Why the indexing of a stream stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexingStop {
    /// The end of the stream.
    End,
    /// A marker that has not been announced yet.
    Ask,
    /// A marker of a process with another stream, which has to be indexed up to there.
    Marker(Kind),
    Limit,
}

impl Stream {
    /// Read and feed once; `None` means that there may be more.
    pub(super) fn step(
        &mut self,
        buffer: &mut [u8],
        limit: u64,
        out: &mut Vec<Record>,
    ) -> io::Result<Option<IndexingStop>> {
        let position = self.splitter.position();
        let most = usize::try_from(limit.saturating_sub(position)).unwrap_or(usize::MAX);
        let buffer = &mut buffer[..most.min(BUFFER)];
        let mut filled = 0;
        let mut then = None;
        while filled < buffer.len() && then.is_none() {
            let (offset, room) = (position + filled as u64, &mut buffer[filled..]);
            let read = match filled {
                0 => self.reader.read_at(offset, room)?,
                _ => self.reader.read_beyond(offset, room)?,
            };
            match read {
                Read::Bytes(read) => filled += read,
                end @ (Read::Gap { .. } | Read::End) => then = Some(end),
            }
        }
        let last = match then {
            Some(Read::Gap { .. }) => true,
            Some(Read::End) => self.splitter.ends_here(),
            Some(Read::Bytes(_)) | None => false,
        };
        self.seen = self.seen.max(position + filled as u64);
        let stop = match self.splitter.feed(&buffer[..filled], last, out) {
            Fed::All => None,
            Fed::Ask => Some(IndexingStop::Ask),
            Fed::Marker(kind) => Some(IndexingStop::Marker(kind)),
        };
        if stop.is_some() {
            self.seen = self.splitter.position();
            return Ok(stop);
        }
        match then {
            Some(Read::Gap { next }) => {
                self.splitter.gap(next, out);
                self.seen = next;
            }
            Some(Read::End) => {
                self.splitter.settle(out);
                return Ok(Some(IndexingStop::End));
            }
            Some(Read::Bytes(_)) | None => {}
        }
        Ok(None)
    }

    /// Feed the bytes that were held back: nothing will continue them.
    pub(super) fn release(&mut self, buffer: &mut [u8], out: &mut Vec<Record>) -> io::Result<()> {
        let position = self.splitter.position();
        let held = usize::try_from(self.seen - position).unwrap_or(0).min(buffer.len());
        let mut filled = 0;
        // They may be in more than one segment.
        while let Read::Bytes(read) =
            self.reader.read_at(position + filled as u64, &mut buffer[filled..held])?
        {
            filled += read;
        }
        if filled > 0 {
            self.splitter.feed(&buffer[..filled], true, out);
        }
        Ok(())
    }

    /// The time at which the next unread byte arrived.
    pub(super) fn next_time(&mut self) -> io::Result<Timestamp> {
        self.reader.time_of(self.seen + 1)
    }
}
