//! The figures, side by side.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::lines::Fate;
pub(crate) use crate::shared::quantile;
use crate::tool::{Kind, Tool};

/// The bars of tmo without tmux, where they differ.
const NATIVE_BARS: &[(&str, &str)] = &[
    ("throughput [s], 1 writing 41 MB", "≤ ×0.6"),
    ("throughput [s], 4 writing 41 MB", "≤ ×0.4"),
    ("throughput [s], 16 writing 41 MB", "≤ ×0.4"),
    ("exec → first line of the last, 1 [ms]", "≤ ×0.6"),
    ("exec → first line of the last, 100 [ms]", "≤ ×0.6"),
    ("SIGINT → command back, 1 [ms]", "≤ ×0.8"),
    ("SIGINT → command back, 100 [ms]", "≤ ×0.4"),
    ("last exit → command back [ms]", "≤ ×1"),
    ("restart → command back [ms]", "≤ ×1.2"),
    ("ps [ms]", "≤ ×1"),
    ("idle: share of memory of everything (PSS) [MiB]", "≤ 8"),
];

/// All rows; one column per contestant.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<&'static str>,
    kinds: Vec<Kind>,
    rows: Vec<Line>,
    /// What went wrong apart from the figures.
    failures: Vec<String>,
}

#[derive(Debug)]
struct Line {
    what: String,
    bar: String,
    cells: BTreeMap<usize, Cell>,
}

#[derive(Debug)]
enum Cell {
    /// The median is shown; what was given up is infinite.
    Values(Vec<f64>),
    /// So many of so many.
    Share(usize, usize),
    /// All together.
    Fate(Fate),
}

/// Where the figures of one contestant go.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    table: &'a mut Table,
    place: usize,
}

impl Table {
    pub(crate) fn new(tools: &[Tool]) -> Self {
        let names = tools.iter().map(|tool| tool.name).collect();
        Self {
            names,
            kinds: tools.iter().map(|tool| tool.kind).collect(),
            rows: vec![],
            failures: vec![],
        }
    }

    /// The column of this contestant.
    pub(crate) const fn column(&mut self, place: usize) -> Column<'_> {
        Column { table: self, place }
    }

    /// Tell below the table that a measurement broke off.
    pub(crate) fn failed(&mut self, what: String) {
        if !self.failures.contains(&what) {
            self.failures.push(what);
        }
    }

    /// Whether tmo has lost, doubled, torn or disordered any line.
    pub(crate) fn lost_by_tmo(&self) -> bool {
        let bad = |(place, cell): (&usize, &Cell)| {
            matches!(self.kinds[*place], Kind::Tmo | Kind::Native)
                && matches!(cell, Cell::Fate(fate) if !fate.good())
        };
        self.rows.iter().flat_map(|row| &row.cells).any(bad)
    }

    fn place_of(&self, kind: Kind) -> Option<usize> {
        self.kinds.iter().position(|k| *k == kind)
    }

    /// How much of the floor's this contestant takes.
    fn ratio(&self, row: &Line, kind: Kind) -> Option<f64> {
        let value = |kind| match row.cells.get(&self.place_of(kind)?)? {
            Cell::Values(values) => quantile(&mut values.clone(), 50),
            Cell::Share(..) | Cell::Fate(_) => None,
        };
        let (tmo, floor) = (value(kind)?, value(Kind::Floor)?);
        (floor > 0.0).then(|| tmo / floor)
    }
}

impl Column<'_> {
    /// A figure.
    pub(crate) fn value(&mut self, what: &str, bar: &str, value: f64) {
        if let Cell::Values(values) = self.cell(what, bar, || Cell::Values(vec![])) {
            values.push(value);
        }
    }

    /// One try, good or not.
    pub(crate) fn share(&mut self, what: &str, bar: &str, good: bool) {
        if let Cell::Share(got, of) = self.cell(what, bar, || Cell::Share(0, 0)) {
            *got += usize::from(good);
            *of += 1;
        }
    }

    /// What has become of lines.
    pub(crate) fn fate(&mut self, what: &str, fate: Fate) {
        let what = format!("{what}: lost/doubled/torn/out of order");
        if let Cell::Fate(sum) = self.cell(&what, "0", || Cell::Fate(Fate::default())) {
            sum.add(fate);
        }
    }

    fn cell(&mut self, what: &str, bar: &str, new: impl FnOnce() -> Cell) -> &mut Cell {
        let rows = &mut self.table.rows;
        let place = rows.iter().position(|row| row.what == what).unwrap_or_else(|| {
            let (what, bar) = (what.to_owned(), bar.to_owned());
            rows.push(Line { what, bar, cells: BTreeMap::new() });
            rows.len() - 1
        });
        rows[place].cells.entry(self.place).or_insert_with(new)
    }
}

/// So many seconds; infinitely many, if it was given up.
pub(crate) fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::INFINITY, |time| time.as_secs_f64())
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Values(values) => {
                let mut good: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
                let hung = values.len() - good.len();
                match quantile(&mut good, 50) {
                    Some(value) if value < 10.0 => write!(f, "{value:.2}")?,
                    Some(value) if value < 100.0 => write!(f, "{value:.1}")?,
                    Some(value) => write!(f, "{value:.0}")?,
                    None if hung > 0 => return write!(f, "hung"),
                    None => return write!(f, "–"),
                }
                if hung > 0 { write!(f, ", hung {hung}/{}", values.len()) } else { Ok(()) }
            }
            Self::Share(got, of) => write!(f, "{got}/{of}"),
            Self::Fate(fate) if fate.good() => write!(f, "0"),
            Self::Fate(Fate { lost, doubled, torn, disordered }) => {
                write!(f, "{lost}/{doubled}/{torn}/{disordered}")
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios = ["tmo/floor", "bar", "native/floor", "bar"];
        let columns = [&["what"], &*self.names, &ratios].concat();
        let mut lines = vec![columns.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()];
        lines.push(
            columns
                .iter()
                .enumerate()
                .map(|(i, _)| if i == 0 { "---" } else { "---:" }.into())
                .collect(),
        );
        for row in &self.rows {
            let mut line = vec![row.what.clone()];
            let cell = |place| row.cells.get(&place).map_or("–".to_owned(), Cell::to_string);
            line.extend((0..self.names.len()).map(cell));
            let native = NATIVE_BARS.iter().find(|(what, _)| *what == row.what);
            let native = native.map_or("", |(_, bar)| bar);
            for (kind, bar) in [(Kind::Tmo, &*row.bar), (Kind::Native, native)] {
                let ratio = self.ratio(row, kind);
                line.push(ratio.map_or(String::new(), |ratio| format!("×{ratio:.2}")));
                line.push(bar.to_owned());
            }
            lines.push(line);
        }
        let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..columns.len()).map(width).collect();
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
            write!(f, "\n{failure}\n")?;
        }
        Ok(())
    }
}
