//! Selects lines by time, life and content, with the lines around them.

use std::collections::{HashMap, VecDeque};

use super::entry::Among;
use super::lines::{Entry, Split};
use super::pattern::Pattern;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::read::cursor::Position;
use crate::read::words::searched_words;
use crate::record::{EVENTS, Record};

/// Which of the entries read are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Nothing older than this.
    pub since: Option<Timestamp>,
    /// Nothing newer.
    pub until: Option<Timestamp>,
    /// For each stream in this map, nothing before this record; for other streams nothing at all.
    pub starts: Option<HashMap<StreamNo, u64>>,
    /// The pattern that lines must match.
    pub pattern: Option<Pattern>,
    /// How many lines before each match to include.
    pub lines_before: usize,
    /// How many lines after each match to include.
    pub lines_after: usize,
    /// Nothing at this position or before it. What is near a match there is wanted nevertheless.
    pub after: Option<Position>,
}

impl Selection {
    /// Whether an entry is in the wanted range, regardless of its content.
    pub fn covers(&self, entry: &Entry<'_>) -> bool {
        let Record { time, stream, .. } = entry.record;
        let timely = self.since.is_none_or(|since| time >= since)
            && self.until.is_none_or(|until| time <= until);
        let of_life = self.starts.as_ref().is_none_or(|starts| {
            let first = if stream == EVENTS { starts.values().min() } else { starts.get(&stream) };
            first.is_some_and(|first| entry.position.record >= *first)
        });
        timely && of_life
    }

    /// Whether an entry is behind the place after which entries are wanted.
    pub fn is_after(&self, entry: &Entry<'_>) -> bool {
        self.after.is_none_or(|after| entry.position > after)
    }

    /// Whether the entries around a match are wanted, too.
    pub const fn has_context(&self) -> bool {
        self.lines_before + self.lines_after > 0
    }

    /// How to split records for this selection. What is near a match is shown line by line.
    pub fn split(&self) -> Split {
        if self.has_context() { Split::Lines } else { Split::by(self.pattern.as_ref()) }
    }

    /// Whether the content of an entry matches. For an entry that is not a line, its text is
    /// compared.
    pub fn matches(&self, entry: &Entry<'_>, scratch: &mut Vec<u8>) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        if entry.is_line() {
            return pattern.takes(entry.text, scratch);
        }
        let words = searched_words(&entry.record, entry.text);
        words.is_some_and(|words| words.lines().any(|line| pattern.takes(line.as_bytes(), scratch)))
    }
}

/// A copy of an entry.
#[derive(Debug, Clone)]
pub struct Kept {
    position: Position,
    record: Record,
    text: Vec<u8>,
    lost: u64,
}

impl Kept {
    /// Copy an entry.
    pub fn of(entry: &Entry<'_>) -> Self {
        let Entry { position, record, text, lost } = *entry;
        Self { position, record, text: text.to_vec(), lost }
    }

    /// The entry.
    pub fn entry(&self) -> Entry<'_> {
        let Self { position, record, ref text, lost } = *self;
        Entry { position, record, text, lost }
    }
}

/// Selects entries as they arrive.
#[derive(Debug)]
pub struct Selector {
    selection: Selection,
    held: VecDeque<Kept>,
    /// How many more context lines follow the last match.
    follow: usize,
    /// Whether anything was left out since the last selected entry.
    skipped: bool,
    any: bool,
    scratch: Vec<u8>,
}

impl Selector {
    /// Select by this query.
    pub fn new(selection: Selection) -> Self {
        let (held, scratch) = (VecDeque::new(), vec![]);
        Self { selection, held, follow: 0, skipped: false, any: false, scratch }
    }

    /// Process the next entry. The entries that it causes to be selected go to `out`.
    pub fn feed(&mut self, entry: &Entry<'_>, out: &mut dyn FnMut(&Entry<'_>, Among)) {
        if !self.selection.covers(entry) {
            return;
        }
        let selection = &self.selection;
        let mut show = |entry: &Entry<'_>, among: Among| {
            if selection.is_after(entry) {
                out(entry, among);
            }
        };
        if self.selection.pattern.is_none() {
            return show(entry, Among::default());
        }
        if self.selection.matches(entry, &mut self.scratch) {
            let mut apart = self.selection.has_context() && self.skipped && self.any;
            for kept in self.held.drain(..) {
                show(&kept.entry(), Among { context: true, apart });
                apart = false;
            }
            self.follow = self.selection.lines_after;
            self.skipped = false;
            self.any = true;
            return show(entry, Among { context: false, apart });
        }
        if self.follow > 0 {
            self.follow -= 1;
            return show(entry, Among { context: true, apart: false });
        }
        if self.selection.lines_before > 0 {
            if self.held.len() == self.selection.lines_before {
                self.held.pop_front();
                self.skipped = true;
            }
            self.held.push_back(Kept::of(entry));
        } else {
            self.skipped = true;
        }
    }
}
