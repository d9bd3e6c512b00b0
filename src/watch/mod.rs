//! What is looked for in the output of processes: what makes them ready, what means that they
//! have failed, what is to be counted.
//!
//! A [`Watcher`] is fed the output of one process as it comes, in pieces of any size, and tells
//! what it has found; a [`FlagBook`] keeps the matches of flags with the lines around them. There
//! is no clock and no I/O here. `docs/PATTERNS.md` tells people what is matched how.
//!
//! Most output holds nothing that is looked for, and that is found out for many lines at once:
//! each pattern has texts without which it can't match (`needles`), all of them are looked for
//! in one pass over whole blocks of lines (`search`), and only lines that hold one are looked at
//! (`watcher`).

mod book;
mod bounded;
mod clean;
mod limits;
mod needles;
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
