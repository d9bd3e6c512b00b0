//! A command of `tmo fleet`, and what it has cost.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::common::harness::wait::pause;
use crate::shared::memory;

/// How often memory is read.
const LOOK: Duration = Duration::from_millis(10);

/// How many looks at the memory of tmo there are for one at that of the stand-ins, which costs more.
const LOOKS: u32 = 20;

/// What it has cost.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) code: i32,
    pub(crate) wall: Duration,
    /// Processor time of tmo in ms, and of all that it has started and that has ended.
    pub(crate) cpu: f64,
    pub(crate) others_cpu: f64,
    /// The most memory of tmo in MiB, and what the stand-ins had at once for themselves.
    pub(crate) memory: f64,
    pub(crate) others_memory: f64,
}

/// Run it to its end; each line of its output is given to `line`.
pub(crate) fn measured(command: &mut Command, mut line: impl FnMut(&[u8]) + Send) -> Measured {
    let before = cpu_of_children();
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
    let mut found = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut bytes = vec![];
            while output.read_until(b'\n', &mut bytes).unwrap() > 0 {
                line(&bytes);
                bytes.clear();
            }
            begun.elapsed()
        });
        let found = watch(&child);
        Measured { wall: reader.join().unwrap(), ..found }
    });
    found.code = child.wait().unwrap().code().unwrap();
    found.others_cpu = cpu_of_children() - before - found.cpu;
    found
}

/// The figures of a process that is read until it ends. It is not yet waited for.
fn watch(child: &Child) -> Measured {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let clock = nix::time::clock_getcpuclockid(pid).unwrap();
    let mut found = Measured::default();
    let is_over = || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        waitid(Id::Pid(pid), flags).unwrap() != WaitStatus::StillAlive
    };
    for look in 0.. {
        found.memory = found.memory.max(peak_mib(child.id()));
        if look % LOOKS == 0 {
            let others = children(child.id()).into_iter().map(|pid| memory(pid).private);
            found.others_memory = found.others_memory.max(others.sum::<f64>() / 1024.0);
        }
        if is_over() {
            break;
        }
        pause(LOOK);
    }
    found.cpu = ms(nix::time::clock_gettime(clock).unwrap().num_nanoseconds());
    found
}

fn ms(nanoseconds: i64) -> f64 {
    Duration::from_nanos(nanoseconds.unsigned_abs()).as_secs_f64() * 1000.0
}

/// The processor time of all processes that were waited for, in ms.
fn cpu_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    ms((usage.user_time() + usage.system_time()).num_microseconds() * 1000)
}

/// The most memory that a process has had so far.
fn peak_mib(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    value.and_then(|v| v.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The children of all threads of a process that are stand-ins: one that is about to become it still has the memory of tmo.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids = |text: String| {
        text.split(' ').filter_map(|pid| pid.trim().parse().ok()).collect::<Vec<_>>()
    };
    let is_ssh = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "ssh\n")
    };
    texts.flat_map(pids).filter(is_ssh).collect()
}
