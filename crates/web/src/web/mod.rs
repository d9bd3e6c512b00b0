//! The interface for a browser: a server that shows the runs of this user.
//!
//! The server is a separate process. It reads the journals of runs from their files and asks the supervisors for
//! the rest. Killing it does not affect any run.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod access;
mod fleet;
mod log;
mod proxy;
mod runs;
pub mod server;
pub mod terminal;

pub use self::access::browser::Visitor;
pub use self::access::sessions::SessionEntry;
pub use self::fleet::{MOST_HOSTS, bridge};
pub use self::server::guardian::Ending;

/// Lock a value that a panic leaves as it is.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Print an event as one line for the user of `tmo web`.
fn note(text: &str) {
    // Without a standard error, the line can't be printed.
    let _ = writeln!(std::io::stderr(), "{} {text}", crate::sys::clock::now());
}
