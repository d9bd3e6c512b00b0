//! What a query means: where it begins and ends in a journal, and what it selects there. This is decided here only, for
//! commands that read the files and for the API.

use std::io;

use super::page::{Pager, Want, before_last};
use super::pattern::Pattern;
use super::runs::{beginnings, last_starts};
use super::select::Selection;
use crate::history::{HistoryProblem, LogQuery};
use crate::model::event::LOG;
use crate::model::request::Unknown;
use crate::model::time::{Timestamp, moment};
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::streams::{Stream, refuse_unknown};
use crate::sys::local;
use crate::write::clear;

/// Where a query begins and ends in a journal, and what it selects there.
#[derive(Debug)]
pub struct LogPlan {
    pub filter: Filter,
    pub selection: Selection,
    /// Where to begin: perhaps before the first entry that is selected, for the entries around a match.
    pub from: Position,
    /// The number of the record after the last one that there is now.
    pub upto: u64,
    /// The number of the record after the last one that can ever be selected.
    pub end: u64,
    /// How many runs there are, if one of them is meant.
    pub runs: usize,
    /// Whether the journal no longer contains the cursor of the query, or it is of another log.
    pub is_reset: bool,
}

impl LogQuery {
    /// The streams and the events that are meant.
    pub fn filter(&self, streams: &[Stream]) -> Result<Filter, Unknown> {
        refuse_unknown(&self.names, streams)?;
        let filter = Filter::named(&self.names, streams).and_events_about(&self.names, streams);
        let mut filter = filter.only_output(self.stream, streams);
        filter.no_text = self.events || !self.types.is_empty() && !self.types.contains(&LOG);
        Ok(filter)
    }

    /// The place after which entries are wanted.
    pub(super) fn place(&self) -> Result<Option<Position>, HistoryProblem> {
        self.after.as_deref().map(parse_cursor).transpose()
    }

    /// The selection by time and content.
    pub fn selection(&self) -> Result<Selection, HistoryProblem> {
        let pattern =
            self.grep.as_ref().map(|text| Pattern::new(text, self.ignore_case, self.invert));
        let pattern = pattern.transpose();
        Ok(Selection {
            since: parse_time(self.since.as_deref())?,
            until: parse_time(self.until.as_deref())?,
            pattern: pattern.map_err(|error| HistoryProblem::Bad(error.to_string()))?,
            lines_before: self.lines_before,
            lines_after: self.lines_after,
            ..Selection::default()
        })
    }

    /// What this query selects of a journal with these streams.
    pub fn plan(
        &self,
        index: &mut IndexReader,
        streams: &[Stream],
    ) -> Result<LogPlan, HistoryProblem> {
        let mut selection = self.selection()?;
        let place = self.place()?;
        let filter = self.filter(streams)?;
        let mark = clear::mark(index.dirs());
        let first = index.floor()?;
        let len = index.len()?;
        let mut begin = mark;
        let mut end = u64::MAX;
        let mut runs = 1;
        if let Some(run) = self.run {
            let begun = beginnings(index.dirs(), mark)?;
            runs = begun.len();
            let at = usize::try_from(run).ok().and_then(|run| runs.checked_sub(run));
            let at = at.ok_or(HistoryProblem::NoRun { run, count: runs })?;
            begin = begin.max(begun[at]);
            // The newest run goes on.
            end = begun.get(at + 1).copied().unwrap_or(u64::MAX);
        }
        if self.since_restart {
            let starts = last_starts(index, filter.streams.as_deref().unwrap_or_default(), len)?;
            begin = begin.max(starts.values().min().copied().unwrap_or(len));
            selection.starts = Some(starts);
        }
        if let Some(since) = selection.since {
            begin = begin.max(index.search_time(since)?);
        }
        if let Some(until) = selection.until {
            let behind = index.search_time(until.next())?;
            // Without a later record, what is still to come may be in time.
            end = end.min(if behind < len { behind } else { u64::MAX });
        }
        let upto = end.min(len);
        let mut from = Position::at(begin.min(upto));
        // A position after the end belongs to an earlier, different log: everything in the present one is new.
        selection.after = place.filter(|place| place.record <= len);
        let is_reset = place.is_some()
            && selection.after.is_none_or(|after| after.record.saturating_add(1) < first);
        if let Some(after) = selection.after {
            from = from.max(self.before_context(index, &filter, from, after)?);
        } else if self.from_now && place.is_none() {
            from = from.max(Position::at(len));
        }
        if let Some(last) = self.last
            && self.types.is_empty()
            && selection.starts.is_none()
        {
            from = before_last(index.reopened(), filter.clone(), &selection, from, upto, last)?;
        }
        Ok(LogPlan { filter, selection, from, upto, end, runs, is_reset })
    }

    /// Where to begin for what follows a place: what is near a match is known only with the entries before it. Nothing
    /// before `floor` counts.
    fn before_context(
        &self,
        index: &IndexReader,
        filter: &Filter,
        floor: Position,
        after: Position,
    ) -> io::Result<Position> {
        let context = self.lines_before + self.lines_after;
        if context == 0 {
            return Ok(after);
        }
        let mut pager = Pager::new(index.reopened(), filter.clone());
        Ok(pager.up(after, floor, &Want::entries(context))?.reached)
    }
}

fn parse_time(text: Option<&str>) -> Result<Option<Timestamp>, HistoryProblem> {
    let time = text.map(|text| moment(text, &local::now())).transpose();
    time.map_err(|error| HistoryProblem::Bad(error.to_string()))
}

/// Parse `12.34`: the number of a record, and how many of its bytes to skip.
pub(super) fn parse_cursor(text: &str) -> Result<Position, HistoryProblem> {
    text.parse().map_err(|_| {
        let text = format!("`{text}` is not a valid cursor; take one from an answer");
        HistoryProblem::Bad(text)
    })
}
