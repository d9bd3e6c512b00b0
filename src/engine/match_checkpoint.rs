//! A failure pattern is acted upon exactly once, even if the supervisor dies.
//!
//! Output is indexed before its matches are acted upon, and a supervisor may be killed in between.
//! So the position up to which all matches were acted upon is saved with the state, and an adopter
//! searches the output that was indexed after it. A life that was ended for a failure is not ended
//! for it again.

use serde::{Deserialize, Serialize};

use crate::journal::record::{Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::model::LifeId;
use crate::model::life::or_zero;
use crate::model::rules::{ProcessPolicy, Reaction};
use crate::model::time::Timestamp;

/// Save the position after searching this many bytes of a process.
const MOST_UNSAVED: u64 = 16 << 20;

/// A position in the output of a process, between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MatchCheckpoint {
    /// The offset in its stream.
    pub(super) upto: u64,
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
    end: u64,
}

impl CheckpointTracker {
    /// Start at this offset; the output before it is of that time and that life.
    pub(super) fn at(upto: u64, time: Timestamp, life: Option<LifeId>) -> Self {
        Self::from(MatchCheckpoint { upto, time, life })
    }

    /// Start at this position.
    pub(super) fn from(checkpoint: MatchCheckpoint) -> Self {
        Self { now: checkpoint, saved: checkpoint.upto, end: checkpoint.upto }
    }

    /// Whether an adopter would have to search too much again.
    pub(super) const fn is_due(&self) -> bool {
        self.now.upto.saturating_sub(self.saved) > MOST_UNSAVED
    }

    /// The present position, which is saved now.
    pub(super) const fn save(&mut self) -> MatchCheckpoint {
        self.saved = self.now.upto;
        self.now
    }

    /// A record has been searched.
    pub(super) fn passed(&mut self, record: &Record) {
        match record.kind {
            Kind::Gap | Kind::Event => return,
            Kind::Start => self.now.life = record.life,
            Kind::Text => self.end = self.end.max(record.end()),
            Kind::Exit | Kind::End => {}
        }
        let in_line =
            record.kind == Kind::Text && record.flags & (TO_BE_CONTINUED | UNFINISHED) != 0;
        if !in_line {
            (self.now.upto, self.now.time) = (self.end, record.time);
        }
    }
}

/// Whether any of the patterns can end a life.
pub(super) fn ends_lives(rules: &ProcessPolicy) -> bool {
    !rules.failures.is_empty() || rules.flags.iter().any(|flag| flag.action != Reaction::Notify)
}
