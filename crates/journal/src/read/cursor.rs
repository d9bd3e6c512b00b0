//! Reads the journal, or some of its streams, in the merged order.
//!
//! A cursor belongs to one view. It only reads files, so it never blocks a writer, and a view may
//! stop for hours: when it continues, the cursor counts what retention has deleted meanwhile and
//! reads the rest.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::{fmt, io};

use super::index::{Hole, IndexReader};
use super::stream::Read;
use super::text::TextReader;
use crate::history::OutputStream;
use crate::model::event::Logged;
use crate::model::time::Timestamp;
use crate::model::{ProcName, StreamNo};
use crate::record::{CONTINUES, DRAWN, EVENTS, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::segment::Dirs;
use crate::small;
use crate::streams::{Stream, Streams};
use crate::write::clear;

/// The maximum text in one chunk.
pub const CHUNK: usize = 256 << 10;
/// How many records are read at once.
const BATCH: usize = 512;

/// Which streams to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The numbers of the streams; `None` means all.
    pub streams: Option<Vec<StreamNo>>,
    /// Skip the output and keep only records of other kinds.
    pub no_text: bool,
    /// How to treat streams that are created after the view begins to read.
    pub later: Option<Later>,
    /// If not empty, keep only events about processes with one of these names. The processes of a group are
    /// named one by one, since an event does not tell the groups.
    pub about: Vec<String>,
}

/// Selects streams that did not exist when the view began to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// The highest stream number that was known then.
    known: StreamNo,
    /// The names to include; empty means all.
    words: Vec<String>,
    /// The only kind of streams to include.
    only: Option<OutputStream>,
}

impl Filter {
    /// All streams.
    pub const fn all() -> Self {
        Self { streams: None, no_text: false, later: None, about: vec![] }
    }

    pub const fn only(streams: Vec<StreamNo>) -> Self {
        Self { streams: Some(streams), no_text: false, later: None, about: vec![] }
    }

    /// The streams of the processes with these names, existing or future. Without names: all
    /// streams, including the events of the supervisor.
    pub fn named(names: &[String], streams: &[Stream]) -> Self {
        let is_meant = |stream: &Stream| names.iter().any(|word| stream.is_meant(word));
        let meant = streams.iter().filter(|stream| names.is_empty() || is_meant(stream));
        let events = names.is_empty().then_some(EVENTS);
        let numbers = meant.map(|stream| stream.number).chain(events).collect();
        let known = streams.iter().map(|stream| stream.number).max().unwrap_or(EVENTS);
        let later = Later { known, words: names.to_vec(), only: None };
        Self { later: Some(later), ..Self::only(numbers) }
    }

    /// Keep only standard error, or only the other output of processes.
    #[must_use]
    pub fn only_output(mut self, only: Option<OutputStream>, streams: &[Stream]) -> Self {
        if let (Some(only), Some(wanted)) = (only, &mut self.streams) {
            let is_wanted = |stream: &&Stream| stream.output() == only;
            let numbers: Vec<StreamNo> =
                streams.iter().filter(is_wanted).map(|s| s.number).collect();
            wanted.retain(|number| numbers.contains(number));
            if let Some(later) = &mut self.later {
                later.only = Some(only);
            }
        }
        self
    }

    /// Also include the events about processes with these names.
    #[must_use]
    pub fn and_events_about(mut self, names: &[String], streams: &[Stream]) -> Self {
        if let Some(wanted) = &mut self.streams
            && !names.is_empty()
        {
            wanted.push(EVENTS);
            let meant = streams.iter().filter(|s| names.iter().any(|word| s.is_meant(word)));
            self.about = names.iter().cloned().chain(meant.map(exactly)).collect();
        }
        self
    }

    /// Whether an event with this text is wanted.
    pub(crate) fn wants_event(&self, text: &[u8]) -> bool {
        let is_about =
            |name: &ProcName| self.about.iter().any(|word| name.is_selected_by(word, &[]));
        self.about.is_empty()
            || Logged::from_json(text).is_some_and(|event| event.name().is_some_and(is_about))
    }

    /// Decide about the streams that have been created since the last look, if `stream` is one of
    /// them.
    pub(crate) fn learn(&mut self, stream: StreamNo, dirs: &Dirs) {
        let (Some(later), Some(wanted)) = (&mut self.later, &mut self.streams) else { return };
        if stream <= later.known {
            return;
        }
        // Without the list of streams there are no names to compare. Try again at the next batch.
        let Ok(streams) = Streams::open(dirs) else { return };
        for stream in streams.all().iter().filter(|stream| stream.number > later.known) {
            let is_named = later.words.is_empty() || later.words.iter().any(|w| stream.is_meant(w));
            if is_named && later.only.is_none_or(|only| stream.output() == only) {
                wanted.push(stream.number);
            }
            if is_named && !self.about.is_empty() {
                self.about.push(exactly(stream));
            }
        }
        let last = streams.all().iter().map(|stream| stream.number).max();
        later.known = last.unwrap_or(stream).max(stream);
    }

    /// Whether a record is wanted.
    pub(crate) fn wants(&self, record: &Record) -> bool {
        self.takes(record.stream) && !(self.no_text && record.kind == Kind::Text)
    }

    /// Whether a stream is wanted.
    pub fn takes(&self, stream: StreamNo) -> bool {
        self.streams.as_ref().is_none_or(|streams| streams.contains(&stream))
    }
}

/// The word that selects exactly the process of a stream.
fn exactly(stream: &Stream) -> String {
    format!("={}", stream.name)
}

/// A position in the merged order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    pub record: u64,
    /// How many bytes of that record are before the position.
    pub skip: u32,
}

impl Position {
    /// The beginning of this record.
    pub const fn at(record: u64) -> Self {
        Self { record, skip: 0 }
    }

    /// Encodes the position for a file: the record number, then the bytes to skip, little-endian.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.record.to_le_bytes());
        bytes[8..].copy_from_slice(&self.skip.to_le_bytes());
        bytes
    }

    /// The inverse of [`Position::to_bytes`]; `None` for invalid bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (record, skip) = bytes.split_at_checked(8)?;
        Some(Self {
            record: u64::from_le_bytes(record.try_into().ok()?),
            skip: u32::from_le_bytes(skip.try_into().ok()?),
        })
    }
}

/// `12.34`: the form in which clients receive a position and send it back.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.record, self.skip)
    }
}

/// The text is not a position in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position: two numbers with a dot between them")]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (record, skip) = text.split_once('.').ok_or(BadPosition)?;
        let (Ok(record), Ok(skip)) = (record.parse(), skip.parse()) else {
            return Err(BadPosition);
        };
        Ok(Self { record, skip })
    }
}

/// The result of one step of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The number of the record.
    pub position: u64,
    /// How many bytes of the record come before it.
    pub skip: u32,
    /// The record. If the chunk is only a part of it, offset, length, lines and flags are those of
    /// the part.
    pub record: Record,
    /// How many bytes of the stream were deleted by retention since its last chunk. If
    /// the records are gone too, or no other chunk of the stream follows, an empty [`Kind::Gap`]
    /// reports the loss.
    pub lost: u64,
}

/// A part of a stream that retention has deleted.
#[derive(Debug, Clone, Copy)]
struct Loss {
    bytes: u64,
    /// A gap record of length 0 at the place of the loss. It reports the loss if the stream has no later record
    /// that could.
    gap: Record,
}

/// Reads chunk by chunk.
#[derive(Debug)]
pub struct Cursor {
    index: IndexReader,
    filter: Filter,
    at: Position,
    batch: Vec<Record>,
    first: u64,
    /// Losses per stream that have not been reported yet.
    losses: BTreeMap<StreamNo, Loss>,
    /// Report the losses before the next record.
    reports: bool,
    /// Whether the last part of the record ended within a line.
    within: bool,
    /// Whether to read what programs draw in the alternate screen, instead of one line in its place.
    drawings: bool,
    texts: TextReader,
}

impl Cursor {
    /// Read the journal in these directories, starting at a position.
    pub fn open(dirs: &Dirs, position: Position, filter: Filter) -> Self {
        Self::over(IndexReader::open(dirs), position, filter)
    }

    /// Like `Cursor::open`, with an index reader that the caller already has.
    pub fn over(index: IndexReader, position: Position, filter: Filter) -> Self {
        let texts = TextReader::new(index.dirs());
        Self {
            index,
            filter,
            at: position,
            batch: vec![],
            first: 0,
            losses: BTreeMap::new(),
            reports: false,
            within: false,
            drawings: false,
            texts,
        }
    }

    /// Read all bytes. Otherwise one line stands for what a program draws in the alternate screen.
    #[must_use]
    pub fn with_drawings(self) -> Self {
        Self { drawings: true, ..self }
    }

    /// Let another thread read ahead. Worthwhile for a caller that reads a lot and does not follow
    /// the end.
    #[must_use]
    pub fn in_advance(mut self) -> Self {
        self.texts.in_advance();
        self
    }

    /// The position of the next chunk. A later cursor that starts there continues where this one
    /// stopped.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The index that this cursor reads.
    pub fn index(&mut self) -> &mut IndexReader {
        &mut self.index
    }

    /// Returns the next chunk of a record with a number below `upto` and puts its text, if any,
    /// into `buffer`. `None` at the end.
    pub fn next(&mut self, upto: u64, buffer: &mut Vec<u8>) -> io::Result<Option<Chunk>> {
        buffer.clear();
        while let Some(record) = self.record(upto)? {
            if self.reports
                && let Some(report) = self.report()
            {
                return Ok(Some(report));
            }
            let position = self.at.record;
            let part = match record.kind {
                Kind::Text if record.flags & DRAWN != 0 && !self.drawings => {
                    self.full_screen(&record, buffer)
                }
                Kind::Text | Kind::Event => self.part(&record, buffer)?,
                Kind::Start | Kind::Exit | Kind::End | Kind::Gap => {
                    self.done();
                    Some(record)
                }
            };
            let wanted = record.kind != Kind::Event || self.filter.wants_event(buffer);
            if let Some(part) = part.filter(|_| wanted) {
                let lost = self.losses.remove(&record.stream).map_or(0, |loss| loss.bytes);
                let skip = u32::try_from(part.offset - record.offset).unwrap_or(record.len);
                return Ok(Some(Chunk { position, skip, record: part, lost }));
            }
            buffer.clear();
        }
        // Losses at the very end must be reported too.
        Ok(self.report())
    }

    /// A chunk that reports one pending loss, if there is any.
    fn report(&mut self) -> Option<Chunk> {
        let (_, Loss { bytes, gap }) = self.losses.pop_first()?;
        self.reports = !self.losses.is_empty();
        let position = self.at.record.saturating_sub(1);
        Some(Chunk { position, skip: 0, record: gap, lost: bytes })
    }

    /// Add to the loss of the stream of `near`: `bytes` bytes are missing beside that record. What was cleared is no loss.
    fn lose(&mut self, bytes: u64, near: &Record) {
        if self.at.record < clear::mark(self.index.dirs()) {
            return;
        }
        let gap =
            Record { offset: near.end(), len: 0, lines: 0, kind: Kind::Gap, flags: 0, ..*near };
        let loss = self.losses.entry(near.stream).or_insert(Loss { bytes: 0, gap });
        *loss = Loss { bytes: loss.bytes.saturating_add(bytes), gap };
    }

    /// Go to the next record.
    fn done(&mut self) {
        self.at = Position::at(self.at.record + 1);
        self.within = false;
    }

    /// Whether a stream is wanted, which may have been created since the last look.
    pub fn wants_stream(&mut self, stream: StreamNo) -> bool {
        self.filter.learn(stream, self.index.dirs());
        self.filter.takes(stream)
    }

    /// The record at the current position, or the next one that the filter accepts.
    fn record(&mut self, upto: u64) -> io::Result<Option<Record>> {
        while self.at.record < upto {
            let known = self.at.record.checked_sub(self.first);
            let known = known.and_then(|at| self.batch.get(usize::try_from(at).ok()?));
            match known {
                Some(record) if self.filter.wants(record) => return Ok(Some(*record)),
                Some(_) => self.done(),
                None => {
                    let most = usize::try_from(upto - self.at.record).unwrap_or(BATCH).min(BATCH);
                    let hole = self.index.read(self.at.record, &mut self.batch, most)?;
                    self.first = self.at.record;
                    let highest = self.batch.iter().map(|record| record.stream).max();
                    self.filter.learn(highest.unwrap_or(EVENTS), self.index.dirs());
                    if let Some(hole) = hole {
                        self.fall_into(&hole);
                    }
                    if self.batch.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Count the bytes that the missing records stood for, and continue after the hole.
    fn fall_into(&mut self, hole: &Hole) {
        let time = self.batch.first().map_or(Timestamp::EPOCH, |record| record.time);
        // The first missing record was partly read, but its stream is no longer known. So subtract
        // those bytes from the streams in order.
        let mut read = u64::from(self.at.skip);
        for &(stream, bytes) in &hole.text {
            if !self.filter.takes(stream) {
                continue;
            }
            let known = read.min(bytes);
            read -= known;
            if bytes > known {
                // The offset of the lost bytes within the stream is not known.
                self.lose(bytes - known, &Record::empty(Kind::Gap, stream, time));
            }
        }
        self.reports = !self.losses.is_empty();
        self.first = hole.until;
        self.at = Position::at(hole.until);
        self.within = false;
    }

    /// The line for a drawing, in the place of its first record.
    fn full_screen(&mut self, record: &Record, buffer: &mut Vec<u8>) -> Option<Record> {
        let is_first = record.flags & CONTINUES == 0 && self.at.skip == 0;
        self.done();
        if !is_first {
            return None;
        }
        buffer.extend_from_slice(self.texts.full_screen(record.stream).as_bytes());
        Some(Record { len: small(buffer.len()), lines: 1, flags: DRAWN, ..*record })
    }

    /// Read the rest of a record, up to the size of a chunk; `None` if retention has deleted all of
    /// it.
    fn part(&mut self, record: &Record, buffer: &mut Vec<u8>) -> io::Result<Option<Record>> {
        let mut from = record.offset + u64::from(self.at.skip.min(record.len));
        let rest = |from| usize::try_from(record.end() - from).unwrap_or(usize::MAX).min(CHUNK);
        while from < record.end() {
            match self.texts.read(record.stream, from, rest(from), buffer)? {
                Read::Bytes(_) => break,
                Read::Gap { next } if next < record.end() => {
                    self.lose(next - from, record);
                    from = next;
                }
                Read::Gap { .. } | Read::End => {
                    self.lose(record.end() - from, record);
                    self.done();
                    return Ok(None);
                }
            }
        }
        Ok(Some(self.cut(record, from, buffer)))
    }

    /// See [`TextReader::replaced_lines`]; none if all bytes are wanted.
    pub(crate) fn replaced_lines(&mut self, part: &Record, text: &[u8]) -> io::Result<Vec<usize>> {
        if self.drawings || part.kind != Kind::Text || part.flags & DRAWN != 0 {
            return Ok(vec![]);
        }
        self.texts.replaced_lines(part.stream, part.end(), text)
    }

    /// Make a record for the bytes that were read, and move the position past them.
    fn cut(&mut self, record: &Record, from: u64, buffer: &mut Vec<u8>) -> Record {
        let whole = from == record.offset && buffer.len() == record.len as usize;
        if whole {
            self.done();
            return *record;
        }
        let last = from + buffer.len() as u64 == record.end();
        let mut flags = record.flags & DRAWN;
        if from == record.offset {
            flags |= record.flags & CONTINUES;
        }
        if self.within {
            flags |= CONTINUES;
        }
        if last {
            flags |= record.flags & (UNFINISHED | TO_BE_CONTINUED);
        } else if let Some(end) = memchr::memrchr(b'\n', buffer) {
            buffer.truncate(end + 1);
        } else {
            flags |= TO_BE_CONTINUED;
        }
        let part = Record {
            offset: from,
            len: small(buffer.len()),
            lines: small(memchr::memchr_iter(b'\n', buffer).count()),
            flags,
            ..*record
        };
        if last {
            self.done();
        } else {
            self.at.skip = u32::try_from(part.end() - record.offset).unwrap_or(record.len);
            self.within = flags & TO_BE_CONTINUED != 0;
        }
        part
    }

    /// Read the bytes of one stream from `start` to `end`, as many as exist. Used for unfinished
    /// lines, which have no record yet.
    pub fn read_range(
        &mut self,
        stream: StreamNo,
        start: u64,
        end: u64,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        buffer.clear();
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(CHUNK).min(CHUNK);
        self.texts.read(stream, start, length, buffer).map(drop)
    }
}
