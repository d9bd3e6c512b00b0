//! tmo runs the processes of a `Procfile`, each in a terminal, and loses nothing they print.
//!
//! A line goes from the terminal of its process to a sink, from there into the journal, and from the journal to the views.
//!
//! The modules in the order of their layers, the lowest first; each may use only those above it in this list
//! (`tests/layers/` says which):
//!
//! - [`model`]: the common types: names, exits, plans, requests, events.
//! - [`sys`]: what differs between systems: processes, signals, clocks, files.
//! - [`watch`]: the search for patterns in the output of processes.
//! - [`apps`]: programs from ZIP archives.
//! - [`config`]: Procfile, env files, variables, directories.
//! - [`plan`]: all of that, resolved into one plan before anything starts.
//! - [`import`]: the files of other tools, taken over into a `tmo.toml`.
//! - [`export`]: the project, written for other supervisors.
//! - [`protocol`]: the files through which the supervisor communicates with shims and sinks.
//! - [`supervisor`]: what to do next, as a pure function.
//! - [`api`]: what both ends of the control socket share.
//! - [`journal`]: streams of bytes on disk, the merged index over them, the cursors that read both, and
//!   the search in them.
//! - [`crash`]: why a process has ended, by what it printed and what is known; crash reports.
//! - [`pane`]: what runs in the terminal of a process. [`pane::shim`] keeps the process, [`pane::sink`] its bytes.
//! - [`backend`]: the terminals of a run: those of tmux, or tmo's own.
//! - [`run`]: a run as seen from outside: directory, lock, sockets, what is alive of it; all runs of this user.
//! - [`client`]: the near end of the control socket.
//! - [`figures`]: what processes use, sampled for `ps` and `top`.
//! - [`server`]: the end of the control socket in the supervisor: overmind's protocol and HTTP.
//! - [`engine`]: the loop where all of these meet; the guardian; taking over from a killed one (`engine::adopt`).
//! - [`view`]: the log as people see it.
//! - [`ui`]: the same in a full-screen interface.
//! - [`fleet`]: several hosts as one: the inventory, how a host is reached, calls of many at once.
//! - [`web`]: the same for a browser.
//! - [`cli`]: what people type.
//!
//! `docs/ARCHITECTURE.md` describes the parts and how they work together, and has a table of what to change
//! where;
//! `docs/architecture/guarantees.md` lists what is guaranteed and what is not.

#[cfg(not(unix))]
compile_error!(
    "tmo needs Unix sockets and terminals; on Windows, build and run it in WSL (`wsl --install`)"
);

pub mod api;
pub mod apps;
pub mod backend;
pub mod cli;
pub mod client;
pub mod config;
pub mod crash;
pub mod engine;
pub mod export;
pub mod figures;
pub mod fleet;
pub mod import;
pub mod journal;
pub mod model;
pub mod pane;
pub mod plan;
pub mod protocol;
pub mod run;
pub mod server;
pub mod supervisor;
pub mod sys;
pub mod ui;
pub mod view;
pub mod watch;
pub mod web;
