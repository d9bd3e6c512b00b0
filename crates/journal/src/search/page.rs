//! Reads entries before or after a position, in steps of limited cost.
//!
//! An entry is a line or a record of another kind. Its address is the position where it begins. Both directions
//! return the same entries with the same addresses. Therefore a line over 1 MiB comes in parts, one for each
//! of its records, whereas [`super::lines::Lines`] joins them.

use std::collections::HashMap;
use std::io;

use super::lines::{Entry, part_of};
use super::pattern::Pattern;
use super::select::{Kept, Selection};
use crate::model::StreamNo;
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::read::query::tail_or_all;
use crate::read::text::TextReader;
use crate::read::words::{entry_words, searched_words};
use crate::record::{CONTINUES, DRAWN, EVENTS, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::small;

/// How many records are read at once, at first and at most: a page mostly needs few.
const BATCHES: (usize, usize) = (64, 4096);
/// The cost of a lookup of deleted text in the budget: it reads no text, but directories.
const MISS: u64 = 4 << 10;

/// What a step looks for, and when it ends.
#[derive(Debug, Clone)]
pub struct Want {
    /// How many entries to return.
    pub entries: usize,
    /// Return no more entries once their text has this many bytes.
    pub bytes: usize,
    /// Stop after reading about this many bytes of index and text.
    pub budget: u64,
    /// The pattern that selects entries.
    pub pattern: Option<Pattern>,
}

impl Want {
    /// This many entries, without other limits.
    pub fn entries(entries: usize) -> Self {
        Self { entries, bytes: usize::MAX, budget: u64::MAX, pattern: None }
    }
}

/// The result of one step, or of several.
#[derive(Debug, Default)]
pub struct PageStep<T = Kept> {
    /// The entries, always in the order of the journal.
    pub entries: Vec<T>,
    /// Where the next step in the same direction continues. Everything between the start of this step and
    /// here was examined.
    pub reached: Position,
    /// Whether there is nothing left in this direction.
    pub end: bool,
}

/// Reads a journal in both directions.
#[derive(Debug)]
pub struct Pager {
    index: IndexReader,
    filter: Filter,
    texts: TextReader,
    /// The text of the present record, as far as it exists.
    text: Vec<u8>,
    /// The offset of the oldest byte of each stream.
    oldest: HashMap<StreamNo, u64>,
    scratch: Vec<u8>,
    /// Where lines begin in the text that are left out.
    replaced: Vec<usize>,
    /// See [`Pager::with_replaced`].
    keeps_replaced: bool,
}

struct StepProgress<'a> {
    want: &'a Want,
    found: Vec<Kept>,
    bytes: usize,
    read: u64,
}

impl StepProgress<'_> {
    fn new(want: &Want) -> StepProgress<'_> {
        StepProgress { want, found: vec![], bytes: 0, read: 0 }
    }

    /// How many entries are still wanted.
    fn room(&self) -> usize {
        if self.bytes >= self.want.bytes { 0 } else { self.want.entries - self.found.len() }
    }

    /// Add an entry; false if the step is full with it.
    fn push(&mut self, entry: Kept) -> bool {
        self.bytes += entry.entry().text.len();
        self.found.push(entry);
        self.room() > 0
    }

    fn is_over_budget(&self) -> bool {
        self.read >= self.want.budget
    }

    fn step(self, reached: Position, end: bool) -> PageStep {
        PageStep { entries: self.found, reached, end }
    }
}

/// A record, its number, and the range of its bytes to look at.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    number: u64,
    record: &'a Record,
    from: u32,
    to: u32,
}

impl<'a> Piece<'a> {
    const fn whole(number: u64, record: &'a Record) -> Self {
        Self { number, record, from: 0, to: record.len }
    }

    fn position(&self, skip: u32) -> Position {
        Position { record: self.number, skip }
    }
}

/// A direction in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To older entries.
    Up,
    /// To newer entries.
    Down,
}

/// A way through the journal: from a position in one direction, up to the bound. Down, that is the beginning of a record.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub direction: Direction,
    pub from: Position,
    pub bound: Position,
}

impl Pager {
    /// Read the entries of this index that the filter accepts.
    pub fn new(index: IndexReader, filter: Filter) -> Self {
        let texts = TextReader::new(index.dirs());
        let (text, oldest, scratch) = (vec![], HashMap::new(), vec![]);
        let (replaced, keeps_replaced) = (vec![], false);
        Self { index, filter, texts, text, oldest, scratch, replaced, keeps_replaced }
    }

    /// Return the empty lines too that a cleared screen has replaced: the index counts them.
    #[must_use]
    pub(crate) fn with_replaced(self) -> Self {
        Self { keeps_replaced: true, ..self }
    }

    pub const fn index(&mut self) -> &mut IndexReader {
        &mut self.index
    }

    /// The next entries on this way.
    pub fn step(&mut self, way: Way, want: &Want) -> io::Result<PageStep> {
        let Way { direction, from, bound } = way;
        match direction {
            Direction::Up => self.up(from, bound, want),
            Direction::Down => self.down(from, bound.record, want),
        }
    }

    /// Take steps on this way, until `take` has returned as many entries as are wanted, nothing is left, or they are
    /// enough.
    pub fn gather<T>(
        &mut self,
        mut way: Way,
        want: &Want,
        mut take: impl FnMut(&Entry<'_>) -> io::Result<Option<T>>,
        mut are_enough: impl FnMut(&[T]) -> bool,
    ) -> io::Result<PageStep<T>> {
        let mut entries = vec![];
        loop {
            let step =
                self.step(way, &Want { entries: want.entries - entries.len(), ..want.clone() })?;
            let mut found = vec![];
            for kept in &step.entries {
                found.extend(take(&kept.entry())?);
            }
            match way.direction {
                Direction::Up => _ = entries.splice(0..0, found),
                Direction::Down => entries.extend(found),
            }
            way.from = step.reached;
            if are_enough(&entries) || step.end || entries.len() >= want.entries {
                return Ok(PageStep { entries, reached: step.reached, end: step.end });
            }
        }
    }

    /// The entries from a position on, in records with numbers below `upto`.
    pub fn down(&mut self, from: Position, upto: u64, want: &Want) -> io::Result<PageStep> {
        self.oldest.clear();
        let (mut records, mut at, mut most) = (vec![], from, BATCHES.0);
        let mut progress = StepProgress::new(want);
        if want.entries == 0 {
            return Ok(progress.step(from, from.record >= upto));
        }
        while at.record < upto {
            let left = usize::try_from(upto - at.record).unwrap_or(usize::MAX);
            let hole = self.index.read(at.record, &mut records, left.min(most))?;
            if let Some(hole) = hole {
                at = Position::at(hole.until);
            }
            self.learn(&records);
            if records.is_empty() || at.record >= upto {
                break;
            }
            for record in &records {
                progress.read += Record::SIZE as u64;
                let piece = Piece { from: at.skip, ..Piece::whole(at.record, record) };
                let found = self.look(&piece, Direction::Down, &mut progress)?;
                for (entry, end) in found {
                    if !progress.push(entry) {
                        return Ok(progress.step(end, end.record >= upto));
                    }
                }
                at = Position::at(at.record + 1);
                if progress.is_over_budget() {
                    return Ok(progress.step(at, at.record >= upto));
                }
            }
            most = BATCHES.1.min(most * 4);
        }
        Ok(progress.step(at, true))
    }

    /// The entries before a position, from `floor` on.
    pub fn up(&mut self, before: Position, floor: Position, want: &Want) -> io::Result<PageStep> {
        self.oldest.clear();
        let mut progress = StepProgress::new(want);
        let mut reached = before;
        let end = self.climb(&mut reached, floor, &mut progress)?;
        let mut step = progress.step(reached, end);
        step.entries.reverse();
        Ok(step)
    }

    /// Go up until the step is full (false) or nothing is left (true).
    fn climb(
        &mut self,
        reached: &mut Position,
        floor: Position,
        progress: &mut StepProgress<'_>,
    ) -> io::Result<bool> {
        let (mut records, mut most) = (vec![], BATCHES.0);
        if progress.room() == 0 {
            return Ok(*reached <= floor);
        }
        // The record that contains the position.
        if reached.skip > 0 {
            let hole = self.index.read(reached.record, &mut records, 1)?;
            if let (None, Some(record)) = (hole, records.first()) {
                let to = reached.skip.min(record.len);
                let piece = Piece { to, ..Piece::whole(reached.record, record) };
                if !self.climb_piece(piece, reached, floor, progress)? {
                    return Ok(*reached <= floor);
                }
            }
            reached.skip = 0;
        }
        while *reached > floor {
            let Some(first) = self.index.before(reached.record, &mut records, most)? else {
                return Ok(true);
            };
            self.learn(&records);
            for (at, record) in records.iter().enumerate().rev() {
                let number = first + at as u64;
                if number < floor.record {
                    return Ok(true);
                }
                progress.read += Record::SIZE as u64;
                let piece = Piece::whole(number, record);
                if !self.climb_piece(piece, reached, floor, progress)? {
                    return Ok(*reached <= floor);
                }
                *reached = piece.position(0);
                if progress.is_over_budget() {
                    return Ok(*reached <= floor);
                }
            }
            most = BATCHES.1.min(most * 4);
        }
        Ok(true)
    }

    /// Take the entries of a record from its end; false if the step is full before its beginning.
    fn climb_piece(
        &mut self,
        piece: Piece<'_>,
        reached: &mut Position,
        floor: Position,
        progress: &mut StepProgress<'_>,
    ) -> io::Result<bool> {
        let from = if piece.number == floor.record { floor.skip.min(piece.to) } else { 0 };
        let piece = Piece { from, ..piece };
        for (entry, _) in self.look(&piece, Direction::Up, progress)? {
            *reached = entry.entry().position;
            if !progress.push(entry) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn learn(&mut self, records: &[Record]) {
        let highest = records.iter().map(|record| record.stream).max();
        self.filter.learn(highest.unwrap_or(EVENTS), self.index.dirs());
    }

    /// The wanted entries of a record, in this direction and no more than there is room for, each with the
    /// position after it.
    fn look(
        &mut self,
        piece: &Piece<'_>,
        direction: Direction,
        progress: &mut StepProgress<'_>,
    ) -> io::Result<Vec<(Kept, Position)>> {
        let record = piece.record;
        if !self.filter.wants(record) {
            return Ok(vec![]);
        }
        self.text.clear();
        if record.kind == Kind::Text && record.flags & DRAWN != 0 {
            let pattern = progress.want.pattern.as_ref();
            return Ok(self.full_screen(piece, pattern).into_iter().collect());
        }
        let begin = match record.kind {
            Kind::Text | Kind::Event => {
                // Skip deleted text without a lookup of its files.
                if record.end() <= self.oldest(record.stream)? {
                    return Ok(vec![]);
                }
                let begin = self.load(piece, direction)?;
                progress.read += if self.text.is_empty() { MISS } else { self.text.len() as u64 };
                begin
            }
            Kind::Start | Kind::Exit | Kind::End | Kind::Gap => piece.from,
        };
        let pattern = progress.want.pattern.as_ref();
        if record.kind != Kind::Text {
            return Ok(self.event(piece, pattern).into_iter().collect());
        }
        if self.text.is_empty() {
            return Ok(vec![]);
        }
        let is_first =
            begin > piece.from || record.offset + u64::from(begin) == self.oldest(record.stream)?;
        let lost = if is_first { record.offset + u64::from(begin) } else { 0 };
        self.replaced.clear();
        let takes_empty = pattern.is_none_or(|pattern| pattern.takes(b"\n", &mut self.scratch));
        if takes_empty && !self.keeps_replaced {
            let end = record.offset + u64::from(begin) + self.text.len() as u64;
            self.replaced = self.texts.replaced_lines(record.stream, end, &self.text)?;
            self.replaced.retain(|at| *at > 0 || lost == 0);
        }
        let room = progress.room();
        let ranges = match direction {
            Direction::Down => self.lines_down(record, pattern, room),
            Direction::Up => self.lines_up(record, pattern, room),
        };
        let kept = ranges.into_iter().map(|(start, end)| {
            let text = &self.text[start..end];
            let skip = begin.saturating_add(small(start));
            let mut flags = if skip == 0 { record.flags & CONTINUES } else { 0 };
            if !text.ends_with(b"\n") {
                flags |= record.flags & (UNFINISHED | TO_BE_CONTINUED);
            }
            let part = part_of(*record, record.offset + u64::from(skip), text, flags);
            let (position, lost) = (piece.position(skip), if start == 0 { lost } else { 0 });
            let after = match begin.saturating_add(small(end)) {
                to if to < record.len => piece.position(to),
                _ => Position::at(piece.number + 1),
            };
            (Kept::of(&Entry { position, record: part, text, lost }), after)
        });
        Ok(kept.collect())
    }

    /// The line for a drawing, in the place of its first record.
    fn full_screen(
        &mut self,
        piece: &Piece<'_>,
        pattern: Option<&Pattern>,
    ) -> Option<(Kept, Position)> {
        let record = *piece.record;
        if record.flags & CONTINUES != 0 || piece.from > 0 {
            return None;
        }
        let text = self.texts.full_screen(record.stream);
        let text = text.as_bytes();
        if pattern.is_some_and(|pattern| !pattern.takes(text, &mut self.scratch)) {
            return None;
        }
        let record = Record { flags: DRAWN, ..part_of(record, record.offset, text, 0) };
        let entry = Entry { position: piece.position(0), record, text, lost: 0 };
        Some((Kept::of(&entry), Position::at(piece.number + 1)))
    }

    /// A record that is not output, if it is wanted.
    fn event(&self, piece: &Piece<'_>, pattern: Option<&Pattern>) -> Option<(Kept, Position)> {
        // It can't be divided: a position within it is after it.
        if piece.from > 0 || piece.to < piece.record.len {
            return None;
        }
        let record = *piece.record;
        if record.kind == Kind::Event && !self.filter.wants_event(&self.text) {
            return None;
        }
        if let Some(pattern) = pattern {
            let words = searched_words(&record, &self.text)?;
            let mut scratch = vec![];
            words.lines().find(|line| pattern.takes(line.as_bytes(), &mut scratch))?;
        }
        let entry = Entry { position: piece.position(0), record, text: &self.text, lost: 0 };
        Some((Kept::of(&entry), Position::at(piece.number + 1)))
    }

    /// Load the remaining text of a record into the empty buffer; returns the position of its first byte in the record.
    fn load(&mut self, piece: &Piece<'_>, direction: Direction) -> io::Result<u32> {
        let Piece { record, from, to, .. } = *piece;
        let range = record.offset + u64::from(from)..record.offset + u64::from(to);
        if direction == Direction::Up {
            self.texts.turn_back(record.stream, &range)?;
        }
        let begin = self.texts.read_behind_gaps(record.stream, range, &mut self.text)?;
        Ok(u32::try_from(begin - record.offset).unwrap_or(record.len))
    }

    /// The offset of a stream's oldest byte at the beginning of the step.
    fn oldest(&mut self, stream: StreamNo) -> io::Result<u64> {
        if let Some(oldest) = self.oldest.get(&stream) {
            return Ok(*oldest);
        }
        let oldest = self.texts.oldest(stream)?;
        self.oldest.insert(stream, oldest);
        Ok(oldest)
    }

    /// The first lines of the text that the pattern selects.
    fn lines_down(
        &mut self,
        record: &Record,
        pattern: Option<&Pattern>,
        most: usize,
    ) -> Vec<(usize, usize)> {
        let text = &self.text[..];
        let is_whole = record.flags & (CONTINUES | TO_BE_CONTINUED) == 0;
        let quick = pattern.filter(|pattern| is_whole && pattern.sees_through(text));
        let (mut found, mut at) = (vec![], 0);
        while at < text.len() && found.len() < most {
            if let Some(pattern) = quick {
                match pattern.next(text, at) {
                    Some(line) if line < text.len() => at = line,
                    Some(_) | None => break,
                }
            }
            let newline = memchr::memchr(b'\n', &text[at..]);
            let end = newline.map_or(text.len(), |newline| at + newline + 1);
            if self.replaced.binary_search(&at).is_err()
                && pattern.is_none_or(|pattern| pattern.takes(&text[at..end], &mut self.scratch))
            {
                found.push((at, end));
            }
            at = end;
        }
        found
    }

    /// The last lines of the text that the pattern selects, the last first.
    fn lines_up(
        &mut self,
        record: &Record,
        pattern: Option<&Pattern>,
        most: usize,
    ) -> Vec<(usize, usize)> {
        if pattern.is_some() {
            let mut found = self.lines_down(record, pattern, usize::MAX);
            found.reverse();
            found.truncate(most);
            return found;
        }
        let (mut found, mut end) = (vec![], self.text.len());
        while end > 0 && found.len() < most {
            let newline = memchr::memrchr(b'\n', &self.text[..end - 1]);
            let start = newline.map_or(0, |newline| newline + 1);
            if self.replaced.binary_search(&start).is_err() {
                found.push((start, end));
            }
            end = start;
        }
        found
    }
}

/// The position before the last `lines` lines of output in records below `upto`, none before `floor`. tmo's own
/// messages count too if there are fewer lines: a process that prints nothing has a log nevertheless.
pub fn before_last_lines(
    mut index: IndexReader,
    filter: &Filter,
    floor: Position,
    upto: u64,
    lines: usize,
) -> io::Result<Position> {
    let (at, is_enough) = tail_or_all(&mut index, filter, lines as u64, upto)?;
    if is_enough {
        return Ok(at.max(floor));
    }
    let everything = Selection::default();
    let messages = before_last(index, filter.clone(), &everything, floor, upto, lines)?;
    Ok(at.min(messages).max(floor))
}

/// A position from which on the query selects at least `count` entries, or `floor` if there are fewer: where
/// to begin if only the last ones are wanted. `upto` is the record after the last one to consider.
pub fn before_last(
    index: IndexReader,
    filter: Filter,
    selection: &Selection,
    floor: Position,
    upto: u64,
    count: usize,
) -> io::Result<Position> {
    let mut pager = Pager::new(index, filter);
    let want = Want { pattern: selection.pattern.clone(), ..Want::entries(count) };
    let way = Way { direction: Direction::Up, from: Position::at(upto), bound: floor };
    // Where lines are joined, a part counts for nothing.
    let counts = |entry: &Entry<'_>| match entry.record.kind {
        Kind::Text => entry.record.flags & (CONTINUES | TO_BE_CONTINUED) == 0,
        Kind::Start | Kind::Exit | Kind::End | Kind::Gap | Kind::Event => {
            entry_words(&entry.record, entry.text).is_some()
        }
    };
    let step = pager.gather(way, &want, |entry| Ok(counts(entry).then_some(())), |_| false)?;
    if step.end {
        return Ok(floor);
    }
    let mut at = step.reached;
    if selection.lines_before > 0 {
        at = pager.up(at, floor, &Want::entries(selection.lines_before))?.reached;
    }
    Ok(at.max(floor))
}
