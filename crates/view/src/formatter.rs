//! Turns lines of the log into text: those of a journal that is here, and those that another supervisor has sent.

use std::time::Duration;

use super::merged::Renderer;
use super::paint::Mode;
use crate::journal::history::{Line, LogQuery};
use crate::journal::read::cursor::Cursor;
use crate::journal::read::index::IndexReader;
use crate::journal::record::Kind;
use crate::journal::search::entry::{Among, Names};
use crate::journal::search::lines::{Entry, Split};
use crate::journal::search::plan::LogPlan;
use crate::journal::search::select::SelectedEntries;
use crate::model::event::Logged;
use crate::model::text::untrusted;
use crate::model::time::Timestamp;

/// A line of the log, or something that happened.
#[derive(Debug, Clone, Copy)]
pub enum LogLine<'a> {
    /// Read from the journal.
    Read(&'a Entry<'a>, Among),
    /// Sent by a supervisor whose journal is on another machine.
    Sent(&'a Line<'a>),
}

impl LogLine<'_> {
    /// When a process printed it; `None` if it is not output.
    pub fn printed(&self) -> Option<Timestamp> {
        match self {
            Self::Read(entry, _) => entry.is_line().then_some(entry.record.time),
            Self::Sent(line) => line.time.parse().ok().filter(|_| line.event.is_none()),
        }
    }
}

/// The form of the output.
#[derive(Debug)]
pub enum Form {
    /// As in the merged log, or only its lines without prefixes.
    Merged,
    /// Byte for byte as it was printed.
    Raw,
    /// One JSON object per line, with names for the streams of a journal that is here.
    Json(Names),
}

/// Shows lines in one form.
#[derive(Debug)]
pub struct Formatter {
    pub form: Form,
    /// Renders in the merged form; the others don't use it.
    pub renderer: Renderer,
    /// Whether a line has been shown: nothing separates the first one.
    any: bool,
    /// The next line is apart from those before it.
    is_apart: bool,
}

impl Formatter {
    pub const fn new(form: Form, renderer: Renderer) -> Self {
        Self { form, renderer, any: false, is_apart: false }
    }

    /// Whether it shows the bytes of processes unchanged.
    pub fn is_exact(&self) -> bool {
        match self.form {
            Form::Merged => self.renderer.style.mode == Mode::Exact,
            Form::Raw => true,
            Form::Json(_) => false,
        }
    }

    /// The entries that a plan selects, read as this form needs them; with `last`, only so many of the last ones.
    pub fn entries_of(
        &self,
        index: IndexReader,
        plan: LogPlan,
        last: Option<usize>,
    ) -> SelectedEntries {
        let LogPlan { filter, selection, from, .. } = plan;
        let is_json = matches!(self.form, Form::Json(_));
        let cursor = Cursor::over(index, from, filter);
        let cursor = if self.is_exact() { cursor.with_drawings() } else { cursor };
        let is_whole = selection.pattern.is_none() && last.is_none() && !is_json;
        let split = if is_whole { Split::Never } else { selection.split() };
        let entries = SelectedEntries::new(cursor, selection, split);
        match last {
            None => entries,
            Some(most) if is_json => entries.only_last(most, |_| true),
            Some(most) => entries.only_last(most, has_text),
        }
    }

    /// Separate the lines that follow from those before.
    pub const fn begin_part(&mut self) {
        self.is_apart = true;
    }

    /// Append the text for this line.
    pub fn show(&mut self, line: LogLine<'_>, out: &mut Vec<u8>) {
        let any = std::mem::replace(&mut self.any, true);
        let begins_part = std::mem::take(&mut self.is_apart) && any;
        let apart = match line {
            LogLine::Read(_, among) => among.apart || begins_part,
            LogLine::Sent(line) => any && line.apart || begins_part,
        };
        if apart && matches!(self.form, Form::Merged) {
            self.renderer.separate(out);
        }
        match (&mut self.form, line) {
            (Form::Merged, LogLine::Read(entry, _)) => {
                self.renderer.render(&entry.record, entry.text, entry.lost, out);
            }
            (Form::Merged, LogLine::Sent(line)) => self.renderer.render_sent(line, out),
            (Form::Raw, LogLine::Read(entry, _)) if entry.is_line() => {
                out.extend_from_slice(entry.text);
            }
            (Form::Raw, _) => {}
            (Form::Json(names), LogLine::Read(entry, among)) => {
                put_json(&names.line(entry, Among { apart, ..among }, None, None), out);
            }
            (Form::Json(_), LogLine::Sent(line)) => put_json(&Line { apart, ..line.clone() }, out),
        }
    }
}

fn put_json(line: &Line<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(untrusted::json(&line.to_json()).as_bytes());
    out.push(b'\n');
}

/// Whether an entry is shown as text: a line, or what has words.
fn has_text(entry: &Entry<'_>) -> bool {
    match entry.record.kind {
        Kind::Event => Logged::from_json(entry.text).and_then(|event| event.text()).is_some(),
        Kind::End => false,
        Kind::Text | Kind::Start | Kind::Exit | Kind::Gap => true,
    }
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

    pub fn add(&mut self, time: Timestamp) {
        let begin = time - self.window;
        let end = time + self.window;
        match self.all.last_mut() {
            Some((_, last)) if *last >= begin => *last = end.max(*last),
            Some(_) | None => self.all.push((begin, end)),
        }
    }

    /// A query for each span: what all processes printed in it.
    pub fn queries(self) -> impl Iterator<Item = LogQuery> {
        self.all.into_iter().map(|(begin, end)| {
            let since = Some(begin.to_string());
            let until = Some(end.to_string());
            LogQuery { since, until, ..LogQuery::default() }
        })
    }
}
