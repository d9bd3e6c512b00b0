//! Figures of processes.

use std::fs::read_to_string;

use crate::shared::memory;

/// The processor time of all threads of a process so far, in milliseconds. Unlike the times of `stat`, it is
/// not counted in hundredths of a second.
pub(crate) fn cpu_ms(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let spent = |thread: std::fs::DirEntry| {
        let text = read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(spent).sum::<f64>() / 1e6
}

/// The proportional share of memory (PSS) of a process, in MiB.
pub(crate) fn memory_mib(pid: u32) -> f64 {
    memory(pid).pss / 1024.0
}
