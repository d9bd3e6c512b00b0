//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::model::time::{MonotonicTime, Timestamp};

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

/// The monotonic clock, for times that another process or a later supervisor compares.
pub fn monotonic() -> MonotonicTime {
    // The call fails only for clocks that do not exist.
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    MonotonicTime::after_boot(time.unwrap_or_default())
}
