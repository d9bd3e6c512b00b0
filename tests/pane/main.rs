//! The shim as a real process in a real terminal.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "helper functions of tests"
)]

mod harness;
mod lives;
mod markers;
mod start;
mod tmux;
mod trees;
