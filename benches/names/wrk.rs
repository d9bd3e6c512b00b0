//! `wrk` and what it reports.

use std::process::Command;
use std::time::Duration;

use crate::stack::{Target, find};

/// What a client has seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) requests_per_second: f64,
    pub(crate) median_ms: f64,
}

/// Send requests with so many connections for this long.
pub(crate) fn run(target: &Target, connections: u32, time: Duration) -> Report {
    let mut command = Command::new(find("wrk").unwrap());
    command.args(["--threads", "1", "--latency", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{}s", time.as_secs())]);
    command.args(["--header", &format!("Host: {}", target.host), &target.url("/")]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
        value.unwrap_or_else(|| panic!("no {name}: {text}")).trim()
    };
    Report {
        requests_per_second: field("Requests/sec:").parse().unwrap(),
        median_ms: milliseconds(field("50%")).unwrap(),
    }
}

/// A time as it is printed: `70.00us`, `1.20ms`, `2.00s`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}
