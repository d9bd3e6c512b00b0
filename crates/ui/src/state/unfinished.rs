//! Lines that processes have begun and not ended: prompts, progress.

use std::collections::BTreeMap;

use super::entry::LogEntry;
use super::msg::Choice;
use crate::model::StreamNo;
use crate::model::request::{Head, Partial};
use crate::model::terminal::unfinished::PromptTimer;
use crate::model::time::Timestamp;

/// The unfinished lines, by the number of their stream.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    timer: PromptTimer<Timestamp>,
    lines: BTreeMap<StreamNo, GrowingLine>,
}

#[derive(Debug)]
struct GrowingLine {
    partial: Partial,
    /// How it is shown, once it was read.
    entry: Option<LogEntry>,
    /// It has ended, and is among so many records. It is shown until they are loaded.
    ended: Option<u64>,
}

impl Unfinished {
    /// Take the unfinished lines of a head. `records` is the number of records known before.
    pub(super) fn update(&mut self, head: &Head, records: u64, now: Timestamp) {
        self.timer.update(&head.partials, now);
        for (stream, line) in &mut self.lines {
            if !head.partials.iter().any(|partial| partial.stream == *stream) {
                line.ended.get_or_insert(head.records);
            }
        }
        for &partial in &head.partials {
            match self.lines.get_mut(&partial.stream) {
                Some(line) if line.partial == partial => {}
                Some(line) if line.partial.start == partial.start => {
                    line.partial = partial;
                }
                Some(_) | None => {
                    let line = GrowingLine { partial, entry: None, ended: None };
                    self.lines.insert(partial.stream, line);
                }
            }
        }
        if head.records == records {
            self.loaded(records);
        }
    }

    /// So many records are loaded.
    pub(super) fn loaded(&mut self, records: u64) {
        self.lines.retain(|_, line| line.ended.is_none_or(|needed| needed > records));
    }

    /// The lines that are to be read now.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Partial> {
        self.timer.take_due(now)
    }

    /// A line was read.
    pub(super) fn set_entry(&mut self, partial: Partial, entry: LogEntry) {
        if let Some(line) = self.lines.get_mut(&partial.stream)
            && line.partial.start == partial.start
        {
            line.entry = Some(entry);
        }
    }

    /// The lines of these processes. A filter hides them: it is applied to whole lines.
    pub(super) fn entries(&self, choice: &Choice) -> Vec<LogEntry> {
        if choice.pattern.is_some() || choice.only_events {
            return vec![];
        }
        let entries = self.lines.values().filter_map(|line| line.entry.as_ref());
        let is_chosen = |entry: &&LogEntry| {
            choice.names.is_empty()
                || choice.names.iter().any(|name| entry.name.as_ref() == Some(name))
        };
        entries.filter(is_chosen).cloned().collect()
    }

    /// When something of this changes by itself.
    pub(super) fn next_alarm(&self) -> Option<Timestamp> {
        self.timer.next()
    }
}
