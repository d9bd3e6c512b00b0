//! Reduces a failure to the fewest steps that still fail.

use std::time::{Duration, Instant};

use crate::chaos::context;
use crate::chaos::options::Options;
use crate::chaos::round::{Failure, Round};

/// The time limit.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the same steps are tried: a failure may be intermittent.
const TRIES: u32 = 3;

/// Report a failure, shrink it, report the result.
pub(crate) fn report(round: &Round, failure: Failure, options: &Options) {
    println!("\nFAILED, seed {}: {}", round.seed, failure.why);
    for line in &failure.trace {
        println!("{line}");
    }
    kept(&failure);
    println!("again: {}", repeat_command(round));
    if !options.shrink || round.numbers.len() + round.config().parts().len() < 2 {
        return;
    }
    println!("\nleaving out steps, for {} s at most", PATIENCE.as_secs());
    context::shorten_deadline();
    let until = Instant::now() + PATIENCE;
    let (fewest, failure) = shrink(round, failure, until);
    let (fewest, failure) = shrink_config(fewest, failure, until);
    println!("\n{} steps are enough: {}", fewest.numbers.len(), failure.why);
    show(&fewest);
    println!("\nwhat happened:");
    for line in &failure.trace {
        println!("{line}");
    }
    kept(&failure);
    println!("again: {}", repeat_command(&fewest));
}

/// Print the `tmo.toml` and the steps of a round.
pub(crate) fn show(round: &Round) {
    let config = round.config();
    if !config.entries.is_empty() {
        println!("{config}");
    }
    for step in round.steps() {
        println!("{step}");
    }
}

fn kept(failure: &Failure) {
    if let Some(kept) = &failure.kept {
        println!("kept: {}", kept.display());
    }
}

fn repeat_command(round: &Round) -> String {
    let numbers: Vec<_> = round.numbers.iter().map(ToString::to_string).collect();
    let (seed, only) = (round.seed, numbers.join(","));
    let without = match &round.without[..] {
        [] => String::new(),
        parts => format!(" --without {}", parts.join(",")),
    };
    format!("cargo test --release --test proofs -- chaos --seed {seed} --only {only}{without}")
}

/// Leave out ever smaller parts, as long as what is left fails at the same check.
fn shrink(round: &Round, mut failure: Failure, until: Instant) -> (Round, Failure) {
    let mut best = Round { verbose: false, ..round.clone() };
    let mut part = best.numbers.len().div_ceil(2);
    loop {
        let mut from = 0;
        while from < best.numbers.len() {
            if Instant::now() > until {
                return (best, failure);
            }
            let mut numbers = best.numbers.clone();
            numbers.drain(from..(from + part).min(best.numbers.len()));
            let fewer = Round { numbers, ..best.clone() };
            match fails(&fewer, &failure.place, until) {
                Some(smaller) => {
                    println!("{} steps: {}", fewer.numbers.len(), first_line(&smaller.why));
                    (best, failure) = (fewer, smaller);
                }
                None => from += part,
            }
        }
        if part == 1 {
            return (best, failure);
        }
        part = part.div_ceil(2);
    }
}

/// Leave out processes of the `tmo.toml`, then what it says of those that are left.
fn shrink_config(mut best: Round, mut failure: Failure, until: Instant) -> (Round, Failure) {
    let all = best.config().parts();
    for part in all {
        if Instant::now() > until {
            break;
        }
        let mut without = best.without.clone();
        // Its parts go with it.
        without.retain(|old| old.split('.').next() != Some(&part));
        without.push(part.clone());
        let fewer = Round { without, ..best.clone() };
        if fewer.config() == best.config() {
            continue;
        }
        if let Some(smaller) = fails(&fewer, &failure.place, until) {
            println!("without {part}: {}", first_line(&smaller.why));
            (best, failure) = (fewer, smaller);
        }
    }
    (best, failure)
}

fn fails(round: &Round, place: &str, until: Instant) -> Option<Failure> {
    let once = || if Instant::now() > until { None } else { round.run().err() };
    (0..TRIES).find_map(|_| once().filter(|failure| failure.place == place))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
