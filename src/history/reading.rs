//! Putting the parts together: read, choose, show.

use std::collections::VecDeque;
use std::io;

use super::lines::{Lines, Split};
use super::select::{Chosen, Kept, Query, Selector, Spans};
use super::show::Form;
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::reader::IndexReader;

/// How much is put together before it is written.
const PAGE: usize = 64 << 10;

/// Reads a journal, chooses and shows.
#[derive(Debug)]
pub struct Reading {
    lines: Lines,
    selector: Selector,
    form: Form,
    last: Option<Last>,
    page: Vec<u8>,
}

/// The last of what was chosen.
#[derive(Debug)]
struct Last {
    most: usize,
    /// With whether it is a match; nothing where something was left out.
    kept: VecDeque<Option<(Kept, bool)>>,
    lines: usize,
}

impl Last {
    fn push(&mut self, chosen: Chosen<'_>) {
        match chosen {
            Chosen::Break => self.kept.push_back(None),
            Chosen::Entry(entry, matches) => {
                self.lines += usize::from(entry.is_line());
                self.kept.push_back(Some((Kept::of(&entry), matches)));
            }
        }
        while self.lines > self.most || matches!(self.kept.front(), Some(None)) {
            if let Some(Some((kept, _))) = self.kept.pop_front() {
                self.lines -= usize::from(kept.entry().is_line());
            }
        }
    }
}

impl Reading {
    /// Read from where the cursor stands, choose by the query, show in this form; with `last`, so
    /// many of the last lines of what is chosen, once [`Self::finish`] says that this is all.
    pub fn new(cursor: Cursor, query: Query, form: Form, last: Option<usize>) -> Self {
        let plain = query.before + query.after == 0;
        let split = match (&query.pattern, &form) {
            (Some(pattern), _) if plain => Split::Like(Box::new(pattern.clone())),
            (None, Form::Merged(_) | Form::Raw) if last.is_none() => Split::Never,
            _ => Split::Lines,
        };
        let last = last.map(|most| Last { most, kept: VecDeque::new(), lines: 0 });
        let selector = Selector::new(query);
        Self { lines: Lines::new(cursor, split), selector, form, last, page: vec![] }
    }

    /// Show what there is of records with numbers below `upto`.
    pub fn read(
        &mut self,
        upto: u64,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self { lines, selector, form, last, page } = self;
        while let Some(entry) = lines.next(upto)? {
            selector.feed(&entry, &mut |chosen| {
                match last {
                    Some(last) => last.push(chosen),
                    None => form.show(chosen, page),
                }
                Ok(())
            })?;
            if page.len() >= PAGE {
                out(page)?;
                page.clear();
            }
        }
        out(page)?;
        page.clear();
        Ok(())
    }

    /// Go on in another place, after a break if something is shown before it.
    pub fn go_to(&mut self, cursor: Cursor, any: bool) {
        self.lines = Lines::new(cursor, Split::Lines);
        if any {
            self.form.show(Chosen::Break, &mut self.page);
        }
    }

    /// Show what was kept back.
    pub fn finish(mut self, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        for kept in self.last.take().map(|last| last.kept).unwrap_or_default() {
            let chosen = kept
                .as_ref()
                .map_or(Chosen::Break, |(kept, matches)| Chosen::Entry(kept.entry(), *matches));
            self.form.show(chosen, &mut self.page);
            if self.page.len() >= PAGE {
                out(&self.page)?;
                self.page.clear();
            }
        }
        self.form.finish(&mut self.page);
        out(&self.page)
    }
}

/// The times around each line that matches, of records from `from` on and below `upto`.
pub fn times_around(
    index: IndexReader,
    (from, upto): (u64, u64),
    filter: Filter,
    query: &Query,
    window: u64,
) -> io::Result<Spans> {
    let position = Position { record: from, skip: 0 };
    let pattern = query.pattern.clone();
    let split = pattern.map_or(Split::Lines, |pattern| Split::Like(Box::new(pattern)));
    let mut lines = Lines::new(Cursor::over(index, position, filter), split);
    let (mut spans, mut scratch) = (Spans::default(), vec![]);
    while let Some(entry) = lines.next(upto)? {
        if entry.is_line() && query.covers(&entry) && query.matches(&entry, &mut scratch) {
            spans.add(entry.record.time, window);
        }
    }
    Ok(spans)
}
