//! The file formats through which supervisor, shims and sinks communicate.
//!
//! - [`spec`]: what to run, from the supervisor to a shim
//! - [`life`]: the log of starts and exits, written by a shim
//! - [`marker`]: marks in the output where a life begins and ends
//! - [`notify`]: what a process reports of itself; its last status, written by its shim
//! - [`phase`]: the states of a process and of a run in `state.json`
//! - [`tmux_socket`]: the socket of a run's tmux server
//! - [`terminal`]: what the holder of a terminal and its clients send each other
//! - [`paths`]: where these files are, and the FIFO of each process, in which a byte wakes the supervisor
//!   (`engine::wakeups`)

pub mod life;
pub mod marker;
pub mod notify;
pub mod paths;
pub mod phase;
pub mod spec;
pub mod terminal;
pub mod tmux_socket;
