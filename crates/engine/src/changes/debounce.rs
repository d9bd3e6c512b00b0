//! When changes of files are acted on: once there were no more for a while.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::tree::Content;
use crate::model::file_change::MOST_NAMED;
use crate::model::time::MonotonicTime;

/// However long changes go on, they are acted on after this time.
const LONGEST: Duration = Duration::from_secs(5);

/// The same in pauses that are waited for, where these are long.
const PAUSES: u32 = 10;

/// The changes of the files of one process that were not reported yet.
#[derive(Debug)]
pub(super) struct Pending {
    first: Instant,
    last: Instant,
    /// When the first one was noticed.
    pub(super) first_noticed: MonotonicTime,
    /// When the last one was noticed.
    pub(super) noticed: MonotonicTime,
    /// Some of the files of which there were events.
    pub(super) touched: Vec<PathBuf>,
    /// The files that differ, and what they were before the first change.
    pub(super) before: BTreeMap<PathBuf, Option<Content>>,
}

impl Pending {
    pub(super) fn new(now: Instant, noticed: MonotonicTime) -> Self {
        Self {
            first: now,
            last: now,
            first_noticed: noticed,
            noticed,
            touched: vec![],
            before: BTreeMap::new(),
        }
    }

    /// There was another event.
    pub(super) fn go_on(&mut self, now: Instant, noticed: MonotonicTime) {
        (self.last, self.noticed) = (now, noticed);
    }

    /// There was an event of this file.
    pub(super) fn touch(&mut self, file: &Path) {
        if self.touched.len() < MOST_NAMED && !self.touched.iter().any(|known| known == file) {
            self.touched.push(file.to_owned());
        }
    }

    /// When they are to be acted on.
    pub(super) fn due(&self, quiet: Duration) -> Instant {
        (self.last + quiet).min(self.first + LONGEST.max(quiet * PAUSES))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONGEST, Pending};
    use crate::model::time::MonotonicTime;

    #[test]
    fn changes_are_acted_on_after_a_pause_or_after_five_seconds() {
        let (begin, quiet) = (Instant::now(), Duration::from_millis(300));
        let at = |ms| begin + Duration::from_millis(ms);
        let mut pending = Pending::new(begin, MonotonicTime::default());
        assert_eq!(pending.due(quiet), at(300));
        pending.go_on(at(250), MonotonicTime::default());
        assert_eq!(pending.due(quiet), at(550));
        for ms in (500..8000).step_by(250) {
            pending.go_on(at(ms), MonotonicTime::default());
        }
        assert_eq!(pending.due(quiet), begin + LONGEST);
        assert_eq!(pending.due(Duration::from_secs(2)), at(9750));
        for ms in (8000..30_000).step_by(250) {
            pending.go_on(at(ms), MonotonicTime::default());
        }
        assert_eq!(pending.due(Duration::from_secs(2)), at(20_000));
    }
}
