//! The journal: streams of bytes, the merged index over them, and the cursors that read both.
//!
//! It knows no lifecycle. A byte's address is (stream, offset), for ever; the text is written
//! once, by a sink; the index holds fixed-size [`record::Record`]s that give the merged order.
//!
//! - [`segment`]: how files are named and found, on the disk and, while that is full, beside it
//! - [`row`]: where the next byte is written; [`append`]: the write side of a stream; [`stream`] and [`times`]: the read side
//! - [`split`]: bytes become records; [`ingest`] drives it for all streams and writes the index
//! - [`index`]: the merged order on disk; [`format`](mod@format): its bytes
//! - [`cursor`] and [`query`]: reading, merged or by stream; [`streams`]: numbers and names
//! - [`search`]: lines by time, life and pattern, for `tmo logs` and the API
//! - [`last_run`]: where the journal of the last run is, for commands that come later
//! - [`retention`]: what is deleted, and when; [`clear`]: all of it, when somebody says so
//!
//! Whoever reads never hinders whoever writes: files only grow, nobody truncates, and a reader
//! that finds a file gone is told how much it missed.

pub mod append;
pub mod clear;
pub mod cursor;
pub mod expect;
pub mod format;
pub mod index;
pub mod ingest;
pub mod last_run;
pub mod query;
pub mod reader;
pub mod record;
pub mod retention;
pub mod row;
pub mod search;
pub mod segment;
pub mod split;
pub mod stream;
pub mod streams;
pub mod tap;
mod texts;
pub mod times;
pub mod words;

pub use cursor::{Chunk, Cursor, Filter, Position};
pub use expect::{Expected, Markers};
pub use ingest::{Ingest, Progress};
pub use reader::IndexReader;
pub use record::{Kind, Record};
pub use segment::{Dirs, Place};
pub use streams::Streams;

#[cfg(test)]
mod tests;

/// A length as a record has it; nothing in a record comes near the limit.
pub(crate) fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
