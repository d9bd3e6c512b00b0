//! Systems without `/proc`: the process table comes from `ps`, signals are sent by pid.
//!
//! There are no subreapers here. Orphans are found by session and environment; a process that has left both
//! is not found again.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::ops::{ControlFlow, RangeInclusive};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions};

use super::{ChildExit, Datagram, ProcInfo, RefusedCall, TcpPeer, Usage, ps, rustix_pid, signals};
use crate::model::{Exit, ProcessId};

/// The environment variables that identify our orphans, once they are set.
static MARKS: Mutex<Option<[String; 2]>> = Mutex::new(None);

/// Run a program and return its pid and its output. The pid is needed to exclude it from process lists.
fn lines_of(program: &str, args: &[&str]) -> (u32, String) {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.stdout(Stdio::piped()).spawn() else { return (0, String::new()) };
    let pid = child.id();
    let output = child.wait_with_output().map(|output| output.stdout).unwrap_or_default();
    (pid, String::from_utf8_lossy(&output).into_owned())
}

/// Each look at a process runs a program.
pub(super) const CHEAP_LOOKS: bool = false;

/// This boot of the machine.
pub fn boot_id() -> String {
    lines_of("sysctl", &["-n", "kern.boottime"]).1.trim().to_owned()
}

/// The ports that the kernel takes for the near end of connections.
pub fn ephemeral_ports() -> RangeInclusive<u16> {
    let text =
        lines_of("sysctl", &["-n", "net.inet.ip.portrange.first", "net.inet.ip.portrange.last"]).1;
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    // What IANA sets apart for them.
    numbers.next().unwrap_or(49152)..=numbers.next().unwrap_or(65535)
}

/// The load over the last minute.
pub fn load() -> Option<f64> {
    // `{ 1.23 1.10 0.98 }`
    let text = lines_of("sysctl", &["-n", "vm.loadavg"]).1;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// The memory of the machine in bytes: used, and all. What is used is not known here.
pub const fn machine_memory() -> Option<(u64, u64)> {
    None
}

/// The id of the machine, which it keeps over boots.
pub(super) fn machine_id() -> Option<String> {
    let id = lines_of("sysctl", &["-n", "kern.uuid"]).1.trim().to_owned();
    (!id.is_empty()).then_some(id)
}

/// Whether an existing directory is on a network file system.
pub fn is_on_network(dir: &Path) -> bool {
    #[cfg(target_vendor = "apple")]
    {
        let local = nix::libc::MNT_LOCAL.cast_unsigned();
        rustix::fs::statfs(dir).is_ok_and(|found| found.f_flags & local == 0)
    }
    #[cfg(not(target_vendor = "apple"))]
    {
        let _ = dir;
        false
    }
}

/// Not supported here: a connection lasts as long as its peer wants.
pub const fn end_stalled(_stream: &impl AsFd, _after: std::time::Duration) {}

/// Not necessary here.
pub const fn keep_little_free_memory() {}

/// Not necessary here.
pub const fn trim_memory() {}

/// Not supported here: a child outlives its parent.
pub const fn end_with_parent(_command: &mut std::process::Command) {}

/// Not supported here either.
pub const fn signal_with_parent(
    _command: &mut std::process::Command,
    _signal: nix::sys::signal::Signal,
) {
}

/// Not supported here either: a process outlives its parent.
pub const fn end_after_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}

/// It does so anyway.
pub const fn outlive_parent() -> io::Result<()> {
    Ok(())
}

/// The user at the other end of a Unix socket.
pub fn peer_user(socket: impl AsFd) -> io::Result<u32> {
    Ok(nix::unistd::getpeereid(socket)?.0.as_raw())
}

/// The number of terminals is not known here.
pub const fn terminals() -> Option<(u64, u64)> {
    None
}

/// Moving bytes inside the kernel is not possible here.
pub fn splice(
    _from: BorrowedFd<'_>,
    _to: (BorrowedFd<'_>, Option<u64>),
    _most: usize,
) -> io::Result<usize> {
    Err(nix::errno::Errno::EINVAL.into())
}

/// There are no such files here.
pub fn memory_file() -> io::Result<std::fs::File> {
    Err(nix::errno::Errno::ENOTSUP.into())
}

/// Not supported here: the arguments stay.
pub const fn rename_argument(_at: usize, _name: &str) {}

/// There are no subreapers: orphans are reparented to process 1.
pub const fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// There are none here.
pub fn pid_namespace() -> String {
    String::new()
}

/// There are no pid namespaces: always that of this process.
pub fn pid_namespace_of(_pid: u32) -> Option<String> {
    Some(pid_namespace())
}

/// There are no mount namespaces.
pub const fn mount_namespace() -> String {
    String::new()
}

/// There are no mount namespaces.
pub const fn sees(_pid: u32, _dir: &Path) -> bool {
    true
}

/// Let [`walk`] find the orphans of this process of this run.
pub fn own_orphans(run: &str, process: &str) -> io::Result<()> {
    let marks = [format!("TMO_SESSION={run}"), format!("TMO_PROCESS={process}")];
    *MARKS.lock().map_err(|_| io::Error::other("a thread died"))? = Some(marks);
    Ok(())
}

/// What a process has used so far.
pub fn usage(pid: u32) -> Option<Usage> {
    ps::parse_usage(&lines_of("ps", &["-o", "time=,rss=", "-p", &pid.to_string()]).1)
}

/// Not known.
pub const fn memory_share(_pid: u32) -> Option<u64> {
    None
}

/// Not known.
pub const fn open_files(_pid: u32) -> Option<u32> {
    None
}

pub fn all() -> Vec<ProcInfo> {
    table(&["-axo", ps::COLUMNS])
}

/// The processes that have this text in their arguments, among others: it would take a program for each to ask for them.
pub fn all_naming(_text: &str) -> Vec<ProcInfo> {
    all()
}

fn table(args: &[&str]) -> Vec<ProcInfo> {
    let (own, text) = lines_of("ps", args);
    let processes = text.lines().filter_map(ps::parse_line).filter(|p| p.pid != own);
    processes.map(with_session).collect()
}

fn with_session(mut process: ProcInfo) -> ProcInfo {
    let session = i32::try_from(process.pid)
        .ok()
        .and_then(|pid| nix::unistd::getsid(Some(Pid::from_raw(pid))).ok());
    process.sid = session.map_or(0, |sid| sid.as_raw().unsigned_abs());
    process
}

/// This process, if it exists.
pub fn info(pid: u32) -> Option<ProcInfo> {
    table(&["-o", ps::COLUMNS, "-p", &pid.to_string()]).pop()
}

/// When this process started.
pub fn start_time(pid: u32) -> Option<u64> {
    Some(info(pid)?.start_time)
}

/// The children of a process, zombies included.
pub fn children(pid: u32) -> Vec<u32> {
    all().into_iter().filter(|process| process.ppid == pid).map(|process| process.pid).collect()
}

/// Nothing is known to be refused here.
pub const fn refused_calls() -> Vec<RefusedCall> {
    vec![]
}

/// Which Unix sockets a process listens on is not known here.
pub const fn listens_at_path(_pid: u32) -> bool {
    false
}

/// Visit everything below `root`, in its session, or marked as its own; parents first.
pub fn walk(root: u32, visit: &mut dyn FnMut(ProcInfo) -> ControlFlow<(), bool>) {
    let table = all();
    let marks = MARKS.lock().ok().and_then(|marks| marks.clone());
    let marked = marks.map_or_else(HashSet::new, |[run, process]| pids_marked(&[&run, &process]));
    let known: HashSet<u32> = table.iter().map(|process| process.pid).collect();
    let top = |p: &ProcInfo| {
        let orphan = p.ppid <= 1 || !known.contains(&p.ppid);
        p.ppid == root || (orphan && (p.sid == root || marked.contains(&p.pid)))
    };
    let mut open: Vec<ProcInfo> =
        table.iter().filter(|p| p.pid != root && top(p)).cloned().collect();
    let mut seen = HashSet::from([root]);
    while let Some(process) = open.pop() {
        let pid = process.pid;
        if !seen.insert(pid) {
            continue;
        }
        match visit(process) {
            ControlFlow::Continue(true) => {
                open.extend(table.iter().filter(|p| p.ppid == pid).cloned());
            }
            ControlFlow::Continue(false) => {}
            ControlFlow::Break(()) => return,
        }
    }
}

fn pids_marked(marks: &[&str]) -> HashSet<u32> {
    let text = lines_of("ps", &["-xwwE", "-o", "pid=,command="]).1;
    text.lines().filter_map(|line| ps::marked(line, marks)).collect()
}

/// Visit this user's processes that were given all these variables (`NAME=value`). Always incomplete: `ps`
/// can't guarantee that none was missed.
pub fn visit_marked(marks: &[&str], visit: &mut dyn FnMut(ProcInfo)) -> bool {
    let pids = pids_marked(marks);
    all().into_iter().filter(|process| pids.contains(&process.pid)).for_each(visit);
    true
}

/// The arguments of a process of this user, its program first, split at blanks.
pub fn arguments_of(pid: u32) -> Option<Vec<String>> {
    let reported = lines_of("ps", &["-ww", "-o", "uid=,args=", "-p", &pid.to_string()]).1;
    let mut words = reported.split_whitespace();
    let owner: u32 = words.next()?.parse().ok()?;
    (owner == nix::unistd::geteuid().as_raw()).then(|| words.map(str::to_owned).collect())
}

/// Whether the sockets that listen can be listed for each new connection: `lsof` takes about 0.1 s.
pub const FINDS_SOCKETS_FAST: bool = false;

/// The owner of a connection is unknown here.
pub const fn tcp_peer(_peer: std::net::SocketAddr, _local: std::net::SocketAddr) -> TcpPeer {
    TcpPeer::Unknown
}

/// The owner of a listener is unknown here.
pub const fn tcp_listener_owners(_at: std::net::SocketAddr) -> Option<Vec<u32>> {
    None
}

/// Not looked up here.
pub const fn foreign_owner(_pid: u32) -> Option<u32> {
    None
}

/// The system does not tell who reads from a terminal.
pub(super) fn reads_from_terminal(_root: u32, _terminal: u64) -> bool {
    false
}

/// Those of these sockets that this process holds.
pub fn tcp_held_by(pid: u32, sockets: &[u64]) -> Vec<u64> {
    if sockets.contains(&pid.into()) { vec![pid.into()] } else { vec![] }
}

/// Each of these sockets and its process.
pub(super) fn holders_of(sockets: &[u64]) -> Vec<(u64, ProcInfo)> {
    let holder = |socket: &u64| Some((*socket, info(u32::try_from(*socket).ok()?)?));
    sockets.iter().filter_map(holder).collect()
}

/// The sockets that listen: address and, as sockets have no inode here, the pid.
pub fn tcp_listening() -> Vec<(SocketAddr, u64)> {
    // `-F` prints process and address on lines of their own.
    let text = lines_of("lsof", &["-nP", "-iTCP", "-sTCP:LISTEN", "-Fpn"]).1;
    let (mut found, mut pid) = (vec![], None);
    for line in text.lines() {
        if let Some(number) = line.strip_prefix('p') {
            pid = number.parse().ok();
        } else if let (Some(pid), Some(name)) = (pid, line.strip_prefix('n')) {
            let wildcard = name.strip_prefix("*:").map(|port| format!("0.0.0.0:{port}"));
            found.extend(wildcard.as_deref().unwrap_or(name).parse().ok().map(|at| (at, pid)));
        }
    }
    found
}

/// Not implemented here.
pub const fn variable_of(_pid: u32, _name: &str) -> Option<String> {
    None
}

/// Not visible from outside here.
pub const fn directory_of(_pid: u32) -> Option<std::path::PathBuf> {
    None
}

/// Not visible from outside here.
pub const fn program_of(_pid: u32) -> Option<(std::path::PathBuf, bool)> {
    None
}

/// Not counted here.
pub const fn own_threads() -> Option<u64> {
    None
}

/// Not visible from outside here.
pub const fn ignores(_pid: u32, _signal: i32) -> bool {
    false
}

/// Send a signal to this process, after checking that it is still the same. `false`: it is gone.
pub fn signal(id: ProcessId, signal: i32) -> io::Result<bool> {
    if ProcessId::now(id.pid) != Some(id) {
        return Ok(false);
    }
    signals::signal_pid(id.pid, signal)
}

/// Reports changes of files. Not available here, as kqueue does not report the release of a lock.
#[derive(Debug)]
pub struct Changes(std::convert::Infallible);

impl Changes {
    /// Always fails.
    pub fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A descriptor that becomes readable after a change.
    pub fn signal(&self) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
        match self.0 {}
    }

    /// Watch exactly these paths.
    pub fn watch(&mut self, _paths: &[PathBuf]) -> io::Result<bool> {
        match self.0 {}
    }

    /// Whether there was a change since the last call.
    pub fn take(&mut self) -> bool {
        match self.0 {}
    }
}

/// Whether the process that has sent a datagram is known.
pub const KNOWS_SENDERS: bool = false;

/// A socket for datagrams whose senders are known. Not available here.
#[derive(Debug)]
pub struct NotifySocket(std::convert::Infallible);

impl NotifySocket {
    /// Always fails.
    pub fn bind(_path: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The next datagram.
    pub fn receive(&self, _buffer: &mut [u8]) -> io::Result<Datagram> {
        match self.0 {}
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

/// A descriptor that becomes readable when this process exits.
pub fn watch_exit(id: ProcessId) -> io::Result<OwnedFd> {
    let queue = Kqueue::new()?;
    let exit = KEvent::new(
        usize::try_from(id.pid).unwrap_or(0),
        EventFilter::EVFILT_PROC,
        EvFlags::EV_ADD | EvFlags::EV_ONESHOT,
        FilterFlag::NOTE_EXIT,
        0,
        0,
    );
    queue.kevent(&[exit], &mut [], None)?;
    if ProcessId::now(id.pid) != Some(id) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(queue.into())
}

/// Restore a terminal's default line discipline.
pub fn set_usual_discipline(_terminal: std::os::fd::BorrowedFd<'_>) {}

/// How this child ended, if it has; it stays a zombie. Its resource usage is known only after reaping.
pub fn peek(pid: u32) -> io::Result<Option<ChildExit>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let Some(status) = rustix::process::waitid(WaitId::Pid(rustix_pid(pid)?), options)? else {
        return Ok(None);
    };
    let number = |value: i32| u8::try_from(value & 0xff).unwrap_or(u8::MAX);
    let exit = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(number(code)),
        (None, signal) => Exit::Signal(number(signal.unwrap_or(0))),
    };
    Ok(Some(ChildExit { exit, user_us: 0, system_us: 0, max_rss_kib: 0 }))
}
