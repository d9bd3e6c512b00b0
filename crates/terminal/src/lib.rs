//! The terminals of a run, and what runs in them.

use tmo_base::{model, protocol, sys};
use tmo_journal as journal;

pub mod backend;
pub mod pane;
