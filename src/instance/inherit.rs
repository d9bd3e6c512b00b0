//! Descriptors that live on over an `exec`: the lock and the listening socket.

use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;

use nix::sys::socket::{getsockopt, sockopt};
use rustix::io::{FdFlags, fcntl_setfd};

/// Let children have this descriptor under the number returned. It is theirs to be closed.
pub fn give(fd: impl Into<OwnedFd>) -> io::Result<RawFd> {
    let fd = fd.into();
    fcntl_setfd(&fd, FdFlags::empty())?;
    Ok(fd.into_raw_fd())
}

/// Take over a descriptor that was given to this process; its own children do not get it.
pub fn take(fd: RawFd) -> io::Result<OwnedFd> {
    std::fs::metadata(place(fd))?;
    #[expect(unsafe_code, reason = "a descriptor inherited over exec is only a number")]
    // SAFETY: it is open, as was just seen, and was given to this process to own.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Take over a listening socket that was given to this process.
pub fn take_listener(fd: RawFd) -> io::Result<UnixListener> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "the descriptor does not listen");
    if !std::fs::metadata(place(fd))?.file_type().is_socket() {
        return Err(bad());
    }
    let socket = take(fd)?;
    if getsockopt(&socket, sockopt::AcceptConn)? { Ok(socket.into()) } else { Err(bad()) }
}

/// A path that leads to what the descriptor is open on.
pub(super) fn place(fd: RawFd) -> String {
    format!("/dev/fd/{fd}")
}
