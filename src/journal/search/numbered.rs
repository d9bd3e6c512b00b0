//! Pages of the lines of one process by number, counted from the first line that is kept.
//!
//! Records have the number of their lines, so counting reads no text. What has been counted stays known: a later
//! request counts only what came since. As on all pages, a line over 1 MiB comes in parts, each of which counts.

use std::io;
use std::ops::RangeInclusive;

use super::entry::{Names, entry_json};
use super::page::{Pager, Want};
use crate::journal::clear;
use crate::journal::cursor::{Filter, Position};
use crate::journal::reader::IndexReader;
use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::journal::segment::Dirs;
use crate::journal::streams::Streams;
use crate::model::line::{plain, without_break};

/// How many records are read at once.
const BATCH: usize = 4096;
/// The distance of the records of which the number of lines before them is kept.
const DISTANCE: u64 = 16_384;
/// The maximum size of a page in bytes, unless a single line is longer: a page is held in memory.
const LARGEST_PAGE: usize = 4 << 20;
/// How many bytes of the journal are searched for the last lines.
const NEAR: u64 = 1 << 20;

/// How many lines a process has printed, as far as they have been counted.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// The first record that counts.
    floor: u64,
    /// The first record that has not been counted.
    next: u64,
    /// The number of lines before it.
    lines: u64,
    /// Records, and the number of lines before each.
    marks: Vec<(u64, u64)>,
}

/// Lines by number.
#[derive(Debug, Default)]
pub struct NumberedPage {
    /// The number of the first line.
    pub first: u64,
    /// The lines, each as a JSON object.
    pub lines: Vec<String>,
    /// How many lines there are in all.
    pub all: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Retention has deleted the text of some lines that were counted, so the numbers may be too high.
    pub is_estimate: bool,
}

impl LineCounts {
    /// Count the lines up to a record.
    fn count(&mut self, index: &mut IndexReader, filter: &Filter, upto: u64) -> io::Result<()> {
        let floor = index.first()?.max(clear::mark(index.dirs()));
        if floor != self.floor || self.next > upto {
            *self = Self { floor, next: floor, ..Self::default() };
        }
        let mut records = vec![];
        while self.next < upto {
            if self.marks.last().is_none_or(|(record, _)| self.next - record >= DISTANCE) {
                self.marks.push((self.next, self.lines));
            }
            let most = usize::try_from(upto - self.next).unwrap_or(BATCH).min(BATCH);
            let hole = index.read(self.next, &mut records, most)?;
            if let Some(hole) = hole {
                self.next = hole.until;
            }
            if records.is_empty() {
                break;
            }
            self.lines += records.iter().map(|record| lines_of(record, filter)).sum::<u64>();
            self.next += records.len() as u64;
        }
        Ok(())
    }

    /// The record with this line, counted from 1, and the number of lines before the record.
    fn find(
        &self,
        index: &mut IndexReader,
        filter: &Filter,
        line: u64,
    ) -> io::Result<Option<(u64, u64)>> {
        let after = self.marks.partition_point(|(_, before)| *before < line);
        let Some((mut at, mut before)) = self.marks[..after].last().copied() else {
            return Ok(None);
        };
        let mut records = vec![];
        while at < self.next {
            let most = usize::try_from(self.next - at).unwrap_or(BATCH).min(BATCH);
            if let Some(hole) = index.read(at, &mut records, most)? {
                at = hole.until;
            }
            if records.is_empty() {
                break;
            }
            for record in &records {
                let lines = lines_of(record, filter);
                if before + lines >= line {
                    return Ok(Some((at, before)));
                }
                (at, before) = (at + 1, before + lines);
            }
        }
        Ok(None)
    }
}

/// How many lines a page has of a record.
fn lines_of(record: &Record, filter: &Filter) -> u64 {
    if record.kind != Kind::Text || !filter.takes(record.stream) {
        return 0;
    }
    let is_open = record.flags & (UNFINISHED | TO_BE_CONTINUED) != 0;
    u64::from(record.lines) + u64::from(is_open)
}

/// The streams of exactly this process; an entry of the Procfile does not mean its other instances.
fn of_process(streams: &Streams, name: &str) -> Filter {
    let its = streams.all().iter().filter(|stream| stream.name.as_str() == name);
    Filter::only(its.map(|stream| stream.number).collect())
}

/// The lines with these numbers, counted from 1. `choose` gets the number of all lines.
pub(super) fn numbered_page(
    dirs: &Dirs,
    name: &str,
    counts: &mut LineCounts,
    choose: impl FnOnce(u64) -> RangeInclusive<u64>,
) -> io::Result<NumberedPage> {
    let streams = Streams::open(dirs).map_err(io::Error::other)?;
    let filter = of_process(&streams, name);
    let mut index = IndexReader::open(dirs);
    let upto = index.len()?;
    counts.count(&mut index, &filter, upto)?;
    let range = choose(counts.lines);
    let (first, last) = (*range.start(), (*range.end()).min(counts.lines));
    let mut page = NumberedPage { first, all: counts.lines, ..NumberedPage::default() };
    let text = |index: &mut IndexReader, at| {
        let state = index.state_at(at)?;
        let its = state.streams.values().filter(|one| filter.takes(one.stream));
        Ok::<u64, io::Error>(its.map(|one| one.text).sum())
    };
    page.bytes = text(&mut index, upto)?.saturating_sub(text(&mut index, counts.floor)?);
    if first > last {
        return Ok(page);
    }
    let Some((mut at, before)) = counts.find(&mut index, &filter, first)? else { return Ok(page) };
    let mut skip = usize::try_from(first - before - 1).unwrap_or(usize::MAX);
    let mut missing = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
    let mut names = Names::of(dirs, streams.all());
    let mut pager = Pager::new(index, filter);
    let mut size = 0;
    let mut from = Position { record: at, skip: 0 };
    while missing > 0 && size < LARGEST_PAGE && at < upto {
        let step = pager.down(from, upto, &Want { bytes: LARGEST_PAGE, ..Want::entries(BATCH) })?;
        for kept in &step.entries {
            let entry = kept.entry();
            if !entry.is_line() || missing == 0 || size >= LARGEST_PAGE {
                continue;
            }
            page.is_estimate |= entry.lost > 0;
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let (_, json) = entry_json(&mut names, &entry, true, None, None);
            size += json.len();
            page.lines.push(json);
            missing -= 1;
        }
        if step.end {
            break;
        }
        (from, at) = (step.reached, step.reached.record);
    }
    Ok(page)
}

/// The last lines of exactly this process before a record, as far as they are near it.
pub(super) fn last_lines(
    dirs: &Dirs,
    name: &str,
    most: usize,
    upto: u64,
) -> io::Result<Vec<String>> {
    let streams = Streams::open(dirs).map_err(io::Error::other)?;
    let mut index = IndexReader::open(dirs);
    let floor = Position { record: index.first()?.max(clear::mark(dirs)), skip: 0 };
    let end = Position { record: upto, skip: 0 };
    let mut pager = Pager::new(index, of_process(&streams, name));
    let mut lines = vec![];
    let mut before = end;
    let mut budget = NEAR;
    while lines.len() < most && budget > 0 {
        let want = Want { bytes: LARGEST_PAGE, budget, ..Want::entries(most - lines.len()) };
        let step = pager.up(before, floor, &want)?;
        let found = step.entries.iter().rev().map(super::select::Kept::entry);
        lines.extend(found.filter(|entry| entry.is_line()).map(|entry| shown(entry.text)));
        if step.end {
            break;
        }
        // Events of the process don't count as lines, so there may be room for more.
        budget = if step.entries.is_empty() { 0 } else { budget / 2 };
        before = step.reached;
    }
    lines.reverse();
    Ok(lines)
}

/// A line as a terminal shows it, without colours.
fn shown(line: &[u8]) -> String {
    let mut bytes = vec![];
    plain(without_break(line), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
