//! Chaos: random actions on the real program, while its parts are killed at random. After every few
//! actions, a check compares the run with what was requested.
//!
//! ```text
//! cargo test --release --test chaos -- --for 600s            world after world
//! cargo test --release --test chaos -- --seed 7 --steps 60   one world
//! cargo test --release --test chaos -- --seed 7 --only 3,9   only these steps of it
//! cargo test --release --test chaos -- --seed 7 --without web,job.ready   less of its tmo.toml
//! cargo test --release --test chaos -- --seed 7 --show       what would be done
//! ```
//!
//! These hold in every world: commands return with a plausible exit code; what was requested is what runs,
//! and nothing remains half-done; after the end no process, socket or file is left; each line that was
//! written is in the log once, complete and in order, except for reported gaps.
//!
//! Two out of three worlds have a `tmo.toml`, with processes that end, fail, hang and wait for each other,
//! and which changes while they run. Once nothing changes any more, each process must have a reason for its
//! state (`rest.rs`). The events in the journal must have been permitted, in this order, by the rules that
//! may have been in force (`ledger.rs`). The counts of flags must agree with the log, no matter which part
//! was killed.
//!
//! A failure is reduced by leaving out steps, then parts of the `tmo.toml` (unless `--no-shrink` is given),
//! and reported with the command that repeats it. `--keep` leaves the world in the state of the failure.

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
