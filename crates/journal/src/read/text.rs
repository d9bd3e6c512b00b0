//! The text of records: reading the streams, with read-ahead; and newly indexed text, read again for
//! searching it.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::stream::{Read, StreamReader};
use super::words::full_screen;
use crate::model::StreamNo;
use crate::model::terminal::escape::is_ordinary;
use crate::model::terminal::line::{End, Line};
use crate::record::Record;
use crate::segment::{Dirs, LOG, Listings};
use crate::streams::Streams;

/// How much of a stream is read at once.
const AHEAD: usize = 64 << 10;
/// Never allocate more than this at once: a damaged record may have any length.
const AT_ONCE: usize = 4 << 20;
/// Reads of at least this size bypass the read-ahead buffer.
const LARGE: usize = 16 << 10;
/// How much must have been read sequentially from a stream before a second thread is worthwhile.
const MUCH: u64 = 4 << 20;
/// How much that thread reads at once.
const BLOCK: usize = 256 << 10;
/// The maximum number of such threads.
const OTHERS: usize = 4;
/// How many blocks may wait in the queue.
const BLOCKS: usize = 4;

/// The streams, each with its read-ahead.
#[derive(Debug)]
pub(crate) struct TextReader {
    dirs: Dirs,
    names: Option<Streams>,
    /// Read once for all streams: a listing of its own for each would take quadratic time.
    listings: Option<Listings>,
    open: Vec<(StreamNo, Ahead)>,
    /// Whether threads may read ahead.
    in_advance: bool,
}

#[derive(Debug)]
struct Ahead {
    reader: StreamReader,
    start: u64,
    bytes: Vec<u8>,
    /// How many bytes of the buffer are valid.
    filled: usize,
    /// How much was read sequentially, and the range of the last read.
    run: (u64, Range<u64>),
    /// The read-ahead thread.
    other: Option<Other>,
}

/// A thread that reads ahead until it reaches the end or a gap, or until its receiver is gone.
#[derive(Debug)]
struct Other {
    blocks: Receiver<Block>,
    /// Offset of the next block.
    next: u64,
    /// Returns buffers for reuse.
    back: SyncSender<Vec<u8>>,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    filled: usize,
}

impl TextReader {
    pub(crate) fn new(dirs: &Dirs) -> Self {
        Self { dirs: dirs.clone(), names: None, listings: None, open: vec![], in_advance: false }
    }

    pub(crate) fn in_advance(&mut self) {
        let many = std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1);
        self.in_advance = many;
    }

    /// Append up to `length` bytes from `offset` to `buffer`. There are fewer only before a gap or
    /// the end.
    pub(crate) fn read(
        &mut self,
        stream: StreamNo,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Read> {
        let Some(at) = self.stream(stream)? else { return Ok(Read::End) };
        let others = self.open.iter().filter(|(_, ahead)| ahead.other.is_some()).count();
        let (number, ahead) = &mut self.open[at];
        if self.in_advance && others < OTHERS && ahead.is_worth_it(offset, length) {
            let names = self.names.as_ref();
            let slug = names.and_then(|names| names.slug(*number));
            ahead.other = slug.and_then(|slug| Other::begin(&self.dirs, &slug, offset));
        }
        ahead.read(offset, length, buffer)
    }

    /// Read what exists of these bytes, none before a gap among them, into the empty buffer. Returns the offset of
    /// the first byte.
    pub(crate) fn read_behind_gaps(
        &mut self,
        stream: StreamNo,
        range: Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> io::Result<u64> {
        let Range { start: mut at, end } = range;
        let mut begin = at;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX);
            match self.read(stream, at, length, buffer)? {
                Read::Bytes(read) => at += read as u64,
                Read::Gap { next } if next < end => {
                    buffer.clear();
                    (at, begin) = (next, next);
                }
                Read::Gap { .. } | Read::End => break,
            }
        }
        Ok(begin)
    }

    /// Where lines begin, in this text of a stream up to an offset, that nobody sees on a terminal: empty ones that a
    /// cleared screen, or text above them, replaces before anything visible follows.
    pub(crate) fn replaced_lines(
        &mut self,
        stream: StreamNo,
        end: u64,
        text: &[u8],
    ) -> io::Result<Vec<usize>> {
        /// How much of what follows is looked at.
        const FOLLOWING: usize = 4 << 10;
        let is_blank = |line: &[u8]| line.iter().all(|byte| *byte <= b' ');
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let ends_blank = lines.next_back().is_some_and(is_blank);
        if !ends_blank && (is_ordinary(text) || !lines.any(is_blank)) {
            return Ok(vec![]);
        }
        let mut whole = text.to_vec();
        if ends_blank {
            self.read(stream, end, FOLLOWING, &mut whole)?;
        }
        let (mut line, mut held, mut replaced) = (Line::default(), vec![], vec![]);
        let (mut rest, mut begin) = (&whole[..], 0);
        while let Some(end) = line.feed(&mut rest) {
            line.flatten();
            match end {
                _ if line.is_visible() => held.clear(),
                End::Newline => held.push(begin),
                End::Cleared => replaced.append(&mut held),
                End::Moved(up) => replaced.extend(held.drain(held.len().saturating_sub(up)..)),
            }
            line.next_line();
            if end == End::Newline {
                begin = whole.len() - rest.len();
            }
        }
        replaced.retain(|at| *at < text.len());
        replaced.sort_unstable();
        Ok(replaced)
    }

    /// Prepare for reading this range, and then lower ones.
    pub(crate) fn turn_back(&mut self, stream: StreamNo, range: &Range<u64>) -> io::Result<()> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        match self.stream(stream)? {
            Some(at) => self.open[at].1.turn_back(range.end, length),
            None => Ok(()),
        }
    }

    /// The offset of the oldest byte of a stream that still exists.
    pub(crate) fn oldest(&mut self, stream: StreamNo) -> io::Result<u64> {
        match self.stream(stream)? {
            Some(at) => self.open[at].1.reader.start(),
            None => Ok(0),
        }
    }

    /// The line that stands for what the process of this stream draws in the alternate screen.
    pub(crate) fn full_screen(&mut self, stream: StreamNo) -> String {
        full_screen(&self.name(stream).unwrap_or_default())
    }

    /// The name of the process of this stream.
    pub(crate) fn name(&mut self, stream: StreamNo) -> Option<String> {
        // Looks for the names.
        self.slug(stream)?;
        Some(self.names.as_ref()?.get(stream)?.name.to_string())
    }

    /// The place of a stream in the list of open ones; `None` if it is not known.
    fn stream(&mut self, stream: StreamNo) -> io::Result<Option<usize>> {
        if let Some(at) = self.open.iter().position(|(number, _)| *number == stream) {
            return Ok(Some(at));
        }
        let Some(slug) = self.slug(stream) else { return Ok(None) };
        let reader = self.reader(&slug)?;
        self.open.push((stream, Ahead::new(reader)));
        Ok(Some(self.open.len() - 1))
    }

    fn reader(&mut self, slug: &str) -> io::Result<StreamReader> {
        let listings = match &self.listings {
            Some(listings) => listings,
            None => self.listings.insert(Listings::read(&self.dirs, LOG, |_| true)?),
        };
        Ok(StreamReader::listed(&self.dirs, listings.of(slug)))
    }

    fn slug(&mut self, stream: StreamNo) -> Option<String> {
        let known = self.names.as_ref().and_then(|names| names.slug(stream));
        known.or_else(|| {
            self.names = Streams::open(&self.dirs).ok();
            self.names.as_ref().and_then(|names| names.slug(stream))
        })
    }
}

impl Ahead {
    fn new(reader: StreamReader) -> Self {
        Self { reader, start: 0, bytes: vec![], filled: 0, run: (0, 0..0), other: None }
    }

    /// Track how much is read sequentially. Returns whether to start a read-ahead thread here.
    fn is_worth_it(&mut self, offset: u64, length: usize) -> bool {
        let (read, last) = &self.run;
        // A line that was incomplete at the end of the last read is read again from its start, so
        // overlap counts as sequential.
        let read = if last.start < offset && offset <= last.end { *read } else { 0 };
        self.run = (read + length as u64, offset..offset + length as u64);
        // After a thread has ended, the same amount must be read again before another one starts.
        let begin = self.other.is_none() && read >= MUCH;
        if begin {
            self.run.0 = 0;
        }
        begin
    }

    fn read(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> io::Result<Read> {
        let before = buffer.len();
        let mut offset = offset;
        while buffer.len() - before < length {
            let missing = length - (buffer.len() - before);
            let known = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
            let known = known.and_then(|at| self.bytes[..self.filled].get(at..)).unwrap_or(&[]);
            let known = &known[..known.len().min(missing)];
            buffer.extend_from_slice(known);
            offset += known.len() as u64;
            if known.is_empty() && !self.take_block(offset) {
                // Do not read past the start of the next block: the last block no longer contains
                // what lies before it.
                let next = self.other.as_ref().map_or(u64::MAX, |other| other.next);
                let gap = usize::try_from(next.saturating_sub(offset)).unwrap_or(usize::MAX);
                let large = missing >= LARGE || next < u64::MAX;
                let read = if large {
                    self.read_into(offset, missing.min(gap).min(AT_ONCE), buffer)?
                } else {
                    self.refill(offset)?
                };
                match read {
                    Read::Bytes(read) if large => offset += read as u64,
                    Read::Bytes(_) => {}
                    end @ (Read::Gap { .. } | Read::End) if buffer.len() == before => {
                        return Ok(end);
                    }
                    Read::Gap { .. } | Read::End => break,
                }
            }
        }
        Ok(Read::Bytes(buffer.len() - before))
    }

    /// Take the block at this offset from the read-ahead thread.
    fn take_block(&mut self, offset: u64) -> bool {
        let Some(other) = &mut self.other else { return false };
        if offset < other.next && other.next - offset <= BLOCK as u64 {
            return false;
        }
        let block = if other.next == offset { other.blocks.recv().ok() } else { None };
        let Some(Block { bytes, filled }) = block else {
            self.other = None;
            return false;
        };
        other.next += filled as u64;
        let old = std::mem::replace(&mut self.bytes, bytes);
        // If the queue is full there are enough spare buffers.
        let _ = other.back.try_send(old);
        (self.start, self.filled) = (offset, filled);
        true
    }

    /// Read directly into the caller's buffer, without read-ahead and without a second copy.
    fn read_into(&mut self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> io::Result<Read> {
        let before = buffer.len();
        buffer.resize(before + length, 0);
        let read = self.reader.read_at(offset, &mut buffer[before..]);
        buffer.truncate(before + if let Ok(Read::Bytes(read)) = read { read } else { 0 });
        read
    }

    /// Fill the buffer with what lies before `end`, unless it has the last `length` bytes of that.
    fn turn_back(&mut self, end: u64, length: usize) -> io::Result<()> {
        let buffered = self.start..self.start + self.filled as u64;
        let start = end - length as u64;
        if length < LARGE && !(buffered.contains(&start) && end <= buffered.end) {
            self.refill(end.saturating_sub(AHEAD as u64))?;
        }
        Ok(())
    }

    fn refill(&mut self, offset: u64) -> io::Result<Read> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; AHEAD];
        }
        let read = self.reader.read_at(offset, &mut self.bytes[..AHEAD]);
        self.filled = if let Ok(Read::Bytes(read)) = read { read } else { 0 };
        self.start = offset;
        read
    }
}

impl Other {
    /// Start to read at this offset; `None` if no thread can be started.
    fn begin(dirs: &Dirs, slug: &str, offset: u64) -> Option<Self> {
        let (give, blocks) = sync_channel(BLOCKS);
        let (back, buffers) = sync_channel(BLOCKS + 1);
        let (mut reader, mut at) = (StreamReader::open(dirs, slug), offset);
        // Block by block. The receiver finds out by itself why they end.
        let read = move || loop {
            let mut bytes: Vec<u8> = buffers.try_recv().unwrap_or_default();
            if bytes.len() < BLOCK {
                bytes.resize(BLOCK, 0);
            }
            let Ok(Read::Bytes(filled)) = reader.read_at(at, &mut bytes[..BLOCK]) else { return };
            at += filled as u64;
            if filled == 0 || give.send(Block { bytes, filled }).is_err() {
                return;
            }
        };
        std::thread::Builder::new().name("read-ahead".to_owned()).spawn(read).ok()?;
        Some(Self { blocks, next: offset, back })
    }
}

/// Reads the text of one stream, each byte once.
#[derive(Debug)]
pub struct IncrementalReader {
    texts: TextReader,
    stream: StreamNo,
    /// Everything before this offset has been returned.
    given: u64,
    text: Vec<u8>,
}

impl IncrementalReader {
    /// Read this stream of the journal in these directories.
    pub fn new(dirs: &Dirs, stream: StreamNo) -> Self {
        Self { texts: TextReader::new(dirs), stream, given: 0, text: vec![] }
    }

    /// The text of a record, except what was returned before.
    pub fn record(&mut self, record: &Record) -> io::Result<&[u8]> {
        self.range(record.offset, record.end())
    }

    /// Do not return anything before this offset.
    pub fn skip_to(&mut self, offset: u64) {
        self.given = self.given.max(offset);
    }

    /// The bytes between two offsets, as far as they exist and have not been returned before.
    pub fn range(&mut self, start: u64, end: u64) -> io::Result<&[u8]> {
        self.text.clear();
        let mut from = start.max(self.given);
        while from < end {
            let length = usize::try_from(end - from).unwrap_or(usize::MAX);
            match self.texts.read(self.stream, from, length, &mut self.text)? {
                Read::Bytes(read) => from += read as u64,
                Read::Gap { next } => from = next,
                Read::End => break,
            }
        }
        self.given = self.given.max(end);
        Ok(&self.text)
    }
}
