//! The measurements, one file each.

mod first_paint;
mod flood;
mod idle;
mod news;
mod places;
mod search;
mod stopped;
mod terminal;

use crate::options::Options;
use crate::shared::quantile;
use crate::shared::table::{Bar, Table, Who};

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    News,
    FirstPaint,
    Places,
    Search,
    Flood,
    Stopped,
    Terminal,
    Idle,
}

impl Row {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 8] = [
        Self::News,
        Self::FirstPaint,
        Self::Places,
        Self::Search,
        Self::Flood,
        Self::Stopped,
        Self::Terminal,
        Self::Idle,
    ];

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::FirstPaint => "first-paint",
            Self::Places => "places",
            Self::Search => "search",
            Self::Flood => "flood",
            Self::Stopped => "stopped",
            Self::Terminal => "terminal",
            Self::Idle => "idle",
        }
    }

    /// The measurement with this name.
    pub(crate) fn by_name(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let meant = Self::ALL.into_iter().find(|row| row.name() == name);
        meant.ok_or_else(|| format!("{name}: the measurements are {}", known()))
    }

    /// Make this measurement.
    pub(crate) fn measure(self, options: &Options, table: &mut Table) {
        match self {
            Self::News => news::measure(options, table),
            Self::FirstPaint => first_paint::measure(options, table),
            Self::Places => places::measure(options, table),
            Self::Search => search::measure(options, table),
            Self::Flood => flood::measure(options, table),
            Self::Stopped => stopped::measure(options, table),
            Self::Terminal => terminal::measure(options, table),
            Self::Idle => idle::measure(options, table),
        }
    }
}

/// Times of the same kind in milliseconds: their median and the one that only 1 of 100 exceeds.
fn times(table: &mut Table, who: Who, what: &str, bars: [Bar; 2], times: &[f64]) {
    for (percent, bar) in [50, 99].into_iter().zip(bars) {
        let value = quantile(&mut times.to_vec(), percent).unwrap_or(f64::NAN);
        table.of(who, &format!("{what}, p{percent} [ms]"), bar, value);
    }
}
