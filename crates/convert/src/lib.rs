//! Projects of other tools, in and out.

use tmo_base::{model, sys};
use tmo_config::config;

pub mod export;
pub mod import;
