//! Chaos: random actions on the real program while its parts are killed at random. After every few steps,
//! once nothing changes any more, the state, the log and the events are checked.
//!
//! `README.md` beside this file explains a round, its output, and how to repeat a failure.
//!
//! ```text
//! cargo test --release --test proofs -- chaos --for 600s            round after round
//! cargo test --release --test proofs -- chaos --seed 7 --steps 60   one round
//! ```

mod action_log; // what the test did, and when
mod checks; // check: processes, leftovers, log, events
mod commands; // started commands and their exit codes
mod config; // types: a `tmo.toml`
mod config_changes; // edits and reloads of the `tmo.toml`
mod config_generator; // the `tmo.toml` from the seed
mod config_toml; // a `tmo.toml` as text
mod context; // the state of a round
mod crash_hooks; // check: hooks of crashes
mod event_order; // check: order of the events
mod execute; // executes a step
mod kill; // kills a part
mod log_lines; // check: lines in the log
mod model; // the expected state
mod options; // the command line
pub(crate) mod programs; // the programs under tmo
mod quiescence; // check: states of settled processes
mod round; // one round
mod self_test; // self-test of `event_order`
mod settle; // waits until nothing changes
mod shrink; // reduces a failure
mod step; // types: a step
mod step_generator; // the steps from the seed
mod step_text; // a step as text
mod terminal_actions; // keys in a terminal

use std::process::ExitCode;
use std::time::Instant;

use options::{Options, Task};
use round::Round;

use crate::random::mix;

pub(crate) fn run(words: &[String]) -> ExitCode {
    let options = match Options::parse(words) {
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
    log_lines::self_test();
    self_test::run();
    round::silence_panics();
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
                shrink::report(&round, failure, &options);
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
