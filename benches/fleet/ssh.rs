//! The stand-in for `ssh`: it answers as the tmo of a host would, after the latency of that host, without a network.
//!
//! What it prints for a verb lies in the directory of [`ANSWERS`]. The name of the host tells what it is like: `h42` has
//! the latency of number 42, `flood` and `slow` print much and little.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tmo::fleet::call::{API, Call, Hello};
use tmo::journal::history::Line;
use tmo::sys::{self, clock};

use crate::common::harness::wait::pause;

/// The variable with the directory of the answers.
pub(crate) const ANSWERS: &str = "FLEET_BENCH_ANSWERS";
/// If this variable is set, 1 % of the hosts do not answer, and 1 % can't be reached.
pub(crate) const FAULTS: &str = "FLEET_BENCH_FAULTS";
/// The variable with the number of seconds that a stream lasts.
pub(crate) const SECONDS: &str = "FLEET_BENCH_SECONDS";

/// How often a stream writes.
const STEP: Duration = Duration::from_millis(10);

/// The latency of the hosts without a number.
const LATENCY: Duration = Duration::from_millis(20);

/// Which hosts of a hundred do not answer, and which can't be reached.
const FROZEN: u64 = 37;
const FAILING: u64 = 73;

/// How a host with this number fares.
pub(crate) fn is_frozen(number: u64) -> bool {
    number % 100 == FROZEN
}

pub(crate) fn is_failing(number: u64) -> bool {
    number % 100 == FAILING
}

/// Between 5 and 300 ms, the same for a number in each run (`SplitMix64`).
pub(crate) fn latency(number: u64) -> Duration {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis(5 + (mixed ^ (mixed >> 31)) % 296)
}

/// Do what ssh was called for.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let Some(dashes) = words.iter().position(|word| word == "--") else { return ExitCode::FAILURE };
    if words[0] != "-T" {
        // The configuration, or the end of a connection.
        return ExitCode::SUCCESS;
    }
    let [name, line] = &words[dashes + 1..] else { return ExitCode::FAILURE };
    let call = line.split(' ').next_back().and_then(Call::decode).unwrap();
    let number = name.strip_prefix('h').and_then(|number| number.parse::<u64>().ok());
    let latency = number.map_or(LATENCY, latency);
    if std::env::var_os(FAULTS).is_some()
        && let Some(number) = number
    {
        if is_frozen(number) {
            loop {
                std::thread::park();
            }
        }
        if is_failing(number) {
            pause(latency);
            eprintln!("ssh: connect to host {name} port 22: No route to host");
            return ExitCode::from(255);
        }
    }
    for ping in 0..=call.pings {
        if ping > 0 && !std::io::stdin().read(&mut [0]).is_ok_and(|count| count == 1) {
            break;
        }
        pause(latency);
        greet(name);
    }
    let dir = std::env::var(ANSWERS).unwrap();
    let answer = |verb: &str| std::fs::read(Path::new(&dir).join(verb)).unwrap();
    let Some(verb) = call.argv.first() else { return ExitCode::SUCCESS };
    if verb != "logs" {
        std::io::stdout().write_all(&answer(verb)).unwrap();
        return ExitCode::SUCCESS;
    }
    if call.argv.iter().any(|word| word.starts_with("--after=")) {
        eprintln!("tmo: nothing runs here");
        return ExitCode::FAILURE;
    }
    // Lines per step, and steps per write.
    let (lines, steps) = match &**name {
        "flood" => (1000, 1),
        "slow" => (1, 100),
        _ => (1, 1),
    };
    let line = serde_json::from_slice(&answer(verb)).unwrap();
    print_lines(line, lines, STEP * steps)
}

/// The first line of an answer.
fn greet(name: &str) {
    let hello = Hello {
        there: API,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: name.to_owned(),
        boot: sys::boot_id(),
        now: clock::now(),
        load: sys::load(),
        memory: sys::machine_memory(),
    };
    println!("{}", serde_json::to_string(&hello).unwrap());
}

/// Print so many lines in each step of time, as long as the stream lasts. Each has the time in nanoseconds as its text.
fn print_lines(mut line: Line<'static>, count: u32, step: Duration) -> ExitCode {
    let seconds = std::env::var(SECONDS).unwrap().parse().unwrap();
    let begun = Instant::now();
    let mut out = std::io::stdout();
    for nr in 1.. {
        let due = step * nr;
        if due > Duration::from_secs(seconds) {
            break;
        }
        pause(due.saturating_sub(begun.elapsed()));
        let mut piece = vec![];
        for _ in 0..count {
            let now = clock::now();
            line.time = now.to_string();
            line.text = Some(now.nanos().to_string());
            serde_json::to_writer(&mut piece, &line).unwrap();
            piece.push(b'\n');
        }
        if out.write_all(&piece).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
