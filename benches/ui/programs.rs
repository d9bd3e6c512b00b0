//! The programs that the runs consist of. They are parts of this binary, called by hidden arguments.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::common::harness::wait::pause;
pub(crate) use crate::common::programs::call as command;

/// The last line of [`fill`] and of [`last`].
pub(crate) const LAST: &str = "this is the last line";
/// Without this file in its directory, [`last`] prints nothing.
pub(crate) const GO: &str = "go";
/// Length of a numbered line with its newline.
pub(crate) const LENGTH: usize = 72;
/// How many lines [`last`] prints before its last: more than a terminal shows.
const SCREENFUL: u32 = 100;
/// The time between two writes of [`print`].
const STEP: Duration = Duration::from_millis(10);

/// Run one of the programs.
pub(crate) fn run(program: &str, words: &[String]) -> ExitCode {
    let number = || words[0].parse::<u32>().unwrap();
    match program {
        "print" => print(number()),
        "fill" => fill(number()),
        "last" => last(),
        "stay" => forever(),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn out() -> File {
    File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap())
}

/// Append the line of this number: something like the log of a web server, which begins with the number.
fn push(number: u32, text: &mut Vec<u8>) {
    let end = text.len() + LENGTH - 1;
    let (user, time) = (number % 1009, number % 97);
    write!(text, "{number:09} GET /api/users/{user}/orders 200 in {time} ms").unwrap();
    text.resize(end, b'.');
    text.push(b'\n');
}

/// Print so many lines per second.
fn print(per_second: u32) {
    let (mut out, begun) = (out(), Instant::now());
    let mut printed = 0;
    loop {
        let due = begun.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
        let due = u32::try_from(due).unwrap();
        // What could not be printed in time is left out, so the rate is never exceeded for long.
        printed = printed.max(due.saturating_sub(per_second / 10));
        let mut text = vec![];
        while printed < due {
            push(printed, &mut text);
            printed += 1;
        }
        out.write_all(&text).unwrap();
        pause(STEP);
    }
}

/// Print so many MiB, then the last line.
fn fill(mib: u32) {
    let mut out = out();
    let per_mib = (1 << 20) / u32::try_from(LENGTH).unwrap();
    for piece in 0..mib {
        let mut text = vec![];
        for number in piece * per_mib..(piece + 1) * per_mib {
            push(number, &mut text);
        }
        out.write_all(&text).unwrap();
    }
    writeln!(out, "{LAST}").unwrap();
    forever();
}

/// Print a screenful, and the last line when it is wanted.
fn last() {
    while !Path::new(GO).exists() {
        pause(Duration::from_millis(20));
    }
    let mut text = vec![];
    for number in 0..SCREENFUL {
        push(number, &mut text);
    }
    writeln!(text, "{LAST}").unwrap();
    out().write_all(&text).unwrap();
    forever();
}

fn forever() {
    loop {
        pause(Duration::from_secs(3600));
    }
}
