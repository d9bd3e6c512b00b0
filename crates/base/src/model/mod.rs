//! The vocabulary of the program: names, states, plans, requests. No I/O, no clock, no async.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod command;
pub mod event;
pub mod exit;
pub mod file_change;
pub mod ids;
pub mod limits;
pub mod name;
pub mod network;
pub mod plan;
pub mod request;
pub mod signal;
pub mod state;
pub mod terminal;
pub mod text;
pub mod time;
pub mod units;

pub use self::exit::Exit;
pub use self::ids::{LifeId, ProcId, ProcessId, StreamNo};
pub use self::state::{Condition, ProcessStatus, Tone};
pub use self::text::untrusted::Untrusted;
pub use name::ProcName;

/// Whether this is the default value, which files and answers leave out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
