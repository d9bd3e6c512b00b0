//! Finds the owners of connections and listeners: with `sock_diag(7)`, or with `/proc/net/tcp` on kernels
//! without it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::processes::pids;
use super::{info, read_kernel, sock_diag};
use crate::sys::files::read_kernel_start;
use crate::sys::{ProcInfo, TcpPeer};

/// The owner of the socket at the `peer` end of a connection to `local` on this machine.
pub fn tcp_peer(peer: SocketAddr, local: SocketAddr) -> TcpPeer {
    match look_up(peer, local) {
        // The kernel reads owner and inode one after the other. A socket that is closed between the two
        // reads shows an inode and owner 0; a second lookup sees that it is closed.
        TcpPeer::Open { owner: 0 } => look_up(peer, local),
        seen @ (TcpPeer::Open { .. } | TcpPeer::Closed | TcpPeer::Unknown) => seen,
    }
}

fn look_up(peer: SocketAddr, local: SocketAddr) -> TcpPeer {
    let (peer, local) = (canonical(peer), canonical(local));
    match sock_diag::find_socket(peer, local) {
        Ok(socket) => {
            let open =
                socket.and_then(|socket| SocketLine::from_socket((peer, local), socket).holder());
            open.map_or(TcpPeer::Closed, |owner| TcpPeer::Open { owner })
        }
        // A kernel without `sock_diag`.
        Err(_) => look_up_in_table(peer, local),
    }
}

fn look_up_in_table(peer: SocketAddr, local: SocketAddr) -> TcpPeer {
    let wanted = (canonical(peer), canonical(local));
    let Some(tables) = tables() else { return TcpPeer::Unknown };
    // There may be thousands of lines: parse only those with the port.
    let port = format!(":{:04X} ", peer.port());
    let with_port =
        tables.lines().filter(|line| line.contains(&port)).filter_map(SocketLine::parse);
    let mut found = with_port.filter(|line| line.ends == wanted);
    let open = found.find_map(|line| line.holder());
    open.map_or(TcpPeer::Closed, |owner| TcpPeer::Open { owner })
}

/// The owners of all sockets that may accept connections to this address; `None` if the system does not
/// provide them.
pub fn tcp_listener_owners(at: SocketAddr) -> Option<Vec<u32>> {
    let at = canonical(at);
    let taking: Vec<SocketLine> =
        listening()?.into_iter().filter(|socket| socket.takes(at)).collect();
    // The kernel prefers the socket that listens on exactly this address.
    let exact = taking.iter().any(|socket| socket.ends.0 == at);
    let first = taking.iter().filter(|socket| !exact || socket.ends.0 == at);
    Some(first.map(|socket| socket.owner).collect())
}

/// All listening sockets; `None` if the system does not provide them.
fn listening() -> Option<Vec<SocketLine>> {
    if let Ok(found) = sock_diag::listening() {
        // A socket that listens is connected to nobody.
        let no_peer = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let listening =
            |(address, socket)| SocketLine::from_socket((canonical(address), no_peer), socket);
        return Some(found.into_iter().map(listening).collect());
    }
    listening_in_table()
}

fn listening_in_table() -> Option<Vec<SocketLine>> {
    let tables = tables()?;
    let lines = tables.lines().filter_map(SocketLine::parse);
    Some(lines.filter(|line| line.state == LISTEN).collect())
}

/// Both tables, as far as they are readable.
fn tables() -> Option<String> {
    let texts = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| read_kernel(table).ok());
    // Without IPv6 there is only the first table.
    texts[0].as_ref()?;
    let texts = texts.iter().flatten().map(|text| String::from_utf8_lossy(text));
    Some(texts.collect())
}

/// The sockets that listen, by address and inode.
pub fn tcp_listening() -> Vec<(SocketAddr, u64)> {
    let sockets = listening().unwrap_or_default().into_iter();
    sockets.map(|socket| (socket.ends.0, socket.inode)).collect()
}

/// Those of these sockets that this process holds.
pub fn tcp_held_by(pid: u32, sockets: &[u64]) -> Vec<u64> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut own: Vec<u64> = open.filter_map(|fd| socket_inode(&fd.path())).collect();
    own.retain(|inode| sockets.contains(inode));
    own.sort_unstable();
    own.dedup();
    own
}

/// The name by which a program was called, if its file is called otherwise, as that of a Redis server
/// (`redis-check-rdb`). It comes from its arguments, so the kernel's name has to agree.
fn called(process: &ProcInfo) -> Option<String> {
    let mut line = [0; 256];
    let read = read_kernel_start(format!("/proc/{}/cmdline", process.pid), &mut line).ok()?;
    let word = line[..read].split(|byte| b"\0 :".contains(byte)).next()?;
    let name = String::from_utf8_lossy(word.rsplit(|byte| *byte == b'/').next()?).into_owned();
    let is_other = !process.comm.is_empty() && !process.name.starts_with(&process.comm);
    (is_other && name.starts_with(&process.comm)).then_some(name)
}

/// Each pair of one of these inodes and a process that has it open; those of another user are not visible.
pub(in crate::sys) fn holders_of(inodes: &[u64]) -> Vec<(u64, ProcInfo)> {
    let mut held = vec![];
    if inodes.is_empty() {
        return held;
    }
    for pid in pids() {
        let own = tcp_held_by(pid, inodes);
        if let (false, Some(mut process)) = (own.is_empty(), info(pid)) {
            process.name = called(&process).unwrap_or(process.name);
            held.extend(own.into_iter().map(|inode| (inode, process.clone())));
        }
    }
    held
}

/// The inode of the socket that a link of `/proc/<pid>/fd` leads to: `socket:[1234]`.
fn socket_inode(fd: &Path) -> Option<u64> {
    let target = std::fs::read_link(fd).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Whether a process listens on a Unix socket.
pub fn listens_at_path(pid: u32) -> bool {
    /// In the column of flags of `/proc/net/unix`: the socket accepts connections.
    const LISTENS: &str = "00010000";
    let Ok(table) = read_kernel(format!("/proc/{pid}/net/unix")) else { return false };
    let table = String::from_utf8_lossy(&table);
    // Number, users, protocol, flags, type, state, inode, path.
    let listening = table.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(3);
        let is_one = words.next()? == LISTENS;
        words.nth(2)?.parse().ok().filter(|_| is_one)
    });
    !tcp_held_by(pid, &listening.collect::<Vec<u64>>()).is_empty()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// States by their numbers in the kernel's `tcp_states.h`.
const ESTABLISHED: u8 = 1;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const LISTEN: u8 = 10;

/// A socket as a line of `/proc/net/tcp` describes it.
#[derive(Debug, PartialEq, Eq)]
struct SocketLine {
    /// The socket's own address, and that of its peer.
    ends: (SocketAddr, SocketAddr),
    state: u8,
    owner: u32,
    /// 0 for a socket that no process holds: it is closed, or not yet accepted.
    inode: u64,
    /// Whether this is an IPv6 wildcard known not to accept IPv4 connections. `/proc/net/tcp6` does not
    /// show it.
    ipv6_only: bool,
}

impl SocketLine {
    fn from_socket(ends: (SocketAddr, SocketAddr), socket: sock_diag::Socket) -> Self {
        let sock_diag::Socket { state, owner, inode, ipv6_only } = socket;
        Self { ends, state, owner, inode: inode.into(), ipv6_only }
    }

    /// Number, both ends, state, two queues with colons, retransmits, owner, time-out, inode.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let ends = (parse_end(words.next()?)?, parse_end(words.next()?)?);
        let state = u8::from_str_radix(words.next()?, 16).ok()?;
        let owner = words.nth(3)?.parse().ok()?;
        let inode = words.nth(1)?.parse().ok()?;
        Some(Self { ends, state, owner, inode, ipv6_only: false })
    }

    /// Whether it may accept connections to this address.
    fn takes(&self, at: SocketAddr) -> bool {
        let own = self.ends.0.ip();
        let fits = match (own, at.ip()) {
            (IpAddr::V6(_), IpAddr::V4(_)) => own.is_unspecified() && !self.ipv6_only,
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                own == at.ip() || own.is_unspecified()
            }
        };
        fits && self.ends.0.port() == at.port()
    }

    /// The owner of a socket that a process still holds. For any other socket the kernel shows owner 0,
    /// whoever owned it. A socket that is shut down for writing is still held.
    fn holder(&self) -> Option<u32> {
        let held = matches!(self.state, ESTABLISHED | FIN_WAIT1 | FIN_WAIT2) && self.inode != 0;
        held.then_some(self.owner)
    }
}

/// `0100007F:1F90`: the address in words of this machine's byte order, the port as a number.
fn parse_end(word: &str) -> Option<SocketAddr> {
    let (address, port) = word.split_once(':')?;
    let part = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    let ip: IpAddr = match address.len() {
        8 => part(0)?.to_ne_bytes().into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, piece) in bytes.chunks_exact_mut(4).enumerate() {
                piece.copy_from_slice(&part(index * 8)?.to_ne_bytes());
            }
            bytes.into()
        }
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, bind, listen, setsockopt, socket,
        sockopt,
    };

    use super::{FIN_WAIT1, FIN_WAIT2, SocketLine, tcp_listener_owners, tcp_peer};
    use crate::sys::linux::tests::becomes;
    use crate::sys::{TcpPeer, tcp_listening_ports};

    const LINE: &str = "   3: 0100007F:D2F0 0100007F:157C 01 00000000:00000000 02:000004D2 00000000  1000        0 81234 2";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_the_table_of_connections() {
        let line = SocketLine::parse(LINE).unwrap();
        assert_eq!(
            (line.ends.0.to_string(), line.ends.1.to_string(), line.owner, line.inode),
            ("127.0.0.1:54000".into(), "127.0.0.1:5500".into(), 1000, 81234)
        );
        let six = LINE.replace("0100007F:D2F0", "00000000000000000000000001000000:D2F0");
        assert_eq!(SocketLine::parse(&six).unwrap().ends.0.to_string(), "[::1]:54000");
        let mapped = LINE.replace("0100007F:D2F0", "0000000000000000FFFF00000100007F:D2F0");
        assert_eq!(SocketLine::parse(&mapped).unwrap().ends.0.to_string(), "127.0.0.1:54000");
        for bad in [
            "",
            "  sl  local_address rem_address   st tx_queue",
            "3: 01:D2F0 0100007F:157C 01 0 0 0 7 0 1",
            "3: 0100007F:D2F0 0100007F:157C 01 0 0 0 7",
        ] {
            assert_eq!(SocketLine::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_socket_that_is_held_has_an_owner() {
        let line = |state: &str, owner: &str, inode: &str| {
            let line = LINE.replace(" 01 ", &format!(" {state} "));
            line.replace(" 1000 ", &format!(" {owner} ")).replace(" 81234 ", &format!(" {inode} "))
        };
        let holder =
            |state, owner, inode| SocketLine::parse(&line(state, owner, inode)).unwrap().holder();
        assert_eq!(holder("01", "1000", "81234"), Some(1000));
        assert_eq!(holder("01", "0", "81234"), Some(0));
        assert_eq!(holder("05", "1000", "81234"), Some(1000), "shut down for writing, and held");
        // Closed, so the owner is unknown: FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING.
        for state in ["04", "05", "06", "0B"] {
            assert_eq!(holder(state, "0", "0"), None, "{state}");
        }
        // Not accepted, connecting, closed by the other side, listening.
        for (state, inode) in [("01", "0"), ("02", "7"), ("03", "0"), ("06", "7"), ("0A", "7")] {
            assert_eq!(holder(state, "0", inode), None, "{state}");
        }
    }

    #[test]
    fn both_ends_of_a_connection_are_ours_until_they_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let owner = nix::unistd::geteuid().as_raw();
        assert_eq!(tcp_listener_owners(at), Some(vec![owner]));
        let near = TcpStream::connect(at).unwrap();
        let (far, peer) = listener.accept().unwrap();
        assert_eq!(tcp_peer(peer, at), TcpPeer::Open { owner });
        assert_eq!(tcp_peer(at, peer), TcpPeer::Open { owner });
        assert_eq!(tcp_peer(peer, peer), TcpPeer::Closed);
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(tcp_peer(peer, at), TcpPeer::Open { owner }, "it still reads");
        drop(near);
        assert!(becomes(|| tcp_peer(peer, at) == TcpPeer::Closed));
        drop((listener, far));
        assert!(becomes(|| tcp_listener_owners(at) == Some(vec![])));
    }

    #[test]
    fn who_listens_on_just_this_address_goes_before_all_others() {
        let exact = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = exact.local_addr().unwrap();
        let all = TcpListener::bind(("::", at.port()));
        assert_eq!(tcp_listener_owners(at).unwrap().len(), 1);
        drop(exact);
        // If the second one could listen too, it remains as a listener.
        assert!(becomes(|| tcp_listener_owners(at).unwrap().len() == usize::from(all.is_ok())));
    }

    #[test]
    fn both_ways_to_ask_find_the_same_listener() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let at = listener.local_addr().unwrap();
            let [asked, read] = [super::listening(), super::listening_in_table()].map(|found| {
                let found = found.unwrap().into_iter().find(|socket| socket.ends.0 == at).unwrap();
                // The table does not contain `ipv6_only`.
                (found.state, found.owner, found.inode)
            });
            assert_eq!(asked, read);
        }
    }

    /// A listener on `[::]` with this setting of `IPV6_V6ONLY`.
    fn everywhere(ipv6_only: bool) -> nix::Result<TcpListener> {
        let fd = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::Ipv6V6Only, &ipv6_only)?;
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        bind(fd.as_raw_fd(), &SockaddrIn6::from(any))?;
        listen(&fd, Backlog::new(1)?)?;
        Ok(fd.into())
    }

    #[test]
    fn a_wildcard_of_ipv6_takes_ipv4_connections_unless_it_says_otherwise() {
        let owner = nix::unistd::geteuid().as_raw();
        let at = |ip: &str, port| SocketAddr::new(ip.parse().unwrap(), port);
        for (ipv6_only, of_ipv4) in [(true, vec![]), (false, vec![owner])] {
            let Ok(listener) = everywhere(ipv6_only) else { return };
            let port = listener.local_addr().unwrap().port();
            assert_eq!(tcp_listener_owners(at("127.0.0.1", port)), Some(of_ipv4), "{ipv6_only}");
            assert_eq!(tcp_listener_owners(at("::1", port)), Some(vec![owner]), "{ipv6_only}");
        }
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(tcp_listener_owners(at("127.0.0.1", port)), Some(vec![owner]));
        assert_eq!(tcp_listener_owners(at("::1", port)), Some(vec![]));
    }

    #[test]
    fn the_table_leaves_open_what_a_wildcard_of_ipv6_takes() {
        let Ok(listener) = everywhere(true) else { return };
        let port = listener.local_addr().unwrap().port();
        let found = super::listening_in_table().unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        assert!(found.iter().any(|socket: &SocketLine| socket.takes(at)));
    }

    #[test]
    fn the_ports_of_all_listeners_are_known() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert!(tcp_listening_ports().contains(&port), "{at}");
            drop(listener);
            assert!(becomes(|| !tcp_listening_ports().contains(&port)), "{at}");
        }
    }

    #[test]
    fn the_kernel_shows_a_closed_socket_as_roots() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(TcpStream::connect(at).unwrap());
        let (_far, peer) = listener.accept().unwrap();
        // Its FIN may not be acknowledged yet.
        let closed = |line: SocketLine| {
            line.ends == (peer, at)
                && matches!(line.state, FIN_WAIT1 | FIN_WAIT2)
                && (line.owner, line.inode) == (0, 0)
        };
        assert!(becomes(|| super::tables()
            .unwrap()
            .lines()
            .filter_map(SocketLine::parse)
            .any(closed)));
    }
}
