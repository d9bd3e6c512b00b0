//! Up to which life of a process something has happened, such as a request to stop.

use serde::{Deserialize, Serialize};

use crate::model::LifeId;
use crate::model::life::or_zero;
use crate::model::time::Timestamp;

/// The newest lives of a process that were stopped, killed, skipped …
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LifeMarks {
    /// The newest life that was asked to stop.
    #[serde(rename = "told", with = "or_zero")]
    pub stop_requested: Option<LifeId>,
    /// The newest life that is to be killed without a grace period.
    #[serde(rename = "killed", with = "or_zero")]
    pub(super) kill_requested: Option<LifeId>,
    /// The newest life that its shim began to stop or kill before it ended.
    #[serde(with = "or_zero")]
    pub(super) signalled: Option<LifeId>,
    /// The newest life that is stopped because another process ended with success.
    #[serde(with = "or_zero")]
    pub(super) interrupted: Option<LifeId>,
    /// The life to which [`Self::stop_since`] refers.
    #[serde(with = "or_zero")]
    pub(super) stop_life: Option<LifeId>,
    /// When that life was asked to stop.
    pub(super) stop_since: Timestamp,
    /// The newest life that a user or a client has asked to stop.
    #[serde(with = "or_zero")]
    pub(super) asked_life: Option<LifeId>,
    /// When that was first requested.
    pub(super) asked_at: Timestamp,
    /// The newest life whose slow stop was reported.
    #[serde(with = "or_zero")]
    pub(super) slow_life: Option<LifeId>,
    /// The newest life that its shim reported as skipped: the shim will never begin it.
    #[serde(with = "or_zero")]
    pub(super) skipped: Option<LifeId>,
    /// The newest life that was ended because it had failed while running.
    #[serde(with = "or_zero")]
    pub failed: Option<LifeId>,
}

impl LifeMarks {
    /// Whether this life was asked to stop.
    pub(super) fn is_stop_requested(&self, life: Option<LifeId>) -> bool {
        self.stop_requested >= life
    }

    /// Whether this life is to be killed without a grace period.
    pub(super) fn is_kill_requested(&self, life: Option<LifeId>) -> bool {
        self.kill_requested >= life
    }

    /// Ask this life to stop; returns whether it was not asked before.
    pub(super) fn request_stop(&mut self, life: Option<LifeId>) -> bool {
        let is_new = !self.is_stop_requested(life);
        self.stop_requested = self.stop_requested.max(life);
        is_new
    }

    /// Have this life killed without a grace period; returns whether that was not requested before.
    pub(super) fn request_kill(&mut self, life: Option<LifeId>) -> bool {
        let is_new = !self.is_kill_requested(life);
        self.kill_requested = self.kill_requested.max(life);
        is_new
    }

    /// The shim has begun to stop this life.
    pub(super) fn was_signalled(&mut self, life: Option<LifeId>) {
        self.signalled = self.signalled.max(life);
    }

    /// Record when the stop of this life began; returns whether it is not known already.
    pub(super) fn note_stop(&mut self, life: Option<LifeId>, now: Timestamp) -> bool {
        let is_new = self.stop_life != life;
        if is_new {
            (self.stop_life, self.stop_since) = (life, now);
        }
        is_new
    }

    /// Record a request of a user or a client to stop this life; returns whether it is the first one.
    pub(super) fn note_request(&mut self, life: Option<LifeId>, now: Timestamp) -> bool {
        let is_new = self.asked_life < life;
        if is_new {
            (self.asked_life, self.asked_at) = (life, now);
            // Mention the slow stop again, because the command that kills it now is another one.
            self.slow_life = None;
        }
        is_new
    }
}
