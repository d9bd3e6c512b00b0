//! Leaks: an operation that is repeated very often must leave no more behind than one that is done once.
//!
//! `cargo test` runs a short version. The full one:
//!
//! ```text
//! cargo test --release --test leaks -- all
//! cargo test --release --test leaks -- restarts --times 5000
//! ```
//!
//! `series.rs` defines what may grow, and by how much.

#![expect(clippy::unwrap_used, reason = "a proof that can't go on fails")]
#![expect(clippy::expect_used, reason = "a proof that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "proofs read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

mod census;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod series;

use std::process::ExitCode;

use common::{harness, options, table};

/// Name, how often in full, how often in short, what is done.
const SERIES: [(&str, u32, u32, options::Work); 5] = [
    ("restarts", 500, 30, series::restarts),
    ("starts", 100, 4, series::starts),
    ("attachments", 200, 12, series::attachments),
    ("clients", 200, 12, series::clients),
    ("adoptions", 50, 6, series::adoptions),
];

fn main() -> ExitCode {
    options::run("leaks", &SERIES, false)
}
