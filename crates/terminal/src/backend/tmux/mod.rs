//! tmux as the owner of the terminals: a server per project, a window per process.
//!
//! All quoting for tmux is in [`command`]; the server's configuration in [`config`]; opening panes in
//! [`panes`]; calls to the server in [`server`]; attaching a user's terminal in [`attach`].

pub mod attach;
pub mod command;
pub mod config;
pub mod panes;
mod restored_socket;
pub mod server;
pub mod version;

pub use server::{Tmux, TmuxError};
