//! Shared by the programs in `tests/` and `benches/`: a world for each trial, the command line, repeatable random
//! choices, and lines that show whether they are complete.

pub(crate) mod harness;
pub(crate) mod lines;
pub(crate) mod options;
pub(crate) mod programs;
pub(crate) mod random;
pub(crate) mod table;
