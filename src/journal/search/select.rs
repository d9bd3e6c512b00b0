//! Choosing lines: by time, by life, by what they say, with what stands around them.

use std::collections::{HashMap, VecDeque};
use std::io;

use super::lines::Entry;
use super::pattern::Pattern;
use crate::journal::cursor::Position;
use crate::journal::record::{EVENTS, Record};
use crate::journal::words::entry_words;
use crate::model::time::Timestamp;

/// Which entries are wanted, of those that are read.
#[derive(Debug, Default)]
pub struct Query {
    /// Nothing older, nanoseconds since the epoch.
    pub since: Option<Timestamp>,
    /// Nothing younger.
    pub until: Option<Timestamp>,
    /// Of each stream named here, nothing before this record; of others nothing at all.
    pub starts: Option<HashMap<u16, u64>>,
    /// What lines must be like.
    pub pattern: Option<Pattern>,
    /// How many lines before each match are wanted as well.
    pub before: usize,
    /// And how many behind it.
    pub after: usize,
    /// Whether events count where only the last are wanted, and not lines of output alone.
    pub events_count: bool,
}

impl Query {
    /// Whether an entry is wanted, whatever it says.
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

    /// Whether an entry says what is looked for. What is no line counts by its words.
    pub fn matches(&self, entry: &Entry<'_>, scratch: &mut Vec<u8>) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        if entry.is_line() {
            return pattern.takes(entry.text, scratch);
        }
        let words = entry_words(&entry.record, entry.text);
        words.is_some_and(|(_, words)| {
            words.lines().any(|line| pattern.takes(line.as_bytes(), scratch))
        })
    }
}

/// An entry that was kept.
#[derive(Debug, Clone)]
pub struct Kept {
    position: Position,
    record: Record,
    text: Vec<u8>,
    lost: u64,
}

impl Kept {
    /// Keep an entry.
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

/// What has been chosen.
#[derive(Debug, Clone, Copy)]
pub enum Chosen<'a> {
    /// An entry; whether it is a match or stands around one.
    Entry(Entry<'a>, bool),
    /// Something was left out between two groups of lines.
    Break,
}

/// Chooses from entries as they come.
#[derive(Debug)]
pub struct Selector {
    query: Query,
    held: VecDeque<Kept>,
    /// How many more lines follow the last match.
    follow: usize,
    /// Something was left out since the last that was chosen.
    skipped: bool,
    any: bool,
    scratch: Vec<u8>,
}

impl Selector {
    /// Choose by this query.
    pub fn new(query: Query) -> Self {
        let (held, scratch) = (VecDeque::new(), vec![]);
        Self { query, held, follow: 0, skipped: false, any: false, scratch }
    }

    /// Take the next entry; what is chosen by it, and how, goes to `out`.
    pub fn feed(
        &mut self,
        entry: &Entry<'_>,
        out: &mut dyn FnMut(Chosen<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.query.covers(entry) {
            return Ok(());
        }
        if self.query.pattern.is_none() {
            return out(Chosen::Entry(*entry, true));
        }
        if self.query.matches(entry, &mut self.scratch) {
            let apart = self.query.before + self.query.after > 0;
            if apart && self.skipped && self.any {
                out(Chosen::Break)?;
            }
            for kept in self.held.drain(..) {
                out(Chosen::Entry(kept.entry(), false))?;
            }
            (self.follow, self.skipped, self.any) = (self.query.after, false, true);
            return out(Chosen::Entry(*entry, true));
        }
        if self.follow > 0 {
            self.follow -= 1;
            return out(Chosen::Entry(*entry, false));
        }
        if self.query.before > 0 {
            if self.held.len() == self.query.before {
                self.held.pop_front();
                self.skipped = true;
            }
            self.held.push_back(Kept::of(entry));
        } else {
            self.skipped = true;
        }
        Ok(())
    }
}
