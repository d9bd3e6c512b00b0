//! Points in time, also as users write them.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Span, Zoned};
use serde::{Deserialize, Serialize};

use crate::model::units;

/// A point in time on the wall clock, saved as nanoseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);
    /// The latest possible point in time.
    pub const LAST: Self = Self(u64::MAX);

    /// The point in time this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The byte format in journals.
    pub const fn to_le_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// The time of a file from `stat`: seconds, and nanoseconds within the next second.
    pub fn of_file(seconds: i64, nanos: i64) -> Self {
        let [seconds, nanos] = [seconds, nanos].map(|part| u64::try_from(part).unwrap_or(0));
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// One nanosecond later.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The time elapsed since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same in nanoseconds.
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time between both, in either order.
    pub const fn between(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }

    /// As RFC 3339 in UTC, to the millisecond.
    pub fn to_millisecond(self) -> String {
        format!("{:.3}", self.utc())
    }

    /// As a timestamp of the `jiff` crate.
    pub fn utc(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default()
    }
}

/// Saturates at the latest point in time.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Saturates at the epoch.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// As RFC 3339 in UTC, to the nanosecond.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.9}", self.utc())
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(u64::try_from(time.as_nanosecond()).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(Self::from)
    }
}

/// A point in time on the system's monotonic clock, which nobody sets: nanoseconds since some point of the current boot.
/// It is the same for all processes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// The point in time this long after the clock's own beginning.
    pub fn after_boot(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time elapsed since `earlier`; zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the beginning.
impl Sub<Duration> for MonotonicTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A duration, saved as nanoseconds.
pub mod nanos {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    /// For serde.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).serialize(to)
    }

    /// For serde.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

/// A text that is not a valid time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid time; write 10m, 2h30m, 14:05, yesterday 14:05, Mon, 2026-11-20T14:05, or with a zone at its end"
)]
pub struct BadTime(String);

/// Parse a point in time: a time ago (`10m`, `1h 30m`, `90` seconds), the most recent occurrence of a time
/// of day (`14:05`), a date (`2026-11-20`), or a date with a time, in the local zone or in the zone given.
pub fn moment(text: &str, now: &Zoned) -> Result<Timestamp, BadTime> {
    let at = instant(&two_digit_hour(text.trim()), now);
    let nanos = at.and_then(|at| u64::try_from(at.as_nanosecond()).ok());
    nanos.map(Timestamp::from_nanos).ok_or_else(|| BadTime(text.to_owned()))
}

fn instant(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let local = |at: DateTime| at.to_zoned(now.time_zone().clone()).ok();
    if text == "now" {
        return Some(now.timestamp());
    }
    let (day, time) = text.split_once(' ').unwrap_or((text, ""));
    if let Some(days) = days_ago(day, now) {
        let time =
            if time.is_empty() { Time::midnight() } else { time.trim_start().parse().ok()? };
        let date = now.date().checked_sub(Span::new().days(days)).ok()?;
        return Some(local(date.to_datetime(time))?.timestamp());
    }
    if let Ok(ago) = span(text.strip_suffix("ago").unwrap_or(text).trim_end()) {
        return now.timestamp().checked_sub(SignedDuration::try_from(ago).ok()?).ok();
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at);
    }
    if let Ok(time) = text.parse::<Time>()
        && !text.contains('-')
    {
        let today = local(now.date().to_datetime(time))?;
        let at = if &today > now { today.checked_sub(Span::new().days(1)).ok()? } else { today };
        return Some(at.timestamp());
    }
    let at: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
    local(at).map(|at| at.timestamp())
}

/// How many days ago `today`, `yesterday`, or the last day with this name was (`Mon`, `monday`).
fn days_ago(day: &str, now: &Zoned) -> Option<i64> {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let day = day.to_ascii_lowercase();
    match day.as_str() {
        "today" => return Some(0),
        "yesterday" => return Some(1),
        _ => {}
    }
    let named = DAYS.iter().position(|name| day.len() >= 3 && name.starts_with(&day))?;
    let today = i64::from(now.weekday().to_monday_zero_offset());
    Some((today - i64::try_from(named).ok()?).rem_euclid(7))
}

/// The same time, with a zero before an hour of one digit: `9:05`.
fn two_digit_hour(text: &str) -> String {
    let hour = text.rfind([' ', 'T']).map_or(0, |before| before + 1);
    let is_short = matches!(text.as_bytes()[hour..], [b'0'..=b'9', b':', ..]);
    let (date, time) = text.split_at(hour);
    format!("{date}{}{time}", if is_short { "0" } else { "" })
}

/// Parse a duration: `2s`, `1h30m`, `500ms`; a bare number is in seconds.
pub fn span(text: &str) -> Result<Duration, BadTime> {
    let seconds = || units::of_seconds(text.parse().ok()?);
    units::parse_span(text).or_else(seconds).ok_or_else(|| BadTime(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Zoned;

    use super::{Timestamp, moment, span};

    #[test]
    fn a_point_in_time_is_shown_as_precisely_as_asked() {
        let time = Timestamp::from_nanos(1_500_000_001);
        assert_eq!(time.to_string(), "1970-01-01T00:00:01.500000001Z");
        assert_eq!(time.to_millisecond(), "1970-01-01T00:00:01.500Z");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }

    #[test]
    fn nothing_overflows() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::LAST + second, Timestamp::LAST);
        assert_eq!(Timestamp::EPOCH - second, Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::LAST), Duration::ZERO);
        let later = Timestamp::EPOCH + second;
        assert_eq!(
            (later.since(Timestamp::EPOCH), later.between(Timestamp::EPOCH)),
            (second, second)
        );
    }

    fn now() -> Zoned {
        "2026-11-20T15:30:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn people_s_times_are_understood() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (text, expected) in [
            ("10m", "2026-11-20T15:20:00+01:00"),
            ("2h30m", "2026-11-20T13:00:00+01:00"),
            ("1h 30m", "2026-11-20T14:00:00+01:00"),
            ("90", "2026-11-20T15:28:30+01:00"),
            ("2d", "2026-11-18T15:30:00+01:00"),
            ("5 minutes ago", "2026-11-20T15:25:00+01:00"),
            ("14:05", "2026-11-20T14:05:00+01:00"),
            ("9:05", "2026-11-20T09:05:00+01:00"),
            ("2026-11-19 8:00", "2026-11-19T08:00:00+01:00"),
            ("14:05:30", "2026-11-20T14:05:30+01:00"),
            ("23:00", "2026-11-19T23:00:00+01:00"),
            ("2026-11-19", "2026-11-19T00:00:00+01:00"),
            ("2026-11-19 08:00", "2026-11-19T08:00:00+01:00"),
            ("2026-11-19T08:00:01.5", "2026-11-19T08:00:01.5+01:00"),
            ("2026-11-20T14:05:00Z", "2026-11-20T14:05:00Z"),
            ("2026-11-20T14:05:00-08:00", "2026-11-20T14:05:00-08:00"),
            ("now", "2026-11-20T15:30:00+01:00"),
            ("today", "2026-11-20T00:00:00+01:00"),
            ("yesterday", "2026-11-19T00:00:00+01:00"),
            ("yesterday 14:00", "2026-11-19T14:00:00+01:00"),
            ("today 9:05", "2026-11-20T09:05:00+01:00"),
            // The 20th is a Friday.
            ("Mon", "2026-11-16T00:00:00+01:00"),
            ("saturday 8:00", "2026-11-14T08:00:00+01:00"),
            ("Fri", "2026-11-20T00:00:00+01:00"),
        ] {
            assert_eq!(moment(text, &now()), Ok(at(expected)), "{text}");
        }
        for text in [
            "",
            "soon",
            "mo",
            "yesterday soon",
            "Mon 25:00",
            "25:00",
            "-5m",
            "2026-13-01",
            "m",
            "1e300",
            "nan",
        ] {
            assert!(moment(text, &now()).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_are_understood() {
        for (text, expected) in
            [("2s", 2000), ("500ms", 500), ("1h30m", 5_400_000), ("0.25", 250), ("1d", 86_400_000)]
        {
            assert_eq!(span(text), Ok(Duration::from_millis(expected)), "{text}");
        }
    }
}
