//! The write side: bytes become records and segments, and what is old or cleared is removed.

pub mod append;
pub mod clear;
pub mod expected_markers;
pub mod index;
pub mod retention;
pub(super) mod screen_switch;
pub mod segment_writer;
pub mod split;
