//! Searches the output of processes for patterns: those that mean ready or failed, and those that
//! are to be counted.
//!
//! A [`Matcher`] is fed the output of one process in pieces of any size and returns its matches. A
//! [`FlagBook`] keeps the matches of flags with the lines around them. There is no clock and no I/O
//! here. `docs/PATTERNS.md` is the documentation for users.
//!
//! Most output contains no match, and this is determined for many lines at once: each pattern has
//! texts without which it can't match (`needles`), all needles are searched for in one pass over
//! whole blocks of lines (`search`), and only lines that contain one are examined (`matcher`).

mod bounded;
mod clean;
mod flag_book;
mod matcher;
pub mod needles;
mod open_line;
mod pattern;
mod search;
#[cfg(test)]
mod tests;

pub use flag_book::{FlagBook, FlagLog};
pub use matcher::{Hit, Matcher, Rule};

/// Expressions search only this many bytes of a line.
pub const LONGEST_LINE: usize = 64 << 10;

/// The maximum length of a line in a report, in bytes.
pub const LONGEST_SHOWN: usize = 4096;
