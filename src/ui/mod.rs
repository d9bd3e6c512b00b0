//! `tmo ui`: the run in a terminal, as a lens over its journal.
//!
//! [`state`] holds what is shown and decides what each message changes; [`draw`] turns it into cells. Neither
//! reads a clock, a file or a terminal. [`reader`] reads the journal in a thread, [`term`] owns the terminal;
//! `src/cli/ui.rs` connects them with the supervisor.

pub mod draw;
pub mod journal;
pub mod keys;
pub mod reader;
pub mod state;
pub mod term;
#[cfg(test)]
mod tests;
