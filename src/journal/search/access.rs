//! Access to the journal for clients of the control socket.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::entry::{Names, entry_json};
use super::lines::{Lines, Split};
use super::pattern::Pattern;
use super::select::Query;
use crate::api::history::{Answer, History, HistoryAsk, HistoryEntry, HistoryProblem};
use crate::journal::clear;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::query::{since, tail};
use crate::journal::reader::IndexReader;
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::model::event::{LOG, type_of};
use crate::model::moment::moment;
use crate::model::plan::Plan;
use crate::model::request::{Cleared, Outcome};
use crate::sys::local;

/// The maximum size of a page in bytes, unless a single line is longer: a page is held in memory.
const LARGEST_PAGE: usize = 4 << 20;

/// The journal of a run.
#[derive(Debug)]
pub struct RunHistory {
    dirs: Dirs,
}

impl RunHistory {
    /// The journal of the run with this plan.
    pub fn new(plan: &Plan, runtime: &Path) -> Self {
        Self { dirs: Dirs::of_run(plan, runtime) }
    }

    fn streams(&self) -> Result<Vec<Stream>, HistoryProblem> {
        let streams = Streams::open(&self.dirs);
        let streams = streams.map_err(|error| HistoryProblem::Io(io::Error::other(error)))?;
        Ok(streams.all().to_vec())
    }

    fn filter(ask: &HistoryAsk, streams: &[Stream]) -> Result<Filter, HistoryProblem> {
        for name in &ask.names {
            if !streams.iter().any(|stream| stream.name.matches(name)) {
                let known = streams.iter().map(|stream| &stream.name);
                return Err(HistoryProblem::Unknown(Box::new(Outcome::unknown(name, known))));
            }
        }
        let mut filter = Filter::named(&ask.names, streams);
        filter.no_text = ask.events || !ask.types.is_empty() && !ask.types.contains(&LOG);
        Ok(filter)
    }
}

impl History for RunHistory {
    fn clear(&self) -> io::Result<Cleared> {
        clear::clear_behind(&self.dirs)
    }

    fn ask(&self, ask: &HistoryAsk) -> Result<Box<dyn Answer>, HistoryProblem> {
        let bad = |error: &dyn std::fmt::Display| HistoryProblem::Bad(error.to_string());
        let now = local::now();
        let time = |text: &Option<String>| {
            text.as_deref().map(|text| moment(text, &now)).transpose().map_err(|error| bad(&error))
        };
        let pattern = ask.grep.as_ref().map(|text| Pattern::new(text, ask.ignore_case, ask.invert));
        let query = Query {
            since: time(&ask.since)?,
            until: time(&ask.until)?,
            pattern: pattern.transpose().map_err(|error| bad(&error))?,
            ..Query::default()
        };
        let place = ask.after.as_deref().map(cursor).transpose().map_err(|text| bad(&text))?;
        let streams = self.streams()?;
        let filter = Self::filter(ask, &streams)?;
        let mut index = IndexReader::open(&self.dirs);
        let mark = Position { record: clear::mark(&self.dirs), skip: 0 };
        let mut from = mark;
        let mut reset = false;
        let read = (|| {
            let (first, len) = (index.first()?.max(mark.record), index.len()?);
            // A position after the end belongs to an earlier, different log: everything in the
            // present one is new.
            let after = place.filter(|place| place.record <= len);
            let gone = |after: Position| after.record.saturating_add(1) < first;
            reset = place.is_some() && after.is_none_or(gone);
            from = from.max(after.unwrap_or_default());
            if let Some(time) = query.since {
                from = from.max(since(&mut index, time)?);
            }
            if ask.from_now && place.is_none() {
                from = from.max(Position { record: len, skip: 0 });
            }
            // If all entries count, the index alone shows where the last lines are.
            if let (Some(last), None, None, false) =
                (ask.last, &query.pattern, query.until, ask.events || !ask.types.is_empty())
            {
                from = from.max(tail(&mut index, &filter, last as u64, len)?);
            }
            Ok(after)
        })();
        let after = read.map_err(HistoryProblem::Io)?;
        let split = Split::by(query.pattern.as_ref());
        Ok(Box::new(Reader {
            names: Names::of(&self.dirs, &streams),
            lines: Lines::new(Cursor::over(index, from, filter), split),
            after,
            last: ask.last,
            query,
            kept: VecDeque::new(),
            types: ask.types.clone(),
            reset,
        }))
    }
}

struct Reader {
    lines: Lines,
    query: Query,
    names: Names,
    after: Option<Position>,
    last: Option<usize>,
    kept: VecDeque<HistoryEntry>,
    /// Only entries of these types; empty means all.
    types: Vec<&'static str>,
    reset: bool,
}

impl Reader {
    fn wants(&self, kind: &str, is_line: bool) -> bool {
        let of_type = if is_line { Some(LOG) } else { type_of(kind) };
        self.types.is_empty() || of_type.is_some_and(|kind| self.types.contains(&kind))
    }
}

impl Answer for Reader {
    fn is_reset(&self) -> bool {
        self.reset
    }

    fn next(&mut self, upto: u64, most: usize) -> io::Result<(Vec<HistoryEntry>, bool)> {
        let mut scratch = vec![];
        let mut bytes: usize = self.kept.iter().map(|entry| entry.json.len()).sum();
        // Look for one more entry than needed, to know whether there are more.
        while let Some(entry) = self.lines.next(upto)? {
            let wanted = self.after.is_none_or(|after| entry.position > after)
                && self.query.covers(&entry)
                && self.query.matches(&entry, &mut scratch);
            if !wanted {
                continue;
            }
            let line_type = Some(LOG).filter(|_| !self.types.is_empty());
            let is_line = entry.is_line();
            let (kind, json) = entry_json(&mut self.names, &entry, true, line_type);
            let cursor = entry.position.to_string();
            if !self.wants(&kind, is_line) {
                continue;
            }
            bytes += json.len();
            self.kept.push_back(HistoryEntry { cursor, kind, json });
            match self.last {
                Some(last) if self.kept.len() > last => _ = self.kept.pop_front(),
                None if self.kept.len() > most || bytes > LARGEST_PAGE => break,
                Some(_) | None => {}
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

/// Parses `12.34`: the number of a record, and how many of its bytes to skip.
fn cursor(text: &str) -> Result<Position, String> {
    text.parse().map_err(|_| format!("`{text}` is not a valid cursor; take one from an answer"))
}
