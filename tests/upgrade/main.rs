//! Upgrades: this program takes over a run of an earlier build, and the commands of each work with the supervisor of
//! the other.
//!
//! `cargo test` runs none of this, because the earlier program must be built from the history of the repository:
//!
//! ```text
//! cargo test --release --test upgrade -- all
//! ```

#![expect(clippy::unwrap_used, reason = "a proof that can't go on fails")]
#![expect(clippy::expect_used, reason = "a proof that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "proofs read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod earlier;
mod trials;

use std::process::ExitCode;

use common::{harness, options, table};

/// Name, how often in full, how often in short, what is done.
const TRIALS: [(&str, u32, u32, options::Work); 4] = [
    ("takeover", 3, 0, trials::takeover),
    ("old-client", 1, 0, trials::old_client),
    ("new-client", 1, 0, trials::new_client),
    ("kill", 1, 0, trials::kill),
];

fn main() -> ExitCode {
    options::run("upgrade", &TRIALS, false)
}
