//! The entries that are loaded: a part of the journal without a gap, larger than the screen.

use std::collections::VecDeque;

use crate::journal::read::cursor::Position;
use crate::state::entry::{Form, LogEntry};

/// Most memory that loaded entries take.
const MOST_BYTES: usize = 4 << 20;
/// How many screens beyond the visible one stay loaded.
const SCREENS: usize = 4;

/// One end of what is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edge {
    /// Where loading continues.
    pub at: Position,
    /// Nothing is beyond it, as far as is known.
    pub end: bool,
}

/// What was loaded in one direction.
#[derive(Debug)]
pub struct LoadedEntries {
    /// The entries, in the order of the journal.
    pub entries: Vec<LogEntry>,
    /// How far it was read.
    pub edge: Edge,
}

/// A line of a loaded entry: the number of the entry, and which of its lines on the screen.
pub type LinePlace = (usize, usize);

/// The entries that are loaded.
#[derive(Debug)]
pub struct Window {
    entries: VecDeque<LogEntry>,
    /// How many of them, at the end, are unfinished lines: they are not in the journal yet.
    unfinished: usize,
    /// The end before the first entry.
    pub above: Edge,
    /// The end after the last entry.
    pub below: Edge,
    /// How entries are laid out.
    form: Form,
}

impl Window {
    /// Nothing is loaded.
    pub fn new(form: Form) -> Self {
        let (above, below) = (Edge::default(), Edge::default());
        Self { entries: VecDeque::new(), unfinished: 0, above, below, form }
    }

    /// The entries, and unfinished lines.
    pub fn entries(&self) -> &VecDeque<LogEntry> {
        &self.entries
    }

    /// How many entries there are without unfinished lines.
    pub fn finished(&self) -> usize {
        self.entries.len() - self.unfinished
    }

    /// Show these unfinished lines after the entries.
    pub fn set_unfinished(&mut self, entries: Vec<LogEntry>) {
        self.entries.truncate(self.finished());
        self.unfinished = entries.len();
        for mut entry in entries {
            entry.lay_out(self.form);
            self.entries.push_back(entry);
        }
    }

    /// Lay all entries out like this.
    pub fn lay_out(&mut self, form: Form) {
        self.form = form;
        for entry in &mut self.entries {
            entry.lay_out(form);
        }
    }

    /// Forget all entries, and load from here. The journal has this many records.
    pub fn begin_at(&mut self, at: Position, head: u64) {
        self.entries.clear();
        self.unfinished = 0;
        self.above = Edge { at, end: false };
        self.below = Edge { at, end: at.record >= head };
    }

    /// Add what was loaded before the first entry.
    pub fn add_above(&mut self, part: LoadedEntries) {
        self.above = part.edge;
        for mut entry in part.entries.into_iter().rev() {
            entry.lay_out(self.form);
            self.entries.push_front(entry);
        }
    }

    /// Add what was loaded after the last entry. The journal has this many records.
    pub fn add_below(&mut self, part: LoadedEntries, head: u64) {
        self.set_unfinished(vec![]);
        self.below = Edge { end: part.edge.end && part.edge.at.record >= head, ..part.edge };
        for mut entry in part.entries {
            if self.entries.back().is_none_or(|last| last.position < entry.position) {
                entry.lay_out(self.form);
                self.entries.push_back(entry);
            }
        }
    }

    /// Forget what is far from this entry. The screen has this many rows.
    pub fn keep_around(&mut self, entry: usize, rows: usize) {
        self.set_unfinished(vec![]);
        let entry = entry.min(self.entries.len());
        let most = rows * SCREENS;
        let up = enough(self.entries.range(..entry).rev(), most);
        let down = enough(self.entries.range(entry..), most);
        if entry + down < self.entries.len() {
            self.entries.truncate(entry + down);
            if let Some(last) = self.entries.back() {
                // The next load begins with it once more; `add_below` drops it then.
                self.below = Edge { at: last.position, end: false };
            }
        }
        if up < entry {
            self.entries.drain(..entry - up);
            if let Some(first) = self.entries.front() {
                self.above = Edge { at: first.position, end: false };
            }
        }
    }

    /// The number of the entry at this position, or of the next one; of the last if there is none.
    pub fn index_of(&self, position: Position) -> Option<usize> {
        let last = self.finished().checked_sub(1)?;
        Some(self.entries.partition_point(|entry| entry.position < position).min(last))
    }

    /// How many lines are loaded before this entry; counting stops at `most`.
    pub fn lines_before(&self, entry: usize, most: usize) -> usize {
        lines(self.entries.iter().take(entry).rev(), most)
    }

    /// How many lines are loaded from this entry on; counting stops at `most`.
    pub fn lines_from(&self, entry: usize, most: usize) -> usize {
        lines(self.entries.iter().skip(entry), most)
    }

    /// The places before this one, the nearest first.
    pub fn up_from(&self, (entry, line): LinePlace) -> impl Iterator<Item = LinePlace> {
        let own = (0..line).rev().map(move |line| (entry, line));
        let before = self.entries.range(..entry.min(self.entries.len())).enumerate().rev();
        own.chain(
            before
                .flat_map(|(at, entry)| (0..entry.lines().len()).rev().map(move |line| (at, line))),
        )
    }

    /// This place and those after it.
    pub fn down_from(&self, (first, line): LinePlace) -> impl Iterator<Item = LinePlace> {
        let entries = self.entries.range(first.min(self.entries.len())..).enumerate();
        entries.flat_map(move |(at, entry)| {
            let begin = if at == 0 { line } else { 0 };
            (begin..entry.lines().len()).map(move |line| (first + at, line))
        })
    }
}

/// How many lines these entries take; counting stops at `most`.
fn lines<'a>(entries: impl Iterator<Item = &'a LogEntry>, most: usize) -> usize {
    let mut lines = 0;
    for entry in entries {
        lines += entry.lines().len();
        if lines >= most {
            break;
        }
    }
    lines
}

/// How many of these entries are worth keeping.
fn enough<'a>(entries: impl Iterator<Item = &'a LogEntry>, most: usize) -> usize {
    let (mut lines, mut bytes, mut count) = (0, 0, 0);
    for entry in entries {
        if lines >= most || bytes >= MOST_BYTES {
            break;
        }
        (lines, bytes, count) = (lines + entry.lines().len(), bytes + entry.size(), count + 1);
    }
    count
}
