//! Connecting to a Unix socket, however long its path is.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::files;
#[cfg(target_os = "linux")]
use super::files::open_path;

/// What a probe found at the path of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerState {
    /// A process accepts connections.
    Live,
    /// A socket without a listener.
    Dead,
    Nothing,
}

/// Whether a process listens there; never blocks.
pub fn probe(path: &Path) -> io::Result<ListenerState> {
    let Some(name) = files::if_there(Name::new(path))? else { return Ok(ListenerState::Nothing) };
    let stream = stream_socket()?;
    fcntl(&stream, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    match connect(stream.as_raw_fd(), &name.address) {
        // EAGAIN: the queue of the listener is full. EPROTOTYPE: it is a datagram socket.
        Ok(()) | Err(Errno::EAGAIN | Errno::EINPROGRESS | Errno::EPROTOTYPE) => {
            Ok(ListenerState::Live)
        }
        Err(Errno::ECONNREFUSED) => Ok(ListenerState::Dead),
        Err(Errno::ENOENT) => Ok(ListenerState::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Connect; waits at most this long for a listener whose queue is full.
pub fn dial(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let name = Name::new(path)?;
    let stream = stream_socket()?;
    let micros = i64::try_from(patience.as_micros()).unwrap_or(i64::MAX);
    // On Linux this bounds `connect` too; elsewhere a full queue is an immediate error.
    setsockopt(&stream, sockopt::SendTimeout, &TimeVal::microseconds(micros))?;
    connect(stream.as_raw_fd(), &name.address)?;
    setsockopt(&stream, sockopt::SendTimeout, &TimeVal::microseconds(0))?;
    Ok(stream.into())
}

/// A stream socket that children do not inherit.
pub fn stream_socket() -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(socket)
}

/// The address of a socket file. A path that is too long is reached through an open directory descriptor.
#[derive(Debug)]
struct Name {
    address: UnixAddr,
    _open: Option<File>,
}

impl Name {
    fn new(path: &Path) -> io::Result<Self> {
        if let Some(address) = short(path)? {
            return Ok(Self { address, _open: None });
        }
        let open = open_path(path)?;
        let through = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        Ok(Self { address: UnixAddr::new(&through)?, _open: Some(open) })
    }
}

/// The address of this path; `None` if the path is too long.
pub fn short(path: &Path) -> io::Result<Option<UnixAddr>> {
    match UnixAddr::new(path) {
        Ok(address) => Ok(Some(address)),
        Err(Errno::ENAMETOOLONG) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_path(_: &Path) -> io::Result<File> {
    Err(Errno::ENAMETOOLONG.into())
}
