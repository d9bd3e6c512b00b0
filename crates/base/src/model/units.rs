//! Durations and sizes in bytes as users write and read them: the same in flags, variables, files and messages; and counts in words.

use std::time::Duration;

/// The longest duration that can be specified, in milliseconds: about thirty years.
const LONGEST_MS: f64 = 1e12;

/// The units of a duration, with their lengths in milliseconds. The first name of each is used for output.
const SPANS: [(&[&str], f64); 6] = [
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1.0),
    (&["s", "sec", "secs", "second", "seconds"], 1000.0),
    (&["m", "min", "mins", "minute", "minutes"], 60_000.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000.0),
    (&["d", "day", "days"], 86_400_000.0),
    (&["w", "wk", "wks", "week", "weeks"], 604_800_000.0),
];

/// The texts that [`parse_span`] accepts, as a regular expression.
pub const SPAN_PATTERN: &str = r"^[0-9]+(\.[0-9]+)? ?(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)( ?[0-9]+(\.[0-9]+)? ?(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?))*$";

/// Parse a duration: `500ms`, `1.5s`, `5min`, `1h30m`, `2 days`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, 0.0);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
        let number: f64 = number.parse().ok().filter(|_| is_number)?;
        let behind = behind.strip_prefix(' ').unwrap_or(behind);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let (_, length) = SPANS.iter().find(|(names, _)| names.contains(&unit))?;
        sum += number * length;
        if behind.is_empty() {
            return of_millis(sum);
        }
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
}

/// A duration from a number of seconds, which may have a fraction.
pub fn of_seconds(number: f64) -> Option<Duration> {
    of_millis(number * 1000.0)
}

#[expect(clippy::cast_possible_truncation, reason = "it is a whole number of at most 10^12")]
#[expect(clippy::cast_sign_loss, reason = "it is not negative")]
fn of_millis(number: f64) -> Option<Duration> {
    let fits = (0.0..=LONGEST_MS).contains(&number);
    fits.then(|| Duration::from_millis(number.round() as u64))
}

/// A duration in the format of files, which [`parse_span`] reads back.
pub fn written_span(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if !ms.is_multiple_of(1000) => format!("{ms}ms"),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ => format!("{}s", ms / 1000),
    }
}

/// An elapsed time in one or two units: `350 ms`, `12 s`, `3 min 20 s`, `4 d 3 h`.
pub fn span(span: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let seconds = span.as_secs();
    let Some(largest) = UNITS.iter().position(|(size, _)| seconds >= *size) else {
        return format!("{} ms", span.as_millis());
    };
    let (size, unit) = UNITS[largest];
    let rest = UNITS.get(largest + 1).map(|(next, unit)| (seconds % size / next, unit));
    match rest {
        Some((count @ 1.., smaller)) => format!("{} {unit} {count} {smaller}", seconds / size),
        Some((0, _)) | None => format!("{} {unit}", seconds / size),
    }
}

/// A time limit or pause in seconds: `250 ms`, `1.5 s`, `60 s`.
pub fn limit(ms: u64) -> String {
    match (ms / 1000, ms % 1000) {
        (seconds, 0) => format!("{seconds} s"),
        (0, ms) => format!("{ms} ms"),
        (seconds, ms) => format!("{seconds}.{} s", ms / 100),
    }
}

/// Whole milliseconds.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds, rounded up.
pub fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Parse a size: `0`, `65536`, `512k`, `64MiB` (units of 1024) or `64MB` (units of 1000).
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let power = |letter: &str| ["", "k", "m", "g", "t"].iter().position(|known| *known == letter);
    let (base, letter): (u64, &str) = if let Some(letter) = unit.strip_suffix("ib") {
        (1024, letter)
    } else if let Some(letter) = unit.strip_suffix('b') {
        (1000, letter)
    } else {
        (1024, unit.as_str())
    };
    let factor = base.checked_pow(u32::try_from(power(letter)?).ok()?)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A size: `12 bytes`, `640 KiB`, `12 MiB`, `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30),
    }
}

/// `1 process`, `2 processes`, optionally with an adjective: `1 living process`.
pub fn processes(count: usize, kind: &str) -> String {
    let blank = if kind.is_empty() { "" } else { " " };
    format!("{count} {kind}{blank}process{}", if count == 1 { "" } else { "es" })
}

/// How often something happened in succession: `once`, `2 times in a row`.
pub fn in_a_row(times: u32) -> String {
    if times == 1 { "once".into() } else { format!("{times} times in a row") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        SPAN_PATTERN, SPANS, bytes, in_a_row, limit, of_seconds, parse_bytes, parse_span,
        processes, span, written_span,
    };

    #[test]
    fn numbers_of_bytes_are_read() {
        let table = [
            ("0", 0),
            ("10", 10),
            ("10B", 10),
            ("64k", 65536),
            ("64 KiB", 65536),
            ("1kB", 1000),
            ("2G", 2 << 30),
            ("1TB", 1_000_000_000_000),
        ];
        for (text, size) in table {
            assert_eq!(parse_bytes(text), Some(size), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5M", "1XiB", "99999999999T"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_of_bytes_are_shown() {
        let table = [(12, "12 bytes"), (2048, "2 KiB"), (3 << 20, "3 MiB"), (3 << 29, "1.5 GiB")];
        for (number, text) in table {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn spans_are_read() {
        let table = [
            ("500ms", 500),
            ("2s", 2000),
            ("1m", 60_000),
            ("5min", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30 min", 5_400_000),
            ("1.5s", 1500),
            ("0s", 0),
            ("2 days", 172_800_000),
            ("1w", 604_800_000),
        ];
        for (text, ms) in table {
            assert_eq!(parse_span(text), Some(Duration::from_millis(ms)), "{text}");
        }
        let bad =
            ["", "5", "s", "-1s", "1  s", ".5s", "5.s", "1.2.3s", "1y", "9999999999h", "1s ", "1S"];
        for bad in bad {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
        assert_eq!(of_seconds(0.25), Some(Duration::from_millis(250)));
        assert_eq!([-1.0, 1e10, f64::NAN].map(of_seconds), [None; 3]);
    }

    #[test]
    fn spans_are_shown() {
        let elapsed = |ms| span(Duration::from_millis(ms));
        assert_eq!([350, 12_900].map(elapsed), ["350 ms", "12 s"]);
        assert_eq!([200_000, 7_500_000].map(elapsed), ["3 min 20 s", "2 h 5 min"]);
        assert_eq!([250, 1500, 60_000].map(limit), ["250 ms", "1.5 s", "60 s"]);
    }

    #[test]
    fn each_unit_is_in_the_pattern() {
        let pattern = regex::Regex::new(SPAN_PATTERN).unwrap();
        for name in SPANS.iter().flat_map(|(names, _)| *names) {
            let text = format!("1{name}");
            assert!(pattern.is_match(&text) && parse_span(&text).is_some(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0u64..1_000_000_000_000) {
            let read = parse_span(&written_span(ms));
            proptest::prop_assert_eq!(read, Some(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn what_happened_once_was_not_in_a_row() {
        assert_eq!([in_a_row(1), in_a_row(2)], ["once", "2 times in a row"]);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(processes(0, ""), "0 processes");
        assert_eq!(processes(1, ""), "1 process");
        assert_eq!(processes(1, "living"), "1 living process");
        assert_eq!(processes(2, "living"), "2 living processes");
    }
}
