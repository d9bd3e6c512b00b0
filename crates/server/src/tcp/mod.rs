//! The control address on TCP (`--network tcp`): compatible with overmind, but not open to everyone.
//!
//! This user's own commands keep using the Unix socket. Over TCP, a client proves that it knows the token
//! of the run ([`crate::api::proof`]); tmo generates one unless the user gives one. Without that proof,
//! only overmind's commands are served, and only to this user on this machine (`listener`, `first_lines`).
//! With a generated token, tmo listens on loopback only.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};

use crate::api::proof::{SHORTEST_TOKEN, Token};
use crate::api::tcp::resolve;
use crate::model::network::TcpAddress;
use crate::sys;

mod failures;
mod first_lines;
mod listener;

pub(super) use self::listener::Door;

/// Why tmo cannot listen on TCP.
#[derive(Debug, thiserror::Error)]
#[error("listen {tcp:?}: {why}")]
pub struct TcpError {
    tcp: TcpAddress,
    why: String,
}

const TOO_SHORT: &str = "others can reach it, and TMO_TOKEN has fewer than 20 characters, which can be \
    guessed; set a longer one (`openssl rand -hex 32` makes one), or listen on 127.0.0.1";
const _: () = assert!(SHORTEST_TOKEN == 20, "as the text says");

/// Listen on this address; also returns a note for the user.
pub fn bind(tcp: &TcpAddress) -> Result<(StdListener, Option<String>), TcpError> {
    let error = |why: String| TcpError { tcp: tcp.clone(), why };
    let bad = |why: &str| Err(error(why.to_owned()));
    let failed = |cause: io::Error| error(format!("bind: {}", sys::why(&cause)));
    if tcp.host_and_port().is_none() {
        return bad("it must be HOST:PORT; give it with `-s`, for example `-s 127.0.0.1:5500`");
    }
    let mut found = resolve(tcp).map_err(failed)?.into_iter();
    let mut address = found.next().ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))?;
    let mut note = None;
    if tcp.token.is_none() && !address.ip().is_loopback() {
        if !address.ip().is_unspecified() {
            return bad("others can reach it; set TMO_TOKEN, which clients then need as well, \
                or listen on 127.0.0.1");
        }
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
        note = Some(format!(
            "it listens on {address} only: for other machines, set TMO_TOKEN here and there"
        ));
    }
    let listener = StdListener::bind(address).map_err(failed)?;
    // The server's proof lets a stranger search for the token offline. A short token is therefore allowed
    // only where the system reports the owner of a connection, so that only this user gets the proof.
    let reported = || listener.local_addr().ok().and_then(sys::tcp_listener_owners).is_some();
    let short = tcp.token.as_deref().is_some_and(|token| !Token::given(token).is_long());
    if short && !(address.ip().is_loopback() && reported()) {
        return bad(TOO_SHORT);
    }
    if let (0, Ok(real)) = (address.port(), listener.local_addr()) {
        note = Some(format!("it listens on {real}"));
    }
    Ok((listener, note))
}

#[cfg(test)]
mod tests {
    use super::bind;
    use crate::model::network::{Network, TcpAddress};

    fn tcp(network: Network, address: &str, token: Option<&str>) -> TcpAddress {
        TcpAddress { network, address: address.to_owned(), token: token.map(str::to_owned) }
    }

    const LONG: &str = "twenty characters ✓✓";

    #[test]
    fn a_short_token_is_refused_where_others_can_reach_it() {
        assert_eq!(LONG.chars().count(), 20);
        let short: String = LONG.chars().skip(1).collect();
        let error = bind(&tcp(Network::Tcp4, "0.0.0.0:0", Some(&short))).unwrap_err().to_string();
        assert!(error.contains("fewer than 20 characters"), "{error}");
        bind(&tcp(Network::Tcp4, "0.0.0.0:0", Some(LONG))).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_short_token_will_do_on_loopback() {
        bind(&tcp(Network::Tcp, "127.0.0.1:0", Some("short"))).unwrap();
    }

    #[test]
    fn without_a_token_only_loopback_is_listened_on() {
        let (listener, note) = bind(&tcp(Network::Tcp, ":0", None)).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        assert!(note.unwrap().starts_with("it listens on 127.0.0.1:"));
        let (listener, note) = bind(&tcp(Network::Tcp4, "0.0.0.0:0", Some(LONG))).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
        let real = listener.local_addr().unwrap();
        assert_eq!(note, Some(format!("it listens on {real}")));
        let reported = |address: &str, token| {
            bind(&tcp(Network::Tcp, address, token)).unwrap_err().to_string()
        };
        assert!(reported("192.0.2.1:5500", None).contains("others can reach it"));
        assert!(reported("./.overmind.sock", None).contains("HOST:PORT"));
    }
}
