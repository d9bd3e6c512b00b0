//! Times, sizes and words of the shell.

/// A number of bytes: `0`, `65536`, `512k`, `64MiB` (units of 1024) or `64MB` (units of 1000).
pub fn parse_size(text: &str) -> Option<u64> {
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

/// The longest time that can be said, in milliseconds: some thirty years.
const LONGEST: f64 = 1e12;

/// The units of times, in milliseconds. One that begins another one comes behind it.
const UNITS: [(&str, f64); 5] =
    [("ms", 1.0), ("s", 1000.0), ("m", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];

/// `500ms`, `2s`, `1m`, `1h30m`, `1.5s`, in milliseconds.
pub fn parse_time(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0.0);
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let whole = number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
        let number: f64 = number.parse().ok().filter(|_| whole)?;
        let (unit, length) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        sum += number * length;
        rest = &behind[unit.len()..];
        if rest.is_empty() {
            return millis(sum);
        }
    }
}

/// A number of seconds, in milliseconds.
pub(super) fn seconds(number: f64) -> Option<u64> {
    millis(number * 1000.0)
}

#[expect(clippy::cast_possible_truncation, reason = "it is a whole number of at most 10^12")]
#[expect(clippy::cast_sign_loss, reason = "it is not negative")]
fn millis(number: f64) -> Option<u64> {
    (0.0..=LONGEST).contains(&number).then(|| number.round() as u64)
}

/// A time as it is written.
pub fn time_told(ms: u64) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if !ms.is_multiple_of(1000) => format!("{ms}ms"),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ => format!("{}s", ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_size, parse_time, time_told};

    #[test]
    fn knows_the_units() {
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
            assert_eq!(parse_size(text), Some(size), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5M", "1XiB", "99999999999T"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn knows_times() {
        let table = [
            ("500ms", 500),
            ("2s", 2000),
            ("1m", 60_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("0s", 0),
            ("1d", 86_400_000),
        ];
        for (text, ms) in table {
            assert_eq!(parse_time(text), Some(ms), "{text}");
        }
        for bad in ["", "5", "s", "-1s", "1 s", ".5s", "5.s", "1.2.3s", "1w", "9999999999h", "1s "]
        {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_time_can_be_read_as_it_is_told(ms in 0u64..1_000_000_000_000) {
            proptest::prop_assert_eq!(parse_time(&time_told(ms)), Some(ms));
        }
    }
}
