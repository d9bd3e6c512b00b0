//! Descriptors that live on over an `exec`: the lock and the listening socket.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Take over a descriptor that was given to this process; its own children do not get it.
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    std::fs::metadata(place(fd))?;
    #[expect(unsafe_code, reason = "a descriptor inherited over exec is only a number")]
    // SAFETY: it is open, as was just seen, and was given to this process to own.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// A path that leads to what the descriptor is open on.
pub(super) fn place(fd: RawFd) -> String {
    format!("/dev/fd/{fd}")
}
