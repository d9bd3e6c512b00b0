//! Finding a life in the journal, what it printed last, and what everybody printed then.
//!
//! All of it goes by the index: in a journal of any size only the few records of that time are
//! looked at, and only their text is read.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::Line;
use super::report::Entry;
use super::text::plain;
use crate::journal::clear;
use crate::journal::query::{since, tail};
use crate::journal::record::CONTINUES;
use crate::journal::streams::Stream;
use crate::journal::{Cursor, Dirs, Filter, IndexReader, Kind, Position, Record, Streams};
use crate::model::event::Logged;
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId, ProcName};

/// How much of what comes before and behind an end belongs to it.
pub const BEFORE: Duration = Duration::from_secs(5);
/// The same behind it.
pub const BEHIND: Duration = Duration::from_secs(1);

/// How much of it is kept at most, before and behind the end: the bytes, and this for each line.
const MOST: (usize, usize) = (3 << 20, 1 << 20);
/// What a line costs besides its bytes.
const LINE: usize = 96;
/// How long behind an end its record is looked for, where much is going on.
const LATE: Duration = Duration::from_secs(60);
/// How many records are looked at at once.
const BATCH: usize = 4096;

/// A journal that is looked into.
pub struct Log<'a> {
    dirs: Dirs,
    streams: Vec<Stream>,
    pub(super) index: Box<dyn Fn() -> io::Result<IndexReader> + 'a>,
}

/// Where a life stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The stream of its process.
    pub stream: u16,
    /// The record of its end, or the one behind the last that may be before it.
    pub end: u64,
    /// When that was, nanoseconds since the epoch.
    pub time: Timestamp,
    /// The record behind all that it printed.
    pub upto: u64,
}

/// A life as the journal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lived {
    /// Its number.
    pub life: LifeId,
    /// Its process id, where that is known.
    pub pid: Option<u32>,
    /// When it began, nanoseconds since the epoch.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How.
    pub exit: Exit,
    /// How many lives there were before it in this run.
    pub restarts: u64,
}

/// What everybody printed at the time of an end.
#[derive(Debug, Default)]
pub struct Slice {
    /// Line by line, in order.
    pub entries: Vec<Entry>,
    /// Bytes of that time that are not among them: it was too much.
    pub left_out: u64,
}

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dirs", &self.dirs).finish_non_exhaustive()
    }
}

impl<'a> Log<'a> {
    /// The journal in these directories.
    pub fn open(dirs: &Dirs) -> io::Result<Self> {
        let own = dirs.clone();
        Self::with_index(dirs, move || Ok(IndexReader::open(&own)))
    }

    /// The same with an index that somebody has put together.
    pub fn with_index(
        dirs: &Dirs,
        index: impl Fn() -> io::Result<IndexReader> + 'a,
    ) -> io::Result<Self> {
        let streams = Streams::open(dirs).map_err(io::Error::other)?.all().to_vec();
        Ok(Self { dirs: dirs.clone(), streams, index: Box::new(index) })
    }

    /// The position of the first record that is not cleared.
    fn cleared(&self) -> Position {
        Position { record: clear::mark(&self.dirs), skip: 0 }
    }

    /// Its directories.
    pub fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// The number of the stream of a process.
    pub fn stream(&self, name: &ProcName) -> Option<u16> {
        self.streams.iter().find(|stream| stream.name == *name).map(|stream| stream.number)
    }

    /// The last life of a process that has ended, and where it stands.
    pub fn last_ended(&self, name: &ProcName) -> io::Result<Option<(Lived, Place)>> {
        let Some(stream) = self.stream(name) else { return Ok(None) };
        let mut index = (self.index)()?;
        let (mut records, mut end) = (vec![], index.len()?);
        let mut ended: Option<(u64, Record)> = None;
        while let Some(first) = index.before(end, &mut records, BATCH)? {
            for (at, record) in records.iter().enumerate().rev() {
                if record.stream != stream {
                    continue;
                }
                match (record.kind, ended) {
                    (Kind::Exit, None) => ended = Some((first + at as u64, *record)),
                    (Kind::Start | Kind::Exit, Some(found)) => {
                        return self.lived(stream, found, Some(*record)).map(Some);
                    }
                    (Kind::Start, None) | (Kind::Text | Kind::End | Kind::Gap | Kind::Event, _) => {
                    }
                }
            }
            end = first;
        }
        ended.map(|found| self.lived(stream, found, None)).transpose()
    }

    fn lived(
        &self,
        stream: u16,
        (end, exit): (u64, Record),
        start: Option<Record>,
    ) -> io::Result<(Lived, Place)> {
        let start = start.filter(|start| start.kind == Kind::Start && start.life == exit.life);
        let life = exit.life.unwrap_or(LifeId::FIRST);
        let lived = Lived {
            life,
            pid: start.map(|start| start.value),
            started: start.map_or(exit.time, |start| start.time),
            ended: exit.time,
            exit: Exit::unpack(exit.value),
            restarts: u64::from(life.number() - 1),
        };
        let mut index = (self.index)()?;
        let upto = last_of_life(&mut index, stream, end)?;
        Ok((lived, Place { stream, end, time: exit.time, upto }))
    }

    /// Where a life that ended at about this time stands.
    pub fn place(
        &self,
        name: &ProcName,
        life: LifeId,
        ended: Timestamp,
    ) -> io::Result<Option<Place>> {
        let Some(stream) = self.stream(name) else { return Ok(None) };
        let mut index = (self.index)()?;
        let mut at = since(&mut index, ended - BEFORE)?.record;
        let mut records = vec![];
        loop {
            let hole = index.read(at, &mut records, BATCH)?;
            at = hole.map_or(at, |hole| hole.until);
            for record in &records {
                if record.time > ended + LATE {
                    records.clear();
                    break;
                }
                let exit = record.kind == Kind::Exit && record.life == Some(life);
                if exit && record.stream == stream {
                    let upto = last_of_life(&mut index, stream, at)?;
                    return Ok(Some(Place { stream, end: at, time: record.time, upto }));
                }
                at += 1;
            }
            if records.is_empty() {
                break;
            }
        }
        // Its end was not written, or is cleared away: by the time alone.
        let end = since(&mut index, ended.next())?.record;
        let upto = since(&mut index, ended + BEHIND)?.record;
        Ok(Some(Place { stream, end, time: ended, upto }))
    }

    /// The last lines of a life, at most so many.
    pub fn last_lines(&self, place: &Place, most: usize) -> io::Result<Vec<Line>> {
        let filter = Filter::only(vec![place.stream]);
        let mut index = (self.index)()?;
        let from = tail(&mut index, &filter, most as u64, place.upto)?.max(self.cleared());
        let mut cursor = Cursor::over(index, from, filter);
        let (mut lines, mut text) = (VecDeque::<Line>::new(), vec![]);
        while let Some(chunk) = cursor.next(place.upto, &mut text)? {
            match chunk.record.kind {
                Kind::Start => lines.clear(),
                Kind::Text => {
                    let goes_on = chunk.record.flags & CONTINUES != 0;
                    pieces(&text, goes_on, |skip, line| {
                        let skip = chunk.skip.saturating_add(crate::journal::small(skip));
                        let at = Some(Position { record: chunk.position, skip });
                        lines.push_back(Line { time: chunk.record.time, at, text: line });
                        if lines.len() > most {
                            lines.pop_front();
                        }
                    });
                }
                Kind::Exit | Kind::End | Kind::Gap | Kind::Event => {}
            }
        }
        Ok(lines.into())
    }

    /// What all processes printed around an end.
    pub fn slice(&self, place: &Place) -> io::Result<Slice> {
        let mut index = (self.index)()?;
        let first = since(&mut index, place.time - BEFORE)?.record;
        let behind = since(&mut index, (place.time + BEHIND).next())?.record;
        let span = Span::measure(&mut index, first, place.end, behind)?;
        let from = Position { record: span.first, skip: 0 }.max(self.cleared());
        let mut cursor = Cursor::over(index, from, Filter::all());
        let mut text = vec![];
        let mut before = Kept::new(MOST.0);
        let mut after = Kept::new(MOST.1);
        while let Some(chunk) = cursor.next(behind, &mut text)? {
            let late = chunk.position >= place.end;
            if late && after.is_full() {
                let rest = text_bytes(cursor.index(), chunk.position, behind)?;
                after.left_out = rest.saturating_sub(u64::from(chunk.skip));
                break;
            }
            let kept = if late { &mut after } else { &mut before };
            if chunk.record.kind != Kind::Text {
                kept.extend(self.happened(&chunk.record, chunk.position, &text), 0);
                continue;
            }
            let name = self.name(chunk.record.stream);
            let goes_on = chunk.record.flags & CONTINUES != 0;
            pieces(&text, goes_on, |skip, line| {
                let skip = chunk.skip.saturating_add(crate::journal::small(skip));
                let bytes = line.len();
                let entry = Entry {
                    time: chunk.record.time.to_millisecond(),
                    process: name.clone(),
                    event: None,
                    text: line,
                    cursor: Position { record: chunk.position, skip }.to_string(),
                };
                kept.extend(Some(entry), bytes);
            });
            if !late {
                before.trim();
            }
        }
        let left_out = before.left_out + after.left_out + span.left_out;
        let entries = before.entries.into_iter().chain(after.entries).collect();
        Ok(Slice { entries, left_out })
    }

    fn name(&self, stream: u16) -> Option<String> {
        let stream = self.streams.iter().find(|known| known.number == stream);
        stream.map(|stream| stream.name.to_string())
    }

    /// Something that is no line.
    fn happened(&self, record: &Record, number: u64, text: &[u8]) -> Option<Entry> {
        let at = Position { record: number, skip: 0 }.to_string();
        let (process, event, text) = match record.kind {
            Kind::Start => (None, "start", format!("runs (pid {})", record.value)),
            Kind::Exit => {
                (None, "exit", format!("ended with {}", Exit::unpack(record.value).describe()))
            }
            Kind::Gap => (None, "gap", "output is missing here".to_owned()),
            Kind::Event => {
                let logged = Logged::from_json(text)?;
                let (process, text) = (logged.name().map(ToString::to_string), logged.text()?);
                let (time, cursor) = (record.time.to_millisecond(), at);
                let event = Some(logged.kind().to_owned());
                return Some(Entry { time, process, event, text, cursor });
            }
            Kind::End | Kind::Text => return None,
        };
        let process = process.or_else(|| self.name(record.stream));
        let (time, cursor) = (record.time.to_millisecond(), at);
        Some(Entry { time, process, event: Some(event.to_owned()), text, cursor })
    }
}

/// The record behind all that a life has printed that ended with this one: what is left of it may
/// still print something until its end is told, or the next life begins.
fn last_of_life(index: &mut IndexReader, stream: u16, end: u64) -> io::Result<u64> {
    let (mut records, mut at, mut time) = (vec![], end, None);
    loop {
        let hole = index.read(at, &mut records, BATCH)?;
        at = hole.map_or(at, |hole| hole.until);
        for record in &records {
            let from = *time.get_or_insert(record.time);
            let over = matches!(record.kind, Kind::Start | Kind::End) && record.stream == stream;
            if over || record.time > from + BEHIND {
                return Ok(at);
            }
            at += 1;
        }
        if records.is_empty() {
            return Ok(at);
        }
    }
}

/// How many bytes of output these records stand for.
fn text_bytes(index: &mut IndexReader, from: u64, until: u64) -> io::Result<u64> {
    let (mut records, mut at, mut bytes) = (vec![], from, 0);
    while at < until {
        let hole = index.read(at, &mut records, BATCH)?;
        at = hole.map_or(at, |hole| hole.until);
        let within = usize::try_from(until.saturating_sub(at)).unwrap_or(BATCH);
        let texts = records.iter().take(within).filter(|record| record.kind == Kind::Text);
        bytes += texts.map(|record| u64::from(record.len)).sum::<u64>();
        at += records.len() as u64;
        if records.is_empty() {
            break;
        }
    }
    Ok(bytes)
}

/// Which records of a time are looked at.
struct Span {
    first: u64,
    /// Bytes that come before them.
    left_out: u64,
}

impl Span {
    /// Leave out what comes so long before the end that it would be dropped again.
    fn measure(index: &mut IndexReader, first: u64, end: u64, behind: u64) -> io::Result<Self> {
        let (mut records, mut at) = (vec![], end.min(behind));
        let (mut cost, mut left_out, mut begin) = (0_usize, 0_u64, first);
        while at > first
            && let Some(number) = index.before(at, &mut records, BATCH)?
        {
            for (offset, record) in records.iter().enumerate().rev() {
                let number = number + offset as u64;
                if number < first {
                    break;
                }
                if record.kind == Kind::Text && cost > MOST.0 {
                    left_out += u64::from(record.len);
                    begin = begin.max(number + 1);
                } else {
                    cost += record.len as usize + record.lines as usize * LINE;
                }
            }
            at = number;
        }
        Ok(Self { first: begin, left_out })
    }
}

/// Entries, as many as may be kept.
struct Kept {
    entries: VecDeque<Entry>,
    most: usize,
    cost: usize,
    left_out: u64,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), most, cost: 0, left_out: 0 }
    }

    fn is_full(&self) -> bool {
        self.cost > self.most
    }

    fn extend(&mut self, entry: Option<Entry>, bytes: usize) {
        self.cost += bytes + LINE;
        self.entries.extend(entry);
    }

    /// Drop the oldest until the others are few enough.
    fn trim(&mut self) {
        while self.is_full()
            && let Some(old) = self.entries.pop_front()
        {
            self.cost = self.cost.saturating_sub(old.text.len() + LINE);
            self.left_out += old.text.len() as u64;
        }
    }
}

/// The lines of a text. What continues a line of an earlier record is beyond all that is kept of a
/// line.
fn pieces(text: &[u8], goes_on: bool, mut take: impl FnMut(usize, String)) {
    let mut skip = 0;
    for piece in text.split_inclusive(|byte| *byte == b'\n') {
        if skip > 0 || !goes_on {
            take(skip, plain(piece));
        }
        skip += piece.len();
    }
}
