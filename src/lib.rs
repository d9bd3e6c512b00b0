//! tmo runs the processes of a `Procfile`, one tmux window each, and loses nothing they print.
//!
//! The way of a line through the program, part by part; each may use those above it only
//! (`tests/layers.rs`):
//!
//! - [`model`]: the words: names, exits, plans, requests.
//! - [`sys`]: what differs between systems: processes, signals, clocks.
//! - [`watch`]: what is looked for in what processes print.
//! - [`config`] and [`plan`]: Procfile, env files, variables; resolved before anything starts.
//! - [`pane`]: what runs in a tmux pane. [`pane::shim`] keeps the process, [`pane::sink`] its bytes.
//! - [`journal`]: streams of bytes on disk, the merged index over them, the cursors that read both.
//! - [`crash`]: why a process has ended, by what it printed and what is known; crash reports.
//! - [`supervisor`]: what to do next, as a pure function.
//! - [`backend`] is tmux.
//! - [`control`]: the socket: overmind's protocol and HTTP.
//! - [`engine`]: the loop where all of these meet; the guardian; taking over from a killed one.
//! - [`view`]: what people see.
//! - [`history`]: asking the journal.
//! - [`cli`]: what people type.
//!
//! `docs/ARCHITECTURE.md` tells the same at length, with what is guaranteed and what is not.

#[cfg(not(unix))]
compile_error!(
    "tmo needs tmux and Unix sockets; on Windows, build and run it in WSL (`wsl --install`)"
);

pub mod backend;
pub mod cli;
pub mod config;
pub mod control;
pub mod crash;
pub mod engine;
pub mod history;
pub mod journal;
pub mod model;
pub mod pane;
pub mod plan;
pub mod supervisor;
pub mod sys;
pub mod view;
pub mod watch;
