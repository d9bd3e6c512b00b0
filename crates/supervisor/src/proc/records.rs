//! What is recorded of one process: up to which life something has happened, how its lives have ended, its restarts, its
//! prompts, and what a change does to it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::event::Problem;
use crate::model::ids::or_zero;
use crate::model::plan::rules::DependencyCondition;
use crate::model::state::ExitCount;
use crate::model::terminal::prompt::Prompt;
use crate::model::time::{Timestamp, nanos};
use crate::model::{Exit, LifeId, ProcId, is_default};

/// The newest lives of a process that were stopped, killed, skipped …
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifeMarks {
    /// The newest life that was requested to stop.
    #[serde(rename = "told", with = "or_zero")]
    pub stop_requested: Option<LifeId>,
    /// The newest life that is to be killed without a grace period.
    #[serde(rename = "killed", with = "or_zero")]
    pub(crate) kill_requested: Option<LifeId>,
    /// The newest life that its shim began to stop or kill before it ended.
    #[serde(with = "or_zero")]
    pub(crate) signalled: Option<LifeId>,
    /// The newest life that is stopped because another process ended with success.
    #[serde(with = "or_zero")]
    pub(crate) interrupted: Option<LifeId>,
    /// The life to which [`Self::stop_since`] refers.
    #[serde(with = "or_zero")]
    pub(crate) stop_life: Option<LifeId>,
    /// When that life was asked to stop.
    pub(crate) stop_since: Timestamp,
    /// The newest life that a user or a client has asked to stop.
    #[serde(with = "or_zero")]
    pub(crate) asked_life: Option<LifeId>,
    /// When that was first requested.
    pub(crate) asked_at: Timestamp,
    /// The newest life whose slow stop was reported.
    #[serde(with = "or_zero")]
    pub(crate) slow_life: Option<LifeId>,
    /// The newest life that its shim reported as skipped: the shim will never begin it.
    #[serde(with = "or_zero")]
    pub(crate) skipped: Option<LifeId>,
    /// The newest life that was ended because it had failed while running.
    #[serde(with = "or_zero")]
    pub failed: Option<LifeId>,
}

impl LifeMarks {
    /// Whether this life was asked to stop.
    pub(crate) fn is_stop_requested(&self, life: Option<LifeId>) -> bool {
        self.stop_requested >= life
    }

    /// Whether this life is to be killed without a grace period.
    pub(crate) fn is_kill_requested(&self, life: Option<LifeId>) -> bool {
        self.kill_requested >= life
    }

    /// Ask this life to stop; returns whether it was not asked before.
    pub(crate) fn request_stop(&mut self, life: Option<LifeId>) -> bool {
        let is_new = !self.is_stop_requested(life);
        self.stop_requested = self.stop_requested.max(life);
        is_new
    }

    /// Have this life killed without a grace period; returns whether that was not requested before.
    pub(crate) fn request_kill(&mut self, life: Option<LifeId>) -> bool {
        let is_new = !self.is_kill_requested(life);
        self.kill_requested = self.kill_requested.max(life);
        is_new
    }

    /// The shim has begun to stop this life.
    pub(crate) fn was_signalled(&mut self, life: Option<LifeId>) {
        self.signalled = self.signalled.max(life);
    }

    /// Record when the stop of this life began; returns whether it is not known already.
    pub(crate) fn note_stop(&mut self, life: Option<LifeId>, now: Timestamp) -> bool {
        let is_new = self.stop_life != life;
        if is_new {
            (self.stop_life, self.stop_since) = (life, now);
        }
        is_new
    }

    /// Record a request of a user or a client to stop this life; returns whether it is the first one.
    pub(crate) fn note_request(&mut self, life: Option<LifeId>, now: Timestamp) -> bool {
        let is_new = self.asked_life < life;
        if is_new {
            (self.asked_life, self.asked_at) = (life, now);
            // Mention the slow stop again, because the command that kills it now is another one.
            self.slow_life = None;
        }
        is_new
    }
}

/// The restarts of a process after it ended by itself or was found to have failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcRestarts {
    /// How many times in a row it was restarted.
    pub(crate) streak: u32,
    /// How many shims in a row ended before they began the requested life.
    #[serde(rename = "lost")]
    pub(crate) lost_shims: u8,
    /// When it is to be restarted.
    pub due: Option<Timestamp>,
    /// The planned length of the pause before that restart.
    #[serde(with = "nanos")]
    pub(crate) pause: Duration,
}

impl ProcRestarts {
    /// Schedule a restart for when this pause, counted from that moment, is over.
    pub(crate) fn schedule(&mut self, from: Timestamp, pause: Duration) {
        (self.due, self.pause) = (Some(from + pause), pause);
    }

    /// Whether the next one is further away than its pause is long: the clock was set back.
    pub(crate) fn is_set_back(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due > now + self.pause)
    }

    /// Whether the pause is over, so that it is restarted now. If the clock was set back, the pause counts from now.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> bool {
        let latest = now + self.pause;
        self.due = self.due.map(|due| due.min(latest));
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Forget those before.
    pub(crate) fn forget(&mut self) {
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
    pub(crate) last: Timestamp,
    /// Why it has failed for good, if it has.
    pub broken: Option<Broken>,
}

impl ProcFailures {
    /// Count a failure.
    pub(crate) fn count(&mut self, at: Timestamp) {
        if self.times == 0 {
            self.first = at;
        }
        self.times = self.times.saturating_add(1);
        self.last = at;
    }

    pub(crate) fn forget(&mut self) {
        (self.times, self.broken) = (0, None);
    }
}

/// A process that has failed for good: it is not started again until a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub why: Problem,
}

/// Prompts that follow each other within this time, as the steps in a debugger do, are shown once.
const SAME_STORY: Duration = Duration::from_secs(10);

/// What is known of the prompts of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcPrompts {
    /// The prompt at which this life waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<(LifeId, Prompt)>,
    /// When the life waited last.
    #[serde(skip_serializing_if = "is_default")]
    last: Timestamp,
    /// How long the life has waited at earlier prompts, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    waited_ms: u64,
}

impl ProcPrompts {
    /// The life goes on.
    pub(crate) fn left(&mut self, now: Timestamp) {
        let Some((_, prompt)) = self.current.take() else { return };
        let waited = u64::try_from(now.since(prompt.since).as_millis()).unwrap_or(u64::MAX);
        self.waited_ms = self.waited_ms.saturating_add(waited);
        self.last = now;
    }

    /// Whether the life waited at another prompt a moment ago.
    pub(crate) fn goes_on(&self, now: Timestamp) -> bool {
        self.last != Timestamp::EPOCH && now.since(self.last) < SAME_STORY
    }

    /// How long the life has waited at prompts that it has left.
    pub(crate) const fn waited(&self) -> Duration {
        Duration::from_millis(self.waited_ms)
    }
}

/// A process that another one needs, and what it must have reached.
pub(crate) type Awaited = (ProcId, DependencyCondition);

/// What a change does to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start it, unless it runs.
    Start,
    Stop,
    /// Stop it, because it is no longer part of the run.
    Leave,
    /// Stop it if it runs, then start it.
    Restart,
    /// It is being restarted already.
    Keep,
}

impl Action {
    pub(crate) const fn starts(self) -> bool {
        matches!(self, Self::Start | Self::Restart | Self::Keep)
    }
}

/// The part of a process in the last change that it belongs to: what is still to come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangePart {
    /// The life that is to be stopped when its turn comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stops: Option<LifeId>,
    /// The processes of the change that have to be gone before that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dependents: Vec<ProcId>,
    /// What its next life waits for; `None` means all that the process needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) awaits: Option<Vec<Awaited>>,
    /// It was skipped, and a user has stopped it since: it does not return with its dependency.
    pub(crate) stays_down: bool,
}

impl ChangePart {
    /// The part in the start of a run, with or without an order.
    pub(crate) fn of_start(no_deps: bool) -> Self {
        Self { awaits: no_deps.then(Vec::new), ..Self::default() }
    }

    /// Whether its next life waits for no other process.
    pub(crate) fn is_unordered(&self) -> bool {
        self.awaits.as_ref().is_some_and(Vec::is_empty)
    }

    /// The processes that it refers to.
    pub(crate) fn concerns(&self) -> impl Iterator<Item = ProcId> {
        let awaited = self.awaits.iter().flatten().map(|(on, _)| *on);
        self.dependents.iter().copied().chain(awaited)
    }
}

/// The counts. They are saved with the state, so each exit is counted once even if the supervisor is
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitStats {
    /// Failures that were not requested.
    pub crashes: u64,
    /// The number of exits by exit status ([`Exit::pack`]).
    exits: BTreeMap<u32, u64>,
}

impl ExitStats {
    /// Count the exit of a life.
    pub(crate) fn count(&mut self, exit: Exit, crashed: bool) {
        let count = self.exits.entry(exit.pack()).or_default();
        *count = count.saturating_add(1);
        self.crashes = self.crashes.saturating_add(u64::from(crashed));
    }

    /// The number of exits for each exit status.
    pub fn exits(&self) -> Vec<ExitCount> {
        let exits = self.exits.iter();
        exits.map(|(exit, count)| ExitCount { exit: Exit::unpack(*exit), count: *count }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ExitCount, ExitStats};
    use crate::model::Exit;

    #[test]
    fn ends_are_counted_by_their_kind_and_survive_a_file() {
        let mut tally = ExitStats::default();
        for (exit, crashed) in [
            (Exit::Code(1), true),
            (Exit::Signal(9), true),
            (Exit::Code(1), false),
            (Exit::Code(0), false),
        ] {
            tally.count(exit, crashed);
        }
        let one = |exit, count| ExitCount { exit, count };
        let exits = [one(Exit::Code(0), 1), one(Exit::Code(1), 2), one(Exit::Signal(9), 1)];
        assert_eq!((tally.crashes, tally.exits()), (2, exits.to_vec()));
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<ExitStats>(&text).unwrap(), tally);
    }
}
