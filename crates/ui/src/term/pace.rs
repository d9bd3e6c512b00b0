//! When frames are drawn, and when the end of the journal is looked at.
//!
//! A slow connection keeps several kilobytes between this program and the terminal, and what a key changes waits
//! behind them. So on a terminal that has kept a frame waiting, the next frame that no key has asked for is drawn
//! only after the frames before have probably arrived.

use std::time::{Duration, Instant};

use crate::model::request::Head;
use crate::model::units;

/// The shortest time between two frames that no key has asked for.
const FRAME: Duration = Duration::from_millis(33);
/// A frame that takes at least this long was kept waiting.
const SLOW: Duration = Duration::from_millis(50);
/// A terminal that keeps one waiting for longer than this was stopped.
const STOPPED: Duration = Duration::from_secs(2);
/// How many bytes the kernel keeps for a terminal that does not read.
const KEPT: u64 = 8192;
/// At this many bytes in a second, a terminal is not slow.
const FAST: u64 = 1 << 20;

/// When the next frame is drawn.
#[derive(Debug)]
pub struct Pace {
    /// When the last frame was drawn.
    drawn: Instant,
    /// The size of the frame that is being written.
    writing: Option<u64>,
    /// How many bytes a slow terminal takes in a second.
    rate: Option<u64>,
    /// When the terminal has probably shown the last frame.
    arrived: Instant,
    /// The last news of the journal that has not been looked at.
    head: Option<Head>,
    /// When the last one was.
    looked: Instant,
}

impl Pace {
    /// Before the first frame.
    pub fn new(now: Instant) -> Self {
        let long_ago = now.checked_sub(FRAME).unwrap_or(now);
        let (drawn, looked) = (long_ago, long_ago);
        Self { drawn, writing: None, rate: None, arrived: now, head: None, looked }
    }

    /// A frame of this many bytes was handed to the terminal.
    pub fn drawn(&mut self, now: Instant, bytes: usize) {
        self.drawn = now;
        self.writing = (bytes > 0).then_some(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub fn written(&mut self, now: Instant) {
        let Some(bytes) = self.writing.take() else { return };
        let took = now.saturating_duration_since(self.drawn);
        let is_slow = took >= SLOW && took <= STOPPED;
        self.rate = if is_slow {
            let millis = units::millis(took);
            Some((bytes.saturating_mul(1000) / millis).max(1))
        } else {
            // Perhaps it has become faster.
            self.rate.map(|rate| rate + rate / 4 + 1).filter(|_| took < SLOW)
        };
        self.rate = self.rate.filter(|rate| *rate < FAST);
        let kept = if is_slow { KEPT } else { bytes };
        let rest = self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_millis(kept.saturating_mul(1000) / rate).min(STOPPED)
        });
        self.arrived = now + rest;
    }

    /// Another program has used the terminal, or nobody has.
    pub fn forget(&mut self) {
        (self.writing, self.rate, self.arrived) = (None, None, self.drawn);
    }

    /// When a frame may be drawn that is urgent, or that is not.
    pub fn frame_due(&self, urgent: bool) -> Instant {
        if urgent { self.drawn } else { self.arrived.max(self.drawn + FRAME) }
    }

    /// There is more in the journal.
    pub fn grown(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// When to look at that, if there is any: more often than frames are drawn would be of no use.
    pub fn look_due(&self) -> Option<Instant> {
        self.head.as_ref().map(|_| self.arrived.max(self.looked + FRAME))
    }

    /// Look at it now, if it is due.
    pub fn look(&mut self, now: Instant) -> Option<Head> {
        if self.look_due()? > now {
            return None;
        }
        self.looked = now;
        self.head.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_fast_terminal_gets_a_frame_every_33_ms_and_each_key_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!(pace.frame_due(false) <= now);
        pace.drawn(now, 4000);
        pace.written(now + Duration::from_millis(1));
        assert_eq!(pace.frame_due(false), now + FRAME);
        assert_eq!(pace.frame_due(true), now);
    }

    #[test]
    fn a_slow_terminal_gets_the_next_frame_when_the_last_has_arrived() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        // 4 KB in 250 ms, behind 8 KB that the kernel keeps.
        pace.drawn(now, 4000);
        now += SECOND / 4;
        pace.written(now);
        assert_eq!(pace.frame_due(false), now + Duration::from_millis(512));
        assert!(pace.frame_due(true) < now);
        // Then there is nothing in between any more, and the next frame is taken by the kernel.
        now = pace.frame_due(false);
        pace.drawn(now, 4000);
        pace.written(now);
        let rest = pace.frame_due(false) - now;
        assert!(rest > SECOND / 8 && rest < SECOND / 4, "{rest:?}");
        // A terminal that is fast again gets as many frames as before.
        for _ in 0..60 {
            now = pace.frame_due(false);
            pace.drawn(now, 4000);
            pace.written(now);
        }
        assert_eq!(pace.frame_due(false), now + FRAME);
    }

    #[test]
    fn after_a_stop_or_another_program_it_is_as_before() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.drawn(now, 4000);
        let later = now + SECOND * 3600;
        pace.written(later);
        assert!(pace.frame_due(false) <= later);
        pace.drawn(later, 4000);
        pace.forget();
        let much_later = later + SECOND;
        pace.written(much_later);
        assert!(pace.frame_due(false) < much_later);
    }
}
