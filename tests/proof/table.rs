//! The figures of a proof.

use std::fmt;

/// Figures, each with what it must be, if it must be something.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    value: String,
    wanted: Option<String>,
}

impl Table {
    /// A figure to be read.
    pub(crate) fn figure(&mut self, what: impl Into<String>, value: impl ToString) {
        self.rows.push(Row { what: what.into(), value: value.to_string(), wanted: None });
    }

    /// A figure that must be this one.
    pub(crate) fn must(
        &mut self,
        what: impl Into<String>,
        value: impl ToString,
        wanted: impl ToString,
    ) {
        let (value, wanted) = (value.to_string(), Some(wanted.to_string()));
        self.rows.push(Row { what: what.into(), value, wanted });
    }

    /// Whether all figures are what they must be.
    pub(crate) fn right(&self) -> bool {
        self.rows.iter().all(Row::right)
    }
}

impl Row {
    fn right(&self) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| *wanted == self.value)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            write!(f, "  {:<66} {:>8}", row.what, row.value)?;
            if let Some(wanted) = row.wanted.as_ref().filter(|_| !row.right()) {
                write!(f, "  WRONG: must be {wanted}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
