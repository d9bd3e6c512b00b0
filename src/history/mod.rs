//! Asking the journal: which lines, of whom, from when, like what, and in which form.
//!
//! It reads files only, so it works while a run goes on, after its end, and after a crash.

pub mod access;
pub mod lines;
pub mod pattern;
pub mod reading;
pub mod runs;
pub mod select;
pub mod show;
pub mod times;
