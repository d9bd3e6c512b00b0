//! Who is at which end of a connection, and who listens: `/proc/net/tcp`.

use std::net::{IpAddr, SocketAddr};

use super::{info, pids, read_kernel};
use crate::sys::Listener;

/// The user whose socket is the end `peer` of the connection of this machine to `local`.
pub fn tcp_owner(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let wanted = (canonical(peer), canonical(local));
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = read_kernel(table).ok()?;
        let text = String::from_utf8_lossy(&text);
        text.lines().find_map(|line| {
            let (ends, owner) = parse_connection(line)?;
            (ends == wanted).then_some(owner)
        })
    })
}

/// Those of these ports that somebody listens on, on whatever address, with who.
pub fn tcp_listeners(ports: &[u16]) -> Vec<(u16, Listener)> {
    let mut taken: Vec<(u16, u64)> = vec![];
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = read_kernel(table).unwrap_or_default();
        for (port, inode) in String::from_utf8_lossy(&text).lines().filter_map(parse_listener) {
            if ports.contains(&port) && !taken.iter().any(|(known, _)| *known == port) {
                taken.push((port, inode));
            }
        }
    }
    let holder = |inode: u64| {
        let wanted = format!("socket:[{inode}]");
        let holds = |pid: &u32| {
            let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            open.flatten().any(|fd| {
                std::fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == &*wanted)
            })
        };
        Listener { process: pids().find(holds).and_then(info) }
    };
    taken.into_iter().map(|(port, inode)| (port, holder(inode))).collect()
}

/// A line of `/proc/net/tcp` of a socket that listens: its port and its inode.
fn parse_listener(line: &str) -> Option<(u16, u64)> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTENS, ..] = words[..] else { return None };
    Some((parse_end(local)?.port(), words.get(9)?.parse().ok()?))
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
