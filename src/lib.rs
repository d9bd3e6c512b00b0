//! tmo runs the processes of a `Procfile`, each in a terminal, and loses nothing they print.
//!
//! A line goes from the terminal of its process to a sink, from there into the journal, and from the journal to the views.
//!
//! The commands are in [`cli`]; all else is in the crates below `crates/`, which this one exports under the names of their
//! parts.
//!
//! `docs/ARCHITECTURE.md` describes the parts and how they work together, and has a table of what to change
//! where;
//! `docs/architecture/guarantees.md` lists what is guaranteed and what is not.

#[cfg(not(unix))]
compile_error!(
    "tmo needs Unix sockets and terminals; on Windows, build and run it in WSL (`wsl --install`)"
);

pub use tmo_api::api;
pub use tmo_config::apps;
pub use tmo_terminal::backend;
pub mod cli;
pub use tmo_api::client;
pub use tmo_api::figures;
pub use tmo_base::model;
pub use tmo_base::protocol;
pub use tmo_base::sys;
pub use tmo_config::config;
pub use tmo_config::plan;
pub use tmo_convert::export;
pub use tmo_convert::import;
pub use tmo_engine as engine;
pub use tmo_explain::crash;
pub use tmo_explain::patterns;
pub use tmo_journal as journal;
pub use tmo_run as run;
pub use tmo_server as server;
pub use tmo_supervisor as supervisor;
pub use tmo_terminal::pane;
pub use tmo_ui as ui;
pub use tmo_view as view;
pub use tmo_web::fleet;
pub use tmo_web::web;
