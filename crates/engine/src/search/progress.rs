//! How far the output of a process was searched, as an adopter needs it.
//!
//! A failure pattern is acted upon exactly once, and each line counts once for a flag, even if the
//! supervisor dies. Output is indexed before its matches are acted upon, and a supervisor may be killed in
//! between. So the position up to which all matches were acted upon is saved with the state, as are the
//! counts with the position that they include, which is always the end of a line. An adopter searches the
//! output that was indexed after them. They are not saved after every match; it still has only little to
//! read again. A life that was ended for a failure is not ended for it again.

use serde::{Deserialize, Serialize};

use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::ids::or_zero;
use crate::model::plan::rules::{ProcessPolicy, Reaction};
use crate::model::time::Timestamp;
use crate::model::{LifeId, is_default};
use crate::patterns::FlagBook;

/// Save the position after searching this many bytes of a process.
const MOST_UNSAVED: u64 = 16 << 20;

/// Offsets in the streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Upto {
    #[serde(rename = "upto")]
    pub(crate) main: u64,
    /// The offset in the stream of standard error, if it has one.
    #[serde(rename = "stderr_upto", default, skip_serializing_if = "is_default")]
    pub(crate) stderr: u64,
}

impl Upto {
    /// Whether a record of output is before these offsets.
    pub(crate) const fn includes(&self, record: &Record, is_stderr: bool) -> bool {
        record.offset < if is_stderr { self.stderr } else { self.main }
    }

    /// How many bytes are before these offsets.
    pub(crate) const fn bytes(&self) -> u64 {
        self.main.saturating_add(self.stderr)
    }
}

/// A position in the output of a process, between two lines. All matches before it were acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MatchCheckpoint {
    #[serde(flatten)]
    pub(crate) upto: Upto,
    /// The time of the output before it, in nanoseconds since the epoch.
    pub(crate) time: Timestamp,
    /// The life that printed it.
    #[serde(with = "or_zero")]
    pub(crate) life: Option<LifeId>,
}

/// The flag counts of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavedCounts {
    /// The position in its streams up to which matches are counted.
    #[serde(flatten)]
    pub(crate) upto: Upto,
    /// The time of the output before it, in nanoseconds since the epoch.
    pub(crate) time: Timestamp,
    /// The counts and the last matches.
    pub(crate) book: FlagBook,
}

/// How far the output of a process has been searched while it runs.
#[derive(Debug, Default)]
pub(crate) struct SearchProgress {
    searched: Upto,
    is_main_in_line: bool,
    is_stderr_in_line: bool,
    /// The last position between two lines in all streams.
    pub(crate) now: MatchCheckpoint,
    /// The counts at that position.
    book: FlagBook,
    /// The position that was saved last.
    saved: Option<Upto>,
}

impl SearchProgress {
    /// Start at this position, with these counts, neither of which is saved.
    pub(crate) fn from(checkpoint: MatchCheckpoint, book: &FlagBook) -> Self {
        let searched = checkpoint.upto;
        Self { searched, now: checkpoint, book: book.brief(), ..Self::default() }
    }

    /// A record has been searched.
    pub(crate) fn passed(&mut self, record: &Record, is_stderr: bool, book: &FlagBook) {
        let end = if is_stderr { &mut self.searched.stderr } else { &mut self.searched.main };
        *end = record.end().max(*end);
        let is_in_line = match record.kind {
            Kind::Text => record.flags & (TO_BE_CONTINUED | UNFINISHED) != 0,
            Kind::Start | Kind::Exit | Kind::End => false,
            Kind::Gap | Kind::Event => return,
        };
        if record.kind == Kind::Start {
            self.now.life = record.life;
        }
        if is_stderr || record.kind != Kind::Text {
            self.is_stderr_in_line = is_in_line;
        }
        if !is_stderr || record.kind != Kind::Text {
            self.is_main_in_line = is_in_line;
        }
        if !self.is_main_in_line && !self.is_stderr_in_line {
            (self.now.upto, self.now.time) = (self.searched, record.time);
            if !self.book.counts_as(book) {
                self.book = book.brief();
            }
        }
    }

    /// Whether an adopter would have to search too much again.
    pub(crate) fn is_due(&self) -> bool {
        let saved = self.saved.map_or(0, |saved| saved.bytes());
        self.now.upto.bytes().saturating_sub(saved) > MOST_UNSAVED
    }

    /// The present position is saved now. Returns whether it is another one than before.
    pub(crate) fn save(&mut self) -> bool {
        self.saved.replace(self.now.upto) != Some(self.now.upto)
    }

    /// The counts at the present position.
    pub(crate) fn counts(&self) -> SavedCounts {
        SavedCounts { upto: self.now.upto, time: self.now.time, book: self.book.clone() }
    }
}

/// Whether any of the patterns can end a life.
pub(crate) fn ends_lives(rules: &ProcessPolicy) -> bool {
    !rules.failures.is_empty() || rules.flags.iter().any(|flag| flag.action != Reaction::Notify)
}

#[cfg(test)]
mod tests {
    use super::{SavedCounts, SearchProgress};
    use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
    use crate::model::plan::rules::{Flag, ProcessPolicy, Text};
    use crate::model::time::Timestamp;
    use crate::model::{LifeId, StreamNo};
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
        let (mut matcher, mut progress) = (matcher(), SearchProgress::default());
        let mut upto = 0;
        let mut hear = |kind, text: &str, flags| {
            matcher.feed(text.as_bytes());
            if kind == Kind::Exit {
                matcher.finish();
            }
            progress.passed(&record(kind, upto, text, flags), false, matcher.book());
            upto += text.len() as u64;
            (progress.now.upto.main, progress.book.flags().first().map_or(0, |flag| flag.count))
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
        let (mut matcher, mut progress) = (matcher(), SearchProgress::default());
        for _ in 0..9 {
            matcher.feed(b"before\nx\nbehind\n");
        }
        progress.passed(
            &record(Kind::Text, 0, &"before\nx\nbehind\n".repeat(9), 0),
            false,
            matcher.book(),
        );
        assert!(progress.save() && !progress.save());
        let counted = progress.counts();
        let json = serde_json::to_string(&counted).unwrap();
        assert!(!json.contains("before\"]") && json.len() < 400, "{json}");
        let read: SavedCounts = serde_json::from_str(&json).unwrap();
        assert_eq!((&read, read.book.flags()[0].count), (&counted, 9));
    }
}
