//! File descriptors that stay open over an `exec`: the lock and the listening socket.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Take ownership of an inherited descriptor and make it close-on-exec, so that our own children do
/// not get it.
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    std::fs::metadata(place(fd))?;
    #[expect(unsafe_code, reason = "a descriptor inherited over exec is only a number")]
    // SAFETY: it is open, as was just checked, and it was passed to this process to own.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// A path that refers to the open file of a descriptor.
pub(super) fn place(fd: RawFd) -> String {
    format!("/dev/fd/{fd}")
}
