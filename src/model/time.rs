//! Points in time, nanoseconds since the Unix epoch, as people and clients read them.

/// As RFC 3339 in UTC, to the nanosecond.
pub fn rfc3339_ns(time: u64) -> String {
    format!("{:.9}", timestamp(time))
}

/// As RFC 3339 in UTC, to the millisecond.
pub fn rfc3339_ms(time: u64) -> String {
    format!("{:.3}", timestamp(time))
}

fn timestamp(time: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{rfc3339_ms, rfc3339_ns};

    #[test]
    fn a_point_in_time_is_shown_as_precisely_as_asked() {
        assert_eq!(rfc3339_ns(1_500_000_001), "1970-01-01T00:00:01.500000001Z");
        assert_eq!(rfc3339_ms(1_500_000_001), "1970-01-01T00:00:01.500Z");
    }
}
