//! Access to the journal for clients of the control socket.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::entry::{Among, Names, entry_json};
use super::line_counts::{LineCounts, lines_within};
use super::lines::{Lines, Split};
use super::page::{Direction, Pager, Want, before_last};
use super::pattern::Pattern;
use super::place::{Share, output, record_at, share};
use super::runs::{beginnings, last_starts};
use super::select::{Chosen, Query, Selector};
use super::styled::{Styles, printed_at, styled_text};
use crate::clear;
use crate::cursor::{Cursor, Filter, Position};
use crate::history::{
    Answer, Extent, History, HistoryAsk, HistoryEntry, HistoryPage, HistoryProblem, LineCount,
    OutputAsk, OutputOfProcess, OutputOverTime, PageAsk, UnfinishedLine,
};
use crate::model::event::{LOG, type_of};
use crate::model::moment::moment;
use crate::model::request::{API, Cleared, Outcome, Partial};
use crate::model::unfinished::looks_like_prompt;
use crate::model::{ProcName, StreamNo};
use crate::query::since;
use crate::reader::IndexReader;
use crate::segment::Dirs;
use crate::stream::StreamReader;
use crate::streams::{STDERR_SUFFIX, Stream, Streams, refuse_unknown};
use crate::sys::{clock, local};

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
        let streams = Streams::open(&self.dirs).map_err(io::Error::other)?;
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

    fn parse(&self, ask: &HistoryAsk) -> Result<Asked, HistoryProblem> {
        let query = query_of(ask).map_err(HistoryProblem::Bad)?;
        let place = ask.after.as_deref().map(cursor).transpose()?;
        let streams = Streams::open(&self.dirs).map_err(io::Error::other)?.all().to_vec();
        let unknown = |unknown| HistoryProblem::Unknown(Box::new(Outcome::from(unknown)));
        refuse_unknown(&ask.names, &streams).map_err(unknown)?;
        let filter = Filter::named(&ask.names, &streams).and_events_about(&ask.names, &streams);
        let mut filter = filter.only_output(ask.stream, &streams);
        filter.no_text = ask.events || !ask.types.is_empty() && !ask.types.contains(&LOG);
        Ok(Asked { query, filter, streams, place })
    }

    /// The range of records that a query is about.
    fn range(&self, query: &Query, upto: u64) -> io::Result<(u64, u64)> {
        let mut index = IndexReader::open(&self.dirs);
        let mut floor = index.first()?.max(clear::mark(&self.dirs));
        let mut upto = upto.min(index.len()?);
        if let Some(since) = query.since {
            floor = floor.max(index.search_time(since)?);
        }
        if let Some(until) = query.until {
            upto = upto.min(index.search_time(until.next())?);
        }
        Ok((floor, upto))
    }
}

/// A parsed query.
struct Asked {
    query: Query,
    filter: Filter,
    streams: Vec<Stream>,
    place: Option<Position>,
}

impl History for RunHistory {
    fn extent(&self, ask: &HistoryAsk, upto: u64) -> Result<Extent, HistoryProblem> {
        let Asked { filter, place, .. } = self.parse(ask)?;
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.first()?.max(clear::mark(&self.dirs));
        let upto = upto.min(index.len()?);
        let at = place.unwrap_or(Position { record: upto, skip: 0 });
        let Share { before, all } = share(&mut index, &filter, (floor, upto), at)?;
        let first = Position { record: floor, skip: 0 }.to_string();
        Ok(Extent { api: API, before, all, first, records: upto })
    }

    fn count(&self, ask: &HistoryAsk, upto: u64) -> Result<LineCount, HistoryProblem> {
        let Asked { filter, place, .. } = self.parse(ask)?;
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.first()?.max(clear::mark(&self.dirs));
        let upto = upto.min(index.len()?).max(floor);
        let end = Position { record: upto, skip: 0 };
        let at = place.unwrap_or(end).clamp(Position { record: floor, skip: 0 }, end);
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
        let chosen = HistoryAsk { names: ask.names.clone(), ..HistoryAsk::default() };
        let query = HistoryAsk { since: ask.since.clone(), until: ask.until.clone(), ..chosen };
        let Asked { query, filter, mut streams, .. } = self.parse(&query)?;
        streams.retain(|stream| filter.takes(stream.number));
        let mut index = IndexReader::open(&self.dirs);
        let floor = index.first()?.max(clear::mark(&self.dirs));
        let first = index.get(floor)?.map(|record| record.time);
        let until = query.until.unwrap_or_else(clock::now);
        let since = query.since.or(first).unwrap_or(until).min(until);
        let (bytes, estimated) = output(&mut index, &streams, (since, until), ask.parts, upto)?;
        let processes = bytes.into_iter().map(|(name, bytes)| OutputOfProcess { name, bytes });
        let (since, until) = (since.to_string(), until.to_string());
        Ok(OutputOverTime { api: API, since, until, estimated, processes: processes.collect() })
    }

    fn clear(&self) -> io::Result<Cleared> {
        clear::clear_behind(&self.dirs)
    }

    fn ask(&self, ask: &HistoryAsk) -> Result<Box<dyn Answer>, HistoryProblem> {
        let Asked { mut query, filter, streams, place } = self.parse(ask)?;
        let mut index = IndexReader::open(&self.dirs);
        let mark = Position { record: clear::mark(&self.dirs), skip: 0 };
        let within = match ask.run {
            Some(run) => run_records(&self.dirs, run)?.records,
            None => 0..u64::MAX,
        };
        let context = query.before + query.after;
        let (first, len) = (index.first()?.max(mark.record), index.len()?);
        let mut from = mark.max(Position { record: within.start.min(len), skip: 0 });
        if ask.since_restart {
            let chosen: Vec<StreamNo> = streams
                .iter()
                .map(|stream| stream.number)
                .filter(|number| filter.takes(*number))
                .collect();
            let starts = last_starts(&mut index, &chosen, len)?;
            let begin = starts.values().min().copied().unwrap_or(len);
            from = from.max(Position { record: begin, skip: 0 });
            query.starts = Some(starts);
        }
        // A position after the end belongs to an earlier, different log: everything in the
        // present one is new.
        let after = place.filter(|place| place.record <= len);
        let gone = |after: Position| after.record.saturating_add(1) < first;
        let reset = place.is_some() && after.is_none_or(gone);
        if let Some(after) = after {
            from = from.max(begin_before(&self.dirs, &filter, (from, after), context)?);
        }
        if let Some(time) = query.since {
            from = from.max(since(&mut index, time)?);
        }
        if ask.from_now && place.is_none() {
            from = from.max(Position { record: len, skip: 0 });
        }
        if let (Some(last), true) = (ask.last, ask.types.is_empty()) {
            let upto = match query.until {
                Some(until) => index.search_time(until.next())?.min(len),
                None => len,
            };
            query.events_count = true;
            let fresh = IndexReader::open(&self.dirs);
            from = before_last(fresh, filter.clone(), &query, from, upto, last)?;
        }
        // What is near a match is shown line by line.
        let split = if context > 0 { Split::Lines } else { Split::by(query.pattern.as_ref()) };
        Ok(Box::new(Reader {
            names: Names::of(&self.dirs, &streams),
            lines: Lines::new(Cursor::over(index, from, filter), split),
            after,
            last: ask.last,
            end: within.end,
            selector: Selector::new(query),
            kept: VecDeque::new(),
            types: ask.types.clone(),
            reset,
        }))
    }

    fn page(
        &self,
        ask: &HistoryAsk,
        page: &PageAsk,
        most: usize,
        upto: u64,
    ) -> Result<HistoryPage, HistoryProblem> {
        if ask.run.is_some() || ask.since_restart || ask.lines_before + ask.lines_after > 0 {
            let text = "`run`, `since-restart`, `lines-before` and `lines-after` don't go together with \
                        `before`, `at`, `step` and `styles`";
            return Err(HistoryProblem::Bad(text.to_owned()));
        }
        let Asked { query, filter, streams, place } = self.parse(ask)?;
        let (floor, upto) = self.range(&query, upto)?;
        let end = Position { record: upto, skip: 0 };
        let after = place.filter(|place| place.record <= upto);
        let mut begin = Position { record: floor, skip: 0 }.max(after.unwrap_or_default());
        if let Some(byte) = page.at {
            let mut index = IndexReader::open(&self.dirs);
            let record = record_at(&mut index, &filter, (floor, upto), byte)?;
            begin = begin.max(Position { record, skip: 0 });
        }
        let (direction, mut at) = match page.before.as_deref() {
            Some("end") => (Direction::Up, end),
            Some(text) => (Direction::Up, cursor(text)?.min(end)),
            None => (Direction::Down, begin),
        };
        let gone = |after: Position| after.record.saturating_add(1) < floor;
        let reset = place.is_some() && query.since.is_none() && after.is_none_or(gone);
        let mut pager = Pager::new(IndexReader::open(&self.dirs), filter);
        let budget = if page.step { STEP } else { u64::MAX };
        let pattern = query.pattern;
        let mut want = Want { bytes: PART, budget, pattern, ..Want::entries(most) };
        let mut names = Names::of(&self.dirs, &streams);
        let mut styles = page.styles.then(|| Styles::new(&self.dirs));
        let line_type = Some(LOG).filter(|_| !ask.types.is_empty());
        let (mut answer, mut size) = (HistoryPage { reset, ..HistoryPage::default() }, 0);
        loop {
            want.entries = most - answer.entries.len();
            let step = match direction {
                Direction::Up => pager.up(at, begin, &want)?,
                Direction::Down => pager.down(at, upto, &want)?,
            };
            let mut found = vec![];
            for kept in &step.entries {
                let entry = kept.entry();
                if after.is_some_and(|after| entry.position <= after) {
                    continue;
                }
                let runs = match &mut styles {
                    Some(styles) if entry.is_line() => Some(styled_text(&styles.rows(&entry)?)),
                    Some(_) | None => None,
                };
                let among = Among::default();
                let (kind, json) = entry_json(&mut names, &entry, among, line_type, runs);
                if wants(&ask.types, &kind, entry.is_line()) {
                    let cursor = entry.position.to_string();
                    found.push(HistoryEntry { cursor, kind, json });
                }
            }
            size += found.iter().map(|entry| entry.json.len()).sum::<usize>();
            match direction {
                Direction::Up => _ = answer.entries.splice(0..0, found),
                Direction::Down => answer.entries.extend(found),
            }
            at = step.reached;
            if step.end || page.step || answer.entries.len() >= most || size >= LARGEST_PAGE {
                answer.more = !step.end;
                let reached = match direction {
                    Direction::Up => Some(at),
                    Direction::Down => before_first_byte(at),
                };
                answer.reached = reached.map(|at| at.to_string());
                return Ok(answer);
            }
        }
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

/// The selection of entries by time and content; an error tells what is malformed.
pub fn query_of(ask: &HistoryAsk) -> Result<Query, String> {
    let now = local::now();
    let time = |text: &Option<String>| {
        let time = text.as_deref().map(|text| moment(text, &now)).transpose();
        time.map_err(|error| error.to_string())
    };
    let pattern = ask.grep.as_ref().map(|text| Pattern::new(text, ask.ignore_case, ask.invert));
    Ok(Query {
        since: time(&ask.since)?,
        until: time(&ask.until)?,
        pattern: pattern.transpose().map_err(|error| error.to_string())?,
        before: ask.lines_before,
        after: ask.lines_after,
        ..Query::default()
    })
}

/// A run in the log.
#[derive(Debug)]
pub struct RunRecords {
    /// Its records.
    pub records: Range<u64>,
    /// How many runs there are.
    pub of: usize,
}

/// The records of a run; 1 is the newest.
pub fn run_records(dirs: &Dirs, run: u64) -> Result<RunRecords, HistoryProblem> {
    let begun = beginnings(dirs, clear::mark(dirs))?;
    let at = usize::try_from(run).ok().and_then(|run| begun.len().checked_sub(run));
    let Some(at) = at else {
        let text = format!("there is no run {run} in the log; 1 to {} are there", begun.len());
        return Err(HistoryProblem::Bad(text));
    };
    // The newest run goes on.
    let records = begun[at]..begun.get(at + 1).copied().unwrap_or(u64::MAX);
    Ok(RunRecords { records, of: begun.len() })
}

/// Whether an entry has one of these types; none means all.
fn wants(types: &[&str], kind: &str, is_line: bool) -> bool {
    let of_type = if is_line { Some(LOG) } else { type_of(kind) };
    types.is_empty() || of_type.is_some_and(|kind| types.contains(&kind))
}

struct Reader {
    lines: Lines,
    selector: Selector,
    names: Names,
    after: Option<Position>,
    last: Option<usize>,
    /// The record behind the last one that counts.
    end: u64,
    kept: VecDeque<HistoryEntry>,
    /// Only entries of these types; empty means all.
    types: Vec<&'static str>,
    reset: bool,
}

impl Answer for Reader {
    fn is_reset(&self) -> bool {
        self.reset
    }

    fn next(&mut self, upto: u64, most: usize) -> io::Result<(Vec<HistoryEntry>, bool)> {
        let Self { lines, selector, names, after, types, kept, .. } = self;
        let line_type = Some(LOG).filter(|_| !types.is_empty());
        let mut bytes: usize = kept.iter().map(|entry| entry.json.len()).sum();
        // Look for one more entry than needed, to know whether there are more.
        while let Some(entry) = lines.next(upto.min(self.end))? {
            let mut apart = false;
            selector.feed(&entry, &mut |chosen| {
                let Chosen::Entry(entry, matches) = chosen else {
                    apart = true;
                    return Ok(());
                };
                let among = Among { context: !matches, apart: std::mem::take(&mut apart) };
                if after.is_some_and(|after| entry.position <= after) {
                    return Ok(());
                }
                let (kind, json) = entry_json(names, &entry, among, line_type, None);
                if wants(types, &kind, entry.is_line()) {
                    bytes += json.len();
                    kept.push_back(HistoryEntry { cursor: entry.position.to_string(), kind, json });
                }
                Ok(())
            })?;
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

/// Where to begin for what follows the second position: with context before that, since what is near a match is known
/// only with the entries before it. Nothing before the first position counts.
pub fn begin_before(
    dirs: &Dirs,
    filter: &Filter,
    (floor, after): (Position, Position),
    context: usize,
) -> io::Result<Position> {
    if context == 0 {
        return Ok(after);
    }
    let mut pager = Pager::new(IndexReader::open(dirs), filter.clone());
    Ok(pager.up(after, floor, &Want::entries(context))?.reached)
}

/// Parses `12.34`: the number of a record, and how many of its bytes to skip.
fn cursor(text: &str) -> Result<Position, HistoryProblem> {
    text.parse().map_err(|_| {
        let text = format!("`{text}` is not a valid cursor; take one from an answer");
        HistoryProblem::Bad(text)
    })
}
