//! Proofs of the guarantees about lost lines, exits and leftovers, each tried very often.
//!
//! `cargo test` runs short versions. The full ones, one command each:
//!
//! ```text
//! cargo test --release --test proofs -- proof crash --times 100
//! cargo test --release --test proofs -- proof exit --times 1000
//! cargo test --release --test proofs -- proof tree
//! cargo test --release --test proofs -- proof all
//! ```
//!
//! Each prints its figures and the seed of its random choices; `--seed N` repeats them.

mod check;
mod crash;
mod exit;
pub(crate) mod programs;
mod tree;

use std::process::ExitCode;

use crate::common::options;
use crate::common::random::Random;

/// Name, times in full and in short, what is done.
const PROOFS: [(&str, u32, u32, options::Work); 3] = [
    ("crash", 100, 4, |times, seed| crash::prove(times, Random::new(seed))),
    ("exit", 1000, 12, |times, seed| exit::prove(times, Random::new(seed))),
    // It takes so little time that it is tried in full when it is asked for by name.
    ("tree", 1, 0, |times, seed| tree::prove(times, Random::new(seed))),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    check::self_test();
    options::run("proof", words, &PROOFS, false)
}
