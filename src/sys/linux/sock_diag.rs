//! One TCP socket of the machine by its two ends: `sock_diag(7)`. The cost of a query does not
//! depend on how many sockets there are.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// A socket as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Socket {
    /// Its state, as in `/proc/net/tcp`.
    pub(super) state: u8,
    /// The user who owns it.
    pub(super) owner: u32,
    /// Its inode; 0 if no process holds it.
    pub(super) inode: u32,
}

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Header, then family, state, timer, retransmits and the socket's id; then five numbers.
const ANSWER: usize = HEADER + 72;

/// The socket at `end` of the connection to `other`; nothing if there is none.
pub(super) fn find(end: SocketAddr, other: SocketAddr) -> io::Result<Option<Socket>> {
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    // The kernel answers within the call that asks; this is for kernels with a defect.
    setsockopt(&kernel, sockopt::ReceiveTimeout, &TimeVal::seconds(1))?;
    send(kernel.as_raw_fd(), &request(end, other), MsgFlags::empty())?;
    let mut answer = [0; 512];
    let len = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    parse(answer.get(..len).unwrap_or_default())
}

fn request(end: SocketAddr, other: SocketAddr) -> Vec<u8> {
    let family = if end.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.extend_from_slice(&72u32.to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&1u16.to_ne_bytes()); // NLM_F_REQUEST
    bytes.extend_from_slice(&[0; 8]);
    bytes.push(u8::try_from(family).unwrap_or_default());
    bytes.push(6); // IPPROTO_TCP
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes()); // whatever its state
    bytes.extend_from_slice(&end.port().to_be_bytes());
    bytes.extend_from_slice(&other.port().to_be_bytes());
    for ip in [end.ip(), other.ip()] {
        let mut address = [0; 16];
        match ip {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address = ip.octets(),
        }
        bytes.extend_from_slice(&address);
    }
    bytes.extend_from_slice(&[0; 4]); // whatever its interface
    bytes.extend_from_slice(&[0xff; 8]); // no cookie
    bytes
}

fn parse(answer: &[u8]) -> io::Result<Option<Socket>> {
    let strange = || io::Error::from(io::ErrorKind::InvalidData);
    let number = |at: usize| -> io::Result<u32> {
        let bytes = answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_ne_bytes).ok_or_else(strange)
    };
    let kind = answer.get(4..6).ok_or_else(strange)?;
    if kind == BY_FAMILY.to_ne_bytes() && answer.len() >= ANSWER {
        let (owner, inode) = (number(HEADER + 64)?, number(HEADER + 68)?);
        return Ok(Some(Socket { state: answer[HEADER + 1], owner, inode }));
    }
    match number(HEADER)?.cast_signed() {
        error if kind != 2u16.to_ne_bytes() || error >= 0 => Err(strange()),
        error if Errno::from_raw(-error) == Errno::ENOENT => Ok(None),
        error => Err(Errno::from_raw(-error).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::{REQUEST, Socket, find, request};

    const ESTABLISHED: u8 = 1;

    #[test]
    fn a_socket_is_found_by_its_ends_with_its_owner() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let address = listener.local_addr().unwrap();
            assert_eq!(request(address, address).len(), REQUEST);
            let near = TcpStream::connect(address).unwrap();
            let end = near.local_addr().unwrap();
            let Socket { state, owner, inode } = find(end, address).unwrap().unwrap();
            let me = nix::unistd::geteuid().as_raw();
            assert_eq!((state, owner), (ESTABLISHED, me), "{at}");
            assert_ne!(inode, 0);
            drop(near);
            let held = find(end, address).unwrap().is_some_and(|socket| socket.inode != 0);
            assert!(!held, "nobody holds a closed socket");
        }
    }
}
