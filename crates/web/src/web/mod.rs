//! The web interface: a server that shows the runs of this user in a browser.
//!
//! The server is a separate process. It reads the journals of runs from their files and asks the supervisors for
//! the rest. Killing it does not affect any run.
//!
//! | file | holds |
//! |---|---|
//! | `guardian.rs` | the process that owns the sockets and restarts the server when it dies |
//! | `listen.rs` | ports and addresses |
//! | `ending.rs` | why a server ends |
//! | `serve.rs`, `places.rs` | connections and their limits; the end of the server |
//! | `server.rs` | one request, from the gate to its answer |
//! | `routes.rs` | every path, with its requirement and its handler |
//! | `gate.rs`, `grant.rs` | whether a request is allowed; roles and visible processes |
//! | `proof.rs`, `sessions.rs`, `cookie.rs` | login links and sessions |
//! | `access.rs` | the public address, proxies, tokens of programs |
//! | `password.rs`, `users.rs`, `throttle.rs` | users, their passwords, delays after wrong passwords |
//! | `door.rs` | the socket for the user's own commands |
//! | `run_api.rs`, `script_api.rs` | the API of a run; the API for scripts, `/api/…` |
//! | `source.rs`, `listing.rs` | runs; the list of them |
//! | `apps.rs` | uploads of apps |
//! | `text.rs`, `tickets.rs` | the log as text, for copying and downloading |
//! | `reload.rs`, `again.rs` | reloading the configuration of a run, and what that would change; starting one again that is over |
//! | `samples.rs` | samples of the resource use of processes |
//! | `follow.rs`, `live.rs` | the changes in a run; the WebSocket of a page |
//! | `shared.rs` | values that a task keeps up to date while pages follow them |
//! | `terminal.rs`, `pty.rs` | the terminal of a process, for pages that type |
//! | `copy_mode.rs` | end of the copy mode of a terminal before a page types into it |
//! | `leftover_session.rs` | removal of the tmux session of a page that has left |
//! | `fleet/` | the runs of other hosts: bridges to them, and both ends of these |
//! | `proxy/` | processes by their names, `http://PROCESS.PROJECT.localhost:PORT/` |
//! | `screens.rs` | the screens of terminals, for pages that only watch |
//! | `assets.rs`, `answers.rs` | the files of the page (`crates/web/assets/`); headers of all answers |

use std::io::Write as _;

pub mod access;
mod again;
mod answers;
mod apps;
mod assets;
mod cookie;
mod copy_mode;
pub mod door;
mod ending;
mod extract;
mod fleet;
mod follow;
mod gate;
mod grant;
pub mod guardian;
mod html;
mod leftover_session;
pub mod listen;
mod listing;
mod live;
mod messages;
mod password;
mod places;
mod proof;
mod proxy;
pub mod pty;
mod reload;
mod routes;
mod run_api;
mod samples;
mod screens;
mod script_api;
pub mod serve;
mod server;
mod sessions;
mod shared;
mod source;
mod terminal;
mod text;
mod throttle;
mod tickets;
pub mod users;
mod visitor;

pub use ending::Ending;
pub use fleet::{MOST_HOSTS, bridge};
pub use sessions::SessionEntry;
pub use visitor::Visitor;

/// Print an event as one line for the user of `tmo web`.
fn note(text: &str) {
    // Without a standard error, the line can't be printed.
    let _ = writeln!(std::io::stderr(), "{} {text}", crate::sys::clock::now());
}
