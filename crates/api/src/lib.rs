//! What both ends of the control socket share, and its near end.

use tmo_base::{model, sys};
use tmo_journal as journal;

pub mod api;
pub mod client;
pub mod figures;
