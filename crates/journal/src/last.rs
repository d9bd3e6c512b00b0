//! The last lines of a process, the last events, and whether the journal can be written.

use std::io;

use super::clear;
use super::cursor::{Cursor, Filter, Position};
use super::query::tail;
use super::reader::IndexReader;
use super::record::{EVENTS, Kind};
use crate::model::event::{Logged, What};

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
