//! The output that people see: the merged log, search results, and how a run ended.
//!
//! Rendering turns bytes into bytes. [`merged::Renderer`] receives what a cursor over the journal
//! reads and appends the output for a terminal or a pipe to a buffer. Its caller does the reading,
//! the writing and the waiting. Only [`screen`] calls the operating system.

use tmo_base::{model, sys};
use tmo_journal as journal;

pub mod formatter;
pub mod merged;
pub mod paint;
pub mod pipe;
pub mod printer;
mod recent;
mod rows;
pub mod screen;
mod width;
pub mod words;
