//! The vocabulary of the program: names, states, plans, requests. No I/O, no clock, no async.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod command;
pub mod detach_keys;
pub mod event;
pub mod exit;
pub mod expression;
pub mod file_change;
pub mod file_patterns;
pub mod hex;
pub mod hostname;
pub mod ids;
pub mod limits;
pub mod member;
pub mod moment;
pub mod name;
pub mod nearest;
pub mod network;
pub mod plan;
pub mod process_env;
pub mod request;
pub mod role;
pub mod rules;
pub mod secrets;
pub mod shell;
pub mod signal;
pub mod state;
pub mod status;
pub mod terminal;
pub mod text;
pub mod time;
pub mod units;
pub mod untrusted;

pub use self::exit::Exit;
pub use self::ids::{LifeId, ProcId, ProcessId, StreamNo};
pub use name::ProcName;
pub use status::{Condition, ProcessStatus};
pub use untrusted::Untrusted;

/// Whether this is the default value, which files and answers leave out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
