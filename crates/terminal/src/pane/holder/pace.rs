//! How often a holder rings the bell.

use std::time::{Duration, Instant};

use crate::model::time::Timestamp;
use crate::pane::sink;

/// How often the bell is rung in a flood. A terminal holds only 4 KiB, so its output is taken at once; but the views
/// need not wake up each time.
const INTERVAL: Duration = Duration::from_millis(3);

/// Decides when to ring: at once, except in a flood.
#[derive(Debug, Default)]
pub(super) struct Pace {
    flood: sink::Pace,
    rung: Option<Instant>,
    /// When it must be rung.
    due: Option<Instant>,
}

impl Pace {
    /// These many bytes were taken now: it must be rung, now or at [`Pace::due`].
    pub(super) fn took(&mut self, bytes: usize, now: Instant, time: Timestamp) {
        let is_flood = self.flood.is_a_flood(time, bytes);
        let last = self.rung.filter(|_| is_flood);
        let next = last.map_or(now, |last| now.max(last + INTERVAL));
        self.due = Some(self.due.map_or(next, |due| due.min(next)));
    }

    /// When it must be rung.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it must be rung now; then it counts as rung.
    pub(super) fn rings(&mut self, now: Instant) -> bool {
        let rings = self.due.is_some_and(|due| due <= now);
        if rings {
            (self.rung, self.due) = (Some(now), None);
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{INTERVAL, Pace};
    use crate::model::time::Timestamp;

    const STEP: Duration = Duration::from_micros(50);

    /// The times of the rings, if this many bytes are taken at each of these steps.
    fn rung(bytes: usize, steps: impl Fn(u32) -> bool, count: u32) -> Vec<u32> {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut rings = |step| {
            let time = u64::from(step) * 50_000 + 1_000_000_000;
            let now = start + STEP * step;
            if steps(step) {
                pace.took(bytes, now, Timestamp::from_nanos(time));
            }
            pace.rings(now)
        };
        (0..count).filter(|&step| rings(step)).collect()
    }

    #[test]
    fn lines_are_told_at_once() {
        assert_eq!(rung(80, |_| true, 1000).len(), 1000);
        let seldom = |step: u32| step.is_multiple_of(100);
        assert_eq!(rung(9000, seldom, 1000), (0..1000).step_by(100).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_is_told_at_intervals_and_to_its_end() {
        let interval = u32::try_from(INTERVAL.as_micros() / STEP.as_micros()).unwrap();
        let rung = rung(9000, |step| step < 1000, 1100);
        assert!(
            (1000 / interval..1000 / interval + 15).contains(&u32::try_from(rung.len()).unwrap())
        );
        assert!(rung.last().is_some_and(|last| *last >= 999), "{rung:?}");
    }
}
