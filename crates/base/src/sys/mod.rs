//! Differences between operating systems, and the few calls that need `unsafe`.
//!
//! Where it matters, processes are identified by pid *and* start time, because a pid alone may have been
//! reused by the time it is needed.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use nix::libc;

use crate::model::ProcessId;

pub mod clock;
pub mod dial;
pub mod files;
pub mod fork;
mod host;
#[cfg(target_os = "linux")]
mod linux;
pub mod local;
mod orphans;
mod own_uid;
#[cfg(not(target_os = "linux"))]
mod portable;
mod process;
#[cfg(any(test, not(target_os = "linux")))]
mod ps;
mod signals;
mod terminal_input;

pub use self::host::{host, host_name, is_own_name};
pub use self::host::{is_shared, machine};
pub use self::orphans::exempt::is_exempt;
pub use self::signals::{
    Group, Wakes, default_signals, end_after, end_by, ignore_signals, reap, signal_group,
    signal_pid, stop, stopped_by, timespec, unblock_all_signals, unblock_signals, wait_for,
};
#[cfg(target_os = "linux")]
use linux as system;
pub use local::time_of_day;
pub use orphans::{OrphanReport, Orphans, ends_within, has_orphans, is_below, kill_orphans};
pub use own_uid::is_own_uid;
#[cfg(not(target_os = "linux"))]
use portable as system;
pub use process::{ChildExit, Datagram, Listener, ProcInfo, RefusedCall, TcpPeer, Usage};
use system::{CHEAP_LOOKS, holders_of};
pub use system::{
    Changes, FINDS_SOCKETS_FAST, KNOWS_SENDERS, NotifySocket, adopt_orphans, all, all_naming,
    arguments_of, boot_id, children, directory_of, end_after_parent, end_stalled, end_with_parent,
    ephemeral_ports, foreign_owner, ignores, info, is_on_network, keep_little_free_memory,
    listens_at_path, load, machine_memory, memory_file, memory_share, mount_namespace, open_files,
    outlive_parent, own_orphans, own_threads, peek, peer_user, pid_namespace, pid_namespace_of,
    program_of, refused_calls, rename_argument, sees, set_usual_discipline, signal,
    signal_with_parent, splice, start_time, tcp_held_by, tcp_listener_owners, tcp_listening,
    tcp_peer, terminals, trim_memory, usage, variable_of, visit_marked, walk, watch_exit,
};
pub use terminal_input::terminal_input;

/// Whether an error of a system call means that the system does not offer it to this process.
pub fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
}

/// All descendants of a process, parents before their children; the process itself is not included.
pub fn descendants(pid: u32) -> Vec<ProcInfo> {
    let mut found = Vec::new();
    walk(pid, &mut |process| {
        found.push(process);
        ControlFlow::Continue(true)
    });
    found
}

/// Everything that a shim has started, parents before their children, without the holder of its terminal.
pub fn descendants_of_shim(shim: u32) -> Vec<ProcInfo> {
    let mut found = Vec::new();
    let mut arguments = None;
    walk(shim, &mut |process| {
        // The holder is a fork of the shim.
        let may_be = process.ppid == shim && process.sid == process.pid;
        if may_be && let Some(words) = arguments_of(process.pid) {
            let of_shim = arguments.get_or_insert_with(|| arguments_of(shim).unwrap_or_default());
            if words.len() > 2 && words.get(2..) == of_shim.get(2..) {
                return ControlFlow::Continue(false);
            }
        }
        found.push(process);
        ControlFlow::Continue(true)
    });
    found
}

/// The addresses on which this process and everything below it listens.
pub fn tcp_listeners_of_tree(root: u32) -> Vec<SocketAddr> {
    let listening = tcp_listening();
    let sockets: Vec<u64> = listening.iter().map(|(_, socket)| *socket).collect();
    let below = if sockets.is_empty() { vec![] } else { descendants(root) };
    let processes = below.iter().map(|process| process.pid).chain([root]);
    let held: HashSet<u64> = processes.flat_map(|pid| tcp_held_by(pid, &sockets)).collect();
    listening.into_iter().filter(|(_, socket)| held.contains(socket)).map(|(at, _)| at).collect()
}

/// The ports in this list that have a listener, on any address, with its process.
pub fn tcp_listeners(ports: &[u16]) -> Vec<(u16, Listener)> {
    let mut wanted: HashSet<u16> = ports.iter().copied().collect();
    let mut taken: Vec<(u16, u64)> = vec![];
    for (address, socket) in tcp_listening() {
        if wanted.remove(&address.port()) {
            taken.push((address.port(), socket));
        }
    }
    let sockets: Vec<u64> = taken.iter().map(|(_, socket)| *socket).collect();
    let holders = holders_of(&sockets);
    let holder =
        |socket| holders.iter().find(|(of, _)| *of == socket).map(|(_, info)| info.clone());
    taken.into_iter().map(|(port, socket)| (port, Listener { process: holder(socket) })).collect()
}

/// The processes that hold these sockets; those of another user may not be visible.
pub fn tcp_holders(sockets: &[u64]) -> Vec<ProcInfo> {
    holders_of(sockets).into_iter().map(|(_, process)| process).collect()
}

/// The ports that have a listener, on any address.
pub fn tcp_listening_ports() -> HashSet<u16> {
    tcp_listening().into_iter().map(|(address, _)| address.port()).collect()
}

/// The sockets that listen on this port: address and inode, or the pid where sockets have no inode.
pub fn tcp_sockets(port: u16) -> Vec<(SocketAddr, u64)> {
    tcp_listening().into_iter().filter(|(address, _)| address.port() == port).collect()
}

/// This user's processes that were given all these variables (`NAME=value`).
pub fn processes_with_env(marks: &[&str]) -> Vec<ProcInfo> {
    let mut found = Vec::new();
    visit_marked(marks, &mut |process| found.push(process));
    found
}

/// Whether exactly this process still runs (a zombie does not). If no file descriptor is free for the
/// check, any process with this pid counts: it would be worse to forget one that lives.
pub fn alive(id: ProcessId) -> bool {
    match info(id.pid) {
        Some(process) => process.id() == id && process.alive(),
        None => can_open(1).is_err() && exists(id.pid),
    }
}

fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    pid.is_some_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
}

/// Close the file descriptors above stderr that the parent left open, except these. Otherwise a child could
/// inherit them, or this process would hold a lock, or a pipe that another process reads, for its whole
/// life.
///
/// Must be called before this process opens anything itself.
pub fn close_inherited(keep: &[i32]) -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/dev/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && !keep.contains(fd)) {
        // The list contains the descriptor that read the directory, which is closed already.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// The program at this path or, if it is gone (another version was installed elsewhere), the executable of
/// this process.
pub fn program(path: &std::path::Path) -> std::path::PathBuf {
    let own = || {
        // This link works even if the file of the program is gone.
        let own = std::path::PathBuf::from("/proc/self/exe");
        if own.exists() { Some(own) } else { std::env::current_exe().ok() }
    };
    if path.exists() { path.to_owned() } else { own().unwrap_or_else(|| path.to_owned()) }
}

/// Random bytes from the kernel.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    Ok(getrandom::fill(bytes)?)
}

/// Whether this process can open this many more files. The libraries below us panic if they can't.
pub fn can_open(more: usize) -> io::Result<()> {
    let first = files::open_dir(std::path::Path::new("/"))?;
    // Descriptors are given out in ascending order: if the last one of that many is below the limit, so are the others.
    let last =
        i32::try_from(more).map(|more| first.as_raw_fd().saturating_add(more.saturating_sub(1)));
    if last.is_ok_and(|last| rustix::io::fcntl_dupfd_cloexec(&first, last).is_ok()) {
        return Ok(());
    }
    let mut held = vec![first];
    for _ in 1..more {
        held.push(files::open_dir(std::path::Path::new("/"))?);
    }
    Ok(())
}

/// Raise the limit of open files as far as permitted: a supervisor needs several descriptors per process.
/// The user's processes still get the limit of the user's shell, which is in the plan.
pub fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // Some systems accept no more than this, whatever limit they report.
    const MOST: u64 = 10_240;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(MOST)
    {
        // If this fails, continue with the current limit.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(MOST), hard);
    }
}

/// Converts a pid for system calls.
fn rustix_pid(pid: u32) -> io::Result<rustix::process::Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests;

/// The system's reason for an error with this path. If a file is in the place of a directory above it, that file is
/// named.
pub fn why_at(path: &Path, error: &io::Error) -> String {
    let in_the_way =
        matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists);
    let above = || path.ancestors().find(|above| above.symlink_metadata().is_ok());
    match above().filter(|above| in_the_way && !above.is_dir()) {
        Some(file) => format!(
            "{} is not a directory; rename that file, or have tmo use another place (XDG_STATE_HOME, TMO_LOG_DIR)",
            file.display()
        ),
        None => why(error),
    }
}

/// The system's reason for an error, in its own words and without a number.
pub fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => {
            let text = nix::errno::Errno::from_raw(number).desc();
            text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
        }
        None => error.to_string(),
    }
}
