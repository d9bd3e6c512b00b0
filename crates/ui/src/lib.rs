//! `tmo ui`: the run in a terminal, as a lens over its journal.
//!
//! [`state`] holds what is shown and decides what each message changes; [`draw`] turns it into cells. Neither
//! reads a clock, a file or a terminal. [`reader`] reads the journal in a thread, [`term`] owns the terminal;
//! `src/cli/ui/mod.rs` connects them with the supervisor.

use tmo_api::figures;
use tmo_base::{model, sys};
use tmo_journal as journal;
use tmo_view as view;

pub mod draw;
pub mod keys;
pub mod pages;
pub mod reader;
pub mod state;
pub mod term;
#[cfg(test)]
mod tests;
