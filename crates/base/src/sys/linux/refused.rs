//! System calls that this system refuses: the seccomp profile of a container, or an old kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::libc;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::sys::{RefusedCall, is_refused};

/// How often the watcher of a process looks for it where there are no pidfds.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A system call of every run that a sandbox or an old kernel may refuse, and that changes nothing with invalid
/// arguments.
struct SystemCall {
    name: &'static str,
    number: libc::c_long,
    /// Which of its arguments is a mode, counted from 0. A sandbox may refuse modes with setuid bits only.
    mode: Option<usize>,
    /// What tmo does without it; `None` if nothing runs without it.
    instead: Option<&'static str>,
}

macro_rules! needed {
    ($($name:literal $number:ident)*) => {
        &[$(SystemCall { name: $name, number: libc::$number, mode: None, instead: None }),*]
    };
}

const NEEDED: &[SystemCall] = needed! {
    "accept4" SYS_accept4 "bind" SYS_bind "connect" SYS_connect "dup" SYS_dup
    "epoll_create1" SYS_epoll_create1 "epoll_ctl" SYS_epoll_ctl "eventfd2" SYS_eventfd2
    "ftruncate" SYS_ftruncate "getdents64" SYS_getdents64
    "getsockopt" SYS_getsockopt "ioctl" SYS_ioctl "listen" SYS_listen
    "pipe2" SYS_pipe2 "ppoll" SYS_ppoll "prctl" SYS_prctl "readlinkat" SYS_readlinkat
    "recvfrom" SYS_recvfrom "recvmsg" SYS_recvmsg "rt_sigprocmask" SYS_rt_sigprocmask
    "sendmsg" SYS_sendmsg "sendto" SYS_sendto "setpgid" SYS_setpgid "shutdown" SYS_shutdown
    "socket" SYS_socket "socketpair" SYS_socketpair "unlinkat" SYS_unlinkat "wait4" SYS_wait4
    "waitid" SYS_waitid
};

const WITH_MODE: &[SystemCall] = &[
    SystemCall { name: "fchmod", number: libc::SYS_fchmod, mode: Some(1), instead: None },
    SystemCall { name: "mknodat", number: libc::SYS_mknodat, mode: Some(2), instead: None },
    #[cfg(target_arch = "x86_64")]
    SystemCall { name: "chmod", number: libc::SYS_chmod, mode: Some(1), instead: None },
];

/// Calls that only this kind of machine has.
#[cfg(target_arch = "x86_64")]
const OLD: &[SystemCall] = needed! { "access" SYS_access "unlink" SYS_unlink };
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[SystemCall] = &[];

const fn replaced(name: &'static str, number: libc::c_long, instead: &'static str) -> SystemCall {
    SystemCall { name, number, mode: None, instead: Some(instead) }
}

const REPLACED: &[SystemCall] = &[
    replaced("pidfd_open", libc::SYS_pidfd_open, "a timer looks for ended processes"),
    replaced("pidfd_send_signal", libc::SYS_pidfd_send_signal, "processes are signalled by pid"),
    replaced("splice", libc::SYS_splice, "output is copied by read and write"),
];

/// The calls of a run that this system refuses.
///
/// Each is made with arguments that no call accepts. A filter looks at the number first, so its error is another one.
pub fn refused_calls() -> Vec<RefusedCall> {
    let refused = |&SystemCall { name, number, mode, instead }: &SystemCall| {
        let mut arguments: [libc::c_long; 6] = [-1; 6];
        if let Some(argument) = mode.and_then(|at| arguments.get_mut(at)) {
            *argument = 0;
        }
        let [first, second, third, rest @ ..] = arguments;
        #[expect(unsafe_code, reason = "no wrapper passes such arguments on")]
        // SAFETY: every pointer and descriptor is invalid, so the kernel reads and changes nothing.
        let done =
            unsafe { libc::syscall(number, first, second, third, rest[0], rest[1], rest[2]) };
        let error = io::Error::last_os_error();
        (done == -1 && is_refused(&error)).then_some(RefusedCall { name, error, instead })
    };
    let own = nix::unistd::getpid();
    let kill = nix::sys::signal::kill(own, None).err().map(io::Error::from);
    let kill = kill.map(|error| RefusedCall { name: "kill", error, instead: None });
    let calls = [NEEDED, WITH_MODE, OLD, REPLACED].into_iter().flatten();
    calls.filter_map(refused).chain(kill).collect()
}

/// A descriptor that becomes readable again and again.
pub(super) fn ticks() -> io::Result<OwnedFd> {
    let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
    timer.set(Expiration::Interval(LOOK_AGAIN.into()), TimerSetTimeFlags::empty())?;
    Ok(timer.into())
}
