//! Reads the journal for the interface: pages in both directions, searches in steps.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::state::entry::{EntryKind, LogEntry};
use super::state::log::window::{Edge, LoadedEntries};
use super::state::log::{From, Load};
use super::state::msg::{Choice, Direction, Marks, Output, ScreenEnd, Target};
use super::state::timeline::Period;
use crate::journal::read::cursor::{Filter, Position};
use crate::journal::read::index::IndexReader;
use crate::journal::read::words::{entry_words, removed};
use crate::journal::record::{self, EVENTS, Record};
use crate::journal::search::landmark::{LandmarkPage, Landmarks};
use crate::journal::search::line_counts::lines_within;
use crate::journal::search::lines;
use crate::journal::search::page::{PageStep, Pager, Want, Way};
use crate::journal::search::place::{output, share};
use crate::journal::search::styled::{Styles, printed_at, rows_of_text};
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::journal::write::clear;
use crate::model::StreamNo;
use crate::model::event::{Logged, What};
use crate::model::request::Partial;
use crate::model::time::Timestamp;
use crate::sys::clock;
use crate::view::paint::SYSTEM_COLOR;

/// How many bytes one step reads.
const BUDGET: u64 = 8 << 20;
/// How many bytes of text one page has at most.
const PAGE_BYTES: usize = 4 << 20;
/// How many records one count of lines reads at most.
const MOST_COUNTED: u64 = 65_536;
/// How many matching lines are counted at most below the screen, and in how many bytes.
const MOST_MATCHING: usize = 100;
const COUNT_BUDGET: u64 = 1 << 20;

pub type OpenIndex = Box<dyn Fn() -> io::Result<IndexReader> + Send>;

/// The journal of a run.
pub struct Journal {
    dirs: Dirs,
    open: OpenIndex,
    streams: Vec<Stream>,
    styles: Styles,
    /// The pager of the last choice, and that choice.
    pager: Option<(Arc<Choice>, Pager)>,
    index: IndexReader,
}

/// A part before a place, and one after it.
type Parts = (Option<LoadedEntries>, Option<LoadedEntries>);

/// Where a step of a search has ended.
#[derive(Debug, Default)]
pub struct Reached {
    /// The matches, in the order of the journal.
    pub hits: Vec<Position>,
    /// Where it continues.
    pub at: Position,
    /// Nothing is left.
    pub end: bool,
}

impl Journal {
    /// The journal in these directories.
    pub fn new(dirs: Dirs, open: OpenIndex) -> io::Result<Self> {
        let index = open()?;
        let styles = Styles::new(&dirs);
        let mut journal = Self { dirs, open, streams: vec![], styles, pager: None, index };
        journal.look_for_streams();
        Ok(journal)
    }

    /// Another run writes the journal now.
    pub fn reopen(&mut self) -> io::Result<()> {
        (self.index, self.pager) = ((self.open)()?, None);
        self.look_for_streams();
        Ok(())
    }

    fn look_for_streams(&mut self) {
        if let Ok(streams) = Streams::open(&self.dirs) {
            self.streams = streams.all().to_vec();
        }
    }

    /// The number of records.
    pub fn head(&mut self) -> io::Result<u64> {
        self.index.len()
    }

    /// The first position that is shown: what is before it was deleted or cleared.
    fn floor(&self) -> Position {
        Position::at(clear::mark(&self.dirs))
    }

    fn pager(&mut self, choice: &Arc<Choice>) -> io::Result<&mut Pager> {
        let known = self.pager.take().filter(|(known, _)| Arc::ptr_eq(known, choice));
        let pager = if let Some((_, pager)) = known {
            pager
        } else {
            self.look_for_streams();
            let filter = Filter::named(&choice.names, &self.streams);
            let mut filter = filter.and_events_about(&choice.names, &self.streams);
            filter.no_text = choice.only_events;
            Pager::new((self.open)()?, filter)
        };
        Ok(&mut self.pager.insert((Arc::clone(choice), pager)).1)
    }

    /// Load entries around a place. Returns the position of the place, and both parts.
    pub fn load(&mut self, load: &Load, choice: &Arc<Choice>) -> io::Result<(Position, Parts)> {
        let head = self.head()?;
        let floor = self.floor();
        let from = match load.from {
            From::Position(position) => position,
            From::Time(time) => Position::at(self.index.search_time(time)?),
            From::Moment(time) => Position::at(self.index.search_time(time.next())?),
            From::End => Position::at(head),
        };
        let from = from.clamp(floor, Position::at(head).max(floor));
        let pager = self.pager(choice)?;
        let up =
            (load.up > 0).then(|| pager.up(from, floor, &want(choice, load.up))).transpose()?;
        let down = (load.down > 0)
            .then(|| pager.down(from, head, &want(choice, load.down)))
            .transpose()?;
        let up = up.map(|step| self.part(&step)).transpose()?;
        let down = down.map(|step| self.part(&step)).transpose()?;
        Ok((from, (up, down)))
    }

    fn part(&mut self, step: &PageStep) -> io::Result<LoadedEntries> {
        let mut entries = vec![];
        for kept in &step.entries {
            entries.extend(self.entry(&kept.entry())?);
        }
        Ok(LoadedEntries { entries, edge: Edge { at: step.reached, end: step.end } })
    }

    /// An entry for the screen; `None` if there is nothing to be seen of it.
    fn entry(&mut self, entry: &lines::Entry<'_>) -> io::Result<Option<LogEntry>> {
        let Record { time, stream, life, .. } = entry.record;
        let (kind, about, mut rows) = if entry.is_line() {
            (EntryKind::Output, None, self.styles.rows(entry)?)
        } else {
            let Some((about, words)) = entry_words(&entry.record, entry.text) else {
                return Ok(None);
            };
            let is_failure = entry.record.kind == record::Kind::Event
                && Logged::from_json(entry.text)
                    .is_some_and(|event| matches!(event.what(), Some(What::Crash { .. })));
            let kind = if is_failure { EntryKind::Failure } else { EntryKind::Note };
            (kind, about, rows_of_text(&words))
        };
        if entry.lost > 0 {
            rows.splice(0..0, rows_of_text(&removed(entry.lost)));
        }
        let mut shown = LogEntry::new(entry.position, time, kind, rows);
        shown.life = crate::model::ids::or_zero::number(life);
        self.name(&mut shown, stream, about);
        Ok(Some(shown))
    }

    /// One step of the search for what happened in these records, newest first.
    pub fn marks(&mut self, records: Range<u64>) -> io::Result<Marks> {
        let floor = self.floor().record.max(self.index.first()?);
        let head = self.head()?;
        let mut landmarks = Landmarks::new(&self.dirs);
        let from = records.start.max(floor);
        let end = records.end.min(head);
        let LandmarkPage { landmarks: marks, records } =
            landmarks.before(&mut self.index, end, from)?;
        let time = |record: Option<Record>| record.map_or(Timestamp::EPOCH, |record| record.time);
        let from = time(self.index.get(floor)?);
        let until = time(self.index.get(head.saturating_sub(1))?);
        Ok(Marks { marks, records, floor, bounds: Period { from, until } })
    }

    /// How much each process printed in so many parts of a period.
    pub fn output(&mut self, period: Period, columns: usize) -> io::Result<Output> {
        let head = self.head()?;
        self.look_for_streams();
        let ends = (period.from, period.until);
        let (bytes, _) = output(&mut self.index, &self.streams, ends, columns, head)?;
        Ok(Output { period, columns, bytes })
    }

    /// The beginnings of lines that have no end yet.
    pub fn unfinished(&mut self, lines: &[Partial]) -> io::Result<Vec<(Partial, LogEntry)>> {
        let mut entries = vec![];
        for &partial in lines {
            let Some(rows) = self.styles.unfinished(partial)? else { continue };
            // They come after all that is in the journal, in the order of their streams.
            let position = Position { record: u64::MAX, skip: u32::from(partial.stream.0) };
            let time = self.printed_at(partial)?;
            let mut entry = LogEntry::new(position, time, EntryKind::Output, rows);
            self.name(&mut entry, partial.stream, None);
            entries.push((partial, entry));
        }
        Ok(entries)
    }

    /// When the end of an unfinished line was printed.
    fn printed_at(&self, partial: Partial) -> io::Result<Timestamp> {
        let stream = self.streams.iter().find(|known| known.number == partial.stream);
        let Some(stream) = stream else { return Ok(clock::now()) };
        printed_at(&self.dirs, stream, partial)
    }

    /// Set name and colour: those of the stream, or of the process that an event is about.
    fn name(&mut self, entry: &mut LogEntry, stream: StreamNo, about: Option<String>) {
        let is_it = |known: &&Stream| match &about {
            Some(name) => known.name.as_str() == name,
            None => known.number == stream && stream != EVENTS,
        };
        if stream != EVENTS && !self.streams.iter().any(|known| known.number == stream) {
            self.look_for_streams();
        }
        let known = self.streams.iter().find(is_it);
        entry.color = known.map_or(SYSTEM_COLOR, |stream| stream.color);
        entry.name = known.map(|stream| stream.name.to_string()).or(about);
    }

    /// One step of a search.
    pub fn search(
        &mut self,
        choice: &Arc<Choice>,
        (target, direction): (Target, Direction),
        from: Position,
        most: usize,
    ) -> io::Result<Reached> {
        if target == Target::Starts {
            return self.search_starts(choice, direction, from);
        }
        let head = self.head()?;
        let floor = self.floor();
        let want = Want { bytes: usize::MAX, ..want(choice, most) };
        let pager = self.pager(choice)?;
        let bound = match direction {
            Direction::Up => floor,
            Direction::Down => Position::at(head),
        };
        let step = pager.step(Way { direction, from, bound }, &want)?;
        let hits = step.entries.iter().map(|kept| kept.entry().position).collect();
        Ok(Reached { hits, at: step.reached, end: step.end })
    }

    /// One step of a search for the start of a process. It needs no text, only records.
    fn search_starts(
        &mut self,
        choice: &Arc<Choice>,
        direction: Direction,
        from: Position,
    ) -> io::Result<Reached> {
        const BATCH: usize = 4096;
        self.look_for_streams();
        let filter = Filter::named(&choice.names, &self.streams);
        let (floor, head) = (self.floor().record, self.head()?);
        let mut records = vec![];
        let first = match direction {
            Direction::Up => self.index.before(from.record, &mut records, BATCH)?,
            Direction::Down => {
                let hole = self.index.read(from.record, &mut records, BATCH)?;
                Some(hole.map_or(from.record, |hole| hole.until))
            }
        };
        let Some(first) = first.filter(|_| !records.is_empty()) else {
            return Ok(Reached { at: from, end: true, ..Reached::default() });
        };
        let is_start = |(_, record): &(u64, &Record)| {
            record.kind == record::Kind::Start && filter.takes(record.stream)
        };
        let mut numbered = (first..).zip(&records).filter(|(number, _)| *number >= floor);
        let (hit, at, end) = match direction {
            Direction::Up => (numbered.filter(is_start).last(), first, first <= floor),
            Direction::Down => {
                let at = first + records.len() as u64;
                (numbered.find(is_start), at, at >= head)
            }
        };
        let hits = hit.map(|(record, _)| Position::at(record)).into_iter().collect();
        Ok(Reached { hits, at: Position::at(at), end })
    }

    /// How many lines of the same record come after the one at this position.
    fn lines_in_record_after(&mut self, position: Position) -> io::Result<u64> {
        let record = self.index.get(position.record)?;
        let text = record.filter(|record| record.kind == record::Kind::Text);
        let lines = text.map_or(0, |record| u64::from(record.lines));
        let before = lines_within(&mut self.index, &Filter::all(), position)?;
        Ok(lines.saturating_sub(before + 1))
    }

    /// Where among the chosen entries a position is.
    pub fn screen_end(
        &mut self,
        position: Position,
        choice: &Arc<Choice>,
    ) -> io::Result<ScreenEnd> {
        let filter = Filter::named(&choice.names, &self.streams);
        let head = self.head()?;
        let (below, more) = if choice.pattern.is_some() || choice.only_events {
            // The first of them is at the position itself.
            let want = Want { budget: COUNT_BUDGET, ..want(choice, MOST_MATCHING + 1) };
            let step = self.pager(choice)?.down(position, head, &want)?;
            let others = step.entries.iter().filter(|kept| kept.entry().position > position);
            (others.count() as u64, !step.end)
        } else {
            let (mut at, mut records) = (position.record + 1, vec![]);
            let mut below = self.lines_in_record_after(position)?;
            while at < head && at <= position.record + MOST_COUNTED {
                let hole = self.index.read(at, &mut records, 4096)?;
                at = hole.map_or(at, |hole| hole.until) + records.len() as u64;
                if records.is_empty() {
                    break;
                }
                let wanted = records.iter().filter(|record| filter.takes(record.stream));
                below += wanted.map(|record| u64::from(record.lines)).sum::<u64>();
            }
            (below, at < head)
        };
        let whole = (self.floor().record, head);
        let share = share(&mut self.index, &filter, whole, position)?;
        Ok(ScreenEnd { below, more, share })
    }
}

/// So many of the chosen entries.
fn want(choice: &Choice, entries: usize) -> Want {
    Want { entries, bytes: PAGE_BYTES, budget: BUDGET, pattern: choice.pattern.clone() }
}
