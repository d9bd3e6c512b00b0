//! Selects lines by time, life and content, with the lines around them.

use std::collections::{HashMap, VecDeque};
use std::io;

use super::entry::Among;
use super::lines::{Entry, Lines, Split};
use super::pattern::Pattern;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::read::cursor::{Cursor, Position};
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

/// Reads entries that are selected, in their order.
#[derive(Debug)]
pub struct SelectedEntries {
    lines: Lines,
    selector: Selector,
    last: Option<LastEntries>,
}

/// The last selected entries, if only these are wanted.
#[derive(Debug)]
struct LastEntries {
    most: usize,
    kept: VecDeque<(Kept, Among)>,
    /// How many of them count towards `most`.
    count: usize,
    counts: fn(&Entry<'_>) -> bool,
    /// Whether one has been shown.
    any: bool,
}

impl LastEntries {
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

impl SelectedEntries {
    /// Read from the position of the cursor on.
    pub fn new(cursor: Cursor, selection: Selection, split: Split) -> Self {
        let lines = Lines::new(cursor, split);
        Self { lines, selector: Selector::new(selection), last: None }
    }

    /// Of those that there are when the end is first reached, only the last ones, with so many that count.
    #[must_use]
    pub fn only_last(self, most: usize, counts: fn(&Entry<'_>) -> bool) -> Self {
        let last = LastEntries { most, kept: VecDeque::new(), count: 0, counts, any: false };
        Self { last: Some(last), ..self }
    }

    /// The cursor, which is after what was shown unless records are split into lines.
    pub const fn cursor(&mut self) -> &mut Cursor {
        &mut self.lines.cursor
    }

    /// Take one step in the records with numbers below `upto`, and show what it selects; false at the end.
    pub fn next(&mut self, upto: u64, show: &mut dyn FnMut(&Entry<'_>, Among)) -> io::Result<bool> {
        if let Some(entry) = self.lines.next(upto)? {
            match &mut self.last {
                None => self.selector.feed(&entry, show),
                Some(last) => {
                    self.selector.feed(&entry, &mut |entry, among| last.push(entry, among));
                }
            }
            return Ok(true);
        }
        // Those that were kept are the last ones; all later entries follow them.
        if let Some(last) = &mut self.last
            && let Some((kept, among)) = last.kept.pop_front()
        {
            // Nothing is before the first one.
            let apart = std::mem::replace(&mut last.any, true) && among.apart;
            show(&kept.entry(), Among { apart, ..among });
            return Ok(true);
        }
        self.last = None;
        Ok(false)
    }
}
