//! Searches the output of processes for patterns: those that mean ready or failed, and those that
//! are to be counted.
//!
//! A [`Watcher`] is fed the output of one process in pieces of any size and returns its matches. A
//! [`FlagBook`] keeps the matches of flags with the lines around them. There is no clock and no I/O
//! here. `docs/PATTERNS.md` is the documentation for users.
//!
//! Most output contains no match, and this is determined for many lines at once: each pattern has
//! texts without which it can't match (`needles`), all needles are searched for in one pass over
//! whole blocks of lines (`search`), and only lines that contain one are examined (`watcher`).

mod book;
mod bounded;
mod clean;
mod limits;
pub mod needles;
mod open;
mod pattern;
mod search;
#[cfg(test)]
mod tests;
mod watcher;

pub use book::{FlagBook, FlagLog, Match};
pub use limits::{LONGEST_LINE, LONGEST_SHOWN};
pub use pattern::BadPattern;
pub use watcher::{Hit, Rule, Watcher};
