//! Faults: whatever fails around tmo must not harm running processes, hang a command or leave anything behind.
//!
//! `cargo test` runs a short version. The full one:
//!
//! ```text
//! cargo test --release --test proofs -- faults all
//! cargo test --release --test proofs -- faults damage --times 300
//! ```
//!
//! In each case: a command that fails reports it in lines that begin with `tmo: ` and with its exit code;
//! every command returns; nothing panics; running processes continue; once the fault is over, everything
//! works again; nothing remains after the end. Cases that cannot be tried on this system are named. `--seed
//! N` repeats the random choices; `--only WORD` selects the cases whose names contain this word.

mod cases;
mod clock;
mod damage;
mod disk;
mod limits;
mod places;
#[cfg(target_os = "linux")]
pub(crate) mod refused;
#[cfg(target_os = "linux")]
mod steps;
mod tmux;
#[cfg(target_os = "linux")]
pub(crate) mod tracer;
mod trial;

use std::process::ExitCode;

use crate::common::options::{self, ALL};

/// Name, times in full and in short, what is done.
const PARTS: &[(&str, u32, u32, options::Work)] = &[
    ("disk", ALL, 1, disk::prove),
    ("limits", ALL, 2, limits::prove),
    ("clock", ALL, 1, clock::prove),
    ("tmux", ALL, 1, tmux::prove),
    ("places", ALL, 2, places::prove),
    ("damage", 150, 3, damage::prove),
    #[cfg(target_os = "linux")]
    ("steps", ALL, 4, steps::prove),
    #[cfg(target_os = "linux")]
    ("refused", ALL, 6, refused::prove),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    disk::in_own_mounts();
    options::run("faults", words, PARTS, true)
}
