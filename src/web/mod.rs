//! The web interface: a server that shows the runs of this user to a browser.
//!
//! It is a process of its own. It reads the journals of runs itself and asks their supervisors for the rest,
//! so it can be killed at any time without a run noticing it.
//!
//! | file | holds |
//! |---|---|
//! | `guardian.rs` | the process that owns the sockets, and starts the server again when it dies |
//! | `listen.rs` | ports and addresses |
//! | `ending.rs` | why a server ends |
//! | `serve.rs` | connections; the end of the server |
//! | `server.rs` | one request, from the gate to its answer |
//! | `routes.rs` | every path, with what it needs and what answers it |
//! | `gate.rs`, `grant.rs` | whether a request may pass; roles |
//! | `proof.rs`, `sessions.rs`, `cookie.rs` | login links and sessions |
//! | `access.rs` | the public address, proxies, tokens of programs |
//! | `password.rs`, `users.rs`, `throttle.rs` | users, their passwords, delays after wrong ones |
//! | `door.rs` | what the user's own commands ask the server |
//! | `run_api.rs`, `compat.rs` | the API of a run; the paths under `/api/` |
//! | `source.rs`, `listing.rs` | runs; the list of them |
//! | `apps.rs` | uploads of apps |
//! | `text.rs`, `tickets.rs` | the log as text, to be copied or downloaded |
//! | `samples.rs` | what processes use, while pages look |
//! | `follow.rs`, `live.rs` | what changes in a run; the WebSocket of a page |
//! | `terminal.rs`, `pty.rs` | the terminal of a process on a page, to type into it |
//! | `leftover_session.rs` | the tmux session of a page that has left |
//! | `screens.rs` | what terminals show, for pages that only look |
//! | `assets.rs`, `answers.rs` | the files of the page (`assets/web/`); headers of all answers |

use std::io::Write as _;

pub mod access;
mod answers;
mod apps;
mod assets;
mod compat;
mod cookie;
pub mod door;
mod ending;
mod follow;
mod gate;
mod grant;
pub mod guardian;
mod leftover_session;
pub mod listen;
mod listing;
mod live;
mod password;
mod proof;
pub mod pty;
mod routes;
mod run_api;
mod samples;
mod screens;
pub mod serve;
mod server;
mod sessions;
mod source;
mod terminal;
mod text;
mod throttle;
mod tickets;
pub mod users;

pub use grant::Role;
pub use sessions::SessionEntry;

/// Tell the user of `tmo web` what happened, in one line.
fn note(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{} {text}", crate::sys::clock::now());
}
