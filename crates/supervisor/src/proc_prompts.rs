//! What is known of the prompts of a process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::prompt::Prompt;
use crate::model::time::Timestamp;
use crate::model::{LifeId, is_default};

/// Prompts that follow each other within this time, as the steps in a debugger do, are shown once.
const SAME_STORY: Duration = Duration::from_secs(10);

/// What is known of the prompts of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcPrompts {
    /// The prompt at which this life waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<(LifeId, Prompt)>,
    /// When the life waited last.
    #[serde(skip_serializing_if = "is_default")]
    last: Timestamp,
    /// How long the life has waited at earlier prompts, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    waited_ms: u64,
}

impl ProcPrompts {
    /// The life goes on.
    pub(super) fn left(&mut self, now: Timestamp) {
        let Some((_, prompt)) = self.current.take() else { return };
        let waited = u64::try_from(now.since(prompt.since).as_millis()).unwrap_or(u64::MAX);
        self.waited_ms = self.waited_ms.saturating_add(waited);
        self.last = now;
    }

    /// Whether the life waited at another prompt a moment ago.
    pub(super) fn goes_on(&self, now: Timestamp) -> bool {
        self.last != Timestamp::EPOCH && now.since(self.last) < SAME_STORY
    }

    /// How long the life has waited at prompts that it has left.
    pub(super) const fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_ms)
    }
}
