//! The common parts of the programs in `tests/` and `benches/`: a separate world for each trial, options,
//! reproducible random choices, and lines that show whether they are complete.

pub(crate) mod harness;
pub(crate) mod lines;
pub(crate) mod options;
pub(crate) mod programs;
pub(crate) mod random;
pub(crate) mod table;
