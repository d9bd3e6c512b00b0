//! The machine, its load and memory, and the namespaces of processes, by files of the kernel.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::sys::files::{number, read_kernel};

/// The id of the current boot of the machine.
pub fn boot_id() -> String {
    let text = read_kernel("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    String::from_utf8_lossy(text.trim_ascii_end()).into_owned()
}

/// The ports that the kernel takes for the near end of connections.
pub fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = read_kernel("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    // The kernel's defaults.
    numbers.next().unwrap_or(32768)..=numbers.next().unwrap_or(60999)
}

/// The load over the last minute.
pub fn load() -> Option<f64> {
    let text = read_kernel("/proc/loadavg").ok()?;
    String::from_utf8(text).ok()?.split(' ').next()?.parse().ok()
}

/// The memory of the machine in bytes: used, and all.
pub fn machine_memory() -> Option<(u64, u64)> {
    let text = String::from_utf8(read_kernel("/proc/meminfo").ok()?).ok()?;
    let kibibytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    let (all, free) = (kibibytes("MemTotal")?, kibibytes("MemAvailable")?);
    Some((all.saturating_sub(free) << 10, all << 10))
}

/// The id of the machine, which it keeps over boots.
pub(in crate::sys) fn machine_id() -> Option<String> {
    let text = read_kernel("/etc/machine-id").ok()?;
    let id = String::from_utf8_lossy(text.trim_ascii()).into_owned();
    (!id.is_empty()).then_some(id)
}

/// The pid namespace that this process lives in.
pub fn pid_namespace() -> String {
    // Not by pid: `/proc` may belong to another namespace.
    namespace("self").unwrap_or_default()
}

/// The pid namespace of a process, if this user may inspect it.
pub fn pid_namespace_of(pid: u32) -> Option<String> {
    namespace(&pid.to_string())
}

fn namespace(process: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/pid")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The mount namespace and the root directory of this process: two processes that share both see the same
/// files under the same paths.
pub fn mount_namespace() -> String {
    let name = std::fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    let root = number(Path::new("/")).unwrap_or_default();
    format!("{} {}:{}", name.display(), root.0, root.1)
}
