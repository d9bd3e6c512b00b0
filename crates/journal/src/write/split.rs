//! Turns bytes into records.
//!
//! A splitter is fed the bytes of one stream in order, cut anywhere, and returns their records. It
//! keeps no text, only the ends of lines and how far it has scanned. So each byte is scanned once,
//! however slowly a line grows.

use std::collections::VecDeque;

use memchr::memmem::Finder;

use super::expected_markers::Expected;
use super::screen_switch::{self, Screen};
use crate::format::Summary;
use crate::model::terminal::escape::{Scanner, Token};
use crate::model::time::Timestamp;
use crate::model::{LifeId, StreamNo};
use crate::protocol::marker::{INTRO, LONGEST_SKIP, Marker, MarkerStart, held_back, of_one_life};
use crate::record::{CONTINUES, DRAWN, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::small;

/// The maximum number of bytes in one text record; a longer line is split (see `overflow`). Other limits of a
/// line: `LONGEST_SEARCH_LINE` in `search/lines.rs` for a search, `LONGEST_TERMINAL_LINE` in `crates/view/src/rows.rs` for a
/// terminal.
pub const LONGEST_RECORD: u64 = 1 << 20;

/// Blank lines of this many bytes get a record even if nothing has followed them yet.
const LONGEST_BLANK: u64 = 4 << 10;

/// The maximum number of consecutive gap records. A longer gap (caused by a foreign file with a
/// name like ours) is not recorded in full.
const MOST_GAPS: u32 = 1024;

/// How many of the markers that were given up are remembered.
const MOST_LATE: usize = 8;

/// Which bytes that look like a marker count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerTrust {
    /// Those that the life file announces.
    Announced,
    /// All of them: the life file no longer exists.
    All,
    /// None: markers are in another stream of the process.
    Never,
}

/// How a call of [`Splitter::feed`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// Everything was processed, except bytes that may be the beginning of a marker.
    All,
    /// There is a marker here that may have been announced since. The caller must read the life
    /// file, then feed the bytes from [`Splitter::position`] again.
    Ask,
    /// There is a marker of this kind here. See [`Splitter::stop_at_markers`].
    Marker(Kind),
}

/// Splits one stream.
#[derive(Debug)]
pub struct Splitter {
    stream: StreamNo,
    trust: MarkerTrust,
    life: Option<LifeId>,
    /// Offset of the first byte without a record.
    open: u64,
    /// Offset after the last newline.
    whole: u64,
    /// Number of lines that end between `open` and `whole`.
    lines: u32,
    /// Everything before this offset has been scanned.
    scanned: u64,
    /// Whether the byte at `open` continues a line that was too long for one record.
    continues: bool,
    /// The blank lines at the end.
    blank: Option<Blank>,
    screen: Screen,
    skipping: Option<Skipping>,
    expected: VecDeque<Waiting>,
    /// The newest markers that were given up, in case they arrive after all.
    late: VecDeque<Expected>,
    /// The highest sequence number of a marker that has a record.
    marked: u64,
    known: u64,
    /// All bytes before this offset had arrived when the life file was last read. So a marker among
    /// them that was not announced then never will be.
    asked: u64,
    nonce: Option<u64>,
    /// Whether to stop before each marker.
    stops: bool,
    /// The offset of the marker that may be passed.
    passes: Option<u64>,
    finder: Finder<'static>,
}

/// Blank lines at the end of the output. They get no record until something visible follows, the process ends or a
/// message about it comes: the next output may clear the screen, and a terminal would then never have shown them.
#[derive(Debug)]
struct Blank {
    /// Offset of the first of these lines.
    start: u64,
    /// How many of them have ended.
    lines: u32,
    /// The state of the terminal after them.
    scanner: Scanner,
}

/// A marker that was found, while the rest of its bytes is still arriving.
#[derive(Debug)]
struct Skipping {
    marker: Expected,
    start: u64,
    until: u64,
    cut: bool,
}

/// Where to record a marker that never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// At the end of the stream: output from now on comes after it.
    Here,
    /// Before the unfinished line, which will never get its newline.
    Before,
}

#[derive(Debug)]
struct Waiting {
    marker: Expected,
    given_up: Option<Lost>,
}

enum MarkerMatch {
    Nothing,
    Marker(Marker, usize),
    Ask,
}

impl Blank {
    /// Add text. Returns whether it is blank as well.
    fn add(&mut self, mut text: &[u8]) -> bool {
        self.lines += small(memchr::memchr_iter(b'\n', text).count());
        while let Some(token) = self.scanner.next(&mut text) {
            if let Token::Text(text) = token
                && !text.iter().all(|byte| matches!(byte, b' ' | b'\t'))
            {
                return false;
            }
        }
        true
    }
}

impl Splitter {
    /// A splitter that continues at `position`; `summary` is the state of the stream there.
    pub fn new(summary: &Summary, position: u64, trust: MarkerTrust) -> Self {
        Self {
            stream: summary.stream,
            trust,
            life: summary.life,
            open: position,
            whole: position,
            lines: 0,
            scanned: position,
            continues: summary.flags & TO_BE_CONTINUED != 0,
            blank: None,
            screen: Screen::new(summary.flags & DRAWN != 0 && summary.flags & TO_BE_CONTINUED != 0),
            skipping: None,
            expected: VecDeque::new(),
            late: VecDeque::new(),
            marked: 0,
            known: 0,
            asked: 0,
            nonce: None,
            stops: false,
            passes: None,
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

    /// Stop before each marker, until [`Splitter::pass_marker`] is called: the other stream of the process has to be
    /// indexed up to there.
    pub fn stop_at_markers(&mut self) {
        self.stops = true;
    }

    /// Continue with the marker at [`Splitter::position`].
    pub fn pass_marker(&mut self) {
        self.passes = Some(self.scanned);
    }

    /// The life that the bytes at [`Splitter::position`] belong to.
    pub fn life(&self) -> Option<LifeId> {
        self.life
    }

    /// Set that life, for a stream without markers.
    pub fn set_life(&mut self, life: Option<LifeId>) {
        self.life = life;
    }

    /// Whether the next marker is the start of a life.
    pub fn awaits_start(&self) -> bool {
        self.expected.front().is_some_and(|waiting| waiting.marker.kind == Kind::Start)
    }

    /// Whether the start of a life is announced and has no record yet.
    pub fn announces_start(&self) -> bool {
        self.expected.iter().any(|waiting| waiting.marker.kind == Kind::Start)
    }

    /// The sequence number of the start of this life, if that is announced and has no record yet.
    pub fn announced_start(&self, life: LifeId) -> Option<u64> {
        let arriving = self.skipping.iter().map(|skipping| &skipping.marker);
        let markers = self.expected.iter().map(|waiting| &waiting.marker).chain(arriving);
        let mut starts = markers.filter(|marker| marker.kind == Kind::Start);
        starts.find(|start| start.life == life).map(|start| start.seq)
    }

    /// The unfinished line, if there is one.
    pub fn partial(&self) -> Option<(u64, u64)> {
        (self.skipping.is_none() && self.scanned > self.whole).then_some((self.whole, self.scanned))
    }

    /// Whether the output ends in blank lines that have no record yet. Then the unfinished line is blank, too.
    pub const fn ends_blank(&self) -> bool {
        self.blank.is_some()
    }

    /// Whether the program draws in the alternate screen, so that its output is not lines.
    pub const fn draws(&self) -> bool {
        self.screen.drawn
    }

    /// Announce a marker.
    pub fn expect(&mut self, marker: Expected) {
        self.known = self.known.max(marker.seq);
        self.expected.push_back(Waiting { marker, given_up: None });
    }

    /// Give up a marker that cannot arrive any more, or whose remaining bytes cannot.
    pub fn give_up(&mut self, seq: u64, lost: Lost) {
        if let Some(skipping) = self.skipping.as_mut().filter(|s| s.marker.seq == seq) {
            skipping.cut = true;
        }
        for waiting in self.expected.iter_mut().filter(|waiting| waiting.marker.seq == seq) {
            waiting.given_up = Some(lost);
        }
    }

    /// Whether a given-up marker waits for the end of the output ([`Splitter::settle`]).
    pub fn unsettled(&self) -> bool {
        match &self.skipping {
            Some(skipping) => skipping.cut,
            None => self.expected.front().is_some_and(|waiting| waiting.given_up.is_some()),
        }
    }

    /// Whether a given-up marker ends everything before it, unfinished lines too. Then nothing may
    /// be held back.
    pub fn ends_here(&self) -> bool {
        match &self.skipping {
            Some(skipping) => skipping.cut,
            None => self.expected.front().is_some_and(|w| w.given_up == Some(Lost::Here)),
        }
    }

    /// Process the bytes at [`Splitter::position`]. `closed` means that later bytes, if there are
    /// any, do not continue these; then nothing is held back.
    pub fn feed(&mut self, bytes: &[u8], closed: bool, out: &mut Vec<Record>) -> Fed {
        let mut rest = bytes;
        loop {
            let (text, found) = self.find_marker(rest, closed);
            self.take(&rest[..text], out);
            rest = &rest[text..];
            match found {
                MarkerMatch::Nothing => return Fed::All,
                MarkerMatch::Ask => {
                    // The caller reads the life file after these bytes were written: a marker in
                    // them that is unannounced even then is ordinary text.
                    self.asked = self.scanned + rest.len() as u64;
                    return Fed::Ask;
                }
                MarkerMatch::Marker(marker, _)
                    if self.stops && self.passes != Some(self.scanned) =>
                {
                    return Fed::Marker(self.kind_of(marker));
                }
                MarkerMatch::Marker(marker, len) => {
                    self.begin_marker(marker, len, out);
                    rest = &rest[len..];
                }
            }
        }
    }

    /// Look for the next marker. Returns how many bytes of text precede it, and what follows them.
    fn find_marker(&self, bytes: &[u8], closed: bool) -> (usize, MarkerMatch) {
        if self.trust == MarkerTrust::Never {
            return (bytes.len(), MarkerMatch::Nothing);
        }
        let mut from = 0;
        while let Some(at) = self.finder.find(&bytes[from..]).map(|at| from + at) {
            match Marker::parse_start(&bytes[at..]) {
                MarkerStart::Whole(marker, len) => {
                    match self.judge(marker, self.scanned + at as u64) {
                        Some(found) => return (at, found(marker, len)),
                        None => from = at + 1,
                    }
                }
                MarkerStart::Partly if !closed => return (at, MarkerMatch::Nothing),
                MarkerStart::Partly | MarkerStart::No => from = at + 1,
            }
        }
        let rest = &bytes[from..];
        let held = if closed { 0 } else { held_back(rest).max(screen_switch::held_back(rest)) };
        (bytes.len() - held, MarkerMatch::Nothing)
    }

    /// Whether these bytes are a marker; `None` if they are text.
    fn judge(&self, marker: Marker, at: u64) -> Option<fn(Marker, usize) -> MarkerMatch> {
        if marker.skip > LONGEST_SKIP {
            return None;
        }
        let mut known = self.expected.iter().map(|one| &one.marker).chain(&self.late);
        if known.any(|one| one.is(marker)) {
            return Some(MarkerMatch::Marker);
        }
        match self.trust {
            MarkerTrust::All => Some(MarkerMatch::Marker),
            MarkerTrust::Announced if marker.seq > self.known && at >= self.asked => {
                Some(|_, _| MarkerMatch::Ask)
            }
            MarkerTrust::Announced | MarkerTrust::Never => None,
        }
    }

    fn kind_of(&self, marker: Marker) -> Kind {
        let mut known = self.expected.iter().map(|one| &one.marker).chain(&self.late);
        match known.find(|one| one.is(marker)) {
            Some(known) => known.kind,
            None if self.is_first(marker) => Kind::Start,
            None => Kind::End,
        }
    }

    /// Whether this is the first marker of its life.
    fn is_first(&self, marker: Marker) -> bool {
        !self.nonce.is_some_and(|nonce| of_one_life(nonce, marker.nonce))
    }

    fn begin_marker(&mut self, marker: Marker, len: usize, out: &mut Vec<Record>) {
        self.end_marker(out);
        self.close(out);
        let announced = self.expected.iter().position(|waiting| waiting.marker.is(marker));
        let marker_of = match announced {
            Some(at) => {
                // A later marker proves that the expected ones before it never arrived.
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

    /// A marker that was given up has a record already. If it arrives nevertheless, its bytes
    /// become a neutral record that repeats the last sequence number: nothing is reported twice.
    fn belated(&mut self, marker: Marker) -> Option<Expected> {
        let at = self.late.iter().position(|old| old.is(marker))?;
        let old = self.late.remove(at)?;
        let life = self.life.unwrap_or(old.life);
        Some(Expected { seq: self.marked, kind: Kind::End, value: 0, life, ..old })
    }

    /// Reconstruct what a marker without a life file still reveals: a different nonce means a
    /// different life.
    fn unannounced(&mut self, marker: Marker) -> Expected {
        let first = self.is_first(marker);
        self.nonce = Some(marker.nonce);
        Expected {
            seq: marker.seq,
            nonce: marker.nonce,
            kind: if first { Kind::Start } else { Kind::End },
            value: 0,
            life: self.life.filter(|_| !first).unwrap_or_else(|| LifeId::after(self.life)),
        }
    }

    /// End the current marker, complete or cut off.
    fn end_marker(&mut self, out: &mut Vec<Record>) {
        if let Some(Skipping { marker, start, .. }) = self.skipping.take() {
            (self.open, self.whole) = (self.scanned, self.scanned);
            self.mark(marker, (start, self.scanned), out);
        }
    }

    fn mark(&mut self, marker: Expected, (start, end): (u64, u64), out: &mut Vec<Record>) {
        self.life = Some(marker.life);
        if std::mem::take(&mut self.screen).drawn {
            self.continues = false;
        }
        self.marked = self.marked.max(marker.seq);
        out.push(Record {
            seq: u32::try_from(marker.seq).unwrap_or(u32::MAX),
            value: marker.value,
            ..self.record(marker.kind, start, end)
        });
    }

    /// Give the next expected marker, which never arrived, an empty record.
    fn pop_absent(&mut self, at: u64, out: &mut Vec<Record>) {
        if let Some(Waiting { marker, .. }) = self.expected.pop_front() {
            self.mark(marker, (at, at), out);
        }
    }

    /// Call when all existing bytes have been fed: records the markers that waited for the end of the output.
    pub fn settle(&mut self, out: &mut Vec<Record>) {
        while self.unsettled() {
            if self.skipping.is_some() {
                self.end_marker(out);
            } else {
                match self.expected.front().and_then(|waiting| waiting.given_up) {
                    Some(Lost::Before) => self.flush_blank(out),
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

    /// Record missing bytes up to `next`. If that is the current position, their number is unknown.
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
        // Standard error that is kept apart is not a terminal.
        while self.trust != MarkerTrust::Never
            && let Some(at) = self.screen.switch(text)
        {
            let (piece, later) = text.split_at(at);
            self.take_text(piece, out);
            self.close(out);
            self.screen = Screen::new(!self.screen.drawn);
            text = later;
        }
        self.take_text(text, out);
    }

    fn take_text(&mut self, mut text: &[u8], out: &mut Vec<Record>) {
        while !text.is_empty() {
            let room =
                usize::try_from(LONGEST_RECORD - (self.scanned - self.open)).unwrap_or(usize::MAX);
            let (piece, later) = text.split_at(room.min(text.len()));
            self.blank = if self.screen.drawn { None } else { self.blank_after(piece) };
            if self.screen.drawn {
                self.whole = self.scanned + piece.len() as u64;
            } else if let Some(last) = memchr::memrchr(b'\n', piece) {
                self.lines += small(memchr::memchr_iter(b'\n', &piece[..=last]).count());
                self.whole = self.scanned + last as u64 + 1;
            }
            self.scanned += piece.len() as u64;
            if self.scanned - self.open >= LONGEST_RECORD {
                self.overflow(out);
            }
            text = later;
        }
    }

    /// The blank lines at the end, once this text is added.
    fn blank_after(&mut self, text: &[u8]) -> Option<Blank> {
        if let Some(mut blank) = self.blank.take()
            && blank.add(text)
        {
            return Some(blank);
        }
        let blank_at = |start| Blank {
            start: self.scanned + start as u64,
            lines: 0,
            scanner: Scanner::default(),
        };
        let is_within_line = self.scanned > self.whole || self.continues && self.whole == self.open;
        let mut start = text.len();
        while start > 0 {
            let line = memchr::memrchr(b'\n', &text[..start - 1]).map_or(0, |newline| newline + 1);
            if line == 0 && is_within_line || !blank_at(line).add(&text[line..start]) {
                break;
            }
            start = line;
        }
        let mut blank = blank_at(start);
        (start < text.len() && blank.add(&text[start..])).then_some(blank)
    }

    /// The record has reached its maximum size.
    fn overflow(&mut self, out: &mut Vec<Record>) {
        if self.whole > self.open {
            self.flush(out);
        } else {
            self.text(self.scanned, TO_BE_CONTINUED, out);
            self.continues = true;
            self.whole = self.scanned;
        }
    }

    /// Make a record for the complete lines, except blank ones at the end.
    pub fn flush(&mut self, out: &mut Vec<Record>) {
        let held = self.blank.as_ref().filter(|blank| self.scanned - blank.start < LONGEST_BLANK);
        let (end, later) = held.map_or((self.whole, 0), |blank| (blank.start, blank.lines));
        if self.skipping.is_none() && end > self.open {
            self.lines -= later;
            self.text(end, if self.screen.drawn { TO_BE_CONTINUED } else { 0 }, out);
            // An unfinished line is never drawn: it is shown as it grows.
            self.continues = self.screen.drawn;
            self.lines = later;
        }
    }

    /// Make a record for the complete lines, including blank ones at the end.
    pub fn flush_blank(&mut self, out: &mut Vec<Record>) {
        self.blank = None;
        self.flush(out);
    }

    /// Make a record for everything, including the unfinished line, which nothing will continue.
    pub fn close(&mut self, out: &mut Vec<Record>) {
        let flags = if self.scanned > self.whole { UNFINISHED } else { 0 };
        if self.scanned > self.open {
            self.text(self.scanned, flags, out);
        }
        self.whole = self.scanned;
        self.continues = false;
        self.blank = None;
    }

    fn text(&mut self, end: u64, flags: u8, out: &mut Vec<Record>) {
        let flags = if self.continues { flags | CONTINUES } else { flags };
        let (drawn, first) = (self.screen.drawn, u32::from(!self.continues));
        let flags = if drawn { flags | DRAWN } else { flags };
        // A drawing counts as one line.
        let lines = if drawn { first } else { std::mem::take(&mut self.lines) };
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
