//! Access to the journal for clients of the control socket.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::entry::{Among, Names};
use super::line_counts::{LineCounts, lines_within};
use super::lines::Entry;
use super::page::{Direction, Pager, Want, Way};
use super::place::{Share, output, record_at, share};
use super::plan::{LogPlan, parse_cursor};
use super::select::{SelectedEntries, Selection};
use super::styled::{Styles, printed_at, styled_text};
use crate::history::{
    Answer, Extent, History, HistoryEntry, HistoryPage, HistoryProblem, LineCount, LogQuery,
    OutputAsk, OutputOfProcess, OutputOverTime, PageAsk, StyledText, UnfinishedLine,
};
use crate::model::ProcName;
use crate::model::event::LOG;
use crate::model::request::{API, Cleared, Partial};
use crate::model::terminal::unfinished::looks_like_prompt;
use crate::read::cursor::{Cursor, Position};
use crate::read::index::IndexReader;
use crate::read::stream::StreamReader;
use crate::segment::Dirs;
use crate::streams::{STDERR_SUFFIX, Stream, Streams};
use crate::sys::clock;
use crate::write::clear;

/// The maximum size of a page in bytes, unless a single line is longer: a page is held in memory.
pub(super) const LARGEST_PAGE: usize = 4 << 20;
/// How much text of a page is read at once. As JSON with styles, it may be many times as large.
const PART: usize = LARGEST_PAGE / 16;

/// How much of the journal one step reads.
const STEP: u64 = 8 << 20;

/// The journal of a run.
#[derive(Debug)]
pub struct RunHistory {
    pub(super) dirs: Dirs,
    /// The line counts so far.
    pub(super) counts: Mutex<LineCounts>,
}

impl RunHistory {
    /// The journal in these directories.
    pub fn of(dirs: Dirs) -> Self {
        Self { dirs, counts: Mutex::default() }
    }

    /// The directories of the journal.
    pub const fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// The text of unfinished lines.
    pub fn unfinished(&self, lines: &[Partial]) -> io::Result<Vec<UnfinishedLine>> {
        let streams = Streams::open(&self.dirs)?;
        let mut styles = Styles::new(&self.dirs);
        let mut found = vec![];
        for &place in lines {
            let stream = streams.get(place.stream);
            let (Some(stream), Some(rows)) = (stream, styles.unfinished(place)?) else { continue };
            let runs = styled_text(&rows);
            let text: String = runs.iter().map(|run| run.text.as_str()).collect();
            found.push(UnfinishedLine {
                name: stream.name.clone(),
                place,
                time: printed_at(&self.dirs, stream, place)?.to_string(),
                is_prompt: looks_like_prompt(&text),
                runs,
            });
        }
        Ok(found)
    }

    /// The number of records in the index.
    pub fn records(&self) -> io::Result<u64> {
        IndexReader::open(&self.dirs).len()
    }

    /// The number of bytes that a process has printed; 0 for an unknown process.
    pub fn printed(&self, name: &ProcName) -> io::Result<u64> {
        let stderr = StreamReader::open(&self.dirs, &(name.slug() + STDERR_SUFFIX)).end()?;
        Ok(StreamReader::open(&self.dirs, &name.slug()).end()? + stderr)
    }

    fn streams(&self) -> io::Result<Vec<Stream>> {
        Ok(Streams::open(&self.dirs)?.all().to_vec())
    }
}

impl History for RunHistory {
    fn extent(&self, query: &LogQuery, upto: u64) -> Result<Extent, HistoryProblem> {
        let place = query.place()?;
        let filter = query.filter(&self.streams()?)?;
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.floor()?;
        let upto = upto.min(index.len()?);
        let at = place.unwrap_or(Position::at(upto));
        let Share { before, all } = share(&mut index, &filter, (floor, upto), at)?;
        let first = Position::at(floor).to_string();
        Ok(Extent { api: API, before, all, first, records: upto })
    }

    fn count(&self, query: &LogQuery, upto: u64) -> Result<LineCount, HistoryProblem> {
        let place = query.place()?;
        let filter = query.filter(&self.streams()?)?;
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.floor()?;
        let upto = upto.min(index.len()?).max(floor);
        let end = Position::at(upto);
        let at = place.unwrap_or(end).clamp(Position::at(floor), end);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.forget_before(floor);
        let above = counts.count(&mut index, &filter, floor..at.record)?;
        let below = counts.count(&mut index, &filter, at.record..upto)?;
        drop(counts);
        let within = lines_within(&mut index, &filter, at)?;
        let lines = above.counted.lines + below.counted.lines;
        if above.is_all && below.is_all {
            let before = above.counted.lines + within;
            return Ok(LineCount { api: API, before, all: lines, is_exact: true });
        }
        // Estimate the lines not counted yet by the average length of the others.
        let Share { before, all } = share(&mut index, &filter, (floor, upto), at)?;
        let bytes = u128::from(above.counted.bytes + below.counted.bytes).max(1);
        let estimate = |part: u64| {
            u64::try_from(u128::from(part) * u128::from(lines) / bytes).unwrap_or(u64::MAX)
        };
        let (before, all) = (estimate(before), estimate(all));
        Ok(LineCount { api: API, before, all, is_exact: false })
    }

    fn output(&self, ask: &OutputAsk, upto: u64) -> Result<OutputOverTime, HistoryProblem> {
        let OutputAsk { names, since, until, parts } = ask.clone();
        let query = LogQuery { names, since, until, ..LogQuery::default() };
        let Selection { since, until, .. } = query.selection()?;
        let mut streams = self.streams()?;
        let filter = query.filter(&streams)?;
        streams.retain(|stream| filter.takes(stream.number));
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.floor()?;
        let first = index.get(floor)?.map(|record| record.time);
        let until = until.unwrap_or_else(clock::now);
        let since = since.or(first).unwrap_or(until).min(until);
        let (bytes, estimated) = output(&mut index, &streams, (since, until), parts, upto)?;
        let processes = bytes.into_iter().map(|(name, bytes)| OutputOfProcess { name, bytes });
        let (since, until) = (since.to_string(), until.to_string());
        Ok(OutputOverTime { api: API, since, until, estimated, processes: processes.collect() })
    }

    fn clear(&self) -> io::Result<Cleared> {
        clear::clear_behind(&self.dirs)
    }

    fn ask(&self, query: &LogQuery) -> Result<Box<dyn Answer>, HistoryProblem> {
        let streams = self.streams()?;
        let mut index = IndexReader::open(&self.dirs);
        let LogPlan { filter, selection, from, end, is_reset, .. } =
            query.plan(&mut index, &streams)?;
        let split = selection.split();
        Ok(Box::new(Reader {
            entries: SelectedEntries::new(Cursor::over(index, from, filter), selection, split),
            writer: EntryWriter::new(Names::new(&self.dirs, &streams), query),
            last: query.last,
            end,
            kept: VecDeque::new(),
            is_reset,
        }))
    }

    fn page(
        &self,
        query: &LogQuery,
        page: &PageAsk,
        most: usize,
        upto: u64,
    ) -> Result<HistoryPage, HistoryProblem> {
        if query.run.is_some() || query.since_restart || query.lines_before + query.lines_after > 0
        {
            let text = "`run`, `since-restart`, `lines-before` and `lines-after` don't go together with \
                        `before`, `at`, `step` and `styles`";
            return Err(HistoryProblem::Bad(text.to_owned()));
        }
        let streams = self.streams()?;
        let mut index = IndexReader::open(&self.dirs);
        let plan = query.plan(&mut index, &streams)?;
        let LogPlan { filter, selection, is_reset, .. } = plan;
        let upto = upto.min(plan.upto);
        let end = Position::at(upto);
        let floor = index.floor()?;
        let mut begin = plan.from.max(Position::at(floor));
        if let Some(byte) = page.at {
            let record = record_at(&mut index, &filter, (floor, upto), byte)?;
            begin = begin.max(Position::at(record));
        }
        let way = match page.before.as_deref() {
            None => Way { direction: Direction::Down, from: begin, bound: end },
            Some(before) => {
                let from = if before == "end" { end } else { parse_cursor(before)?.min(end) };
                Way { direction: Direction::Up, from, bound: begin }
            }
        };
        let budget = if page.step { STEP } else { u64::MAX };
        let pattern = selection.pattern.clone();
        let want = Want { bytes: PART, budget, pattern, ..Want::entries(most) };
        let mut writer = EntryWriter::new(Names::new(&self.dirs, &streams), query);
        let mut styles = page.styles.then(|| Styles::new(&self.dirs));
        let take = |entry: &Entry<'_>| {
            if !selection.is_after(entry) {
                return Ok(None);
            }
            let runs = match &mut styles {
                Some(styles) if entry.is_line() => Some(styled_text(&styles.rows(entry)?)),
                Some(_) | None => None,
            };
            Ok(writer.write(entry, Among::default(), runs))
        };
        let step = Pager::new(index, filter).gather(way, &want, take, |entries| {
            let size = entries.iter().map(|entry| entry.json.len()).sum::<usize>();
            page.step || size >= LARGEST_PAGE
        })?;
        let reached = match way.direction {
            Direction::Up => Some(step.reached),
            Direction::Down => before_first_byte(step.reached),
        };
        let reached = reached.map(|at| at.to_string());
        Ok(HistoryPage { entries: step.entries, reached, more: !step.end, reset: is_reset })
    }
}

/// The `after` with which the next page begins at this position.
fn before_first_byte(at: Position) -> Option<Position> {
    match at {
        Position { record, skip: 1.. } => Some(Position { record, skip: at.skip - 1 }),
        Position { record: 1.., .. } => Some(Position { record: at.record - 1, skip: u32::MAX }),
        Position { record: 0, skip: 0 } => None,
    }
}

/// Writes entries as JSON.
struct EntryWriter {
    names: Names,
    /// Only entries of these types; empty means all.
    types: Vec<&'static str>,
}

impl EntryWriter {
    fn new(names: Names, query: &LogQuery) -> Self {
        Self { names, types: query.types.clone() }
    }

    /// The entry, if it is of a wanted type.
    fn write(
        &mut self,
        entry: &Entry<'_>,
        among: Among,
        runs: Option<Vec<StyledText>>,
    ) -> Option<HistoryEntry> {
        let line_type = Some(LOG).filter(|_| !self.types.is_empty());
        let line = self.names.line(entry, among, line_type, runs);
        let is_wanted = |of_type: &str| self.types.contains(&of_type);
        if !self.types.is_empty() && !line.of_type.as_deref().is_some_and(is_wanted) {
            return None;
        }
        let kind = line.kind().to_owned();
        let json = line.to_json();
        Some(HistoryEntry { cursor: line.cursor, kind, json })
    }
}

struct Reader {
    entries: SelectedEntries,
    writer: EntryWriter,
    last: Option<usize>,
    /// The record behind the last one that counts.
    end: u64,
    kept: VecDeque<HistoryEntry>,
    is_reset: bool,
}

impl Answer for Reader {
    fn is_reset(&self) -> bool {
        self.is_reset
    }

    fn next(&mut self, upto: u64, most: usize) -> io::Result<(Vec<HistoryEntry>, bool)> {
        let Self { entries, writer, kept, .. } = self;
        let mut bytes: usize = kept.iter().map(|entry| entry.json.len()).sum();
        // Look for one more entry than needed, to know whether there are more.
        while entries.next(upto.min(self.end), &mut |entry, among| {
            if let Some(entry) = writer.write(entry, among, None) {
                bytes += entry.json.len();
                kept.push_back(entry);
            }
        })? {
            match self.last {
                // Of the last entries, those that a page can hold.
                Some(last) => {
                    while kept.len() > last || bytes > 2 * LARGEST_PAGE && kept.len() > 1 {
                        bytes -= kept.pop_front().map_or(0, |entry| entry.json.len());
                    }
                }
                None if kept.len() > most || bytes > LARGEST_PAGE => break,
                None => {}
            }
        }
        // The last entries are now determined; everything later follows them.
        self.last = None;
        let mut bytes = 0;
        let fits = |entry: &&HistoryEntry| {
            bytes += entry.json.len();
            bytes <= LARGEST_PAGE
        };
        // A page has at least one line, however long that is.
        let page = self.kept.iter().take(most).take_while(fits).count().max(1);
        let page: Vec<_> = self.kept.drain(..page.min(self.kept.len())).collect();
        Ok((page, !self.kept.is_empty()))
    }
}
