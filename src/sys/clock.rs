//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::time::Timestamp;

/// The current wall-clock time.
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

/// A time of the file system.
pub fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::EPOCH + time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The monotonic clock, for deadlines.
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
