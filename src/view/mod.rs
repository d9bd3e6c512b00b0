//! What people see: the merged log, tables, last words.
//!
//! Rendering is bytes in, bytes out. [`merged::Renderer`] is fed what a cursor over the journal
//! reads and appends to a buffer what a terminal or a pipe shall get; who calls it does the
//! reading, the writing and the waiting. Only [`screen`] asks the operating system anything.

pub mod echo;
pub mod form;
pub mod merged;
pub mod paint;
pub mod partials;
mod pipe;
pub mod printer;
pub mod reading;
mod recent;
mod rows;
pub mod screen;
mod width;
pub mod words;
