//! Leaks: an operation that is repeated very often must leave no more behind than one that is done once.
//!
//! `cargo test` runs a short version. The full one:
//!
//! ```text
//! cargo test --release --test proofs -- leaks all
//! cargo test --release --test proofs -- leaks restarts --times 5000
//! ```
//!
//! `series.rs` defines what may grow, and by how much.

mod census;
mod series;

use std::process::ExitCode;

use crate::common::options;

/// Name, how often in full, how often in short, what is done.
const SERIES: [(&str, u32, u32, options::Work); 5] = [
    ("restarts", 500, 30, series::restarts),
    ("starts", 100, 4, series::starts),
    ("attachments", 200, 12, series::attachments),
    ("clients", 200, 12, series::clients),
    ("adoptions", 50, 6, series::adoptions),
];

pub(crate) fn run(words: &[String]) -> ExitCode {
    options::run("leaks", words, &SERIES, false)
}
