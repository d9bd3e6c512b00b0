//! A run as seen from outside its supervisor: its directory, lock and sockets, what is alive of it, and which runs
//! there are.
//!
//! | file | holds |
//! |---|---|
//! | `dir.rs` | the runtime directory: paths and contents of its files |
//! | `saved.rs` | what a command needs to know of `state.json` |
//! | `lock.rs` | the lock that guardian and supervisor hold, and the one that starts wait for |
//! | `listen.rs` | creating and removing the control socket |
//! | `inherit.rs` | descriptors that are passed over an `exec` |
//! | `startup.rs` | what guardian and supervisor report while they start |
//! | `find.rs` | which run a command means |
//! | `registry.rs` | the runs of this user, including finished ones |
//! | `forced_end.rs` | finding what is alive of a run in the process table, and ending it |

use tmo_base::{model, protocol, sys};
use tmo_config::config;
use tmo_journal as journal;

pub mod dir;
pub mod find;
pub mod forced_end;
pub mod inherit;
pub mod listen;
pub mod lock;
pub mod registry;
pub mod saved;
pub mod startup;
