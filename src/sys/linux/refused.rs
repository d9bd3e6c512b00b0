//! System calls that this system refuses: the seccomp profile of a container, or an old kernel.

use std::io;
use std::mem::zeroed;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr::null_mut;

use nix::libc;

use crate::sys::RefusedCall;

/// The name of a call, its number, and whether nothing runs without it.
type Call = (&'static str, libc::c_long, bool);

macro_rules! calls {
    ($is_needed:literal, $($name:literal $number:ident)*) => {
        [$(($name, libc::$number, $is_needed)),*]
    };
}

/// The calls of every run that a sandbox or an old kernel may refuse, and that change nothing if every argument is -1.
const NEEDED: &[Call] = &calls! { true,
    "accept4" SYS_accept4 "bind" SYS_bind "connect" SYS_connect "dup" SYS_dup
    "epoll_create1" SYS_epoll_create1 "epoll_ctl" SYS_epoll_ctl "eventfd2" SYS_eventfd2
    "fchmod" SYS_fchmod "ftruncate" SYS_ftruncate "getdents64" SYS_getdents64
    "getsockopt" SYS_getsockopt "ioctl" SYS_ioctl "listen" SYS_listen "mknodat" SYS_mknodat
    "pipe2" SYS_pipe2 "ppoll" SYS_ppoll "prctl" SYS_prctl "readlinkat" SYS_readlinkat
    "recvfrom" SYS_recvfrom "recvmsg" SYS_recvmsg "rt_sigprocmask" SYS_rt_sigprocmask
    "sendmsg" SYS_sendmsg "sendto" SYS_sendto "setpgid" SYS_setpgid "shutdown" SYS_shutdown
    "socket" SYS_socket "socketpair" SYS_socketpair "unlinkat" SYS_unlinkat "wait4" SYS_wait4
    "waitid" SYS_waitid
};

/// Calls that only this kind of machine has.
#[cfg(target_arch = "x86_64")]
const OLD: &[Call] = &calls! { true, "access" SYS_access "chmod" SYS_chmod "unlink" SYS_unlink };
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Call] = &[];

/// Calls that something else replaces.
const REPLACED: &[Call] = &calls! { false,
    "pidfd_open" SYS_pidfd_open "pidfd_send_signal" SYS_pidfd_send_signal "splice" SYS_splice
};

/// How often the watcher of a process looks for it where there are no pidfds.
const LOOK_AGAIN_NS: libc::c_long = 50_000_000;

/// The calls of a run that this system refuses.
///
/// Each is made with arguments that no call accepts. A filter looks at the number first, so its error is another one.
pub fn refused_calls() -> Vec<RefusedCall> {
    let refused = |&(name, number, is_needed): &Call| {
        let nothing: libc::c_long = -1;
        #[expect(unsafe_code, reason = "no wrapper passes such arguments on")]
        // SAFETY: every pointer and descriptor is invalid, so the kernel reads and changes nothing.
        let done =
            unsafe { libc::syscall(number, nothing, nothing, nothing, nothing, nothing, nothing) };
        let error = io::Error::last_os_error();
        (done == -1 && is_refused(&error)).then_some(RefusedCall { name, error, is_needed })
    };
    let own = nix::unistd::getpid();
    let kill = nix::sys::signal::kill(own, None).err().map(io::Error::from);
    let kill = kill.map(|error| RefusedCall { name: "kill", error, is_needed: true });
    NEEDED.iter().chain(OLD).chain(REPLACED).filter_map(refused).chain(kill).collect()
}

/// Whether an error of a system call means that the system does not offer it to this process.
pub fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS))
}

/// A descriptor that becomes readable again and again.
pub(super) fn ticks() -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "the safe wrappers of timers would be another dependency")]
    // SAFETY: the descriptor is new, so nothing else owns it. All-zero bytes are a valid timer, which the kernel reads.
    unsafe {
        let timer =
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
        if timer < 0 {
            return Err(io::Error::last_os_error());
        }
        let timer_fd = OwnedFd::from_raw_fd(timer);
        let mut every: libc::itimerspec = zeroed();
        every.it_value.tv_nsec = LOOK_AGAIN_NS;
        every.it_interval.tv_nsec = LOOK_AGAIN_NS;
        if libc::timerfd_settime(timer, 0, &raw const every, null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(timer_fd)
    }
}
