//! Finds the position from which to read; the last lines of a process, the last events, and whether the journal can be
//! written.

use std::io;

use super::cursor::{Cursor, Filter, Position};
use super::index::{BATCH, IndexReader};
use super::text::TextReader;
use crate::model::event::{Logged, What};
use crate::model::time::Timestamp;
use crate::record::{CONTINUES, EVENTS, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::write::clear;

/// The position before the last `lines` lines of output (or of events, if only these are wanted)
/// that have a record with a number below `upto`.
pub fn tail(
    index: &mut IndexReader,
    filter: &Filter,
    lines: u64,
    upto: u64,
) -> io::Result<Position> {
    Ok(tail_or_all(index, filter, lines, upto)?.0)
}

/// The same, and whether there are so many lines.
pub(crate) fn tail_or_all(
    index: &mut IndexReader,
    filter: &Filter,
    lines: u64,
    upto: u64,
) -> io::Result<(Position, bool)> {
    let counted = match &filter.streams {
        Some(streams) if streams.iter().all(|stream| *stream == EVENTS) => Kind::Event,
        Some(_) | None => Kind::Text,
    };
    let mut records = Vec::new();
    let mut missing = lines;
    let mut end = upto;
    let mut best = Position::at(upto);
    let mut begun = None;
    if lines == 0 {
        return Ok((best, true));
    }
    while let Some(first) = index.before(end, &mut records, BATCH)? {
        for (at, record) in records.iter().enumerate().rev() {
            let number = first + at as u64;
            if record.kind != counted || !filter.takes(record.stream) {
                continue;
            }
            // There are enough lines after this position, but the first of them may have begun
            // before it.
            if let Some(stream) = begun {
                if record.stream != stream {
                    continue;
                }
                if record.flags & TO_BE_CONTINUED == 0 {
                    return Ok((best, true));
                }
                best = Position::at(number);
                if record.flags & CONTINUES == 0 {
                    return Ok((best, true));
                }
                continue;
            }
            best = Position::at(number);
            let ends = ends(record);
            if ends < missing {
                missing -= ends;
            } else if ends > missing {
                return Ok((cut(index, number, record, missing)?, true));
            } else if record.flags & CONTINUES != 0 {
                begun = Some(record.stream);
            } else {
                return Ok((best, true));
            }
        }
        end = first;
    }
    Ok((best, begun.is_some()))
}

/// How many lines end with a record.
pub(crate) fn ends(record: &Record) -> u64 {
    u64::from(record.lines) + u64::from(record.flags & UNFINISHED != 0)
}

/// The position in a record before its last `lines` lines.
fn cut(index: &IndexReader, number: u64, record: &Record, lines: u64) -> io::Result<Position> {
    let mut text = Vec::new();
    let mut texts = TextReader::new(index.dirs());
    let whole = Position::at(number);
    // Its beginning may have been deleted; the last lines are probably still there.
    let range = record.offset..record.end();
    let from = texts.read_behind_gaps(record.stream, range, &mut text)?;
    if from + text.len() as u64 != record.end() {
        // The reader of this position will report the loss.
        return Ok(whole);
    }
    let skip = usize::try_from(lines).unwrap_or(usize::MAX);
    // The newline of the last line does not begin another line.
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    let newline = memchr::memrchr_iter(b'\n', body).nth(skip - 1);
    let gone = usize::try_from(from - record.offset).unwrap_or(usize::MAX);
    let before = |at: usize| crate::small(gone.saturating_add(at + 1));
    Ok(newline.map_or(whole, |at| Position { record: number, skip: before(at) }))
}

/// The position of the first record that is not older than `time`.
pub fn since(index: &mut IndexReader, time: Timestamp) -> io::Result<Position> {
    Ok(Position::at(index.search_time(time)?))
}

/// The last lines of the last life of the process that `filter` selects, none before record `first`.
pub fn last_lines(
    mut index: IndexReader,
    filter: Filter,
    lines: u64,
    first: u64,
) -> io::Result<Vec<u8>> {
    let upto = index.len()?;
    let mark = Position::at(clear::mark(index.dirs()).max(first));
    let position = tail(&mut index, &filter, lines, upto)?.max(mark);
    let mut cursor = Cursor::over(index, position, filter);
    let (mut all, mut text) = (vec![], vec![]);
    while let Some(chunk) = cursor.next(upto, &mut text)? {
        match chunk.record.kind {
            Kind::Text => all.extend_from_slice(&text),
            Kind::Start => all.clear(),
            Kind::Exit | Kind::End | Kind::Gap | Kind::Event => {}
        }
    }
    Ok(all)
}

/// The last events of a journal, none before record `first`, each with the number of its record.
pub fn last_events(mut index: IndexReader, first: u64) -> io::Result<Vec<(u64, Logged)>> {
    /// Maximum number of records searched for the end of a run.
    const MOST: u64 = 1000;
    let upto = index.len()?;
    let filter = Filter::only(vec![EVENTS]);
    let from = tail(&mut index, &filter, MOST, upto)?.max(Position::at(first));
    let mut cursor = Cursor::over(index, from, filter);
    let (mut events, mut text) = (vec![], vec![]);
    while let Some(chunk) = cursor.next(upto, &mut text)? {
        let logged = text.split(|&b| b == b'\n').filter_map(Logged::from_json);
        events.extend(logged.map(|event| (chunk.position, event)));
    }
    Ok(events)
}

/// If the last event about it is that the journal can't be written, and that is still so: its text. No events before
/// record `first` count.
pub fn unwritable(index: IndexReader, first: u64) -> io::Result<Option<String>> {
    let dirs = index.dirs().clone();
    let mut text = None;
    for (_, event) in last_events(index, first)? {
        if let Some(What::Disk { again, .. }) = event.what() {
            text = event.text().filter(|_| !again);
        }
    }
    // That there is room again is an event only when a process has written.
    Ok(text.filter(|_| dirs.try_writing().is_err()))
}
