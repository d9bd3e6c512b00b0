//! Finds out whether a process is blocked reading from a terminal.

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;

use nix::libc;

use super::processes::{numbered, walk};
use crate::sys::files::read_kernel;

/// The device number of `/dev/tty`, which is the terminal of the process that opens it.
const OWN_TERMINAL: u64 = libc::makedev(5, 0);
/// How many processes and how many threads of each are looked at.
const MOST_PROCESSES: usize = 256;
const MOST_THREADS: usize = 64;

/// Whether a thread of a process below `root` is blocked in reading from the terminal with this device number.
pub(in crate::sys) fn reads_from_terminal(root: u32, terminal: u64) -> bool {
    let (mut seen, mut reads) = (0, false);
    walk(root, &mut |process| {
        seen += 1;
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.pid)).into_iter().flatten();
        let mut tasks = tasks.filter_map(numbered).take(MOST_THREADS);
        reads = tasks.any(|task| is_reading(process.pid, task, terminal));
        let is_over = reads || seen >= MOST_PROCESSES;
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(true) }
    });
    reads
}

/// Whether a thread is blocked in reading from this terminal.
fn is_reading(pid: u32, task: u32, terminal: u64) -> bool {
    let is_terminal = |fd: &str| {
        let device = std::fs::metadata(format!("/proc/{pid}/fd/{fd}")).map(|file| file.rdev());
        device.is_ok_and(|device| device == terminal || device == OWN_TERMINAL)
    };
    if let Ok(call) = read_kernel(format!("/proc/{pid}/task/{task}/syscall")) {
        return read_by(&String::from_utf8_lossy(&call))
            .is_some_and(|fd| is_terminal(&fd.to_string()));
    }
    // Only an ancestor may ask (Yama). The kernel function in which a thread sleeps is the same for a terminal and
    // for some sockets, so it tells only of a process without any.
    let sleeps_in = read_kernel(format!("/proc/{pid}/task/{task}/wchan"));
    let descriptors =
        || std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    sleeps_in.is_ok_and(|name| [&b"wait_woken"[..], b"n_tty_read"].contains(&name.trim_ascii()))
        && ["0", "1", "2"].into_iter().any(is_terminal)
        && !descriptors().any(|entry| {
            let target = std::fs::read_link(entry.path());
            target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        })
}

/// The descriptor from which a thread in this system call reads: `0 0x3 0x7ffe…`, which is the number of the call and its
/// arguments, or `running`.
fn read_by(call: &str) -> Option<u64> {
    let mut words = call.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let fd = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    [libc::SYS_read, libc::SYS_readv].contains(&number).then_some(fd)
}

#[cfg(test)]
mod tests {
    use nix::libc;

    use super::read_by;

    #[test]
    fn a_blocked_read_is_told_from_other_calls() {
        let call = |number: i64| format!("{number} 0x1f 0x7ffe 0x1000 0x0 0x0 0x0 0x7ffd 0x7f\n");
        assert_eq!(read_by(&call(libc::SYS_read)), Some(31));
        assert_eq!(read_by(&call(libc::SYS_readv)), Some(31));
        assert_eq!(read_by(&call(libc::SYS_write)), None);
        assert_eq!(read_by("running\n"), None);
        assert_eq!(read_by("-1 0x7ffe 0x7f\n"), None);
        assert_eq!(read_by(""), None);
    }
}
