//! The figures, with their bars.

use std::fmt;
use std::time::Duration;

use super::quantile;

/// All figures.
#[derive(Debug)]
pub(crate) struct Table {
    /// What tmo is compared with.
    peer: &'static str,
    rows: Vec<Line>,
    /// Measurements that could not be finished.
    failures: Vec<&'static str>,
}

#[derive(Debug)]
struct Line {
    what: String,
    bar: Bar,
    tmo: Vec<f64>,
    peer: Vec<f64>,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    Any,
    Below(f64),
    AtMost(f64),
    AtLeast(f64),
}

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Tmo,
    Peer,
}

impl Table {
    /// An empty table with a column for this peer.
    pub(crate) fn beside(peer: &'static str) -> Self {
        Self { peer, rows: vec![], failures: vec![] }
    }

    /// A figure of tmo.
    pub(crate) fn value(&mut self, what: &str, bar: Bar, value: f64) {
        self.line(what, bar).tmo.push(value);
    }

    /// A figure of one of both.
    pub(crate) fn of(&mut self, who: Who, what: &str, bar: Bar, value: f64) {
        let line = self.line(what, bar);
        match who {
            Who::Tmo => line.tmo.push(value),
            Who::Peer => line.peer.push(value),
        }
    }

    /// Times of the same kind: their median and the one that only 1 of 100 exceeds.
    pub(crate) fn times(&mut self, who: Who, what: &str, bars: [Bar; 2], times: &[Duration]) {
        let mut times: Vec<f64> = times.iter().map(|&time| ms(time)).collect();
        for (percent, bar) in [50, 99].into_iter().zip(bars) {
            let value = quantile(&mut times, percent).unwrap_or(f64::NAN);
            self.of(who, &format!("{what}, p{percent} [ms]"), bar, value);
        }
    }

    /// This measurement could not be finished.
    pub(crate) fn failed(&mut self, row: &'static str) {
        self.failures.push(row);
    }

    /// Whether all measurements were finished.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    fn line(&mut self, what: &str, bar: Bar) -> &mut Line {
        let place = self.rows.iter().position(|row| row.what == what).unwrap_or_else(|| {
            self.rows.push(Line { what: what.to_owned(), bar, tmo: vec![], peer: vec![] });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }
}

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Bar {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::Any => None,
            Self::Below(bar) => Some(value < bar),
            Self::AtMost(bar) => Some(value <= bar),
            Self::AtLeast(bar) => Some(value >= bar),
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Below(bar) => write!(f, "< {bar}"),
            Self::AtMost(bar) => write!(f, "≤ {bar}"),
            Self::AtLeast(bar) => write!(f, "≥ {bar}"),
        }
    }
}

impl Line {
    fn cells(&self) -> [String; 6] {
        let median = |values: &[f64]| quantile(&mut values.to_vec(), 50);
        let (tmo, peer) = (median(&self.tmo), median(&self.peer));
        let shown = |value: Option<f64>| value.map_or("–".to_owned(), number);
        let ratio = tmo.zip(peer).filter(|(_, peer)| *peer > 0.0);
        let ratio = ratio.map_or(String::new(), |(tmo, peer)| format!("×{:.2}", tmo / peer));
        let verdict = match tmo.and_then(|tmo| self.bar.is_met(tmo)) {
            None => "",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let (what, bar) = (self.what.clone(), self.bar.to_string());
        [what, shown(tmo), shown(peer), ratio, bar, verdict.to_owned()]
    }
}

fn number(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading =
            ["what", "tmo", self.peer, &format!("tmo/{}", self.peer), "bar", ""].map(str::to_owned);
        let rule = ["---", "---:", "---:", "---:", "---:", "---"].map(str::to_owned);
        let lines: Vec<_> =
            [heading, rule].into_iter().chain(self.rows.iter().map(Line::cells)).collect();
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..lines[0].len()).map(width).collect();
        for line in &lines {
            for (i, (cell, width)) in line.iter().zip(&widths).enumerate() {
                if i == 0 {
                    write!(f, "| {cell:<width$} |")?;
                } else {
                    write!(f, " {cell:>width$} |")?;
                }
            }
            writeln!(f)?;
        }
        for failure in &self.failures {
            write!(f, "\n{failure}: could not be finished.\n")?;
        }
        Ok(())
    }
}
