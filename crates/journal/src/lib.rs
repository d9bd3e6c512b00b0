//! The journal: streams of bytes, the merged index over them, and the cursors that read both.
//!
//! The journal does not know about lifecycles. A byte's address is (stream, offset) and never
//! changes. The text is written once, by a sink. The index contains [`record::Record`]s of fixed
//! size in the merged order.
//!
//! - [`segment`]: names and lookup of files, on the disk and in the spill directory
//! - [`write::segment_writer`]: decides where the next byte is written; [`write::append`]: the write side of a stream;
//!   [`read::stream`] and [`times`]: the read side
//! - [`write::split`]: turns bytes into records; [`ingest`] runs it for all streams and writes the index
//! - [`write::index`]: the merged order on disk; [`format`](mod@format): its bytes
//! - [`read::cursor`] and [`read::query`]: reading, merged or by stream, and the last lines and events; [`streams`]: numbers and names
//! - [`search`]: lines by time, life and pattern, for `tmo logs` and the API
//! - [`last_run`]: where the journal of the last run is, for later commands
//! - [`write::retention`]: what is deleted, and when; [`write::clear`]: deletes everything on request
//!
//! Readers never block writers: files only grow and are never truncated, and a reader that finds a
//! file deleted gets the number of bytes that it missed.

// A benchmark uses the place of the tests, too.
#[cfg(test)]
use crate as journal;
use tmo_base::{model, protocol, sys};

pub mod format;
pub mod history;
pub mod ingest;
pub mod last_run;
pub mod read;
pub mod record;
pub mod search;
pub mod segment;
pub mod streams;
pub mod times;

pub use crate::read::cursor::{Chunk, Cursor, Filter, Position};
pub use crate::read::index::IndexReader;
pub use crate::write::expected_markers::{Expected, Markers};
pub use ingest::{Ingest, IngestProgress};
pub use record::{Kind, Record};
pub use segment::{Dirs, SegmentDir};
pub use streams::Streams;

#[cfg(test)]
mod tests;
pub mod write;

/// A length in the type that records use; no length in a record comes near its limit.
pub fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
