//! What a process uses: processor time, memory, open files.

use std::time::Duration;

use crate::sys::Usage;
use crate::sys::files::read_kernel;

/// What a process has used so far.
pub fn usage(pid: u32) -> Option<Usage> {
    let text = read_kernel(format!("/proc/{pid}/stat")).ok()?;
    let (ticks, pages) = parse_usage(&text)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let millis = ticks.saturating_mul(1000) / per_second;
    let resident = pages.saturating_mul(rustix::param::page_size() as u64);
    Some(Usage { cpu: Duration::from_millis(millis), resident })
}

/// The memory of a process, with memory that it shares divided among those that share it. `None` also for a
/// process of another user.
pub fn memory_share(pid: u32) -> Option<u64> {
    let text = read_kernel(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = str::from_utf8(&text).ok()?.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// How many file descriptors a process has open. `None` also for a process of another user.
pub fn open_files(pid: u32) -> Option<u32> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    u32::try_from(files.count()).ok()
}

/// Clock ticks in user mode and in the kernel, and resident pages.
fn parse_usage(text: &[u8]) -> Option<(u64, u64)> {
    let end = memchr::memrchr(b')', text)?;
    let fields = str::from_utf8(&text[end + 1..]).ok()?;
    // The first of these fields is the third of the line (proc_pid_stat(5)).
    let field =
        |number: usize| fields.split_ascii_whitespace().nth(number - 3)?.parse::<u64>().ok();
    Some((field(14)?.saturating_add(field(15)?), field(24)?))
}

#[cfg(test)]
mod tests {
    use super::parse_usage;

    #[test]
    fn usage_is_read_behind_any_name() {
        let fields = "S 1 2 3 0 -1 0 0 0 0 0 11 22 33 44 20 0 1 0 99 4096 7 0";
        assert_eq!(parse_usage(format!("42 (a) b) {fields}").as_bytes()), Some((33, 7)));
        assert_eq!(parse_usage(b"42 (a) S 1 2"), None);
        let mine = super::usage(std::process::id()).unwrap();
        assert!(mine.resident > 1 << 16, "{mine:?}");
    }
}
