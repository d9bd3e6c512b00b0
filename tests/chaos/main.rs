//! Chaos: random actions on the real program, with everything around it killed at random, and a
//! look after each few of them whether all is as it was asked for.
//!
//! ```text
//! cargo test --release --test chaos -- --for 600s            world after world
//! cargo test --release --test chaos -- --seed 7 --steps 60   one world
//! cargo test --release --test chaos -- --seed 7 --only 3,9   only these steps of it
//! cargo test --release --test chaos -- --seed 7 --without web,job.ready   less of its tmo.toml
//! cargo test --release --test chaos -- --seed 7 --show       what would be done
//! ```
//!
//! What holds in every world: commands return, with a code that fits; what was asked for is what
//! runs, and nothing stays half-way; after the end no process, socket or file is left; each line
//! that was written is in the log, once, whole, in its place, but for gaps that are told.
//!
//! Two worlds of three have a `tmo.toml`, with processes that end, fail, hang and wait for each
//! other, and which changes while they run. Once nothing moves, each of them must have a reason to
//! be as it is (`rest.rs`); and what the journal tells must have been allowed to happen, in this
//! order, by all that may have been in force (`ledger.rs`). What their flags have counted is what the
//! log has, whoever was killed meanwhile.
//!
//! A failure is made smaller by leaving out steps, then parts of the `tmo.toml` (`--no-shrink`:
//! not), and told with the command that does it again. `--keep` leaves the world where it failed.

#![expect(clippy::unwrap_used, reason = "what can't go on fails")]
#![expect(clippy::expect_used, reason = "what can't go on fails")]
#![expect(clippy::panic, reason = "what can't go on fails")]
#![expect(clippy::disallowed_methods, reason = "the world's environment is made of the real one")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what happens is to be read")]

mod act;
mod book;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod draw;
mod drawn;
mod hooks;
mod inspect;
mod journal;
mod ledger;
mod look;
mod model;
mod options;
mod programs;
mod rest;
mod round;
mod ruled;
mod rules;
mod running;
mod shrink;
mod slay;
mod spoiled;
mod stage;
mod step;
mod toml;
mod typed;
mod words;

use std::process::ExitCode;
use std::time::Instant;

use common::{harness, lines, random};
use options::{Options, Task};
use random::mix;
use round::Round;

fn main() -> ExitCode {
    let (program, words) = common::programs::called();
    if let Some(program) = program {
        return programs::run(&program, &words);
    }
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("chaos: {why}");
            return ExitCode::from(2);
        }
    };
    match options.task {
        Task::Try => {}
        Task::Show => {
            shrink::show(&Round::of(&options));
            return ExitCode::SUCCESS;
        }
        Task::List => {
            println!("chaos: test");
            return ExitCode::SUCCESS;
        }
        Task::Nothing => return ExitCode::SUCCESS,
    }
    journal::see_faults();
    spoiled::see_faults();
    round::hush();
    let began = Instant::now();
    let mut seed = options.seed;
    let mut lines = 0;
    for number in 1.. {
        let round = Round { seed, ..Round::of(&options) };
        match round.run() {
            Ok(sum) => {
                lines += sum.lines;
                println!(
                    "world {number}, seed {seed}: {} steps, {} runs, {} lines, {:.1} s",
                    round.steps().len(),
                    sum.runs,
                    sum.lines,
                    sum.time.as_secs_f64()
                );
            }
            Err(failure) => {
                shrink::tell(&round, failure, &options);
                return ExitCode::FAILURE;
            }
        }
        let again = options.time.map_or(number < options.times, |time| began.elapsed() < time);
        if !again {
            println!("{number} worlds, {lines} lines, nothing wrong");
            return ExitCode::SUCCESS;
        }
        if options.time.is_some() {
            seed = mix(seed) % 1_000_000_000;
        }
    }
    ExitCode::SUCCESS
}
