//! From a failure to the fewest steps that still fail.

use std::time::{Duration, Instant};

use crate::options::Options;
use crate::round::{Failure, Round};
use crate::stage;

/// How long may be tried.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the same steps are tried: what fails may do so only sometimes.
const TRIES: u32 = 3;

/// Tell a failure, make it smaller, tell it again.
pub(crate) fn tell(round: &Round, failure: Failure, options: &Options) {
    println!("\nFAILED, seed {}: {}", round.seed, failure.why);
    for line in &failure.story {
        println!("{line}");
    }
    kept(&failure);
    println!("again: {}", again(round));
    if !options.shrink || round.numbers.len() < 2 {
        return;
    }
    println!("\nleaving out steps, for {} s at most", PATIENCE.as_secs());
    stage::hurry();
    let (fewest, failure) = shrink(round, failure);
    println!("\n{} steps are enough: {}", fewest.numbers.len(), failure.why);
    for step in fewest.steps() {
        println!("{step}");
    }
    println!("\nwhat happened:");
    for line in &failure.story {
        println!("{line}");
    }
    kept(&failure);
    println!("again: {}", again(&fewest));
}

fn kept(failure: &Failure) {
    if let Some(kept) = &failure.kept {
        println!("kept: {}", kept.display());
    }
}

fn again(round: &Round) -> String {
    let numbers: Vec<_> = round.numbers.iter().map(ToString::to_string).collect();
    let (seed, only) = (round.seed, numbers.join(","));
    format!("cargo test --release --test chaos -- --seed {seed} --only {only}")
}

/// Leave out ever smaller parts, as long as what is left fails at the same check.
fn shrink(round: &Round, mut failure: Failure) -> (Round, Failure) {
    let until = Instant::now() + PATIENCE;
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

fn fails(round: &Round, place: &str, until: Instant) -> Option<Failure> {
    let once = || if Instant::now() > until { None } else { round.run().err() };
    (0..TRIES).find_map(|_| once().filter(|failure| failure.place == place))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
