//! Finds the beginnings of runs and lives.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::model::StreamNo;
use crate::model::event::Logged;
use crate::read::cursor::{Cursor, Filter, Position};
use crate::read::index::IndexReader;
use crate::read::query::tail;
use crate::record::{EVENTS, Kind};
use crate::segment::Dirs;
use crate::streams::Streams;

/// The records with which the runs in a journal begin, oldest first. If the beginning of the oldest
/// run has been deleted, its first remaining record counts. Runs that have nothing after record
/// `mark` are left out.
pub fn beginnings(dirs: &Dirs, mark: u64) -> io::Result<Vec<u64>> {
    let first = IndexReader::open(dirs).first()?;
    let cursor = Cursor::open(dirs, Position::default(), Filter::only(vec![EVENTS]));
    let mut found = begun_in(cursor, u64::MAX)?;
    if found.first().is_none_or(|begin| *begin > first) {
        found.insert(0, first);
    }
    let cleared = found.partition_point(|begin| *begin <= mark).saturating_sub(1);
    found.drain(..cleared);
    Ok(found)
}

/// The records with which runs begin, among the events that this cursor reads.
fn begun_in(mut cursor: Cursor, upto: u64) -> io::Result<Vec<u64>> {
    let (mut found, mut text, mut within) = (vec![], vec![], false);
    while let Some(chunk) = cursor.next(upto, &mut text)? {
        let begins = Logged::from_json(&text).is_some_and(|event| event.begins_run());
        // A run has several such records at its beginning.
        if begins && !within {
            found.push(chunk.position);
        }
        within = begins;
    }
    Ok(found)
}

/// The record with which the newest run begins, or the first existing record.
pub fn newest(index: &mut IndexReader) -> io::Result<u64> {
    /// The number of events to look at in the first attempt.
    const EVENTS_AT_FIRST: u64 = 256;
    let mut most = EVENTS_AT_FIRST;
    let first = index.first()?;
    let len = index.len()?;
    let mut earlier = None;
    loop {
        let filter = Filter::only(vec![EVENTS]);
        let from = tail(index, &filter, most, len)?;
        let found = begun_in(Cursor::over(index.reopened(), from, filter), len)?.pop();
        // A run has several such records at its beginning, so earlier ones may belong to the same
        // run.
        if let Some(begin) = found.filter(|begin| *begin > from.record) {
            return Ok(begin);
        }
        // A damaged index may begin with records of output, or have no events at all.
        if from.record <= first || earlier == Some(from) {
            return Ok(found.unwrap_or(first));
        }
        earlier = Some(from);
        most = most.saturating_mul(16);
    }
}

/// The record with which the last life of each of these streams began, if it still exists.
pub fn last_starts(
    index: &mut IndexReader,
    streams: &[StreamNo],
    upto: u64,
) -> io::Result<HashMap<StreamNo, u64>> {
    let list = Streams::open(index.dirs())?;
    let streams = streams.iter().filter(|stream| **stream != EVENTS);
    let mains: Vec<(StreamNo, StreamNo)> =
        streams.map(|&stream| (stream, list.main(stream))).collect();
    let wanted: HashSet<StreamNo> = mains.iter().map(|(_, main)| *main).collect();
    let mut found = HashMap::new();
    index.rfind(upto, |number, record| {
        if record.kind == Kind::Start && wanted.contains(&record.stream) {
            found.entry(record.stream).or_insert(number);
        }
        (found.len() >= wanted.len()).then_some(())
    })?;
    Ok(mains.into_iter().filter_map(|(stream, main)| Some((stream, *found.get(&main)?))).collect())
}
