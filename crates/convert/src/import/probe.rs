//! Checks: how other tools ask whether a process is ready or lives.

use super::values::{self, quoted, table};

/// A check, and how often it is made.
#[derive(Debug, Default)]
pub(super) struct ImportedProbe {
    /// `exec`, `http` or `port`, and its value as it is written here.
    pub(super) check: Option<(&'static str, String)>,
    /// The pause between attempts, in milliseconds.
    pub(super) every: Option<u64>,
    /// The time for one attempt.
    pub(super) timeout: Option<u64>,
    /// The failures in a row that count.
    pub(super) failures: Option<u64>,
    /// The time before failures count.
    pub(super) grace: Option<u64>,
}

impl ImportedProbe {
    /// As `ready`: its timeout is the time for all attempts together.
    pub(super) fn ready(&self) -> Option<String> {
        let check = self.check.clone()?;
        let attempts =
            self.every.zip(self.failures).map(|(every, failures)| every.saturating_mul(failures));
        let all = self.grace.unwrap_or(0).saturating_add(attempts.unwrap_or(0)).min(LONGEST);
        let mut entries = vec![check];
        entries.extend(self.every.map(|every| ("every", millis(every))));
        // Less than what is usual here would be a surprise: an attempt may be made a moment before.
        entries.extend((all > LEAST).then(|| ("timeout", millis(all))));
        Some(table(&entries))
    }

    /// As `live`, with what is done when it fails.
    pub(super) fn live(&self, action: &str) -> Option<String> {
        let mut entries = vec![self.check.clone()?];
        entries.extend(self.every.map(|every| ("every", millis(every))));
        entries.extend(self.timeout.map(|timeout| ("timeout", millis(timeout))));
        entries.extend(self.failures.map(|failures| ("failures", failures.to_string())));
        entries.push(("action", quoted(action)));
        Some(table(&entries))
    }
}

/// The time that a process has to become ready if nothing is said, in milliseconds.
const LEAST: u64 = 60_000;

/// Times and numbers of attempts are below these, a day and a thousand.
const LONGEST: u64 = 86_400_000;
const MOST_ATTEMPTS: u64 = 1000;

fn millis(millis: u64) -> String {
    quoted(&crate::model::units::written_span(millis))
}

/// A duration of a probe, in milliseconds.
pub(super) fn time(text: &str) -> Option<u64> {
    values::span_ms(text).filter(|time| (1..LONGEST).contains(time))
}

/// A duration that may be none.
pub(super) fn grace(text: &str) -> Option<u64> {
    values::span_ms(text).filter(|time| *time < LONGEST)
}

/// A number of attempts.
pub(super) fn count(text: &str) -> Option<u64> {
    text.parse().ok().filter(|count| (1..MOST_ATTEMPTS).contains(count))
}
