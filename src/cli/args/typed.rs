//! Values of options that the parser checks: truths, times, ports.

use std::time::Duration;

use crate::config::env::parse_bool;
use crate::config::options::parse_seconds;
use crate::model::units::parse_span;

/// What Go takes for a truth value, as overmind does.
pub(super) fn truth(text: &str) -> Result<bool, &'static str> {
    if text.is_empty() { Ok(false) } else { parse_bool(text).ok_or("true or false is needed") }
}

/// A time with its unit.
pub(super) fn span(text: &str) -> Result<Duration, &'static str> {
    parse_span(text).ok_or("a time like 90s, 30m or 2h is needed")
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    parse_seconds(text).ok_or("a number of seconds is needed")
}

/// A port in an argument.
pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535".to_owned())
}
