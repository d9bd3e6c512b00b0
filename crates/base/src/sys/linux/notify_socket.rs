//! A socket for datagrams whose senders the kernel names.

use std::fs::Permissions;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use crate::sys::Datagram;

/// Whether the process that has sent a datagram is known.
pub const KNOWS_SENDERS: bool = true;

/// Room for the credentials of a sender, and nothing else: the kernel closes descriptors that were sent.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    sender: libc::ucred,
    _padding: u32,
}

/// A socket for datagrams, at a path that only this user can open.
#[derive(Debug)]
pub struct NotifySocket(UnixDatagram);

impl NotifySocket {
    /// Create the socket; a file at this path is replaced.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = UnixDatagram::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        Ok(Self(socket))
    }

    /// The next datagram, or an error of the kind `WouldBlock`. One that does not fit into the buffer comes empty.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Datagram> {
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut control = MaybeUninit::<Control>::zeroed();
        #[expect(unsafe_code, reason = "the safe wrappers lose descriptors, or take no pid 0")]
        // SAFETY: all pointers are to memory that outlives the call, and any bytes are a `Control` and a `msghdr`.
        let (received, flags, control) = unsafe {
            let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
            (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of::<Control>() as _;
            let received = libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0);
            (received, message.msg_flags, control.assume_init())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        let is_named = control.header.cmsg_level == libc::SOL_SOCKET
            && control.header.cmsg_type == libc::SCM_CREDENTIALS;
        // 0 is a process that this one can't see.
        let sender = u32::try_from(control.sender.pid).ok().filter(|pid| is_named && *pid > 0);
        Ok(Datagram { length: if flags & libc::MSG_TRUNC == 0 { received } else { 0 }, sender })
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, IoSlice, Read as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    use super::NotifySocket;

    #[test]
    fn a_datagram_comes_with_its_sender_and_one_that_is_too_long_without_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        drop(NotifySocket::bind(&path).unwrap());
        let socket = NotifySocket::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        for text in [&b"READY=1"[..], &[b'x'; 9]] {
            sender.send_to(text, &path).unwrap();
        }
        let mut buffer = [0; 8];
        let datagram = socket.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..datagram.length], b"READY=1");
        assert_eq!(datagram.sender, Some(std::process::id()));
        assert_eq!(socket.receive(&mut buffer).unwrap().length, 0);
        assert_eq!(socket.receive(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn descriptors_that_come_with_a_datagram_are_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let socket = NotifySocket::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path).unwrap();
        let (mut kept, sent) = UnixStream::pair().unwrap();
        let (descriptors, text) = ([sent.as_raw_fd(); 3], [IoSlice::new(b"BARRIER=1")]);
        let rights = [ControlMessage::ScmRights(&descriptors)];
        sendmsg::<()>(sender.as_raw_fd(), &text, &rights, MsgFlags::empty(), None).unwrap();
        drop(sent);
        let datagram = socket.receive(&mut [0; 32]).unwrap();
        assert_eq!((datagram.length, datagram.sender), (9, Some(std::process::id())));
        assert_eq!(kept.read(&mut [0]).unwrap(), 0, "nobody has the other end");
    }
}
