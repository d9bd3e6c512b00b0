//! The programs of the runs. They are part of this binary, called by hidden arguments.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use crate::common::harness::wait::pause;

#[path = "../ui/programs.rs"]
mod shared;

pub(crate) use shared::{LAST, command};

/// Run one of the programs.
pub(crate) fn run(program: &str, words: &[String]) -> ExitCode {
    match program {
        "clock" => clock(Duration::from_millis(words[0].parse().unwrap())),
        _ => shared::run(program, words),
    }
}

/// Print the time at about this interval, but not synchronously with other events.
fn clock(step: Duration) -> ! {
    let mut out = std::io::stdout();
    for number in 0.. {
        pause(step + Duration::from_millis(number * 7 % 31));
        writeln!(out, "at {:.3}", now()).unwrap();
        out.flush().unwrap();
    }
    unreachable!("numbers do not end")
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}
