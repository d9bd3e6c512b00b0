//! How much of a line counts.

/// Expressions see no more of a line than this.
pub const LONGEST_LINE: usize = 64 << 10;

/// No more of a line is told than this.
pub const LONGEST_SHOWN: usize = 4096;
