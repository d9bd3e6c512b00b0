//! Skipping output where the search for patterns can't keep up with it.
//!
//! Output that waits for the search is not indexed yet, so it can't be deleted, and the end of a
//! process is not noticed before the output in front of it was searched. So when too much output
//! waits, or for too long, the search skips what has arrived. The log keeps all of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::plan::LogPolicy;

/// The backlog of a process at which the search skips output: the log would grow beyond its limits.
const MOST_BACKLOG: u64 = 64 << 20;
/// The backlog that is allowed even if the limits of the log are smaller.
const LEAST_BACKLOG: u64 = 4 << 20;

/// The search also skips output once the estimated time to search the backlog has exceeded this
/// value for a period of the same length.
const LATEST: Duration = Duration::from_secs(2);

/// The shortest time between two reports in the log of how much was skipped.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The backlog at which the search skips output, with these limits of the log.
pub(crate) fn most_backlog(log: &LogPolicy) -> u64 {
    match log.per_process {
        0 => MOST_BACKLOG,
        limit => limit.clamp(LEAST_BACKLOG, MOST_BACKLOG),
    }
}

/// How far the search in the output of one process lags behind.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// How many bytes have been skipped; `None` while nothing is skipped.
    skipped: Option<u64>,
    /// The backlog at the moment it became too large; `None` while it is not too large.
    behind: Option<u64>,
    /// Since when searching the backlog would take too long.
    late_since: Option<Instant>,
    /// How many skipped bytes have not been logged yet.
    untold: u64,
    /// When they may be logged.
    pub(crate) tell_due: Option<Instant>,
}

impl Lag {
    /// Whether output is skipped now.
    pub(crate) const fn skips(&self) -> bool {
        self.skipped.is_some()
    }

    /// Count bytes that were not searched.
    pub(crate) const fn skip(&mut self, bytes: u64) {
        if let Some(skipped) = &mut self.skipped {
            *skipped = skipped.saturating_add(bytes);
        }
    }

    /// Whether to start skipping: `backlog` bytes wait, at most `most` should, and searching them
    /// takes the time `takes`, which is `None` unless the search is slow.
    pub(crate) fn begins(
        &mut self,
        backlog: u64,
        most: u64,
        takes: Option<Duration>,
        now: Instant,
    ) -> bool {
        self.behind = (backlog > most).then(|| self.behind.unwrap_or(backlog));
        // A backlog that existed at the start, as after a takeover, is searched; only its growth
        // counts.
        let grows = self.behind.is_some_and(|begun| backlog > begun + most / 2);
        let is_slow = takes.is_some_and(|takes| takes > LATEST);
        self.late_since = is_slow.then(|| self.late_since.unwrap_or(now));
        let is_late = self.late_since.is_some_and(|since| now > since + LATEST);
        let begins = self.skipped.is_none() && (grows || is_late);
        if begins {
            self.skipped = Some(0);
        }
        begins
    }

    /// Stop skipping: the end of the output has been reached.
    pub(crate) const fn ends(&mut self) {
        if let Some(bytes) = self.skipped.take() {
            self.untold = self.untold.saturating_add(bytes);
        }
    }

    /// The number of skipped bytes to log now; `None` if there are none, or the last report was too
    /// recent.
    pub(crate) fn take_report(&mut self, now: Instant) -> Option<u64> {
        if self.tell_due.is_some_and(|due| due > now) {
            return None;
        }
        self.tell_due = (self.untold > 0).then_some(now + TOLD_EVERY);
        Some(std::mem::take(&mut self.untold)).filter(|bytes| *bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LATEST, Lag, TOLD_EVERY};

    #[test]
    fn a_backlog_is_skipped_when_it_grows_or_takes_too_long() {
        let (now, mut lag) = (Instant::now(), Lag::default());
        assert!(!lag.begins(900, 100, None, now), "it has waited from the beginning");
        assert!(!lag.begins(950, 100, None, now));
        assert!(lag.begins(951, 100, None, now) && lag.skips());
        assert!(!lag.begins(951, 100, None, now), "it has begun");

        let mut lag = Lag::default();
        let slow = Some(LATEST + Duration::from_secs(1));
        assert!(!lag.begins(50, 100, slow, now));
        assert!(!lag.begins(50, 100, None, now + LATEST * 2), "it was not slow meanwhile");
        assert!(!lag.begins(50, 100, slow, now + LATEST * 3));
        assert!(!lag.begins(50, 100, slow, now + LATEST * 4));
        assert!(lag.begins(50, 100, slow, now + LATEST * 5));
    }

    #[test]
    fn what_was_skipped_is_told_once_and_not_too_often() {
        let (now, mut lag) = (Instant::now(), Lag::default());
        let skip = |lag: &mut Lag, bytes| {
            lag.skipped = Some(bytes);
            lag.skip(1);
            lag.ends();
        };
        assert_eq!(lag.take_report(now), None);
        skip(&mut lag, 5);
        assert_eq!(lag.take_report(now), Some(6));
        skip(&mut lag, 7);
        skip(&mut lag, 8);
        assert_eq!(lag.take_report(now), None);
        assert_eq!(lag.take_report(now + TOLD_EVERY), Some(17));
        assert_eq!(lag.take_report(now + TOLD_EVERY * 2), None);
        assert_eq!(lag.tell_due, None);
    }
}
