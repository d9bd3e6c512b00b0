//! The engine: the only place where the parts meet.
//!
//! A guardian ([`guardian`]) holds lock and control socket and restarts the supervisor process when it
//! is killed; the new one takes the run over (`adopt`). The supervisor process ([`event_loop`]) waits for one
//! event at a time (a byte in a process's FIFO: `wakeups`, an exit, a client, a timer), turns it into an
//! [`crate::supervisor::Input`], saves the resulting state and carries out the effects (`effects`).

#![deny(clippy::wildcard_enum_match_arm)]

use tmo_api::api;
use tmo_base::{model, protocol, sys};
use tmo_config::{config, plan};
use tmo_explain::{crash, patterns};
use tmo_journal as journal;
use tmo_run as run;
use tmo_server as server;
use tmo_supervisor as supervisor;
use tmo_terminal::{backend, pane};

mod action;
mod adopt;
mod changes;
mod commands;
mod core;
mod effects;
pub mod event_loop;
pub mod guardian;
mod panes;
pub mod persisted_state;
mod queue;
pub mod reports;
mod requests;
mod restored_files;
mod search;
mod serving;
mod startup_report;
mod teardown;
