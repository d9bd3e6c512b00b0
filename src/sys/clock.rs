//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::Timestamp;

/// The current wall-clock time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since
}

/// The monotonic clock, for deadlines.
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
