//! What is measured.

mod exits;
mod idle;
mod latency;
mod restart;
mod slow;
mod startup;
mod throughput;

use std::time::Duration;

use crate::table::{Column, seconds};
use crate::tool::Tool;

/// A group of rows of the table that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Throughput,
    Complete,
    Latency,
    Startup,
    Exit,
    Restart,
    Slow,
    Idle,
}

impl Row {
    pub(crate) const ALL: [Self; 8] = [
        Self::Throughput,
        Self::Complete,
        Self::Latency,
        Self::Startup,
        Self::Exit,
        Self::Restart,
        Self::Slow,
        Self::Idle,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Complete => "complete",
            Self::Latency => "latency",
            Self::Startup => "startup",
            Self::Exit => "exit",
            Self::Restart => "restart",
            Self::Slow => "slow",
            Self::Idle => "idle",
        }
    }

    /// The row that is meant by this word.
    pub(crate) fn by_name(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let meant = Self::ALL.into_iter().find(|row| row.name() == name);
        meant.ok_or_else(|| format!("{name}: the rows are {}", known()))
    }

    /// Measure this once.
    pub(crate) fn measure(self, tool: &Tool, column: &mut Column<'_>) {
        match self {
            Self::Throughput => throughput::measure(tool, column),
            Self::Complete => exits::complete(tool, column),
            Self::Latency => latency::measure(tool, column),
            Self::Startup => startup::measure(tool, column),
            Self::Exit => exits::last(tool, column),
            Self::Restart => restart::measure(tool, column),
            Self::Slow => slow::measure(tool, column),
            Self::Idle => idle::measure(tool, column),
        }
    }
}

/// How long a contestant is let alone after its first lines before it is to stop: some hang if they
/// are asked while they still start.
const SETTLE: Duration = Duration::from_millis(500);

/// A time in milliseconds; infinitely many, if it was given up.
fn ms(time: Option<Duration>) -> f64 {
    seconds(time) * 1000.0
}
