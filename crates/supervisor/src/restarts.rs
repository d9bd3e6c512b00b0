//! The restarts of a process, and the failures in a row that lead to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::event::Problem;
use crate::model::time::{Timestamp, nanos};

/// The restarts of a process after it ended by itself or was found to have failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcRestarts {
    /// How many times in a row it was restarted.
    pub(super) streak: u32,
    /// How many shims in a row ended before they began the requested life.
    #[serde(rename = "lost")]
    pub(super) lost_shims: u8,
    /// When it is to be restarted.
    pub due: Option<Timestamp>,
    /// The planned length of the pause before that restart.
    #[serde(with = "nanos")]
    pub(super) pause: Duration,
}

impl ProcRestarts {
    /// Schedule a restart for when this pause, counted from that moment, is over.
    pub(super) fn schedule(&mut self, from: Timestamp, pause: Duration) {
        (self.due, self.pause) = (Some(from + pause), pause);
    }

    /// Whether the next one is further away than its pause is long: the clock was set back.
    pub(super) fn is_set_back(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due > now + self.pause)
    }

    /// Whether the pause is over, so that it is restarted now. If the clock was set back, the pause counts from now.
    pub(super) fn take_due(&mut self, now: Timestamp) -> bool {
        let latest = now + self.pause;
        self.due = self.due.map(|due| due.min(latest));
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Forget those before.
    pub(super) fn forget(&mut self) {
        (self.due, self.streak, self.lost_shims) = (None, 0, 0);
    }
}

/// The failures of a process in a row, each in another life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcFailures {
    /// How many of its lives in a row have failed.
    #[serde(rename = "failures")]
    pub times: u32,
    /// When the first of them failed; the epoch if that is not known.
    #[serde(rename = "failing_since", default)]
    pub first: Timestamp,
    /// When the last of them failed; the epoch if that is not known.
    #[serde(rename = "failed_at", default)]
    pub(super) last: Timestamp,
    /// Why it has failed for good, if it has.
    pub broken: Option<Broken>,
}

impl ProcFailures {
    /// Count a failure.
    pub(super) fn count(&mut self, at: Timestamp) {
        if self.times == 0 {
            self.first = at;
        }
        self.times = self.times.saturating_add(1);
        self.last = at;
    }

    /// Forget them all.
    pub(super) fn forget(&mut self) {
        (self.times, self.broken) = (0, None);
    }
}

/// A process that has failed for good: it is not started again until a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Why.
    pub why: Problem,
}
