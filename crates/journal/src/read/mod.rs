//! The read side: the index, the streams, and the cursors that merge them.

pub mod cursor;
pub mod index;
pub mod query;
pub mod stream;
pub mod text;
pub mod words;
