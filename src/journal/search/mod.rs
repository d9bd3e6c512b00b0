//! Searching the journal: lines by process, time, life and pattern.
//!
//! It only reads files, so it works during a run, after it, and after a crash.

pub mod access;
pub mod entry;
pub mod lines;
pub mod pattern;
pub mod runs;
pub mod select;
