//! Faults: whatever fails around tmo must not harm running processes, hang a command or leave anything behind.
//!
//! `cargo test` runs a short version. The full one:
//!
//! ```text
//! cargo test --release --test faults -- all
//! cargo test --release --test faults -- damage --times 300
//! ```
//!
//! In each case: a command that fails reports it in lines that begin with `tmo: ` and with its exit code;
//! every command returns; nothing panics; running processes continue; once the fault is over, everything
//! works again; nothing remains after the end. Cases that cannot be tried on this system are named. `--seed
//! N` repeats the random choices; `--only WORD` selects the cases whose names contain this word.

#![expect(clippy::unwrap_used, reason = "a proof that can't go on fails")]
#![expect(clippy::expect_used, reason = "a proof that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "proofs read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

mod cases;
mod clock;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod disk;
mod limits;
mod places;
#[cfg(target_os = "linux")]
mod refused;
#[cfg(target_os = "linux")]
mod steps;
mod tmux;
#[cfg(target_os = "linux")]
mod tracer;
mod trial;

use std::process::ExitCode;

use common::options::ALL;
use common::{harness, options, random, table};

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

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    match words().split_first() {
        Some((word, words)) if word == "trace" => return tracer::run(words),
        Some((word, words)) if word == "refuse" => return refused::run(words),
        Some(_) | None => {}
    }
    disk::in_own_mounts();
    options::run("faults", PARTS, true)
}

fn words() -> Vec<String> {
    std::env::args().skip(1).collect()
}
