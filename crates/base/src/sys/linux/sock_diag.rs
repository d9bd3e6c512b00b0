//! TCP sockets of the machine: `sock_diag(7)`.
//!
//! Looks up one socket by its two ends, at a cost that does not depend on the number of sockets, or lists
//! all listening ones. `/proc/net/tcp` has the same data, but each read walks the kernel's whole table of
//! connections, which takes milliseconds even if it is empty.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

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
    /// Whether it is an IPv6 socket that accepts no IPv4 connections (`IPV6_V6ONLY`). The kernel reports
    /// this only for listening sockets.
    pub(super) ipv6_only: bool,
}

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Header, then family, state, timer, retransmits and the socket's id; then five numbers.
const ANSWER: usize = HEADER + 72;
/// The length and the kind of an attribute, before its value.
const ATTRIBUTE: usize = 4;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `INET_DIAG_SKV6ONLY`.
const IPV6_ONLY: u16 = 11;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;
/// State mask that selects only `LISTEN`.
const LISTENING: u32 = 1 << LISTEN;
/// The kernel answers in pieces of at most this size.
const PIECE: usize = 64 << 10;

/// The socket at `end` of the connection to `other`; `None` if there is none.
pub(super) fn find_socket(end: SocketAddr, other: SocketAddr) -> io::Result<Option<Socket>> {
    find_of(TCP, end, other)
}

fn find_of(protocol: u8, end: SocketAddr, other: SocketAddr) -> io::Result<Option<Socket>> {
    let kernel = ask(&request(protocol, (end, other), SocketQuery::One))?;
    let mut answer = [0; 512];
    let len = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let found = parse(answer.get(..len).unwrap_or_default())?;
    if found.is_none() {
        // A kernel that cannot report sockets of this protocol gives the same answer. To this request,
        // however, it replies with an error.
        dump(&request(protocol, (end, other), SocketQuery::Nothing), &mut vec![])?;
    }
    Ok(found)
}

pub(super) fn listening() -> io::Result<Vec<(SocketAddr, Socket)>> {
    listening_of(TCP)
}

fn listening_of(protocol: u8) -> io::Result<Vec<(SocketAddr, Socket)>> {
    let mut found = vec![];
    for any in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
        let any = SocketAddr::new(any, 0);
        dump(&request(protocol, (any, any), SocketQuery::Listening), &mut found)?;
    }
    Ok(found)
}

/// Send this request and add every socket in the answer to `found`.
fn dump(request: &[u8], found: &mut Vec<(SocketAddr, Socket)>) -> io::Result<()> {
    let kernel = ask(request)?;
    let mut piece = vec![0; PIECE];
    loop {
        let len = recv(kernel.as_raw_fd(), &mut piece, MsgFlags::empty())?;
        if collect(piece.get(..len).unwrap_or_default(), found)? {
            return Ok(());
        }
    }
}

fn ask(request: &[u8]) -> io::Result<OwnedFd> {
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    // The kernel answers within the `send` call; the timeout guards against defective kernels.
    setsockopt(&kernel, sockopt::ReceiveTimeout, &TimeVal::seconds(1))?;
    send(kernel.as_raw_fd(), request, MsgFlags::empty())?;
    Ok(kernel)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SocketQuery {
    One,
    Listening,
    /// No socket: only tests whether the kernel supports the request.
    Nothing,
}

fn request(protocol: u8, (end, other): (SocketAddr, SocketAddr), query: SocketQuery) -> Vec<u8> {
    let family = if end.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let (flags, states) = match query {
        SocketQuery::One => (1u16, u32::MAX), // NLM_F_REQUEST, whatever its state
        SocketQuery::Listening => (0x301u16, LISTENING), // and NLM_F_DUMP
        SocketQuery::Nothing => (0x301u16, 0),
    };
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.extend_from_slice(&72u32.to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.push(u8::try_from(family).unwrap_or_default());
    bytes.push(protocol);
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&states.to_ne_bytes());
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
    if kind(answer)? == BY_FAMILY && answer.len() >= ANSWER {
        return Ok(Some(described(answer)?));
    }
    match failure(answer)? {
        Some(Errno::ENOENT) => Ok(None),
        Some(error) => Err(error.into()),
        None => Err(strange()),
    }
}

/// Add the sockets in one piece of the answer; returns whether it was the last piece.
fn collect(mut piece: &[u8], found: &mut Vec<(SocketAddr, Socket)>) -> io::Result<bool> {
    while !piece.is_empty() {
        let len = usize::try_from(number(piece, 0)?).unwrap_or(usize::MAX);
        let message = piece.get(..len).filter(|_| len >= HEADER).ok_or_else(strange)?;
        match kind(message)? {
            BY_FAMILY => found.push((address(message)?, described(message)?)),
            DONE => return failure(message)?.map_or(Ok(true), |error| Err(error.into())),
            _ => return Err(failure(message)?.map_or_else(strange, io::Error::from)),
        }
        piece = piece.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn described(message: &[u8]) -> io::Result<Socket> {
    let state = *message.get(HEADER + 1).ok_or_else(strange)?;
    let (owner, inode) = (number(message, HEADER + 64)?, number(message, HEADER + 68)?);
    Ok(Socket { state, owner, inode, ipv6_only: is_ipv6_only(message) })
}

/// Whether the attributes after the description contain `IPV6_V6ONLY`.
fn is_ipv6_only(message: &[u8]) -> bool {
    let mut rest = message.get(ANSWER..).unwrap_or_default();
    while let (Ok(len), Ok(kind)) = (bytes(rest, 0), bytes(rest, 2)) {
        let len = usize::from(u16::from_ne_bytes(len));
        if u16::from_ne_bytes(kind) == IPV6_ONLY {
            return len > ATTRIBUTE && rest.get(ATTRIBUTE).is_some_and(|value| *value != 0);
        }
        if len < ATTRIBUTE {
            break;
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// The socket's own address.
fn address(message: &[u8]) -> io::Result<SocketAddr> {
    let ipv4 = message.get(HEADER).is_some_and(|family| i32::from(*family) == libc::AF_INET);
    let ip: IpAddr = if ipv4 {
        bytes::<4>(message, HEADER + 8)?.into()
    } else {
        bytes::<16>(message, HEADER + 8)?.into()
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(bytes(message, HEADER + 4)?)))
}

/// The error in an error message or at the end of an answer; `None` on success.
fn failure(message: &[u8]) -> io::Result<Option<Errno>> {
    let error = number(message, HEADER)?.cast_signed();
    if !matches!(kind(message)?, ERROR | DONE) || error > 0 {
        return Err(strange());
    }
    Ok((error != 0).then(|| Errno::from_raw(error.saturating_neg())))
}

fn kind(message: &[u8]) -> io::Result<u16> {
    Ok(u16::from_ne_bytes(bytes(message, 4)?))
}

fn number(message: &[u8], at: usize) -> io::Result<u32> {
    Ok(u32::from_ne_bytes(bytes(message, at)?))
}

fn bytes<const N: usize>(message: &[u8], at: usize) -> io::Result<[u8; N]> {
    let bytes = message.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(strange)
}

fn strange() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{TcpListener, TcpStream};

    use super::{
        ANSWER, BY_FAMILY, DONE, ERROR, HEADER, IPV6_ONLY, LISTEN, REQUEST, Socket, SocketQuery,
        TCP, collect, described, find_of, find_socket, listening, listening_of, parse, request,
    };
    use crate::sys::linux::tests::becomes;

    const ESTABLISHED: u8 = 1;

    #[test]
    fn a_socket_is_found_by_its_ends_with_its_owner() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let address = listener.local_addr().unwrap();
            assert_eq!(request(TCP, (address, address), SocketQuery::One).len(), REQUEST);
            let near = TcpStream::connect(address).unwrap();
            let end = near.local_addr().unwrap();
            let Socket { state, owner, inode, .. } = find_socket(end, address).unwrap().unwrap();
            let me = nix::unistd::geteuid().as_raw();
            assert_eq!((state, owner), (ESTABLISHED, me), "{at}");
            assert_ne!(inode, 0);
            drop(near);
            let held =
                || find_socket(end, address).unwrap().is_some_and(|socket| socket.inode != 0);
            assert!(becomes(|| !held()), "nobody holds a closed socket");
        }
    }

    #[test]
    fn all_that_listen_are_found_and_nobody_else() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let address = listener.local_addr().unwrap();
            let near = TcpStream::connect(address).unwrap();
            let found = listening().unwrap();
            let owner = nix::unistd::geteuid().as_raw();
            let mut here = found.iter().filter(|(found, _)| *found == address);
            let (_, Socket { state, owner: seen, inode, .. }) = here.next().unwrap();
            assert_eq!((*state, *seen, here.next()), (LISTEN, owner, None), "{at}");
            assert_ne!(*inode, 0);
            let end = near.local_addr().unwrap();
            assert!(found.iter().all(|(found, _)| *found != end), "{at}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_damaged_is_an_error() {
        let mut found = vec![];
        assert!(collect(&[], &mut found).is_ok_and(|last| !last));
        for damaged in [&[0; 4][..], &[1, 2, 3], &[0; 16], &[0xff; 200]] {
            assert!(collect(damaged, &mut found).is_err(), "{damaged:?}");
        }
        let mut cut = vec![0; 24];
        cut[0] = 24;
        cut[4] = 20;
        assert!(collect(&cut, &mut found).is_err());
        assert_eq!(found, []);
    }

    /// A message of the kernel.
    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(HEADER + payload.len()).unwrap();
        [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], payload].concat()
    }

    #[test]
    fn an_errno_at_the_end_of_an_answer_is_an_error() {
        let end = |errno: i32| message(DONE, &errno.to_ne_bytes());
        let code = |error: io::Error| error.raw_os_error();
        let collected = |piece: &[u8]| collect(piece, &mut vec![]).map_err(code);
        assert_eq!(collected(&end(0)), Ok(true));
        assert_eq!(collected(&end(-2)), Err(Some(2)), "a kernel without the handler of TCP");
        assert_eq!(collected(&message(ERROR, &(-13i32).to_ne_bytes())), Err(Some(13)));
        let socket = message(BY_FAMILY, &[0; ANSWER - HEADER]);
        assert_eq!(collected(&[&socket[..], &end(-2)].concat()), Err(Some(2)));
        for strange in [end(1), message(ERROR, &[0; 4]), message(DONE, &[])] {
            assert_eq!(collected(&strange), Err(None), "{strange:?}");
        }
        assert_eq!(parse(&message(ERROR, &(-2i32).to_ne_bytes())).unwrap(), None);
        assert!(parse(&end(0)).is_err() && parse(&end(-13)).is_err());
    }

    #[test]
    fn a_protocol_that_the_kernel_can_not_be_asked_about_is_an_error() {
        // Reserved for experiments (RFC 3692): no kernel has a handler for it.
        const NO_HANDLER: u8 = 253;
        let at = "127.0.0.1:9".parse().unwrap();
        let missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        assert!(find_of(NO_HANDLER, at, at).is_err_and(missing));
        assert!(listening_of(NO_HANDLER).is_err_and(missing));
        assert_eq!(find_socket(at, at).unwrap(), None, "there is no such connection");
    }

    #[test]
    fn the_attributes_of_a_socket_say_whether_it_takes_ipv6_only() {
        let attribute = |kind: u16, value: &[u8]| {
            let len = u16::try_from(4 + value.len()).unwrap();
            let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
            [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), value, &padding].concat()
        };
        let ipv6_only = |attributes: &[u8]| {
            let payload = [&[0; ANSWER - HEADER], attributes].concat();
            described(&message(BY_FAMILY, &payload)).unwrap().ipv6_only
        };
        let others = [attribute(8, &[3]), attribute(5, &[1; 6])].concat();
        let yes = attribute(IPV6_ONLY, &[1]);
        assert!(ipv6_only(&yes) && ipv6_only(&[&others[..], &yes].concat()));
        assert!(!ipv6_only(&[]) && !ipv6_only(&others));
        assert!(!ipv6_only(&attribute(IPV6_ONLY, &[0])));
        // Truncated or damaged.
        for damaged in [&yes[..4], &yes[..3], &[0; 8], &[0xff; 8], &attribute(IPV6_ONLY, &[])] {
            assert!(!ipv6_only(damaged), "{damaged:?}");
        }
    }
}
