//! The programs that run under tmo in the proofs, and the load next to them. They are part of this binary
//! and are called with hidden arguments, so they need no shell and write at full speed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};
use signal_hook::consts::{SIGINT, SIGTERM};

pub(crate) use crate::common::programs::command;
use crate::lines;
use crate::random::Random;

/// Run one of the programs.
pub(crate) fn run(program: &str, words: &[String]) -> ExitCode {
    match (program, words) {
        ("gated", [name]) => write_at_a_gate(name),
        ("burst", [name, lines, style, end]) => {
            burst(name, lines.parse().unwrap(), style, end.parse().unwrap())
        }
        ("busy", []) => loop {
            std::hint::spin_loop();
        },
        _ => ExitCode::from(2),
    }
}

/// Write numbered lines: for each number read from `gate.NAME` that many KiB, acknowledged by a
/// byte on `acks`; until SIGINT, then note in `total.NAME` how many lines there were.
fn write_at_a_gate(name: &str) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let (wake, waker): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).unwrap();
        signal_hook::low_level::pipe::register(signal, waker.try_clone().unwrap()).unwrap();
    }
    let whole = std::env::var("WHOLE_LINES").is_ok();
    let mut gate = File::options().read(true).write(true).open(format!("gate.{name}")).unwrap();
    let mut acks = File::options().read(true).write(true).open("acks").unwrap();
    let mut out = Writer::new(name);
    while !stop.load(Ordering::SeqCst) {
        let mut fds = [
            PollFd::new(gate.as_fd(), PollFlags::POLLIN),
            PollFd::new(wake.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut fds, PollTimeout::NONE);
        if fds[0].any() != Some(true) {
            continue;
        }
        let mut kib = [0; 4];
        gate.read_exact(&mut kib).unwrap();
        let until = out.sent + (u64::from(u32::from_le_bytes(kib)) << 10);
        while out.sent < until && !stop.load(Ordering::SeqCst) {
            out.send();
        }
        if whole {
            out.send_rest();
        }
        acks.write_all(b"a").unwrap();
    }
    out.send_rest();
    std::fs::write(format!("total.{name}"), out.next.to_string()).unwrap();
    ExitCode::SUCCESS
}

/// Writes lines in pieces of all sizes that end anywhere.
struct Writer<'a> {
    name: &'a str,
    out: File,
    next: u64,
    held: Vec<u8>,
    sent: u64,
    sizes: Random,
}

impl<'a> Writer<'a> {
    fn new(name: &'a str) -> Self {
        let out = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
        Self { name, out, next: 0, held: vec![], sent: 0, sizes: Random::new(1) }
    }

    fn send(&mut self) {
        let most = if self.sizes.once_in(4) { 200 } else { 16 << 10 };
        let size = usize::try_from(1 + self.sizes.below(most)).unwrap();
        while self.held.len() < size {
            lines::push(self.name, self.next, &mut self.held);
            self.next += 1;
        }
        self.out.write_all(&self.held[..size]).unwrap();
        self.held.drain(..size);
        self.sent += size as u64;
    }

    fn send_rest(&mut self) {
        self.out.write_all(&self.held).unwrap();
        self.sent += self.held.len() as u64;
        self.held.clear();
    }
}

/// Write so many lines and end at once: with this status, or by a signal (status - 1000).
fn burst(name: &str, count: u64, style: &str, end: i32) -> ExitCode {
    let mut out = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    let mut text = vec![];
    for number in 0..count {
        lines::push(name, number, &mut text);
        if style == "lines" || text.len() > 4096 && style == "blocks" {
            out.write_all(&text).unwrap();
            text.clear();
        }
    }
    out.write_all(&text).unwrap();
    if end >= 1000 {
        let _ = raise(Signal::try_from(end - 1000).unwrap());
    }
    ExitCode::from(u8::try_from(end).unwrap())
}
