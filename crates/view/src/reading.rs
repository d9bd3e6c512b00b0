//! Reads a journal, selects entries, and shows them in one of several forms.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::merged::Renderer;
use super::paint::Mode;
use crate::journal::history::LogQuery;
use crate::journal::read::cursor::{Cursor, Filter, Position};
use crate::journal::read::index::IndexReader;
use crate::journal::record::Kind;
use crate::journal::search::entry::{Among, Names, entry_json};
use crate::journal::search::lines::{Entry, Lines, Split};
use crate::journal::search::plan::LogPlan;
use crate::journal::search::select::{Kept, Selector};
use crate::model::event::Logged;
use crate::model::text::untrusted;
use crate::model::time::Timestamp;

/// How many bytes are collected before they are written.
const PAGE: usize = 64 << 10;

/// Writes a page.
type Out<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// The form of the output.
#[derive(Debug)]
pub enum Form {
    /// As in the merged log, or only its lines without prefixes.
    Merged(Box<Renderer>),
    /// Byte for byte as it was printed.
    Raw,
    /// One JSON object per line.
    Json(Names),
}

impl Form {
    /// Whether it shows the bytes of processes unchanged.
    fn is_exact(&self) -> bool {
        match self {
            Self::Merged(renderer) => renderer.style.mode == Mode::Exact,
            Self::Raw => true,
            Self::Json(_) => false,
        }
    }

    /// Append the text for this entry.
    pub fn show(&mut self, entry: &Entry<'_>, among: Among, out: &mut Vec<u8>) {
        match self {
            Self::Merged(renderer) => {
                if among.apart {
                    renderer.separate(out);
                }
                renderer.render(&entry.record, entry.text, entry.lost, out);
            }
            Self::Raw if entry.is_line() => out.extend_from_slice(entry.text),
            Self::Raw => {}
            Self::Json(names) => {
                let (_, json) = entry_json(names, entry, among, None, None);
                out.extend_from_slice(untrusted::json(&json).as_bytes());
                out.push(b'\n');
            }
        }
    }

    /// Append what is still pending at the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::Merged(renderer) = self {
            renderer.finish(out);
        }
    }
}

/// Reads a journal, selects entries, and shows them.
#[derive(Debug)]
pub struct Reading {
    lines: Lines,
    selector: Selector,
    form: Form,
    last: Option<Last>,
    /// The next entry is apart from those before it.
    is_apart: bool,
    page: Vec<u8>,
}

/// The last selected entries, if only these are to be shown.
#[derive(Debug)]
struct Last {
    most: usize,
    kept: VecDeque<(Kept, Among)>,
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

impl Last {
    fn push(&mut self, entry: &Entry<'_>, among: Among) {
        self.count += usize::from((self.counts)(entry));
        self.kept.push_back((Kept::of(entry), among));
        while self.count > self.most
            && let Some((kept, _)) = self.kept.pop_front()
        {
            self.count -= usize::from((self.counts)(&kept.entry()));
        }
    }
}

impl Reading {
    /// Show what a plan selects, in this form. With `last`, show only that many of the last selected entries, when
    /// [`Self::finish`] or `Self::show_last` is called.
    pub fn new(index: IndexReader, plan: LogPlan, form: Form, last: Option<usize>) -> Self {
        let LogPlan { filter, selection, from, .. } = plan;
        let split = match (&selection.pattern, &form) {
            (None, Form::Merged(_) | Form::Raw) if last.is_none() => Split::Never,
            _ => selection.split(),
        };
        let counts = match &form {
            Form::Json(_) => |_: &Entry<'_>| true,
            Form::Merged(_) | Form::Raw => is_shown,
        };
        let last = last.map(|most| Last { most, kept: VecDeque::new(), count: 0, counts });
        let lines = Lines::new(cursor_for(&form, index, from, filter), split);
        Self {
            lines,
            selector: Selector::new(selection),
            form,
            last,
            is_apart: false,
            page: vec![],
        }
    }

    /// Show the records with numbers below `upto`.
    pub fn read(&mut self, upto: u64, out: Out<'_>) -> io::Result<()> {
        let Self { lines, selector, form, last, is_apart, page } = self;
        while let Some(entry) = lines.next(upto)? {
            selector.feed(&entry, &mut |entry, among| {
                let apart = among.apart || std::mem::take(is_apart);
                let among = Among { apart, ..among };
                match last {
                    Some(last) => last.push(entry, among),
                    None => form.show(entry, among, page),
                }
            });
            put(page, PAGE, out)?;
        }
        put(page, 0, out)
    }

    /// Show a separator, and continue with what another plan selects.
    pub fn go_to(&mut self, index: IndexReader, plan: LogPlan) {
        let LogPlan { filter, selection, from, .. } = plan;
        self.lines = Lines::new(cursor_for(&self.form, index, from, filter), Split::Lines);
        self.selector = Selector::new(selection);
        self.is_apart = true;
    }

    /// Show the entries that were kept back. Later ones are shown as they arrive.
    pub fn show_last(&mut self, out: Out<'_>) -> io::Result<()> {
        let kept = self.last.take().map(|last| last.kept).unwrap_or_default();
        for (at, (kept, among)) in kept.iter().enumerate() {
            let among = Among { apart: among.apart && at > 0, ..*among };
            self.form.show(&kept.entry(), among, &mut self.page);
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

fn cursor_for(form: &Form, index: IndexReader, from: Position, filter: Filter) -> Cursor {
    let cursor = Cursor::over(index, from, filter);
    if form.is_exact() { cursor.with_drawings() } else { cursor }
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

    /// A query for each span: what all processes printed in it.
    pub fn queries(self) -> impl Iterator<Item = LogQuery> {
        self.all.into_iter().map(|(begin, end)| {
            let (since, until) = (Some(begin.to_string()), Some(end.to_string()));
            LogQuery { since, until, ..LogQuery::default() }
        })
    }
}

/// The time spans around the lines that a plan selects.
pub fn times_around(index: IndexReader, plan: LogPlan, window: Duration) -> io::Result<Spans> {
    let LogPlan { filter, selection, from, upto, .. } = plan;
    let mut lines = Lines::new(Cursor::over(index, from, filter), selection.split());
    let (mut spans, mut scratch) = (Spans::new(window), vec![]);
    while let Some(entry) = lines.next(upto)? {
        if entry.is_line() && selection.covers(&entry) && selection.matches(&entry, &mut scratch) {
            spans.add(entry.record.time);
        }
    }
    Ok(spans)
}
