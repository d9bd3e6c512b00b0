//! The journal: streams of bytes, the merged index over them, and the cursors that read both.
//!
//! It knows no lifecycle. A byte's address is (stream, offset), for ever; the text is written
//! once, by a sink; the index holds fixed-size [`record::Record`]s that give the merged order.

pub mod record;
