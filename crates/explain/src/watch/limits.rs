//! How much of a line is searched and shown.

/// Expressions search only this much of a line.
pub const LONGEST_LINE: usize = 64 << 10;

/// The maximum length of a line in a report.
pub const LONGEST_SHOWN: usize = 4096;
