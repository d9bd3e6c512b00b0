//! Searches the journal for lines by process, time, life and pattern.
//!
//! It only reads files, so it works during a run, after a run, and after a crash.

pub mod access;
pub mod entry;
pub mod landmark;
pub mod line_counts;
pub mod lines;
pub mod numbered;
pub mod page;
pub mod pattern;
pub mod place;
pub mod plan;
pub mod runs;
pub mod select;
pub mod styled;
