//! Ports for each world. No test meets a port in use, whatever else listens on this machine, other tests among it.

use std::net::{Ipv6Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex};

use super::eventually;

/// The distance between the ports of two processes, tmo's default.
const STEP: u16 = 100;
/// So many processes have ports in a block.
const PROCESSES: u16 = 6;
/// So many ports each of them has, in a row.
const ROW: u16 = 50;
/// The blocks are below the ephemeral range. Two blocks interleave.
const FIRST: u16 = 11_000;
const BLOCKS: u16 = 70;

/// The ports of the projects in `tests/import`.
const OF_PROJECTS: std::ops::Range<u16> = 18_500..18_700;

/// The default ports of the first two processes and of `tmo web`. They are in use during all tests, as on a
/// machine where a development server runs, or on a Mac with `AirPlay`.
const HELD: [u16; 3] = [5000, 5100, 10_000];

/// A block of ports. They are free, and belong to one test as long as it exists.
pub(crate) struct Ports {
    first: u16,
    /// Its name belongs to the network namespace, as ports do, and can be bound once.
    _reserved: UnixListener,
}

impl Ports {
    /// Reserve a block.
    pub(super) fn reserve() -> Self {
        static HOLDERS: LazyLock<Vec<TcpListener>> =
            LazyLock::new(|| HELD.iter().filter_map(|&port| listen(port)).collect());
        // Another block each time: a closed connection occupies its port for a minute.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        LazyLock::force(&HOLDERS);
        let by_pid = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
        eventually("a block of free ports", || {
            Self::of((by_pid + NEXT.fetch_add(1, Ordering::Relaxed) % BLOCKS) % BLOCKS)
        })
    }

    fn of(block: u16) -> Option<Self> {
        let in_step = STEP / ROW;
        let first = FIRST + block / in_step * STEP * PROCESSES + block % in_step * ROW;
        if first < OF_PROJECTS.end && OF_PROJECTS.start < first + STEP * PROCESSES {
            return None;
        }
        let name = SocketAddr::from_abstract_name(format!("tmo-test-ports-{first}")).unwrap();
        let ports = Self { first, _reserved: UnixListener::bind_addr(&name).ok()? };
        let is_free = |more: u16| listen(ports.first + more % ROW + more / ROW * STEP).is_some();
        (0..PROCESSES * ROW).all(is_free).then_some(ports)
    }

    /// The port of the process at this place in the Procfile, the first one of a row.
    pub(super) fn at(&self, place: u16) -> u16 {
        assert!(place < PROCESSES, "a world has ports for {PROCESSES} processes");
        self.first + STEP * place
    }
}

/// A free port, another one each time. The one a hundred above is free as well.
pub(crate) fn free_port() -> u16 {
    static BLOCK: Mutex<Option<(Ports, u16)>> = Mutex::new(None);
    static FULL: Mutex<Vec<Ports>> = Mutex::new(vec![]);
    let mut block = BLOCK.lock().unwrap();
    let (ports, given) = match block.take() {
        Some((ports, given)) if given == ROW => {
            FULL.lock().unwrap().push(ports);
            (Ports::reserve(), 0)
        }
        Some(left) => left,
        None => (Ports::reserve(), 0),
    };
    let port = ports.at(0) + given;
    *block = Some((ports, given + 1));
    port
}

/// Listen on all addresses. This fails if the port is in use on one of them.
fn listen(port: u16) -> Option<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(("0.0.0.0", port)).ok()
        }
        bound => bound.ok(),
    }
}
