//! tmo runs the processes of a `Procfile`, each in a terminal, and loses nothing they print.
//!
//! A line goes from the terminal of its process to a sink, from there into the journal, and from the journal to the views.
//!
//! The commands are in [`cli`]; all else is in the crates below `crates/`, whose parts have their names here. Those that
//! tests and benches use are public.
//!
//! `docs/ARCHITECTURE.md` describes the parts and how they work together, and has a table of what to change
//! where;
//! `docs/architecture/guarantees.md` lists what is guaranteed and what is not.

#[cfg(not(unix))]
compile_error!(
    "tmo needs Unix sockets and terminals; on Windows, build and run it in WSL (`wsl --install`)"
);

pub mod cli;

pub use tmo_api::{api, client};
pub use tmo_base::{model, protocol, sys};
pub use tmo_config::{apps, config, plan};
pub use tmo_convert::{export, import};
pub use tmo_engine as engine;
pub use tmo_explain::{crash, patterns};
pub use tmo_journal as journal;
pub use tmo_server as server;
pub use tmo_supervisor as supervisor;
pub use tmo_view as view;
pub use tmo_web::fleet;

use tmo_api::figures;
use tmo_run as run;
use tmo_terminal::{backend, pane};
use tmo_ui as ui;
use tmo_web::web;
