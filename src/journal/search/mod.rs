//! Asking the journal: which lines, of whom, from when, like what.
//!
//! It reads files only, so it works while a run goes on, after its end, and after a crash.

pub mod access;
pub mod entry;
pub mod lines;
pub mod pattern;
pub mod runs;
pub mod select;
