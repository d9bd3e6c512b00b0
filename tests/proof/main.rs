//! Proofs: what is promised about lost lines, exits and leftovers, tried very often.
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
mod crash;
mod exit;
#[expect(dead_code, reason = "the end-to-end tests need more of it")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod lines;
mod options;
mod programs;
mod random;
mod table;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use options::{Options, Proof};
use random::Random;
use table::Table;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(part) = words.first().and_then(|word| word.strip_prefix('@')) {
        return programs::run(part, &words[1..]);
    }
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("proof: {why}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        for proof in options.proofs {
            println!("{}: test", proof.name());
        }
        return ExitCode::SUCCESS;
    }
    check::see_faults();
    let failed = options.proofs.iter().filter(|proof| !run(**proof, &options)).count();
    println!("{} passed, {failed} failed", options.proofs.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Run one and print its figures; whether all of them are right.
fn run(proof: Proof, options: &Options) -> bool {
    println!("{}, seed {}", proof.name(), options.seed);
    let random = Random::new(options.seed);
    let times = options.times(proof);
    let work = || match proof {
        Proof::Crash => crash::prove(times, random),
        Proof::Exit => exit::prove(times, random),
        Proof::Tree => tree::prove(times, random),
    };
    let table = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let mut table = Table::default();
        table.must("got to its end", "no", "yes");
        table
    });
    println!("{table}");
    table.right()
}
