//! Linux: `/proc`, pidfds, subreapers.

mod changes;
mod network_fs;
mod refused;
mod sock_diag;
mod tcp;
mod usage;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::libc;
use nix::sys::socket::sockopt::{PeerCredentials, TcpUserTimeout};
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::files::{number, read_kernel, read_kernel_start};
use super::{ChildExit, ProcInfo, exempt, rustix_pid, signals};
use crate::model::{Exit, ProcessId};

pub use self::changes::Changes;
pub use self::network_fs::is_on_network;
pub use self::refused::{is_refused, refused_calls};
pub(super) use self::tcp::holders_of;
pub use self::tcp::{listens_at_path, tcp_held_by, tcp_listener_owners, tcp_listening, tcp_peer};
pub use self::usage::{memory_share, open_files, usage};

/// Have the kernel end a connection whose peer takes no data for this long.
pub fn end_stalled(stream: &impl AsFd, after: std::time::Duration) {
    let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    // Without it, the connection lasts as long as its peer wants.
    let _ = setsockopt(stream, TcpUserTimeout, &after);
}

/// Have large blocks returned to the system when they are freed, for the rest of this process. Without it, glibc keeps
/// the more free memory, the larger the blocks are that were freed, and [`trim_memory`] returns nothing of the last
/// free block of a thread.
pub fn keep_little_free_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "nothing wraps this function")]
    // SAFETY: it only sets numbers for later allocations.
    unsafe {
        const BLOCK: libc::c_int = 1 << 20;
        libc::mallopt(libc::M_MMAP_THRESHOLD, BLOCK);
        libc::mallopt(libc::M_TRIM_THRESHOLD, BLOCK);
    }
}

/// Return freed memory to the system. Other allocators than glibc's do that by themselves.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "nothing wraps this function")]
    // SAFETY: it affects only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Inspecting a process takes only microseconds.
pub(super) const CHEAP_LOOKS: bool = true;

/// The id of the current boot of the machine.
pub fn boot_id() -> String {
    let text = read_kernel("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    String::from_utf8_lossy(text.trim_ascii_end()).into_owned()
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
pub(super) fn machine_id() -> Option<String> {
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

/// Move up to this many bytes from one file to another, of which one is a pipe, inside the kernel. `at` is the offset
/// in the target, if that is a file. `EINVAL`: the kernel can't do it for these files.
pub fn splice(
    from: BorrowedFd<'_>,
    (to, at): (BorrowedFd<'_>, Option<u64>),
    most: usize,
) -> io::Result<usize> {
    use rustix::pipe::{SpliceFlags, splice};
    let mut at = at;
    Ok(splice(from, None, to, at.as_mut(), most, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
}

/// The user at the other end of a Unix socket.
pub fn peer_user(socket: impl AsFd) -> io::Result<u32> {
    Ok(getsockopt(&socket, PeerCredentials)?.uid())
}

/// How many terminals are in use on this system, and how many there can be.
pub fn terminals() -> Option<(u64, u64)> {
    let number = |name: &str| {
        let text = read_kernel(format!("/proc/sys/kernel/pty/{name}")).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    };
    Some((number("nr")?, number("max")?))
}

/// A file that is only in memory and has no name.
pub fn memory_file() -> io::Result<std::fs::File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("tmo", MemfdFlags::CLOEXEC)?.into())
}

/// Orphans below this process become its children; the parameters are for systems without subreapers.
pub fn own_orphans(_run: &str, _process: &str) -> io::Result<()> {
    adopt_orphans()
}

/// Orphans below this process become its children.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Have the child killed when this thread ends, for whatever reason; grandchildren are not affected.
pub fn end_with_parent(command: &mut std::process::Command) {
    signal_with_parent(command, nix::sys::signal::Signal::SIGKILL);
}

/// Send the child this signal when this thread ends. The child does not ignore it initially.
pub fn signal_with_parent(command: &mut std::process::Command, signal: nix::sys::signal::Signal) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        signals::set(signal as i32, libc::SIG_DFL);
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The parent may have ended before the request took effect.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(nix::Error::ESRCH.into()) }
    };
    #[expect(unsafe_code, reason = "only the child itself can ask for it")]
    // SAFETY: `ask` makes four system calls, which may be made after a fork.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, ask);
    }
}

/// End this process by SIGHUP as soon as this parent has ended, or end it now if the parent has ended already.
pub fn end_after_parent(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGHUP)?;
    let is_child = nix::unistd::getppid().as_raw().unsigned_abs() == parent;
    if is_child { Ok(()) } else { Err(nix::Error::ESRCH.into()) }
}

/// Let this process outlive its parent.
pub fn outlive_parent() -> io::Result<()> {
    Ok(nix::sys::prctl::set_pdeathsig(None)?)
}

/// When this process started.
pub fn start_time(pid: u32) -> Option<u64> {
    Some(stat(pid)?.start_time)
}

/// This process, if it exists.
pub fn info(pid: u32) -> Option<ProcInfo> {
    let mut process = stat(pid)?;
    process.name = name(pid).unwrap_or_else(|| process.comm.clone());
    Some(process)
}

/// All processes.
pub fn all() -> Vec<ProcInfo> {
    pids().filter_map(info).collect()
}

/// The processes that have this text in the first 4 KiB of their arguments, and possibly others.
pub fn all_naming(text: &str) -> Vec<ProcInfo> {
    let finder = memchr::memmem::Finder::new(text);
    let mut line = [0; 4096];
    let names = |pid: &u32| {
        let read = read_kernel_start(format!("/proc/{pid}/cmdline"), &mut line);
        read.is_ok_and(|read| finder.find(&line[..read]).is_some())
    };
    pids().filter(names).filter_map(info).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").into_iter().flatten().filter_map(numbered)
}

fn numbered(entry: io::Result<std::fs::DirEntry>) -> Option<u32> {
    entry.ok()?.file_name().to_str()?.parse().ok()
}

fn stat(pid: u32) -> Option<ProcInfo> {
    parse_stat(pid, &read_kernel(format!("/proc/{pid}/stat")).ok()?)
}

/// `/proc/<pid>/stat`: pid, name in parentheses (which may hold anything), then plain fields.
fn parse_stat(pid: u32, text: &[u8]) -> Option<ProcInfo> {
    // In a line this short, `memchr` costs a shim more than it gains: its first call looks at the features of the processor.
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut number = |skipped: usize| fields.nth(skipped)?.parse::<i64>().ok();
    let [parent, group, session] =
        [number(0)?, number(0)?, number(0)?].map(|n| u32::try_from(n).ok());
    let threads = u32::try_from(number(13)?).ok()?;
    let start_time = u64::try_from(number(1)?).ok()?;
    let name = String::new();
    Some(ProcInfo {
        pid,
        ppid: parent?,
        pgid: group?,
        sid: session?,
        state,
        threads,
        start_time,
        comm,
        name,
    })
}

fn name(pid: u32) -> Option<String> {
    let base = program_of(pid)?.0.file_name()?.to_string_lossy().into_owned();
    if base != "java" {
        return Some(base);
    }
    let line = read_kernel(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(exempt::disguised(&base, &line).map_or(base, str::to_owned))
}

/// The children of a process, zombies included.
///
/// For the calling process the list is exact; for any other it may miss children that change meanwhile.
pub fn children(pid: u32) -> Vec<u32> {
    if !lists_children() {
        return pids().filter(|&p| stat(p).is_some_and(|s| s.ppid == pid)).collect();
    }
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let mut found = Vec::new();
    for task in tasks.filter_map(numbered) {
        let list = read_kernel(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        found.extend(list.split_ascii_whitespace().filter_map(|p| p.parse::<u32>().ok()));
    }
    found
}

/// Whether the kernel was built to list children (`CONFIG_PROC_CHILDREN`).
fn lists_children() -> bool {
    static LISTS: OnceLock<bool> = OnceLock::new();
    *LISTS.get_or_init(|| Path::new("/proc/thread-self/children").exists())
}

/// Visit everything below `root`, parents first; `visit` decides whether to descend below a process, or to
/// stop altogether.
///
/// A parent is visited before its children are listed, so a visitor that kills it sees all of them.
pub fn walk(root: u32, visit: &mut dyn FnMut(ProcInfo) -> ControlFlow<(), bool>) {
    let mut open = vec![(root, None)];
    let mut seen = HashSet::from([root]);
    while let Some((parent, started)) = open.pop() {
        // A process that was reparented to the root meanwhile is still ours; any other parent means that an
        // unrelated process has reused the pid.
        let ours = |process: &ProcInfo| process.ppid == parent || process.ppid == root;
        // If the parent still has its start time, its pid was not reused. If it is gone, the list may hold
        // children of another process, and its own have been reparented to the root.
        let still = || started.is_none() || start_time(parent) == started;
        for child in children(parent) {
            if seen.contains(&child) {
                continue;
            }
            let process = info(child).filter(ours);
            if let Some(process) = process.filter(|process| process.ppid == root || still()) {
                let started = process.start_time;
                seen.insert(child);
                match visit(process) {
                    ControlFlow::Continue(true) => open.push((child, Some(started))),
                    ControlFlow::Continue(false) => {}
                    ControlFlow::Break(()) => return,
                }
            }
        }
    }
}

/// Visit this user's processes that were given all these variables (`NAME=value`), in descending
/// order of pid, so usually the youngest first: those may fork and exit a moment later.
///
/// A process that forks and exits between the listing and its inspection has a child that is not in the
/// list. So the listing is repeated until every new process in it could be inspected. `false`: processes
/// come and go so fast on this machine that one may have been missed.
pub fn visit_marked(marks: &[&str], visit: &mut dyn FnMut(ProcInfo)) -> bool {
    const MOST_LISTS: usize = 100;
    let (mut seen, mut unclear) = (HashSet::new(), HashSet::new());
    for _ in 0..MOST_LISTS {
        let mut fresh: Vec<u32> = pids().filter(|pid| !seen.contains(pid)).collect();
        fresh.sort_unstable_by(|a, b| b.cmp(a));
        let mut missed = false;
        for pid in fresh {
            match carries(pid, marks) {
                Some(true) => {
                    // Checked before and after: the process that had the pid in between is the marked one.
                    // It may have forked by now.
                    let process =
                        info(pid).filter(|process| carries(process.pid, marks) == Some(true));
                    process.into_iter().for_each(&mut *visit);
                    missed = true;
                }
                // Gone, a kernel thread, or in the middle of an exec: a second look decides.
                None if unclear.insert(pid) => {
                    missed = true;
                    continue;
                }
                Some(false) | None => {}
            }
            seen.insert(pid);
        }
        if !missed {
            return true;
        }
    }
    false
}

/// Whether this is a process of this user with all these variables. `None`: its environment is empty.
fn carries(pid: u32, marks: &[&str]) -> Option<bool> {
    let me = rustix::process::geteuid().as_raw();
    if std::fs::metadata(format!("/proc/{pid}")).ok()?.uid() != me {
        return Some(false);
    }
    let env = match read_kernel(format!("/proc/{pid}/environ")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Some(false),
        env => env.ok().filter(|env| !env.is_empty())?,
    };
    let has = |mark: &&str| env.split(|&b| b == 0).any(|variable| variable == mark.as_bytes());
    Some(marks.iter().all(has))
}

/// The initial value of a variable in the environment of a process of this user.
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    let env = read_kernel(format!("/proc/{pid}/environ")).ok()?;
    let value = |variable: &[u8]| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    env.split(|&b| b == 0).find_map(value)
}

/// Whether a process belongs to this user alone. Another user who starts a setuid program chooses its
/// arguments and variables.
fn is_own(pid: u32) -> Option<bool> {
    let me = rustix::process::geteuid().as_raw();
    Some(users_of(pid)?.iter().all(|user| *user == me))
}

/// The real, effective, saved and file system user of a process.
fn users_of(pid: u32) -> Option<Vec<u32>> {
    let status = read_kernel(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().map(|user| user.parse().ok()).collect()
}

/// The user of a process to which this user may send no signals.
pub fn foreign_owner(pid: u32) -> Option<u32> {
    let (me, users) = (rustix::process::geteuid().as_raw(), users_of(pid)?);
    let [real, _, saved, ..] = users[..] else { return None };
    (me != 0 && real != me && saved != me).then_some(real)
}

/// Whether a process sees the same files as this one under their absolute paths, or at least this directory
/// under this path.
pub fn sees(pid: u32, dir: &Path) -> bool {
    let both = |name: &str| {
        let [theirs, own] = [pid.to_string().as_str(), "self"]
            .map(|process| number(Path::new(&format!("/proc/{process}/{name}"))));
        theirs.is_some() && theirs == own
    };
    if both("ns/mnt") && both("root") {
        return true;
    }
    let relative = dir.strip_prefix("/").unwrap_or(dir);
    let theirs = number(&Path::new(&format!("/proc/{pid}/root")).join(relative));
    theirs.is_some() && theirs == number(dir)
}

/// The arguments of a process of this user, its program first; `None` for processes of other users.
pub fn arguments_of(pid: u32) -> Option<Vec<String>> {
    if !is_own(pid)? {
        return None;
    }
    let line = read_kernel(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line.strip_suffix(b"\0").unwrap_or(&line).split(|&byte| byte == 0);
    Some(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Replace an argument of this process by one of the same length in what `ps` shows. Without access to its own memory
/// by file, nothing changes.
pub fn rename_argument(at: usize, name: &str) {
    let line = read_kernel("/proc/self/cmdline").unwrap_or_default();
    let before: usize = line.split_inclusive(|&byte| byte == 0).take(at).map(<[u8]>::len).sum();
    let old = line.get(before..).and_then(|rest| rest.split(|&byte| byte == 0).next());
    let stat = read_kernel("/proc/self/stat").unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // The fields behind the name begin with the third one; this is the 48th.
    let start = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(45));
    if let (Some(old), Some(Ok(start))) = (old, start.map(str::parse::<u64>))
        && old.len() == name.len()
        && let Ok(memory) = super::files::open_to_write(Path::new("/proc/self/mem"))
    {
        // Whoever reads it sees the old name if this fails.
        let _ = memory.write_all_at(name.as_bytes(), start + before as u64);
    }
}

/// Whether a process ignores this signal.
pub fn ignores(pid: u32, signal: i32) -> bool {
    let text = read_kernel(format!("/proc/{pid}/status")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).contains(&signal) && mask & (1 << (signal - 1)) != 0
}

/// Open a pidfd for exactly this process. `None`: it is gone.
fn pidfd(id: ProcessId) -> io::Result<Option<OwnedFd>> {
    match pidfd_open(rustix_pid(id.pid)?, PidfdFlags::empty()) {
        // Checked after opening: if the pid belongs to the right process now, so does the descriptor.
        Ok(fd) => match ProcessId::now(id.pid) {
            Some(now) => Ok((now == id).then_some(fd)),
            // It is gone, or the pidfd was the last free descriptor and none was left for the check.
            None => Err(rustix::io::Errno::MFILE.into()),
        },
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Send a signal to exactly this process. `false`: it is gone.
pub fn signal(id: ProcessId, signal: i32) -> io::Result<bool> {
    // By pid, checked just before.
    let by_pid = || signals::signal_pid(id.pid, signal);
    let fd = match pidfd(id) {
        Ok(Some(fd)) => fd,
        // A kernel before 5.3, a sandbox, or no free descriptor.
        Err(_) if ProcessId::now(id.pid) == Some(id) => return by_pid(),
        Ok(None) | Err(_) => return Ok(false),
    };
    // rustix has no names for real-time signals.
    let Some(named) = Signal::from_named_raw(signal) else { return by_pid() };
    match pidfd_send_signal(fd, named) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        // Either the process may not be signalled, which `kill` reports too, or a sandbox refuses the call.
        Err(error) if is_refused(&error.into()) => by_pid(),
        Err(error) => Err(error.into()),
    }
}

/// A descriptor that becomes readable when exactly this process exits. Where the system refuses pidfds, it also
/// becomes readable from time to time: [`alive`](super::alive) tells whether the process has exited.
pub fn watch_exit(id: ProcessId) -> io::Result<OwnedFd> {
    match pidfd(id) {
        Ok(Some(fd)) => Ok(fd),
        Err(error) if is_refused(&error) && ProcessId::now(id.pid) == Some(id) => refused::ticks(),
        Ok(None) => Err(io::ErrorKind::NotFound.into()),
        Err(error) if is_refused(&error) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error),
    }
}

/// Restore a terminal's default line discipline, which any process may change.
pub fn set_usual_discipline(terminal: BorrowedFd<'_>) {
    const N_TTY: libc::c_int = 0;
    let usual = N_TTY;
    #[expect(unsafe_code, reason = "no safe wrapper knows this request")]
    // SAFETY: the number is only read. A file that is not a terminal is refused.
    unsafe {
        libc::ioctl(terminal.as_raw_fd(), libc::TIOCSETD, &raw const usual);
    }
}

/// Whether a process has loaded a library with this file name; `None` if that is not visible.
pub fn loads(pid: u32, library: &str) -> Option<bool> {
    let maps = read_kernel(format!("/proc/{pid}/maps")).ok().filter(|maps| !maps.is_empty())?;
    Some(memchr::memmem::find(&maps, format!("/{library}").as_bytes()).is_some())
}

/// The executable file of a process, and whether it still exists under that name; `None` if that is not
/// visible.
pub fn program_of(pid: u32) -> Option<(PathBuf, bool)> {
    const GONE: &[u8] = b" (deleted)";
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match path.as_os_str().as_bytes().strip_suffix(GONE) {
        Some(path) => Some((OsStr::from_bytes(path).into(), false)),
        None => Some((path, true)),
    }
}

/// The number of threads of this user, which is what `RLIMIT_NPROC` counts; `None` if that is not visible.
pub fn own_threads() -> Option<u64> {
    let me = rustix::process::geteuid().as_raw();
    let mine = |pid: &u32| {
        std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == me)
    };
    Some(pids().filter(mine).filter_map(stat).map(|process| u64::from(process.threads)).sum())
}

/// How this child ended, if it has; it stays a zombie.
pub fn peek(pid: u32) -> io::Result<Option<ChildExit>> {
    let mut status = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    #[expect(unsafe_code, reason = "the library call lacks the kernel's argument for the usage")]
    // SAFETY: both structures are writable and of the size that the kernel fills; all-zero bytes are valid
    // values for both, and the fields read below are those of a SIGCHLD.
    let (child, code, value, usage) = unsafe {
        let (status, usage) = (status.as_mut_ptr(), usage.as_mut_ptr());
        if libc::syscall(libc::SYS_waitid, libc::P_PID, pid, status, options, usage) != 0 {
            return Err(io::Error::last_os_error());
        }
        ((*status).si_pid(), (*status).si_code, (*status).si_status(), *usage)
    };
    if child == 0 {
        return Ok(None);
    }
    // An exit status has 8 bits and signals end at 64.
    let value = u8::try_from(value & 0xff).unwrap_or(u8::MAX);
    let exit = if code == libc::CLD_EXITED { Exit::Code(value) } else { Exit::Signal(value) };
    let micros = |time: libc::timeval| {
        let number = |part| u64::try_from(part).unwrap_or_default();
        number(time.tv_sec) * 1_000_000 + number(time.tv_usec)
    };
    Ok(Some(ChildExit {
        exit,
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::parse_stat;

    /// Whether this becomes true. A socket closed by a test remains open for as long as a process that
    /// another test has just forked has a copy of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing tells that another process has closed its copy"
    )]
    pub(super) fn becomes(condition: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"42 (a) S (b c) Z 7 42 40 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 3 0 9876 1 2";
        let process = parse_stat(42, text).unwrap();
        assert_eq!(process.comm, "a) S (b c");
        assert_eq!((process.state, process.ppid, process.pgid, process.sid), ('Z', 7, 42, 40));
        assert_eq!((process.threads, process.start_time), (3, 9876));
        assert!(process.alive(), "other threads go on");
    }

    #[test]
    fn a_connection_whose_peer_reads_nothing_is_ended() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut own, _) = listener.accept().unwrap();
        super::end_stalled(&own, Duration::from_secs(1));
        let ended = loop {
            if let Err(error) = std::io::Write::write(&mut own, &vec![0; 64 << 10]) {
                break error;
            }
        };
        assert_eq!(ended.kind(), std::io::ErrorKind::TimedOut, "{ended}");
        drop(peer);
    }

    #[test]
    fn half_a_line_is_none() {
        for text in [&b""[..], b"42 (a", b"42 (a) S", b"42 (a) S 1 2 3 4"] {
            assert_eq!(parse_stat(42, text), None);
        }
    }
}
