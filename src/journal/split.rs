//! Bytes become records.
//!
//! A splitter is fed the bytes of one stream in order, cut anywhere, and says which records they
//! make. It keeps no text: only where lines end, and how far it has looked, so that every byte
//! is looked at once however slowly a line grows.

use std::collections::VecDeque;

use memchr::memmem::Finder;

use super::expect::Expected;
use super::format::Summary;
use super::record::{CONTINUES, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use super::small;
use crate::model::LifeId;
use crate::model::time::Timestamp;
use crate::protocol::marker::{INTRO, LONGEST_SKIP, Look, Marker, held_back, of_one_life};

/// The most bytes that one record of text covers.
pub const MOST: u64 = 1 << 20;

/// The most records of missing bytes in a row: what is still longer (a file whose name is none of
/// ours) is not told to its full length.
const MOST_GAPS: u32 = 1024;

/// How many markers that were given up are still known.
const MOST_LATE: usize = 8;

/// Which marker-like bytes are markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those that the life file announces.
    Announced,
    /// All: there is no life file any more.
    All,
}

/// How a call of [`Splitter::feed`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// Everything is dealt with, less what may become a marker.
    All,
    /// A marker lies here that may have been announced since: the life file must be read, then
    /// the bytes from [`Splitter::position`] on be fed again.
    Ask,
}

/// Splits one stream.
#[derive(Debug)]
pub struct Splitter {
    stream: u16,
    trust: Trust,
    life: Option<LifeId>,
    /// The first byte that has no record yet.
    open: u64,
    /// Behind the last newline from there on.
    whole: u64,
    /// How many lines end up to there.
    lines: u32,
    /// Everything before has been looked at.
    scanned: u64,
    /// The first byte continues a line that was too long for one record.
    continues: bool,
    skipping: Option<Skipping>,
    expected: VecDeque<Waiting>,
    /// The newest that were given up, should they come after all.
    late: VecDeque<Expected>,
    /// The highest that has a record.
    marked: u64,
    known: u64,
    /// Markers that lie before this one and were not announced by now never will be.
    asked: u64,
    nonce: Option<u64>,
    finder: Finder<'static>,
}

/// A marker that was found; what belongs to it is still coming.
#[derive(Debug)]
struct Skipping {
    marker: Expected,
    start: u64,
    until: u64,
    cut: bool,
}

/// Where a marker that never came belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Where the stream ends: what is printed from now on comes behind it.
    Here,
    /// Before the line that is just being printed, which nobody ends.
    Before,
}

#[derive(Debug)]
struct Waiting {
    marker: Expected,
    given_up: Option<Lost>,
}

enum Found {
    Nothing,
    Marker(Marker, usize),
    Ask,
}

impl Splitter {
    /// A splitter that goes on at `position`, where the stream stood as `summary` says.
    pub fn new(summary: &Summary, position: u64, trust: Trust) -> Self {
        Self {
            stream: summary.stream,
            trust,
            life: summary.life,
            open: position,
            whole: position,
            lines: 0,
            scanned: position,
            continues: summary.flags & TO_BE_CONTINUED != 0,
            skipping: None,
            expected: VecDeque::new(),
            late: VecDeque::new(),
            marked: 0,
            known: 0,
            asked: 0,
            nonce: None,
            finder: Finder::new(INTRO),
        }
    }

    /// The offset of the byte that must be fed next.
    pub fn position(&self) -> u64 {
        self.scanned
    }

    /// The offset up to which everything has a record.
    pub fn indexed(&self) -> u64 {
        self.skipping.as_ref().map_or(self.open, |skipping| skipping.start)
    }

    /// The unfinished line, if there is one.
    pub fn partial(&self) -> Option<(u64, u64)> {
        (self.skipping.is_none() && self.scanned > self.whole).then_some((self.whole, self.scanned))
    }

    /// A marker will come.
    pub fn expect(&mut self, marker: Expected) {
        self.known = self.known.max(marker.seq);
        self.expected.push_back(Waiting { marker, given_up: None });
    }

    /// A marker can come no more, or no more of it.
    pub fn give_up(&mut self, seq: u64, lost: Lost) {
        if let Some(skipping) = self.skipping.as_mut().filter(|s| s.marker.seq == seq) {
            skipping.cut = true;
        }
        for waiting in self.expected.iter_mut().filter(|waiting| waiting.marker.seq == seq) {
            waiting.given_up = Some(lost);
        }
    }

    /// Whether something waits for the end of what is there ([`Splitter::settle`]).
    pub fn unsettled(&self) -> bool {
        match &self.skipping {
            Some(skipping) => skipping.cut,
            None => self.expected.front().is_some_and(|waiting| waiting.given_up.is_some()),
        }
    }

    /// Whether what waits for the end of what is there ends it: nothing may be held back then.
    pub fn ends_here(&self) -> bool {
        match &self.skipping {
            Some(skipping) => skipping.cut,
            None => self.expected.front().is_some_and(|w| w.given_up == Some(Lost::Here)),
        }
    }

    /// Take the bytes at [`Splitter::position`]. `closed` says that what lies behind them, if
    /// anything ever will, does not continue them: then nothing is held back.
    pub fn feed(&mut self, bytes: &[u8], closed: bool, out: &mut Vec<Record>) -> Fed {
        let mut rest = bytes;
        loop {
            let (text, found) = self.find(rest, closed);
            self.take(&rest[..text], out);
            rest = &rest[text..];
            match found {
                Found::Nothing => return Fed::All,
                Found::Ask => {
                    // All of this was there before the life file is read now.
                    self.asked = self.scanned + rest.len() as u64;
                    return Fed::Ask;
                }
                Found::Marker(marker, len) => {
                    self.begin_marker(marker, len, out);
                    rest = &rest[len..];
                }
            }
        }
    }

    /// Look for the next marker: how many bytes of text come first, and what is there then.
    fn find(&self, bytes: &[u8], closed: bool) -> (usize, Found) {
        let mut from = 0;
        while let Some(at) = self.finder.find(&bytes[from..]).map(|at| from + at) {
            match Marker::look(&bytes[at..]) {
                Look::Whole(marker, len) => match self.judge(marker, self.scanned + at as u64) {
                    Some(found) => return (at, found(marker, len)),
                    None => from = at + 1,
                },
                Look::Partly if !closed => return (at, Found::Nothing),
                Look::Partly | Look::No => from = at + 1,
            }
        }
        let held = if closed { 0 } else { held_back(&bytes[from..]) };
        (bytes.len() - held, Found::Nothing)
    }

    /// Whether these bytes are a marker; `None` if they are text.
    fn judge(&self, marker: Marker, at: u64) -> Option<fn(Marker, usize) -> Found> {
        if marker.skip > LONGEST_SKIP {
            return None;
        }
        let mut known = self.expected.iter().map(|one| &one.marker).chain(&self.late);
        if known.any(|one| one.is(marker)) {
            return Some(Found::Marker);
        }
        match self.trust {
            Trust::All => Some(Found::Marker),
            Trust::Announced if marker.seq > self.known && at >= self.asked => {
                Some(|_, _| Found::Ask)
            }
            Trust::Announced => None,
        }
    }

    fn begin_marker(&mut self, marker: Marker, len: usize, out: &mut Vec<Record>) {
        self.end_marker(out);
        self.close(out);
        let announced = self.expected.iter().position(|waiting| waiting.marker.is(marker));
        let marker_of = match announced {
            Some(at) => {
                // Those before it never came: the one that did proves it.
                for _ in 0..at {
                    self.pop_absent(self.scanned, out);
                }
                self.expected.pop_front().map(|waiting| waiting.marker)
            }
            None => None,
        };
        let marker_of = marker_of.or_else(|| self.belated(marker));
        let start = self.scanned;
        self.scanned += len as u64;
        self.skipping = Some(Skipping {
            marker: marker_of.unwrap_or_else(|| self.unannounced(marker)),
            start,
            until: self.scanned + u64::from(marker.skip),
            cut: false,
        });
        if marker.skip == 0 {
            self.end_marker(out);
        }
    }

    /// A marker that was given up has its record already: nothing is told a second time.
    fn belated(&mut self, marker: Marker) -> Option<Expected> {
        let at = self.late.iter().position(|old| old.is(marker))?;
        let old = self.late.remove(at)?;
        let life = self.life.unwrap_or(old.life);
        Some(Expected { seq: self.marked, kind: Kind::End, value: 0, life, ..old })
    }

    /// What a marker without its life file can still tell: another nonce is another life.
    fn unannounced(&mut self, marker: Marker) -> Expected {
        let first = !self.nonce.is_some_and(|nonce| of_one_life(nonce, marker.nonce));
        self.nonce = Some(marker.nonce);
        Expected {
            seq: marker.seq,
            nonce: marker.nonce,
            kind: if first { Kind::Start } else { Kind::End },
            value: 0,
            life: self.life.filter(|_| !first).unwrap_or_else(|| LifeId::after(self.life)),
        }
    }

    /// The marker's bytes are complete, or cut short.
    fn end_marker(&mut self, out: &mut Vec<Record>) {
        if let Some(Skipping { marker, start, .. }) = self.skipping.take() {
            (self.open, self.whole) = (self.scanned, self.scanned);
            self.mark(marker, (start, self.scanned), out);
        }
    }

    /// The record of a marker.
    fn mark(&mut self, marker: Expected, (start, end): (u64, u64), out: &mut Vec<Record>) {
        self.life = Some(marker.life);
        self.marked = self.marked.max(marker.seq);
        out.push(Record {
            seq: u32::try_from(marker.seq).unwrap_or(u32::MAX),
            value: marker.value,
            ..self.record(marker.kind, start, end)
        });
    }

    /// The next expected marker never came.
    fn pop_absent(&mut self, at: u64, out: &mut Vec<Record>) {
        if let Some(Waiting { marker, .. }) = self.expected.pop_front() {
            self.mark(marker, (at, at), out);
        }
    }

    /// Everything that is there has been fed: end what was only waiting for that.
    pub fn settle(&mut self, out: &mut Vec<Record>) {
        while self.unsettled() {
            if self.skipping.is_some() {
                self.end_marker(out);
            } else {
                match self.expected.front().and_then(|waiting| waiting.given_up) {
                    Some(Lost::Before) => self.flush(out),
                    Some(Lost::Here) | None => self.close(out),
                }
                self.late.extend(self.expected.front().map(|waiting| waiting.marker));
                if self.late.len() > MOST_LATE {
                    self.late.pop_front();
                }
                self.pop_absent(self.open, out);
            }
        }
    }

    /// Bytes are missing up to `next`, or, if that is the position, nobody knows how many.
    pub fn gap(&mut self, next: u64, out: &mut Vec<Record>) {
        self.end_marker(out);
        self.close(out);
        for _ in 0..MOST_GAPS {
            let until = next.min(self.scanned.saturating_add(u64::from(u32::MAX)));
            out.push(self.record(Kind::Gap, self.scanned, until));
            self.scanned = until.max(self.scanned);
            if self.scanned >= next {
                break;
            }
        }
        self.scanned = self.scanned.max(next);
        (self.open, self.whole) = (self.scanned, self.scanned);
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<Record>) {
        let mut text = bytes;
        if let Some(skipping) = &self.skipping {
            let skip = usize::try_from(skipping.until - self.scanned).unwrap_or(usize::MAX);
            let skip = skip.min(text.len());
            self.scanned += skip as u64;
            text = &text[skip..];
            if self.scanned < skipping.until {
                return;
            }
            self.end_marker(out);
        }
        while !text.is_empty() {
            let room = usize::try_from(MOST - (self.scanned - self.open)).unwrap_or(usize::MAX);
            let (piece, later) = text.split_at(room.min(text.len()));
            if let Some(last) = memchr::memrchr(b'\n', piece) {
                self.lines += small(memchr::memchr_iter(b'\n', &piece[..=last]).count());
                self.whole = self.scanned + last as u64 + 1;
            }
            self.scanned += piece.len() as u64;
            if self.scanned - self.open >= MOST {
                self.overflow(out);
            }
            text = later;
        }
    }

    /// The record is full.
    fn overflow(&mut self, out: &mut Vec<Record>) {
        if self.whole > self.open {
            self.flush(out);
        } else {
            self.text(self.scanned, TO_BE_CONTINUED, out);
            self.continues = true;
            self.whole = self.scanned;
        }
    }

    /// Give the whole lines that are there their record.
    pub fn flush(&mut self, out: &mut Vec<Record>) {
        if self.skipping.is_none() && self.whole > self.open {
            self.text(self.whole, 0, out);
        }
    }

    /// The same for everything there is, the unfinished line too: nothing will continue it.
    fn close(&mut self, out: &mut Vec<Record>) {
        let flags = if self.scanned > self.whole { UNFINISHED } else { 0 };
        if self.scanned > self.open {
            self.text(self.scanned, flags, out);
        }
        self.whole = self.scanned;
        self.continues = false;
    }

    fn text(&mut self, end: u64, flags: u8, out: &mut Vec<Record>) {
        let flags = if self.continues { flags | CONTINUES } else { flags };
        let lines = std::mem::take(&mut self.lines);
        out.push(Record { lines, flags, ..self.record(Kind::Text, self.open, end) });
        self.open = end;
        self.continues = false;
    }

    /// A record without a time.
    fn record(&self, kind: Kind, offset: u64, end: u64) -> Record {
        let len = u32::try_from(end - offset).unwrap_or(u32::MAX);
        let empty = Record::empty(kind, self.stream, Timestamp::EPOCH);
        Record { offset, len, life: self.life, ..empty }
    }
}
