//! Signals: received without a thread, sent to groups, set for children; and children that ended or stopped.

use std::io;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{WaitId, WaitIdOptions, WaitOptions};

use super::rustix_pid;

/// Signals as something to wait for: SIGUSR1, SIGHUP and SIGCHLD.
#[derive(Debug)]
pub struct Wakes {
    pipe: UnixStream,
    bell: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
}

impl Wakes {
    /// Install the handlers.
    pub fn install() -> io::Result<Self> {
        use signal_hook::consts::{SIGCHLD, SIGHUP, SIGUSR1};
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let wakes = Self { pipe: read, bell: Arc::default(), hangup: Arc::default() };
        // The flag is registered before the pipe, so it is set by the time the pipe wakes a reader.
        signal_hook::flag::register(SIGUSR1, Arc::clone(&wakes.bell))?;
        signal_hook::flag::register(SIGHUP, Arc::clone(&wakes.hangup))?;
        for signal in [SIGUSR1, SIGHUP, SIGCHLD] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(wakes)
    }

    /// Whether SIGUSR1 arrived since the last call.
    pub fn bell(&self) -> bool {
        self.bell.swap(false, Ordering::AcqRel)
    }

    /// Whether SIGHUP arrived since the last call.
    pub fn hangup(&self) -> bool {
        self.hangup.swap(false, Ordering::AcqRel)
    }

    /// Wait for a signal, for one of `also` to become readable, or until the timeout.
    pub fn wait<'a>(
        &mut self,
        time: Option<Duration>,
        also: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.pipe, PollFlags::IN)];
        fds.extend(also.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match rustix::event::poll(&mut fds, time.map(timespec).as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 64];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(count) if count == bytes.len() => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Wait until one of these events occurs on a file, or until the timeout; returns what has occurred.
pub fn wait_for(
    file: impl AsFd,
    events: PollFlags,
    time: Option<Duration>,
) -> rustix::io::Result<PollFlags> {
    let mut fds = [PollFd::new(&file, events)];
    rustix::event::poll(&mut fds, time.map(timespec).as_ref())?;
    Ok(fds[0].revents())
}

/// Converts a duration for `poll`.
pub fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// Send a signal to a process group. `false`: the group is empty.
pub fn signal_group(group: u32, signal: i32) -> io::Result<bool> {
    kill(i32::try_from(group).map_or(0, |group| -group), signal)
}

/// Send a signal to the process that has this number now. `false`: there is none.
pub fn signal_pid(pid: u32, signal: i32) -> io::Result<bool> {
    kill(i32::try_from(pid).unwrap_or(0), signal)
}

/// Kills a process group on drop, unless its leader has been reaped by then.
#[derive(Debug)]
pub struct Group(Option<u32>);

impl Group {
    /// The group of this leader.
    pub const fn led_by(leader: Option<u32>) -> Self {
        Self(leader)
    }

    /// The leader has been reaped: its number may belong to another group now.
    pub const fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error means that it has already ended.
            let _ = signal_group(leader, libc::SIGKILL);
        }
    }
}

/// `kill(2)` with any number, real-time signals included. `false`: no such process.
///
/// The target must be a single process or group: 0, -1 and 1 are refused, because `kill` takes them for the
/// caller's group, all processes, and process 1.
pub(super) fn kill(target: i32, signal: i32) -> io::Result<bool> {
    if (-1..=1).contains(&target) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    #[expect(unsafe_code, reason = "the safe wrappers know no real-time signals")]
    // SAFETY: two numbers, no memory.
    let done = unsafe { libc::kill(target, signal) };
    if done == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(false) } else { Err(error) }
}

/// Ignore these signals from now on.
pub fn ignore_signals(signals: &[i32]) {
    for &signal in signals {
        set(signal, libc::SIG_IGN);
    }
}

/// Reset every signal to its default disposition except these, which are ignored.
pub fn default_signals(ignored: &[i32]) {
    // 64 is the highest signal number of any supported system; invalid numbers fail harmlessly.
    for signal in 1..=64 {
        set(signal, if ignored.contains(&signal) { libc::SIG_IGN } else { libc::SIG_DFL });
    }
}

/// Stop this process as an unhandled SIGTSTP does, and return when it is continued. The kernel does not
/// stop a process in an orphaned process group, because no shell could continue it.
pub fn stop() -> io::Result<()> {
    let usual = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code, reason = "a handler can't be put aside safely otherwise")]
    // SAFETY: the default disposition runs no code, and what is set afterwards was set before.
    unsafe {
        let handler = sigaction(Signal::SIGTSTP, &usual)?;
        let stopped = raise(Signal::SIGTSTP);
        sigaction(Signal::SIGTSTP, &handler)?;
        Ok(stopped?)
    }
}

pub(super) fn set(signal: i32, disposition: libc::sighandler_t) {
    #[expect(unsafe_code, reason = "dispositions of all numbers, real-time signals included")]
    // SAFETY: the disposition is SIG_IGN or SIG_DFL, so no code is ever run by it.
    unsafe {
        libc::signal(signal, disposition);
    }
}

/// Receive every signal and SIGCHLD, whatever the parent of this program has blocked or ignored: both are
/// inherited, and without SIGCHLD the end of a child would go unnoticed.
pub fn unblock_all_signals() {
    set(libc::SIGCHLD, libc::SIG_DFL);
    // With a valid set it cannot fail.
    let _ = unblock_signals();
}

/// Let SIGALRM end this process if it still runs after this many seconds.
pub fn end_after(seconds: u32) {
    set(libc::SIGALRM, libc::SIG_DFL);
    let _ = nix::unistd::alarm::set(seconds);
}

/// End this process with this signal, without a core dump; returns if the signal does not end it.
pub fn end_by(signal: i32) {
    use nix::sys::resource::{Resource, setrlimit};
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    set(signal, libc::SIG_DFL);
    if let Ok(own) = i32::try_from(std::process::id()) {
        let _ = kill(own, signal);
    }
}

pub fn unblock_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Reap this child if it has ended; returns whether it is gone now.
pub fn reap(pid: u32) -> io::Result<bool> {
    Ok(rustix::process::waitpid(Some(rustix_pid(pid)?), WaitOptions::NOHANG)?.is_some())
}

/// The signal that has stopped this child since the last call, if one has.
pub fn stopped_by(pid: u32) -> io::Result<Option<i32>> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    let status = rustix::process::waitid(WaitId::Pid(rustix_pid(pid)?), options)?;
    Ok(status.and_then(|status| status.stopping_signal()))
}
