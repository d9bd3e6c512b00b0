//! Linux: `/proc`, pidfds, subreapers.

mod changes;
mod machine;
mod network_fs;
mod notify_socket;
mod processes;
mod refused;
mod sock_diag;
mod tcp;
mod terminal_reader;
mod usage;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sys::socket::sockopt::{PeerCredentials, TcpUserTimeout};
use nix::sys::socket::{getsockopt, setsockopt};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::files::read_kernel;
use super::{ChildExit, is_refused, rustix_pid, signals};
use crate::model::{Exit, ProcessId};

/// Whether the sockets that listen can be listed for each new connection.
pub const FINDS_SOCKETS_FAST: bool = true;

pub use self::changes::Changes;
pub(super) use self::machine::machine_id;
pub use self::machine::{
    boot_id, ephemeral_ports, load, machine_memory, mount_namespace, pid_namespace,
    pid_namespace_of,
};
pub use self::network_fs::is_on_network;
pub use self::notify_socket::{KNOWS_SENDERS, NotifySocket};
pub use self::processes::{
    all, all_naming, arguments_of, children, directory_of, foreign_owner, ignores, info,
    own_threads, program_of, rename_argument, sees, start_time, variable_of, visit_marked, walk,
};
pub use self::refused::refused_calls;
pub(super) use self::tcp::holders_of;
pub use self::tcp::{listens_at_path, tcp_held_by, tcp_listener_owners, tcp_listening, tcp_peer};
pub(super) use self::terminal_reader::reads_from_terminal;
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
}
