//! Upgrades: this program takes over a run of an earlier build, and the commands of each work with the supervisor of
//! the other.
//!
//! `cargo test` runs none of this, because the earlier program must be built from the history of the repository:
//!
//! ```text
//! cargo test --release --test proofs -- upgrade all
//! ```

mod earlier;
mod trials;

use std::process::ExitCode;

use crate::common::options;

/// Name, how often in full, how often in short, what is done.
const TRIALS: [(&str, u32, u32, options::Work); 4] = [
    ("takeover", 3, 0, trials::takeover),
    ("old-client", 1, 0, trials::old_client),
    ("new-client", 1, 0, trials::new_client),
    ("kill", 1, 0, trials::kill),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    options::run("upgrade", words, &TRIALS, false)
}
