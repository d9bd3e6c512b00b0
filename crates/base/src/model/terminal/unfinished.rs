//! Unfinished lines: when to show them.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

use crate::model::StreamNo;
use crate::model::request::Partial;

/// A line that has not grown for this long is shown.
pub const SILENCE: Duration = Duration::from_millis(150);
/// A line that keeps growing (a progress bar) is shown this often.
pub const GROWING_LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Whether an unfinished line looks like a question to the user. Whether its process waits for the answer is another
/// matter: [`Prompt`](super::prompt::Prompt).
pub fn looks_like_prompt(text: &str) -> bool {
    text.trim_end().ends_with(['>', ':', '?', '$', '#', '%', ']', ')'])
}

/// Keeps the time at which to show each unfinished line. The caller provides the time, by any clock.
#[derive(Debug)]
pub struct PromptTimer<T> {
    lines: BTreeMap<StreamNo, PendingLine<T>>,
}

#[derive(Debug, Clone, Copy)]
struct PendingLine<T> {
    partial: Partial,
    /// When to show it; `None` if all of it is shown.
    due: Option<T>,
    /// When to show it even if it is still growing.
    latest: T,
}

impl<T> Default for PromptTimer<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new() }
    }
}

impl<T: Copy + Ord + Add<Duration, Output = T>> PromptTimer<T> {
    /// Set the unfinished lines; all others are forgotten.
    pub fn update(&mut self, partials: &[Partial], now: T) {
        self.lines.retain(|stream, _| partials.iter().any(|partial| partial.stream == *stream));
        for &partial in partials.iter().filter(|partial| partial.start < partial.end) {
            let old =
                self.lines.get(&partial.stream).filter(|old| old.partial.start == partial.start);
            let latest = match old {
                Some(old) if old.partial.end == partial.end => continue,
                Some(PendingLine { due: Some(_), latest, .. }) => *latest,
                Some(PendingLine { due: None, .. }) | None => now + GROWING_LINE_INTERVAL,
            };
            let due = Some(latest.min(now + SILENCE));
            self.lines.insert(partial.stream, PendingLine { partial, due, latest });
        }
    }

    /// The lines that are due. Each is returned once until it changes.
    pub fn take_due(&mut self, now: T) -> Vec<Partial> {
        let mut due = Vec::new();
        for line in self.lines.values_mut() {
            if line.due.is_some_and(|at| at <= now) {
                line.due = None;
                due.push(line.partial);
            }
        }
        due
    }

    /// When the next line is due, unless a new head arrives first.
    pub fn next(&self) -> Option<T> {
        self.lines.values().filter_map(|line| line.due).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GROWING_LINE_INTERVAL, PromptTimer, SILENCE};
    use crate::model::StreamNo;
    use crate::model::request::Partial;

    fn partial(stream: StreamNo, start: u64, end: u64) -> Partial {
        Partial { stream, start, end }
    }

    #[test]
    fn a_line_is_due_once_its_process_is_silent() {
        let (mut timer, t0) = (PromptTimer::default(), Duration::ZERO);
        let ms = |n| t0 + Duration::from_millis(n);
        assert_eq!(timer.next(), None);
        timer.update(&[partial(StreamNo(1), 10, 15)], t0);
        assert_eq!(timer.next(), Some(t0 + SILENCE));
        timer.update(&[partial(StreamNo(1), 10, 17)], ms(100));
        assert_eq!(timer.take_due(ms(150)), []);
        assert_eq!(timer.next(), Some(ms(250)));
        timer.update(&[partial(StreamNo(1), 10, 17), partial(StreamNo(2), 0, 1)], ms(200));
        assert_eq!(timer.take_due(ms(250)), [partial(StreamNo(1), 10, 17)]);
        assert_eq!(timer.take_due(ms(300)), [], "told once");
        assert_eq!(timer.next(), Some(ms(350)), "the other one");
        timer.update(&[], ms(300));
        assert_eq!(timer.next(), None, "completed before it was due");
    }

    #[test]
    fn a_line_that_keeps_growing_is_shown_now_and_then() {
        let (mut timer, t0) = (PromptTimer::default(), Duration::ZERO);
        let mut shown = vec![];
        for step in 0..40u64 {
            let now = t0 + Duration::from_millis(step * 100);
            timer.update(&[partial(StreamNo(1), 0, step + 1)], now);
            shown.extend(timer.take_due(now).iter().map(|_| step));
        }
        assert_eq!(shown, [10, 21, 32]);
        assert!(timer.next().is_some_and(|at| at <= t0 + 5 * GROWING_LINE_INTERVAL));
    }

    #[test]
    fn the_next_line_has_a_time_of_its_own() {
        let (mut timer, t0) = (PromptTimer::default(), Duration::ZERO);
        timer.update(&[partial(StreamNo(1), 0, 5)], t0);
        let later = t0 + Duration::from_secs(9);
        timer.update(&[partial(StreamNo(1), 7, 9)], later);
        assert_eq!(timer.next(), Some(later + SILENCE));
    }
}
