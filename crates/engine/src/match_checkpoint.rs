//! A failure pattern is acted upon exactly once, even if the supervisor dies.
//!
//! Output is indexed before its matches are acted upon, and a supervisor may be killed in between.
//! So the position up to which all matches were acted upon is saved with the state, and an adopter
//! searches the output that was indexed after it. A life that was ended for a failure is not ended
//! for it again.

use serde::{Deserialize, Serialize};

use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::life::or_zero;
use crate::model::rules::{ProcessPolicy, Reaction};
use crate::model::time::Timestamp;
use crate::model::{LifeId, is_default};

/// Save the position after searching this many bytes of a process.
const MOST_UNSAVED: u64 = 16 << 20;

/// Offsets in the streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Upto {
    #[serde(rename = "upto")]
    pub(super) main: u64,
    /// The offset in the stream of standard error, if it has one.
    #[serde(rename = "stderr_upto", default, skip_serializing_if = "is_default")]
    pub(super) stderr: u64,
}

impl Upto {
    /// Whether a record of output is before these offsets.
    pub(super) const fn includes(&self, record: &Record, is_stderr: bool) -> bool {
        record.offset < if is_stderr { self.stderr } else { self.main }
    }

    /// How many bytes are before these offsets.
    pub(super) const fn bytes(&self) -> u64 {
        self.main.saturating_add(self.stderr)
    }
}

/// How far the streams of a process were searched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Searched {
    pub(super) upto: Upto,
    main_in_line: bool,
    stderr_in_line: bool,
}

impl Searched {
    pub(super) fn from(upto: Upto) -> Self {
        Self { upto, ..Self::default() }
    }

    /// A record has been searched. Returns whether that is a position between two lines in all streams.
    pub(super) fn passed(&mut self, record: &Record, is_stderr: bool) -> bool {
        let (end, in_line) = if is_stderr {
            (&mut self.upto.stderr, &mut self.stderr_in_line)
        } else {
            (&mut self.upto.main, &mut self.main_in_line)
        };
        *end = record.end().max(*end);
        match record.kind {
            Kind::Text => *in_line = record.flags & (TO_BE_CONTINUED | UNFINISHED) != 0,
            Kind::Start | Kind::Exit | Kind::End => {
                (self.main_in_line, self.stderr_in_line) = (false, false);
            }
            Kind::Gap | Kind::Event => return false,
        }
        !self.main_in_line && !self.stderr_in_line
    }
}

/// A position in the output of a process, between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MatchCheckpoint {
    #[serde(flatten)]
    pub(super) upto: Upto,
    /// The time of the output before it, in nanoseconds since the epoch.
    pub(super) time: Timestamp,
    /// The life that printed it.
    #[serde(with = "or_zero")]
    pub(super) life: Option<LifeId>,
}

/// The position in the output of a process while it runs.
#[derive(Debug, Default)]
pub(super) struct CheckpointTracker {
    now: MatchCheckpoint,
    saved: u64,
    end: Searched,
}

impl CheckpointTracker {
    /// Start at this position.
    pub(super) fn from(checkpoint: MatchCheckpoint) -> Self {
        Self {
            now: checkpoint,
            saved: checkpoint.upto.bytes(),
            end: Searched::from(checkpoint.upto),
        }
    }

    /// Whether an adopter would have to search too much again.
    pub(super) const fn is_due(&self) -> bool {
        self.now.upto.bytes().saturating_sub(self.saved) > MOST_UNSAVED
    }

    /// The present position, which is saved now.
    pub(super) const fn save(&mut self) -> MatchCheckpoint {
        self.saved = self.now.upto.bytes();
        self.now
    }

    /// A record has been searched.
    pub(super) fn passed(&mut self, record: &Record, is_stderr: bool) {
        if record.kind == Kind::Start {
            self.now.life = record.life;
        }
        if self.end.passed(record, is_stderr) {
            (self.now.upto, self.now.time) = (self.end.upto, record.time);
        }
    }
}

/// Whether any of the patterns can end a life.
pub(super) fn ends_lives(rules: &ProcessPolicy) -> bool {
    !rules.failures.is_empty() || rules.flags.iter().any(|flag| flag.action != Reaction::Notify)
}
