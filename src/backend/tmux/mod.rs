//! tmux as the owner of the terminals: a server per project, a window per process.
//!
//! All quoting for tmux lives in [`command`]; what a server is set to in [`config`]; opening panes in
//! [`panes`]; calling it in [`server`]; a person's way in, in [`attach`].

pub mod attach;
pub mod command;
pub mod config;
mod environ;
pub mod menu;
pub mod panes;
pub mod server;
pub mod socket;
mod typing;
pub mod version;

pub use server::{Tmux, TmuxError};
