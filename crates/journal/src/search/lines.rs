//! Reads the journal line by line.

use std::collections::HashMap;
use std::io;

use super::pattern::Pattern;
use crate::model::StreamNo;
use crate::read::cursor::{Chunk, Cursor, Position};
use crate::record::{CONTINUES, DRAWN, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::small;

/// A line that is longer than this is returned in parts of this size. Other limits of a line: `LONGEST_RECORD` in
/// `write/split.rs` for a record, `LONGEST_TERMINAL_LINE` in `crates/view/src/rows.rs` for a terminal.
const LONGEST_SEARCH_LINE: usize = 16 << 20;

/// A line, or a record that is not output.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its position. A cursor that begins there starts with this entry.
    pub position: Position,
    /// Its record. For a line, offset, length, lines and flags are those of the line.
    pub record: Record,
    /// The bytes of a line with its newline, or of an event.
    pub text: &'a [u8],
    /// How many bytes of its stream before this entry were deleted by retention.
    pub lost: u64,
}

impl Entry<'_> {
    /// Whether it is a line of a process.
    pub fn is_line(&self) -> bool {
        self.record.kind == Kind::Text
    }
}

/// Splits the chunks of a cursor into lines.
#[derive(Debug)]
pub struct Lines {
    pub(super) cursor: Cursor,
    text: Vec<u8>,
    /// The current chunk, and how much of it has been processed.
    chunk: Option<(Chunk, usize)>,
    /// Whether the pattern can search the chunk as a whole.
    clear: bool,
    /// Lines that began in earlier records, by stream.
    begun: HashMap<StreamNo, Begun>,
    /// A line joined from several records.
    joined: Vec<u8>,
    /// Where lines begin in the chunk that are left out.
    replaced: Vec<usize>,
    split: Split,
}

/// How to split records.
#[derive(Debug, Default)]
pub enum Split {
    /// Not at all: an entry may contain several lines.
    Never,
    /// Into lines.
    #[default]
    Lines,
    /// Into lines, skipping records without any match for this pattern.
    Like(Box<Pattern>),
}

impl Split {
    /// The mode for a search with this pattern, or for all lines.
    pub fn by(pattern: Option<&Pattern>) -> Self {
        pattern.map_or(Self::Lines, |pattern| Self::Like(Box::new(pattern.clone())))
    }
}

#[derive(Debug)]
struct Begun {
    position: Position,
    offset: u64,
    lost: u64,
    bytes: Vec<u8>,
}

/// The place of the next entry's bytes.
enum BytesLocation {
    Chunk(usize, usize),
    /// Joined from several records; where they begin, and how many bytes were lost before that.
    Joined(Position, u64),
}

impl Lines {
    /// Start at the position of the cursor.
    pub fn new(cursor: Cursor, split: Split) -> Self {
        let search = matches!(split, Split::Like(_));
        let cursor = if search { cursor.in_advance() } else { cursor };
        Self {
            cursor,
            text: vec![],
            chunk: None,
            clear: false,
            begun: HashMap::new(),
            joined: vec![],
            replaced: vec![],
            split,
        }
    }

    /// Whether the pattern, if there is one, can search a newly read record as a whole.
    fn is_clear(&self, record: &Record) -> bool {
        match &self.split {
            Split::Like(pattern) => {
                record.kind == Kind::Text
                    && record.flags & (CONTINUES | TO_BE_CONTINUED) == 0
                    && pattern.sees_through(&self.text)
            }
            Split::Never | Split::Lines => false,
        }
    }

    /// The next entry from the records with numbers below `upto`.
    pub fn next(&mut self, upto: u64) -> io::Result<Option<Entry<'_>>> {
        loop {
            let (chunk, at) = match self.chunk.take() {
                Some(taken) => taken,
                None => match self.cursor.next(upto, &mut self.text)? {
                    Some(chunk) => (chunk, 0),
                    None => return Ok(None),
                },
            };
            if at == 0 {
                self.clear = self.is_clear(&chunk.record);
                let takes_empty = match &self.split {
                    Split::Never => false,
                    Split::Lines => true,
                    Split::Like(pattern) => pattern.takes(b"\n", &mut vec![]),
                };
                self.replaced.clear();
                if takes_empty {
                    self.replaced = self.cursor.replaced_lines(&chunk.record, &self.text)?;
                }
            }
            let at = match (&self.split, self.clear) {
                (Split::Like(pattern), true) => match pattern.next(&self.text, at) {
                    Some(line) if line < self.text.len() => line,
                    Some(_) | None => {
                        self.begun.remove(&chunk.record.stream);
                        continue;
                    }
                },
                _ => at,
            };
            let lost = if at == 0 { chunk.lost } else { 0 };
            let skip = chunk.skip.saturating_add(small(at));
            let position = Position { record: chunk.position, skip };
            if chunk.record.kind != Kind::Text || matches!(self.split, Split::Never) {
                let text = &self.text[..];
                return Ok(Some(Entry { position, record: chunk.record, text, lost }));
            }
            if let Some((record, found)) = self.line(&chunk, at, position) {
                if lost == 0 && self.replaced.binary_search(&at).is_ok() {
                    continue;
                }
                let (text, position, lost) = match found {
                    BytesLocation::Chunk(start, end) => (&self.text[start..end], position, lost),
                    BytesLocation::Joined(position, lost) => (&self.joined[..], position, lost),
                };
                return Ok(Some(Entry { position, record, text, lost }));
            }
        }
    }

    /// The next line of a chunk, from `at` on. `None` if the line continues in a later record.
    fn line(
        &mut self,
        chunk: &Chunk,
        at: usize,
        position: Position,
    ) -> Option<(Record, BytesLocation)> {
        let record = chunk.record;
        let rest = &self.text[at..];
        let newline = memchr::memchr(b'\n', rest);
        let end = newline.map_or(self.text.len(), |newline| at + newline + 1);
        if end < self.text.len() {
            self.chunk = Some((*chunk, end));
        }
        let first = at == 0;
        let continues = first && record.flags & CONTINUES != 0 && chunk.lost == 0;
        let goes_on = newline.is_none() && record.flags & TO_BE_CONTINUED != 0;
        let begun = if first { self.begun.remove(&record.stream) } else { None };
        let flags =
            if newline.is_none() && !goes_on { UNFINISHED } else { 0 } | record.flags & DRAWN;
        let offset = record.offset + at as u64;
        let mut begun = match begun.filter(|_| continues) {
            Some(begun) => begun,
            None if goes_on => {
                Begun { position, offset, lost: if first { chunk.lost } else { 0 }, bytes: vec![] }
            }
            None => {
                let line = part_of(record, offset, &self.text[at..end], flags);
                return Some((line, BytesLocation::Chunk(at, end)));
            }
        };
        begun.bytes.extend_from_slice(&self.text[at..end]);
        if goes_on && begun.bytes.len() < LONGEST_SEARCH_LINE {
            self.begun.insert(record.stream, begun);
            return None;
        }
        self.joined = begun.bytes;
        let line = part_of(record, begun.offset, &self.joined, flags);
        Some((line, BytesLocation::Joined(begun.position, begun.lost)))
    }
}

/// A record for one line of another record.
pub(super) fn part_of(record: Record, offset: u64, text: &[u8], flags: u8) -> Record {
    Record { offset, len: small(text.len()), lines: 1, flags, ..record }
}
