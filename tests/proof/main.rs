//! Proofs of the guarantees about lost lines, exits and leftovers, each tried very often.
//!
//! `cargo test` runs short versions. The full ones, one command each:
//!
//! ```text
//! cargo test --release --test proof -- crash --times 100
//! cargo test --release --test proof -- exit --times 1000
//! cargo test --release --test proof -- tree
//! cargo test --release --test proof -- all
//! ```
//!
//! Each prints its figures and the seed of its random choices; `--seed N` repeats them.

#![expect(clippy::unwrap_used, reason = "a proof that can't go on fails")]
#![expect(clippy::expect_used, reason = "a proof that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "proofs read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

mod check;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod exit;
mod programs;
mod tree;

use std::process::ExitCode;

use common::random::Random;
use common::{harness, lines, options, random, table};

/// Name, times in full and in short, what is done.
const PROOFS: [(&str, u32, u32, options::Work); 3] = [
    ("crash", 100, 4, |times, seed| crash::prove(times, Random::new(seed))),
    ("exit", 1000, 12, |times, seed| exit::prove(times, Random::new(seed))),
    // It takes so little time that it is tried in full when it is asked for by name.
    ("tree", 1, 0, |times, seed| tree::prove(times, Random::new(seed))),
];

fn main() -> ExitCode {
    let (program, words) = common::programs::called();
    if let Some(program) = program {
        return programs::run(&program, &words);
    }
    check::self_test();
    options::run("proof", &PROOFS, false)
}
