//! Shims in real terminals, and sinks that read a pane's output from standard input.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "helper functions of tests"
)]

mod harness;
mod lives;
mod markers;
mod sink;
mod start;
mod tmux;
mod trees;
