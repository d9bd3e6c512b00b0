//! The programs that run under the contestants. They are parts of this binary, called by hidden
//! arguments, so they are the same under all of them and write at full speed.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use crate::common::programs::call as command;
use crate::lines;
use crate::wait::pause;

/// What a program writes when it has written everything else.
pub(crate) const DONE: &[u8] = b"D=ONE";
/// Before the process id that [`first`] writes.
pub(crate) const FIRST: &[u8] = b"F=";
/// Before the time that [`clock`] writes.
pub(crate) const TIME: &[u8] = b"T=";
/// Where [`slow`] leaves its longest write, in nanoseconds.
pub(crate) const STALL: &str = "stall";

/// Run one of the programs.
pub(crate) fn run(program: &str, words: &[String]) -> ExitCode {
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    match program {
        "first" => first(),
        "clock" => clock(number(0), number(1)),
        "stay" => stay(number(0), number(1)),
        "burst" => burst(number(0), number(1)),
        "slow" => slow(number(0), number(1)),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn out() -> File {
    File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap())
}

/// Say the own process id, then wait to be stopped.
fn first() {
    let line = [FIRST, std::process::id().to_string().as_bytes(), b"=\n"].concat();
    out().write_all(&line).unwrap();
    forever();
}

/// Write the time, pause, and so on.
fn clock(count: usize, pause_us: usize) {
    let mut out = out();
    for _ in 0..count {
        pause(Duration::from_micros(pause_us as u64));
        let line = [TIME, now().to_string().as_bytes(), b"=\n"].concat();
        out.write_all(&line).unwrap();
    }
    finish(&mut out);
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

/// Write numbered lines in large blocks, then wait to be stopped.
fn stay(process: usize, count: usize) {
    burst(process, count);
    finish(&mut out());
}

/// Write numbered lines in large blocks and end at once.
fn burst(process: usize, count: usize) {
    blocks(process, count, 64 << 10, |_| {});
}

/// Write numbered lines in small blocks and note how long the longest write took.
fn slow(process: usize, count: usize) {
    let mut longest = Duration::ZERO;
    blocks(process, count, 4 << 10, |took| longest = longest.max(took));
    std::fs::write(format!("{STALL}.new"), longest.as_nanos().to_string()).unwrap();
    std::fs::rename(format!("{STALL}.new"), STALL).unwrap();
    finish(&mut out());
}

fn blocks(process: usize, count: usize, size: usize, mut wrote: impl FnMut(Duration)) {
    let mut out = out();
    let mut text = Vec::with_capacity(size + lines::LENGTH);
    for number in 0..count {
        lines::push(process, number, &mut text);
        if text.len() >= size || number + 1 == count {
            let begun = Instant::now();
            out.write_all(&text).unwrap();
            wrote(begun.elapsed());
            text.clear();
        }
    }
}

fn finish(out: &mut File) {
    out.write_all(&[DONE, b"\n"].concat()).unwrap();
    forever();
}

fn forever() {
    loop {
        pause(Duration::from_secs(3600));
    }
}
