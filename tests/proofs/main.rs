//! Proofs of the guarantees: each part tries what must hold again and again, in worlds of its own.
//!
//! `cargo test` runs a short version of each part. The full ones, each of which its `mod.rs` explains:
//!
//! ```text
//! cargo test --release --test proofs -- chaos --for 600s
//! cargo test --release --test proofs -- leaks all
//! ```

#![expect(clippy::unwrap_used, reason = "a proof that can't go on fails")]
#![expect(clippy::expect_used, reason = "a proof that can't go on fails")]
#![expect(clippy::panic, reason = "a proof that can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "proofs read the environment they run in")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are to be read")]

mod chaos; // random actions and random kills
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod faults; // whatever fails around tmo
mod fleet; // hosts over real `sshd`s and container engines
mod leaks; // operations that are repeated very often
mod proof; // lost lines, exits, leftovers
mod upgrade; // runs of an earlier build

use std::process::{Command, ExitCode};

use common::{harness, lines, options, random, table};

/// Runs a part with these words of its command line.
type Run = fn(&[String]) -> ExitCode;

const PARTS: [(&str, Run); 6] = [
    ("chaos", chaos::run),
    ("faults", faults::run),
    ("fleet", fleet::run),
    ("leaks", leaks::run),
    ("proof", proof::run),
    ("upgrade", upgrade::run),
];

fn main() -> ExitCode {
    let (program, words) = common::programs::called();
    if let Some(program) = program {
        return run_program(&program, &words);
    }
    let part = words.first().and_then(|word| PARTS.iter().find(|(name, _)| name == word));
    if let Some((_, run)) = part {
        return run(&words[1..]);
    }
    // Each in a process of its own: they change how a panic is shown, and where files are mounted.
    let me = std::env::current_exe().unwrap();
    let failed = PARTS
        .iter()
        .filter(|(name, _)| !Command::new(&me).arg(name).args(&words).status().unwrap().success());
    if failed.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Run one of the programs that the parts start.
fn run_program(program: &str, words: &[String]) -> ExitCode {
    match program {
        "write" | "listen" | "ask" => chaos::programs::run(program, words),
        #[cfg(target_os = "linux")]
        "trace" => faults::tracer::run(words),
        #[cfg(target_os = "linux")]
        "refuse" => faults::refused::run(words),
        _ => proof::programs::run(program, words),
    }
}
