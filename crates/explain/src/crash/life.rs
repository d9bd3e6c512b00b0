//! Finds a life in the journal, its last output, and the output of all processes at that time.
//!
//! Everything is looked up in the index: in a journal of any size, only the few records of that
//! time are examined and only their text is read.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::OutputLine;
use super::facts;
use super::record::is_taken;
use super::reloader::{has_ended, has_failed};
use super::report::CrashEntry;
use super::text::rows;
use crate::journal::read::query::{since, tail};
use crate::journal::record::{CONTINUES, DRAWN};
use crate::journal::search::place::share;
use crate::journal::streams::Stream;
use crate::journal::write::clear;
use crate::journal::{Chunk, Cursor, Dirs, Filter, IndexReader, Kind, Position, Record, Streams};
use crate::model::event::Logged;
use crate::model::plan::rules::WatcherPatterns;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcName, StreamNo};

/// Output this long before an end still belongs to it.
pub const BEFORE: Duration = Duration::from_secs(5);
/// Output this long after an end still belongs to it.
pub const BEHIND: Duration = Duration::from_secs(1);

/// How much of that output is kept at most, before and after the end: its bytes, plus `LINE` per
/// line. The output nearest to the end is kept.
const MOST_OUTPUT: (usize, usize) = (192 << 10, 64 << 10);
/// The overhead of a line besides its bytes.
const LINE: usize = 96;
/// How long after an end its record is searched for; it may be late when there is a lot of output.
const LATE: Duration = Duration::from_secs(60);

/// A journal to search.
pub struct Log<'a> {
    dirs: Dirs,
    streams: Streams,
    /// The record with which the run begins. Lives are numbered per run.
    first: u64,
    index: Box<dyn Fn() -> io::Result<IndexReader> + 'a>,
}

/// The place of a life in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifePlace {
    /// The stream of its process.
    pub stream: StreamNo,
    /// The record of its end. If that is missing, the first record that is certainly after the end.
    pub end: u64,
    /// The time of the end.
    pub time: Timestamp,
    /// The record after all of its output.
    pub upto: u64,
}

/// Data about a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeSummary {
    /// Its number.
    pub life: LifeId,
    /// Its process id, if known.
    pub pid: Option<u32>,
    /// When it began, nanoseconds since the epoch.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub exit: Exit,
    /// How many lives there were before it in this run.
    pub restarts: u64,
}

/// The output of all processes around the time of an end.
#[derive(Debug, Default)]
pub struct Slice {
    /// Line by line, in order.
    pub entries: Vec<CrashEntry>,
    /// Bytes of that time that were left out because there was too much.
    pub left_out: u64,
}

impl<'a> Log<'a> {
    /// Open the journal in these directories for the run that begins with record `first`.
    pub fn open(dirs: &Dirs, first: u64) -> io::Result<Self> {
        let own = dirs.clone();
        Self::with_index(dirs, first, move || Ok(IndexReader::open(&own)))
    }

    /// The same with an index that the caller has put together.
    pub fn with_index(
        dirs: &Dirs,
        first: u64,
        index: impl Fn() -> io::Result<IndexReader> + 'a,
    ) -> io::Result<Self> {
        let streams = Streams::open(dirs)?;
        Ok(Self { dirs: dirs.clone(), streams, first, index: Box::new(index) })
    }

    /// The first position of the run that has not been cleared.
    pub(super) fn begin(&self) -> Position {
        Position::at(clear::mark(&self.dirs).max(self.first))
    }

    /// The directories of the journal.
    pub(super) const fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    pub(super) fn open_index(&self) -> io::Result<IndexReader> {
        (self.index)()
    }

    /// The streams of the journal.
    pub(super) fn streams(&self) -> &[Stream] {
        self.streams.all()
    }

    pub fn stream(&self, name: &ProcName) -> Option<StreamNo> {
        let mut all = self.streams.all().iter();
        all.find(|stream| stream.name == *name && !stream.stderr).map(|stream| stream.number)
    }

    /// The output of the process with this main stream.
    pub(super) fn output_of(&self, main: StreamNo) -> Filter {
        Filter::only(self.streams.of_process(main))
    }

    /// The last record of this run before number `end` that is of this stream and one of these kinds, with its
    /// number.
    fn last_of(
        &self,
        index: &mut IndexReader,
        stream: StreamNo,
        end: u64,
        kinds: &[Kind],
    ) -> io::Result<Option<(u64, Record)>> {
        let last = index.rfind(end, |number, record| {
            if number < self.first {
                return Some(None);
            }
            let is_it = record.stream == stream && kinds.contains(&record.kind);
            is_it.then_some(Some((number, *record)))
        })?;
        Ok(last.flatten())
    }

    /// The last life of a process that has ended in this run, and its place.
    pub fn last_ended(&self, name: &ProcName) -> io::Result<Option<(LifeSummary, LifePlace)>> {
        let Some(stream) = self.stream(name) else { return Ok(None) };
        let mut index = (self.index)()?;
        let len = index.len()?;
        let ended = self.last_of(&mut index, stream, len, &[Kind::Exit])?;
        let Some((end, exit)) = ended else { return Ok(None) };
        let before = self.last_of(&mut index, stream, end, &[Kind::Start, Kind::Exit])?;
        let start = before.map(|(_, record)| record);
        let start = start.filter(|start| start.kind == Kind::Start && start.life == exit.life);
        let life = exit.life.unwrap_or(LifeId::FIRST);
        let lived = LifeSummary {
            life,
            pid: start.map(|start| start.value),
            started: start.map_or(exit.time, |start| start.time),
            ended: exit.time,
            exit: Exit::unpack(exit.value),
            restarts: u64::from(life.number() - 1),
        };
        let upto = last_of_life(&mut index, stream, end)?;
        Ok(Some((lived, LifePlace { stream, end, time: exit.time, upto })))
    }

    /// The last start of each stream, from this record on.
    pub(super) fn last_starts(&self, from: u64) -> io::Result<BTreeMap<StreamNo, u64>> {
        let mut starts = BTreeMap::new();
        (self.index)()?.find(from, |number, record| {
            if record.kind == Kind::Start {
                starts.insert(record.stream, number);
            }
            None::<()>
        })?;
        Ok(starts)
    }

    /// The place of a process's present life, as if it ended now; `None` if it is not running.
    pub fn present(&self, name: &ProcName) -> io::Result<Option<LifePlace>> {
        let Some(stream) = self.stream(name) else { return Ok(None) };
        let mut index = (self.index)()?;
        let len = index.len()?;
        let last = self.last_of(&mut index, stream, len, &[Kind::Start, Kind::Exit])?;
        let start = last.map(|(_, record)| record).filter(|record| record.kind == Kind::Start);
        Ok(start.map(|start| LifePlace { stream, end: len, time: start.time, upto: len }))
    }

    /// The place of a life that ended at about this time.
    pub fn place(
        &self,
        name: &ProcName,
        life: LifeId,
        ended: Timestamp,
    ) -> io::Result<Option<LifePlace>> {
        let Some(stream) = self.stream(name) else { return Ok(None) };
        let mut index = (self.index)()?;
        let from = since(&mut index, ended - BEFORE)?.record.max(self.first);
        let exit = index.find(from, |number, record| {
            if record.time > ended + LATE {
                return Some(None);
            }
            let exit = record.kind == Kind::Exit && record.life == Some(life);
            (exit && record.stream == stream).then_some(Some((number, record.time)))
        })?;
        if let Some((end, time)) = exit.flatten() {
            let upto = last_of_life(&mut index, stream, end)?;
            return Ok(Some(LifePlace { stream, end, time, upto }));
        }
        // The record of the end was not written, or has been cleared: go by the time alone.
        let end = since(&mut index, ended.next())?.record;
        let upto = since(&mut index, ended + BEHIND)?.record;
        Ok(Some(LifePlace { stream, end, time: ended, upto }))
    }

    /// The last lines of a life, at most `most`.
    pub fn last_lines(&self, place: &LifePlace, most: usize) -> io::Result<Vec<OutputLine>> {
        let filter = self.output_of(place.stream);
        let mut index = (self.index)()?;
        let from = tail(&mut index, &filter, most as u64, place.upto)?.max(self.begin());
        let mut cursor = Cursor::over(index, from, filter).with_drawings();
        let mut lines = VecDeque::<OutputLine>::new();
        let mut text = vec![];
        while let Some(chunk) = cursor.next(place.upto, &mut text)? {
            match chunk.record.kind {
                Kind::Start => lines.clear(),
                Kind::Text => add_lines(&mut lines, &chunk, &text, most),
                Kind::Exit | Kind::End | Kind::Gap | Kind::Event => {}
            }
        }
        Ok(lines.into())
    }

    /// The processes that run a program under a watcher (which restarts it on changes) and whose
    /// program has failed, judging by the last output: also one that has ended with success, if its port was taken.
    /// Reads only the newest records, to be quick. `run` is the id of the run.
    pub fn failed_below_watchers(
        &self,
        own: &[WatcherPatterns],
        run: &str,
    ) -> io::Result<Vec<ProcName>> {
        /// How many records are examined, and how many lines per process.
        const RECORDS: u64 = 200;
        const LINES: usize = 60;
        let mut index = (self.index)()?;
        let len = index.len()?;
        let from = len.saturating_sub(RECORDS).max(index.first()?).max(self.begin().record);
        let from = Position::at(from);
        let mut cursor = Cursor::over(index, from, Filter::all()).with_drawings();
        let mut all = BTreeMap::<StreamNo, VecDeque<OutputLine>>::new();
        let mut text = vec![];
        while let Some(chunk) = cursor.next(len, &mut text)? {
            let lines = all.entry(self.streams.main(chunk.record.stream)).or_default();
            match chunk.record.kind {
                Kind::Start | Kind::Exit => lines.clear(),
                Kind::Text => add_lines(lines, &chunk, &text, LINES),
                Kind::End | Kind::Gap | Kind::Event => {}
            }
        }
        let failed = all.into_iter().filter_map(|(stream, lines)| {
            let lines = Vec::from(lines);
            let name = &self.streams.get(stream)?.name;
            (has_failed(&lines, own) || has_ended(&lines) && self.has_no_port(stream, name, run))
                .then(|| name.clone())
        });
        Ok(failed.collect())
    }

    /// Whether the port of a running process was taken when the run was started, and still counts as taken.
    fn has_no_port(&self, stream: StreamNo, name: &ProcName, run: &str) -> bool {
        let life = || {
            let mut index = (self.index)().ok()?;
            let len = index.len().ok()?;
            let start = self.last_of(&mut index, stream, len, &[Kind::Start]);
            start.ok()??.1.life
        };
        let taken = || {
            let (port, _) = self.taken_port(name).ok()??;
            Some(is_taken(port, &facts::holders(&[port], run), name, life()?))
        };
        taken().unwrap_or(false)
    }

    /// The output of all processes around an end.
    pub fn slice(&self, place: &LifePlace) -> io::Result<Slice> {
        let mut index = (self.index)()?;
        let first = since(&mut index, place.time - BEFORE)?.record;
        let behind = since(&mut index, (place.time + BEHIND).next())?.record;
        let (first, left_out) = pass_over(&mut index, first, place.end.min(behind))?;
        let from = Position::at(first).max(self.begin());
        let mut cursor = Cursor::over(index, from, Filter::all()).with_drawings();
        let mut text = vec![];
        let mut before = EntryQueue::new(MOST_OUTPUT.0);
        let mut after = EntryQueue::new(MOST_OUTPUT.1);
        while let Some(chunk) = cursor.next(behind, &mut text)? {
            let late = chunk.position >= place.end;
            if late && after.is_full() {
                let here = Position { record: chunk.position, skip: chunk.skip };
                let range = (chunk.position, behind);
                let rest = share(cursor.index(), &Filter::all(), range, here)?;
                after.left_out = rest.all - rest.before;
                break;
            }
            let kept = if late { &mut after } else { &mut before };
            if chunk.record.kind != Kind::Text {
                kept.extend(self.happened(&chunk.record, chunk.position, &text), 0);
                continue;
            }
            let name = self.name(chunk.record.stream);
            pieces(&chunk, &text, |at, line| {
                let bytes = line.len();
                let entry = CrashEntry {
                    time: chunk.record.time.to_millisecond(),
                    process: name.clone(),
                    event: None,
                    text: line,
                    cursor: at.to_string(),
                };
                kept.extend(Some(entry), bytes);
            });
            if !late {
                before.trim();
            }
        }
        let left_out = before.left_out + after.left_out + left_out;
        let entries = before.entries.into_iter().chain(after.entries).collect();
        Ok(Slice { entries, left_out })
    }

    fn name(&self, stream: StreamNo) -> Option<String> {
        self.streams.get(stream).map(|stream| stream.name.to_string())
    }

    /// An entry for a record that is not output.
    fn happened(&self, record: &Record, number: u64, text: &[u8]) -> Option<CrashEntry> {
        let mut process = self.name(record.stream);
        let (event, text) = match record.kind {
            Kind::Start => ("start".to_owned(), format!("runs (pid {})", record.value)),
            Kind::Exit => {
                let exit = Exit::unpack(record.value).describe();
                ("exit".to_owned(), format!("ended with {exit}"))
            }
            Kind::Gap => ("gap".to_owned(), "output is missing here".to_owned()),
            Kind::Event => {
                let logged = Logged::from_json(text)?;
                process = logged.name().map(ToString::to_string);
                (logged.kind().to_owned(), logged.text()?)
            }
            Kind::End | Kind::Text => return None,
        };
        let cursor = Position::at(number).to_string();
        Some(CrashEntry {
            time: record.time.to_millisecond(),
            process,
            event: Some(event),
            text,
            cursor,
        })
    }
}

/// The record after all output of the life that ended with record `end`. Remaining processes of
/// that life may print more: this counts until the life's end is recorded, the next life begins, or
/// `BEHIND` has passed.
fn last_of_life(index: &mut IndexReader, stream: StreamNo, end: u64) -> io::Result<u64> {
    let mut behind = end;
    let mut time = None;
    let over = index.find(end, |number, record| {
        behind = number + 1;
        let from = *time.get_or_insert(record.time);
        let over = matches!(record.kind, Kind::Start | Kind::End) && record.stream == stream;
        (over || record.time > from + BEHIND).then_some(number)
    })?;
    Ok(over.unwrap_or(behind))
}

/// Skip output so long before the end that it would be dropped later anyway. Returns the number of
/// the first record after it, and how many bytes were skipped.
fn pass_over(index: &mut IndexReader, first: u64, end: u64) -> io::Result<(u64, u64)> {
    let mut behind = first;
    let mut left_out = 0;
    let mut cost = 0;
    index.rfind(end, |number, record| {
        if number < first {
            return Some(());
        }
        if record.kind == Kind::Text && cost > MOST_OUTPUT.0 {
            left_out += u64::from(record.len);
            behind = behind.max(number + 1);
        } else {
            cost += record.len as usize + record.lines as usize * LINE;
        }
        None
    })?;
    Ok((behind, left_out))
}

/// A bounded queue of entries.
struct EntryQueue {
    entries: VecDeque<CrashEntry>,
    most: usize,
    cost: usize,
    left_out: u64,
}

impl EntryQueue {
    fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), most, cost: 0, left_out: 0 }
    }

    fn is_full(&self) -> bool {
        self.cost > self.most
    }

    fn extend(&mut self, entry: Option<CrashEntry>, bytes: usize) {
        self.cost += bytes + LINE;
        self.entries.extend(entry);
    }

    /// Drop the oldest entries until the rest is within the limit.
    fn trim(&mut self) {
        while self.is_full()
            && let Some(old) = self.entries.pop_front()
        {
            self.cost = self.cost.saturating_sub(old.text.len() + LINE);
            self.left_out += old.text.len() as u64;
        }
    }
}

/// Add the lines of a chunk, of which the last `most` are kept.
fn add_lines(lines: &mut VecDeque<OutputLine>, chunk: &Chunk, text: &[u8], most: usize) {
    pieces(chunk, text, |at, text| {
        lines.push_back(OutputLine { time: chunk.record.time, at: Some(at), text });
        if lines.len() > most {
            lines.pop_front();
        }
    });
}

/// The rows of the lines of a chunk, with the positions of the lines. The continuation of a line from an earlier record is
/// skipped: it is beyond the part of a line that is kept.
pub(super) fn pieces(chunk: &Chunk, text: &[u8], mut take: impl FnMut(Position, String)) {
    // A part of a drawing may begin with the message of a crash.
    let goes_on = chunk.record.flags & (CONTINUES | DRAWN) == CONTINUES;
    let mut begin = 0;
    for piece in text.split_inclusive(|byte| *byte == b'\n') {
        if begin > 0 || !goes_on {
            let skip = chunk.skip.saturating_add(crate::journal::small(begin));
            for row in rows(piece) {
                take(Position { record: chunk.position, skip }, row);
            }
        }
        begin += piece.len();
    }
}
