//! What the programs in `tests/` and `benches/` have in common: a world of its own for each trial,
//! what is typed to them, choices that can be repeated, lines that show whether they are whole.

pub(crate) mod harness;
pub(crate) mod lines;
pub(crate) mod options;
pub(crate) mod programs;
pub(crate) mod random;
pub(crate) mod table;
