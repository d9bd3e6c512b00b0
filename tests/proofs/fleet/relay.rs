//! A TCP relay on the way to a host, which delays bytes, and cuts connections.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::harness::pause;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As if the other end had closed it.
    Closed,
    /// As if the other end did not know it any more.
    Reset,
    /// Nothing arrives any more, in either direction, and nobody learns of it.
    Silent,
}

/// What the threads of the connections share.
#[derive(Debug, Default)]
struct Shared {
    /// Ends of the connections, the threads of which have the other ones.
    open: Mutex<Vec<UnixStream>>,
    /// How many more bytes reach the host before all is cut, and how.
    left: Mutex<Option<(usize, Cut)>>,
    is_over: AtomicBool,
}

impl Shared {
    fn cut(&self, how: Cut) {
        let mut open = self.open.lock().unwrap();
        let word: &[u8] = match how {
            Cut::Closed => b"c",
            Cut::Reset => b"r",
            Cut::Silent => b"s",
        };
        open.retain_mut(|end| end.write_all(word).is_ok());
        if how != Cut::Silent {
            open.clear();
        }
    }

    /// So many bytes have reached the host.
    fn passed(&self, count: usize) {
        let mut left = self.left.lock().unwrap();
        let Some((bytes, how)) = *left else { return };
        *left = Some((bytes.saturating_sub(count), how)).filter(|(bytes, _)| *bytes > 0);
        if left.is_none() {
            self.cut(how);
        }
    }
}

/// A relay to a port of this machine.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Relay {
    /// Start one that delays what comes from the host.
    pub(crate) fn new(to: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(host) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let (own, theirs) = UnixStream::pair().unwrap();
                of_thread.open.lock().unwrap().push(own);
                let shared = of_thread.clone();
                std::thread::spawn(move || carry(client, host, theirs, delay, &shared));
            }
        });
        Self { port, shared }
    }

    /// Cut all connections. Those that are silent end by the next cut.
    pub(crate) fn cut(&self, how: Cut) {
        self.shared.cut(how);
    }

    /// Cut all connections once so many more bytes have reached the host.
    pub(crate) fn cut_after(&self, bytes: usize, how: Cut) {
        *self.shared.left.lock().unwrap() = Some((bytes, how));
    }

    /// Whether [`Self::cut_after`] is still to come.
    pub(crate) fn is_to_cut(&self) -> bool {
        self.shared.left.lock().unwrap().is_some()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut(Cut::Closed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Carry bytes until one end closes or the connection is cut.
fn carry(
    mut client: TcpStream,
    mut host: TcpStream,
    mut cut: UnixStream,
    delay: Duration,
    shared: &Shared,
) {
    let mut is_silent = false;
    let mut bytes = vec![0; 64 << 10];
    loop {
        let mut ends = [&client.as_fd(), &host.as_fd(), &cut.as_fd()]
            .map(|end| PollFd::new(*end, PollFlags::POLLIN));
        if is_silent {
            ends[0].set_events(PollFlags::empty());
            ends[1].set_events(PollFlags::empty());
        }
        // What a silent one hears is of no interest.
        let from = if is_silent { 2 } else { 0 };
        poll(&mut ends[from..], PollTimeout::NONE).unwrap();
        let [by_client, by_host, by_cut] = ends.map(|end| end.any().unwrap_or_default());
        if by_cut {
            let mut word = [0];
            if cut.read(&mut word).is_ok_and(|count| count == 1) && word == *b"s" {
                is_silent = true;
                continue;
            }
            if word == *b"r" {
                for end in [&client, &host] {
                    // Closing it sends a reset.
                    let at_once = linger { l_onoff: 1, l_linger: 0 };
                    setsockopt(end, sockopt::Linger, &at_once).unwrap();
                }
            }
            return;
        }
        if by_client {
            let Ok(count @ 1..) = client.read(&mut bytes) else { return };
            if host.write_all(&bytes[..count]).is_err() {
                return;
            }
            shared.passed(count);
        }
        if by_host {
            // Meanwhile it may be cut: what is under way is lost then.
            let Ok(count @ 1..) = host.read(&mut bytes) else { return };
            pause(delay);
            let mut is_cut = [PollFd::new(cut.as_fd(), PollFlags::POLLIN)];
            let is_cut = poll(&mut is_cut, PollTimeout::ZERO).unwrap() > 0;
            if !is_cut && client.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    }
}
