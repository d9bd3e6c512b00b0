//! The interface for a browser, and several hosts as one.

use tmo_api::{api, client, figures};
use tmo_base::{model, protocol, sys};
use tmo_config::{apps, config};
use tmo_explain::crash;
use tmo_journal as journal;
use tmo_run as run;
use tmo_server as server;
use tmo_view as view;

pub mod fleet;
pub mod web;
