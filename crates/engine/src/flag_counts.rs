//! The flags: what is counted in the output of processes.
//!
//! Counts are saved with the position that they include, which is always the end of a line. An
//! adopter counts on from there, whatever has been indexed since, so each line counts once. The
//! counts are not saved after every match; an adopter still has only little to read again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::match_checkpoint::{Searched, Upto};
use crate::journal::record::{Kind, Record};
use crate::model::LifeId;
use crate::model::rules::Flag;
use crate::model::state::{FlagMatches, FlagState};
use crate::model::time::Timestamp;
use crate::patterns::FlagBook;

/// Save the counts of a process after searching this many bytes.
const MOST_UNSAVED: u64 = 16 << 20;

/// The flag counts of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavedCounts {
    /// The position in its streams up to which matches are counted.
    #[serde(flatten)]
    pub(super) upto: Upto,
    /// The time of the output before it, in nanoseconds since the epoch.
    pub(super) time: Timestamp,
    /// The counts and the last matches.
    pub(super) book: FlagBook,
}

/// The counts of a process while it runs.
#[derive(Debug, Default)]
pub(super) struct CountTracker {
    now: SavedCounts,
    /// The position that was saved last.
    saved: Option<Upto>,
    /// The end of the output that was searched.
    end: Searched,
}

impl CountTracker {
    /// Start counting at this position.
    pub(super) fn from(upto: Upto, time: Timestamp, book: &FlagBook) -> Self {
        Self {
            now: SavedCounts { upto, time, book: book.brief() },
            saved: None,
            end: Searched::from(upto),
        }
    }

    /// A record has been searched.
    pub(super) fn passed(&mut self, record: &Record, is_stderr: bool, book: &FlagBook) {
        if !self.end.passed(record, is_stderr) || record.kind == Kind::Start {
            return;
        }
        (self.now.upto, self.now.time) = (self.end.upto, record.time);
        if !self.now.book.counts_as(book) {
            self.now.book = book.brief();
        }
    }

    /// Whether much has been searched since the last save.
    pub(super) fn is_due(&self) -> bool {
        let saved = self.saved.map_or(0, |saved| saved.bytes());
        self.now.upto.bytes().saturating_sub(saved) > MOST_UNSAVED
    }

    /// The counts to save, unless they are saved already.
    pub(super) fn unsaved(&mut self) -> Option<SavedCounts> {
        let is_saved = self.saved.replace(self.now.upto) == Some(self.now.upto);
        (!is_saved).then(|| self.now.clone())
    }
}

/// For each flag, how often it matched in the output of one read, and the last matching line.
pub(super) type Matches = BTreeMap<(Option<LifeId>, usize), (u64, String)>;

/// The state of these flags, for clients.
pub(super) fn states(flags: &[Flag], book: &FlagBook) -> Vec<FlagState> {
    let flags = flags.iter().zip(book.flags());
    flags
        .map(|(flag, log)| FlagState {
            name: flag.name.as_str().into(),
            color: flag.color,
            count: log.count,
            target: log.target,
            exceeded: log.is_exceeded(),
            last: log.last(1).next().map(|found| found.line.clone()),
        })
        .collect()
}

/// The latest matches of all flags, with the lines around them.
pub(super) fn latest(book: &FlagBook, last: usize) -> Vec<FlagMatches> {
    let flags = book.flags().iter().map(|log| FlagMatches {
        flag: log.name.as_str().into(),
        matches: log.last(last).cloned().collect(),
    });
    flags.collect()
}

#[cfg(test)]
mod tests {
    use super::{CountTracker, SavedCounts};
    use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
    use crate::model::LifeId;
    use crate::model::StreamNo;
    use crate::model::rules::{Flag, ProcessPolicy, Text};
    use crate::model::time::Timestamp;
    use crate::patterns::Matcher;

    fn matcher() -> Matcher {
        let text = Text { pattern: "x".into(), regex: true, any_case: false };
        let flag = Flag { context: 2, ..Flag::new(text) };
        Matcher::new(&ProcessPolicy { flags: vec![flag], ..ProcessPolicy::default() }).unwrap()
    }

    fn record(kind: Kind, offset: u64, text: &str, flags: u8) -> Record {
        let len = u32::try_from(text.len()).unwrap();
        let (time, life) = (offset + 1000, Some(LifeId::FIRST));
        Record {
            time: Timestamp::from_nanos(time),
            offset,
            len,
            lines: 1,
            life,
            seq: 0,
            value: 0,
            stream: StreamNo(0),
            kind,
            flags,
        }
    }

    #[test]
    fn what_is_saved_ends_with_a_line() {
        let (mut matcher, mut count) = (matcher(), CountTracker::default());
        let mut upto = 0;
        let mut hear = |kind, text: &str, flags| {
            matcher.feed(text.as_bytes());
            if kind == Kind::Exit {
                matcher.finish();
            }
            count.passed(&record(kind, upto, text, flags), false, matcher.book());
            upto += text.len() as u64;
            (count.now.upto.main, count.now.book.flags().first().map_or(0, |flag| flag.count))
        };
        assert_eq!(hear(Kind::Text, "x\na x\n", 0), (6, 2));
        assert_eq!(hear(Kind::Text, "y\n", 0), (8, 2));
        assert_eq!(hear(Kind::Text, "x and", TO_BE_CONTINUED), (8, 2));
        assert_eq!(hear(Kind::Text, " so on\n", 0), (20, 3));
        assert_eq!(hear(Kind::Text, "x", UNFINISHED), (20, 3));
        assert_eq!(hear(Kind::Exit, "", 0), (21, 4));
    }

    #[test]
    fn what_is_saved_is_little_and_is_saved_once() {
        let (mut matcher, mut count) = (matcher(), CountTracker::default());
        for _ in 0..9 {
            matcher.feed(b"before\nx\nbehind\n");
        }
        count.passed(
            &record(Kind::Text, 0, &"before\nx\nbehind\n".repeat(9), 0),
            false,
            matcher.book(),
        );
        let counted = count.unsaved().unwrap();
        assert!(count.unsaved().is_none());
        let json = serde_json::to_string(&counted).unwrap();
        assert!(!json.contains("before\"]") && json.len() < 400, "{json}");
        let read: SavedCounts = serde_json::from_str(&json).unwrap();
        assert_eq!((&read, read.book.flags()[0].count), (&counted, 9));
    }
}
