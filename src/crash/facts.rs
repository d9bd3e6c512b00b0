//! What the system knows besides.

use std::ffi::OsStr;
use std::path::Path;

use super::evidence::{Holder, Sender, Tenant};
use crate::model::ProcName;
use crate::sys::{self, Listener, ProcInfo, files};

/// So many names of programs are looked at, and no more.
const MOST_PROGRAMS: usize = 20_000;
/// So many ancestors of a process are looked at, and no more.
const DEEPEST: usize = 64;

/// Who listens on these ports at present, as this run sees it.
pub fn holders(ports: &[u16], run: &str) -> Vec<Holder> {
    if ports.is_empty() {
        return vec![];
    }
    let holder = |(port, Listener { process })| {
        let tenant = process.as_ref().and_then(|process| tenant(process, run));
        let process =
            process.map(|process: ProcInfo| Sender { pid: process.pid, name: process.name });
        Holder { port, process, tenant }
    };
    sys::tcp_listeners(ports).into_iter().map(holder).collect()
}

/// The managed process that this process belongs to: of this run, or of another one that is alive.
/// It is found by the marks in the environment of the process or of its nearest ancestor with marks.
pub fn tenant(process: &ProcInfo, run: &str) -> Option<Tenant> {
    let mut next = Some(process.clone());
    for _ in 0..DEEPEST {
        let process = next?;
        if let Some(marked) = sys::variable_of(process.pid, "TMO_SESSION") {
            return marked_tenant(process.pid, marked == run);
        }
        next = sys::info(process.ppid);
    }
    None
}

fn marked_tenant(pid: u32, of_this_run: bool) -> Option<Tenant> {
    // A process may put anything into its environment, and a person is to type this name.
    let name = ProcName::new(sys::variable_of(pid, "TMO_PROCESS")?).ok()?.to_string();
    if of_this_run {
        return Some(Tenant { name, socket: None });
    }
    let socket = sys::variable_of(pid, "TMO_SOCKET")
        .filter(|socket| Path::new(socket).exists() && !socket.contains(char::is_control))?;
    Some(Tenant { name, socket: Some(socket) })
}

/// The names of the programs that are found by this `PATH`.
pub fn programs(path: &OsStr) -> Vec<String> {
    let dirs = std::env::split_paths(path).filter_map(|dir| dir.read_dir().ok());
    let files = dirs.flatten().flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.take(MOST_PROGRAMS).collect()
}

/// Whether the kernel hands what crashes to systemd.
pub fn dumps_are_kept() -> bool {
    let pattern = kernel_text("/proc/sys/kernel/core_pattern");
    pattern.is_some_and(|pattern| pattern.starts_with('|') && pattern.contains("systemd-coredump"))
}

/// How often the kernel has killed something in the control group of this process for want of
/// memory; nothing where there are no control groups (version 2).
pub fn oom_kills() -> Option<u64> {
    let group = kernel_text("/proc/self/cgroup")?;
    let group = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = Path::new("/sys/fs/cgroup").join(group).join("memory.events");
    let events = kernel_text(events)?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn kernel_text(path: impl AsRef<Path>) -> Option<String> {
    String::from_utf8(files::read_kernel(path).ok()?).ok()
}
