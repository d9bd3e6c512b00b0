//! Prints the figures of a proof.

use std::fmt;

/// Figures, each with what it must be, if it must be something.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

/// What a figure may be.
#[derive(Debug)]
pub(crate) struct Value(String);

macro_rules! values {
    ($($of:ty)*) => {
        $(impl From<$of> for Value {
            fn from(value: $of) -> Self {
                Self(value.to_string())
            }
        })*
    };
}

values!(&str String bool i32 u32 u64 usize);

#[derive(Debug)]
struct Row {
    what: String,
    value: String,
    wanted: Option<String>,
}

impl Table {
    /// A figure to be read.
    pub(crate) fn figure(&mut self, what: impl Into<String>, value: impl Into<Value>) {
        self.rows.push(Row { what: what.into(), value: value.into().0, wanted: None });
    }

    /// A figure that must be this one.
    pub(crate) fn must(
        &mut self,
        what: impl Into<String>,
        value: impl Into<Value>,
        wanted: impl Into<Value>,
    ) {
        let (value, wanted) = (value.into().0, Some(wanted.into().0));
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
