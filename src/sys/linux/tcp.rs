//! Who is at which end of a connection, and who listens: `/proc/net/tcp`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::{info, pids, slurp};
use crate::sys::{Listener, ProcInfo};

/// The user whose socket is the end `peer` of the connection of this machine to `local`.
pub fn tcp_owner(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let wanted = (canonical(peer), canonical(local));
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = slurp(table).ok()?;
        let text = String::from_utf8_lossy(&text);
        text.lines().find_map(|line| {
            let (ends, owner) = parse_connection(line)?;
            (ends == wanted).then_some(owner)
        })
    })
}

/// Those of these ports that have a listener, on whatever address, with its process.
pub fn tcp_listeners(ports: &[u16]) -> Vec<(u16, Listener)> {
    let mut taken: Vec<(u16, u64)> = vec![];
    for (address, inode) in listening_sockets() {
        let port = address.port();
        if ports.contains(&port) && !taken.iter().any(|(known, _)| *known == port) {
            taken.push((port, inode));
        }
    }
    let inodes: Vec<u64> = taken.iter().map(|(_, inode)| *inode).collect();
    let holders = holders_of(&inodes);
    let holder = |inode| holders.iter().find(|(of, _)| *of == inode).map(|(_, info)| info.clone());
    taken.into_iter().map(|(port, inode)| (port, Listener { process: holder(inode) })).collect()
}

/// The sockets that listen on this port, by address and inode.
pub fn tcp_sockets(port: u16) -> Vec<(SocketAddr, u64)> {
    listening_sockets().into_iter().filter(|(address, _)| address.port() == port).collect()
}

/// The processes that hold these sockets; those of another user are not visible.
pub fn tcp_holders(sockets: &[u64]) -> Vec<ProcInfo> {
    holders_of(sockets).into_iter().map(|(_, process)| process).collect()
}

fn listening_sockets() -> Vec<(SocketAddr, u64)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| slurp(table).unwrap_or_default());
    let lines = tables.iter().map(|text| String::from_utf8_lossy(text));
    lines.flat_map(|text| text.lines().filter_map(parse_listener).collect::<Vec<_>>()).collect()
}

/// Each pair of one of these inodes and a process that has it open.
fn holders_of(inodes: &[u64]) -> Vec<(u64, ProcInfo)> {
    let mut held = vec![];
    if inodes.is_empty() {
        return held;
    }
    for pid in pids() {
        let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let mut own: Vec<u64> = open.flatten().filter_map(|fd| socket_inode(&fd.path())).collect();
        own.retain(|inode| inodes.contains(inode));
        own.sort_unstable();
        own.dedup();
        if let (false, Some(process)) = (own.is_empty(), info(pid)) {
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

/// A line of `/proc/net/tcp` of a socket that listens: its address and its inode.
fn parse_listener(line: &str) -> Option<(SocketAddr, u64)> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTENS, ..] = words[..] else { return None };
    Some((parse_end(local)?, words.get(9)?.parse().ok()?))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A line of `/proc/net/tcp`: number, both ends, state, two queues with colons, retransmits, user.
fn parse_connection(line: &str) -> Option<((SocketAddr, SocketAddr), u32)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let ends = (parse_end(words.next()?)?, parse_end(words.next()?)?);
    Some((ends, words.nth(4)?.parse().ok()?))
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
    use super::{parse_connection, tcp_owner};

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_the_table_of_connections() {
        let line = "   3: 0100007F:D2F0 0100007F:157C 01 00000000:00000000 02:000004D2 00000000  1000        0 81234 2";
        let (ends, owner) = parse_connection(line).unwrap();
        assert_eq!(
            (ends.0.to_string(), ends.1.to_string(), owner),
            ("127.0.0.1:54000".into(), "127.0.0.1:5500".into(), 1000)
        );
        let six = line.replace("0100007F:D2F0", "00000000000000000000000001000000:D2F0");
        assert_eq!(parse_connection(&six).unwrap().0.0.to_string(), "[::1]:54000");
        let mapped = line.replace("0100007F:D2F0", "0000000000000000FFFF00000100007F:D2F0");
        assert_eq!(parse_connection(&mapped).unwrap().0.0.to_string(), "127.0.0.1:54000");
        for bad in [
            "",
            "  sl  local_address rem_address   st tx_queue",
            "3: 01:D2F0 0100007F:157C 01 0 0 0 7",
        ] {
            assert_eq!(parse_connection(bad), None, "{bad}");
        }
    }

    #[test]
    fn both_ends_of_a_connection_are_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, peer) = listener.accept().unwrap();
        let me = nix::unistd::geteuid().as_raw();
        assert_eq!(tcp_owner(peer, far.local_addr().unwrap()), Some(me));
        assert_eq!(tcp_owner(far.local_addr().unwrap(), near.local_addr().unwrap()), Some(me));
        assert_eq!(tcp_owner(peer, peer), None);
    }
}
