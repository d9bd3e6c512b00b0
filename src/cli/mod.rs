//! The command line: what can be typed, and what comes of it.

pub mod args;
pub mod completions;
pub mod man;
