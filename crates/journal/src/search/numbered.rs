//! Pages of the lines of one process by number, counted from the oldest kept line.
//!
//! [`super::line_counts::LineCounts`] keeps the counts, so a later request counts only newer lines.

use std::io;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

use super::access::{LARGEST_PAGE, RunHistory};
use super::entry::{Among, Names};
use super::line_counts::Counted;
use super::lines::Entry;
use super::page::{Pager, Want};
use super::place::share;
use crate::model::terminal::line::plain_text;
use crate::model::time::Timestamp;
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::streams::Streams;

/// How many lines are read at once.
const BATCH: usize = 4096;
/// How many bytes of the journal are searched for the last lines.
const NEAR: u64 = 1 << 20;

/// Lines by number.
#[derive(Debug, Default)]
pub struct NumberedPage {
    /// The number of the first line.
    pub first: u64,
    /// The lines, each as a JSON object.
    pub lines: Vec<String>,
    /// How many lines there are in all.
    pub all: u64,
    /// The size of the lines in bytes.
    pub bytes: u64,
    /// Whether retention has deleted the text of some counted lines, so that the numbers may be too high.
    pub is_estimate: bool,
}

/// A filter for exactly this process, without other instances of the same entry of the Procfile.
fn of_process(streams: &Streams, name: &str) -> Filter {
    let its = streams.all().iter().filter(|stream| stream.name.as_str() == name);
    Filter::only(its.map(|stream| stream.number).collect())
}

impl RunHistory {
    /// Lines of exactly this process by number, counted from 1. `choose` selects them, given the number of all lines.
    pub fn numbered(
        &self,
        name: &str,
        choose: impl FnOnce(u64) -> RangeInclusive<u64>,
    ) -> io::Result<NumberedPage> {
        let dirs = &self.dirs;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = Streams::open(dirs)?;
        let filter = of_process(&streams, name);
        let mut index = IndexReader::open(dirs);
        let floor = index.floor()?;
        let upto = index.len()?.max(floor);
        counts.forget_before(floor);
        let Counted { lines: all, .. } = counts.count_all(&mut index, &filter, floor..upto)?;
        let range = choose(all);
        let (first, last) = (*range.start(), (*range.end()).min(all));
        let mut page = NumberedPage { first, all, ..NumberedPage::default() };
        let end = Position::at(upto);
        page.bytes = share(&mut index, &filter, (floor, upto), end)?.all;
        if first > last {
            return Ok(page);
        }
        let found = counts.find(&mut index, &filter, (floor..upto, first))?;
        let Some((mut at, before)) = found else { return Ok(page) };
        let mut skip = usize::try_from(first - before - 1).unwrap_or(usize::MAX);
        let mut missing = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
        let mut names = Names::new(dirs, streams.all());
        let mut pager = Pager::new(index, filter).with_replaced();
        let mut size = 0;
        let mut from = Position::at(at);
        while missing > 0 && size < LARGEST_PAGE && at < upto {
            let step =
                pager.down(from, upto, &Want { bytes: LARGEST_PAGE, ..Want::entries(BATCH) })?;
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
                let json = names.line(&entry, Among::default(), None, None).to_json();
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

    /// The last lines of exactly this process in records with numbers below `upto`, none older than `since`. Only a
    /// limited part of the journal before `upto` is searched.
    pub fn last_lines(
        &self,
        name: &str,
        most: usize,
        upto: u64,
        since: Timestamp,
    ) -> io::Result<Vec<String>> {
        let dirs = &self.dirs;
        let streams = Streams::open(dirs)?;
        let mut index = IndexReader::open(dirs);
        let floor = Position::at(index.floor()?);
        let mut pager = Pager::new(index, of_process(&streams, name));
        let mut lines = vec![];
        let mut before = Position::at(upto);
        let mut budget = NEAR;
        while lines.len() < most && budget > 0 {
            let want = Want { bytes: LARGEST_PAGE, budget, ..Want::entries(most - lines.len()) };
            let step = pager.up(before, floor, &want)?;
            let found = step.entries.iter().rev().map(super::select::Kept::entry);
            let is_wanted = |entry: &Entry<'_>| entry.is_line() && entry.record.time >= since;
            lines.extend(found.filter(is_wanted).map(|entry| plain_text(entry.text)));
            if step.end {
                break;
            }
            // Events of the process are not lines, so more entries may be needed.
            budget = if step.entries.is_empty() { 0 } else { budget / 2 };
            before = step.reached;
        }
        lines.reverse();
        Ok(lines)
    }
}
