//! The vocabulary of the program: names, states, plans, requests. No I/O, no clock, no async.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod cells;
pub mod command;
pub mod count;
pub mod detach_keys;
pub mod escape;
pub mod event;
pub mod exit;
pub mod expression;
pub mod file_change;
pub mod file_patterns;
pub mod hex;
pub mod hostname;
pub mod life;
pub mod limits;
pub mod line;
pub mod member;
pub mod moment;
pub mod name;
pub mod nearest;
pub mod network;
pub mod plan;
pub mod proc_id;
pub mod process_env;
pub mod process_id;
pub mod prompt;
pub mod request;
pub mod role;
pub mod rules;
pub mod run_end;
pub mod screen;
pub mod secrets;
pub mod sgr;
pub mod shell;
pub mod signal;
pub mod state;
pub mod status;
pub mod stream_no;
pub mod terminal;
pub mod text;
pub mod time;
pub mod unfinished;
pub mod units;
pub mod untrusted;

pub use exit::Exit;
pub use life::LifeId;
pub use name::ProcName;
pub use proc_id::ProcId;
pub use process_id::ProcessId;
pub use status::{Condition, ProcessStatus};
pub use stream_no::StreamNo;
pub use untrusted::Untrusted;

/// Whether this is the default value, which files and answers leave out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
