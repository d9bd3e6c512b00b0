//! Reads a journal, selects entries, and shows them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::form::Form;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::reader::IndexReader;
use crate::journal::record::Kind;
use crate::journal::search::lines::{Entry, Lines, Split};
use crate::journal::search::select::{Chosen, Kept, Query, Selector};
use crate::model::event::Logged;
use crate::model::time::Timestamp;

/// How many bytes are collected before they are written.
const PAGE: usize = 64 << 10;

/// Writes a page.
type Out<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Reads a journal, selects entries, and shows them.
#[derive(Debug)]
pub struct Reading {
    lines: Lines,
    selector: Selector,
    form: Form,
    last: Option<Last>,
    after: Option<Position>,
    page: Vec<u8>,
}

/// The last selected entries, if only these are to be shown.
#[derive(Debug)]
struct Last {
    most: usize,
    /// Each with whether it is a match. `None` where something was left out.
    kept: VecDeque<Option<(Kept, bool)>>,
    /// How many of them count towards the limit.
    count: usize,
    /// Whether an entry counts.
    counts: fn(&Entry<'_>) -> bool,
}

/// Whether an entry is shown as text: a line, or what has words.
fn is_shown(entry: &Entry<'_>) -> bool {
    match entry.record.kind {
        Kind::Event => Logged::from_json(entry.text).and_then(|e| e.text()).is_some(),
        Kind::End => false,
        Kind::Text | Kind::Start | Kind::Exit | Kind::Gap => true,
    }
}

fn is_before(chosen: Chosen<'_>, after: Option<Position>) -> bool {
    matches!((chosen, after), (Chosen::Entry(entry, _), Some(after)) if entry.position <= after)
}

impl Last {
    fn push(&mut self, chosen: Chosen<'_>) {
        match chosen {
            Chosen::Break => self.kept.push_back(None),
            Chosen::Entry(entry, matches) => {
                self.count += usize::from((self.counts)(&entry));
                self.kept.push_back(Some((Kept::of(&entry), matches)));
            }
        }
        while self.count > self.most || matches!(self.kept.front(), Some(None)) {
            if let Some(Some((kept, _))) = self.kept.pop_front() {
                self.count -= usize::from((self.counts)(&kept.entry()));
            }
        }
    }
}

impl Reading {
    /// Read from the cursor's position, select by the query, and show in this form. With `last`,
    /// show only that many of the last selected lines, when [`Self::finish`] or `Self::show_last`
    /// is called.
    pub fn new(cursor: Cursor, query: Query, form: Form, last: Option<usize>) -> Self {
        let cursor = if form.is_exact() { cursor.with_drawings() } else { cursor };
        let plain = query.before + query.after == 0;
        let split = match (&query.pattern, &form) {
            (Some(pattern), _) if plain => Split::Like(Box::new(pattern.clone())),
            (None, Form::Merged(_) | Form::Raw) if last.is_none() => Split::Never,
            _ => Split::Lines,
        };
        let counts: fn(&Entry<'_>) -> bool = match (&form, query.events_count) {
            (_, false) => |entry| entry.record.kind == Kind::Text,
            (Form::Json { .. }, true) => |_| true,
            (Form::Merged(_) | Form::Raw, true) => is_shown,
        };
        let last = last.map(|most| Last { most, kept: VecDeque::new(), count: 0, counts });
        let selector = Selector::new(query);
        let lines = Lines::new(cursor, split);
        Self { lines, selector, form, last, after: None, page: vec![] }
    }

    /// Show the records with numbers below `upto`.
    pub fn read(&mut self, upto: u64, out: Out<'_>) -> io::Result<()> {
        let Self { lines, selector, form, last, after, page } = self;
        while let Some(entry) = lines.next(upto)? {
            selector.feed(&entry, &mut |chosen| {
                match last {
                    _ if is_before(chosen, *after) => {}
                    Some(last) => last.push(chosen),
                    None => form.show(chosen, page),
                }
                Ok(())
            })?;
            put(page, PAGE, out)?;
        }
        put(page, 0, out)
    }

    /// Leave out what is at this position or before it.
    #[must_use]
    pub fn after(self, after: Option<Position>) -> Self {
        Self { after, ..self }
    }

    /// Continue at another position. `any` means that something has been shown before it; then show
    /// a separator first.
    pub fn go_to(&mut self, cursor: Cursor, any: bool) {
        let cursor = if self.form.is_exact() { cursor.with_drawings() } else { cursor };
        self.lines = Lines::new(cursor, Split::Lines);
        if any {
            self.form.show(Chosen::Break, &mut self.page);
        }
    }

    /// Show the entries that were kept back. Later ones are shown as they arrive.
    pub fn show_last(&mut self, out: Out<'_>) -> io::Result<()> {
        for kept in self.last.take().map(|last| last.kept).unwrap_or_default() {
            let chosen = kept
                .as_ref()
                .map_or(Chosen::Break, |(kept, matches)| Chosen::Entry(kept.entry(), *matches));
            self.form.show(chosen, &mut self.page);
            put(&mut self.page, PAGE, out)?;
        }
        put(&mut self.page, 0, out)
    }

    /// End of input: show what was kept back, and end the output.
    pub fn finish(mut self, out: Out<'_>) -> io::Result<()> {
        self.show_last(out)?;
        self.form.finish(&mut self.page);
        out(&self.page)
    }
}

/// Write the page if it contains at least this many bytes.
fn put(page: &mut Vec<u8>, least: usize, out: Out<'_>) -> io::Result<()> {
    if page.len() >= least {
        out(page)?;
        page.clear();
    }
    Ok(())
}

/// Time spans around moments that are added in order; they do not touch each other.
#[derive(Debug)]
pub struct Spans {
    window: Duration,
    all: Vec<(Timestamp, Timestamp)>,
}

impl Spans {
    /// From this long before each moment until this long after it.
    pub const fn new(window: Duration) -> Self {
        Self { window, all: vec![] }
    }

    /// Add a moment.
    pub fn add(&mut self, time: Timestamp) {
        let (begin, end) = (time - self.window, time + self.window);
        match self.all.last_mut() {
            Some((_, last)) if *last >= begin => *last = end.max(*last),
            Some(_) | None => self.all.push((begin, end)),
        }
    }
}

impl IntoIterator for Spans {
    type Item = (Timestamp, Timestamp);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

/// The time spans around the matching lines in records from `from` on and below `upto`.
pub fn times_around(
    index: IndexReader,
    (from, upto): (u64, u64),
    filter: Filter,
    query: &Query,
    window: Duration,
) -> io::Result<Spans> {
    let position = Position { record: from, skip: 0 };
    let split = Split::by(query.pattern.as_ref());
    let mut lines = Lines::new(Cursor::over(index, position, filter), split);
    let (mut spans, mut scratch) = (Spans::new(window), vec![]);
    while let Some(entry) = lines.next(upto)? {
        if entry.is_line() && query.covers(&entry) && query.matches(&entry, &mut scratch) {
            spans.add(entry.record.time);
        }
    }
    Ok(spans)
}
