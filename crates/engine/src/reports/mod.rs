//! What is reported of a crash or a match, and the work that outlives a supervisor.

pub(super) mod crash_reports;
pub(super) mod notifications;
pub mod outbox;
