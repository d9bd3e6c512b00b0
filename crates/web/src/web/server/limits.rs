//! Limits on connections, so that neither other users of the machine nor guests can keep the user out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use rustix::process::{Resource, getrlimit};
use tokio::sync::OwnedSemaphorePermit;

use crate::model::ProcName;
use crate::web::locked;

/// The most connections that are served at once. `WebSockets` count too, until they are closed.
const MOST_CONNECTIONS: usize = 256;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A program of this user or, where the system can't determine that, any program.
    Own,
    /// A program of this other user of the machine.
    Other(u32),
    /// The connection is closed already, or its other end is on another machine.
    Unknown,
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The address of the browser.
    pub(crate) peer: SocketAddr,
    /// The address of this server.
    pub(crate) local: SocketAddr,
}

/// A group of connections with a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    /// All other users of this machine, and other machines.
    Others,
    /// One of them.
    Other(Peer),
    /// The connections to processes by their names.
    Proxied,
    /// The requests to a process of an instance.
    Process(String, ProcName),
    /// The `WebSockets` of all pages.
    Sockets,
    /// The `WebSockets` of all guests.
    GuestSockets,
    /// The `WebSockets` of a session.
    Session(String),
}

/// The places that are taken.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    most: usize,
    /// The most of them that may be to processes, by the descriptors.
    proxied: usize,
    /// Whether other users connect for browsers: with a public address, they may be its proxy.
    has_proxy: bool,
    taken: Arc<Mutex<HashMap<Holder, usize>>>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Places, Vec<Holder>);

impl Places {
    pub(crate) fn new(has_proxy: bool) -> Self {
        // Each connection needs a descriptor, and reading a journal some more.
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 2;
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let most = files.clamp(8, MOST_CONNECTIONS);
        // One to a process needs a second descriptor.
        Self { most, proxied: files / 2, has_proxy, taken: Arc::default() }
    }

    /// The most connections at once.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// A place for a connection. Some places are reserved for the user's own browser.
    pub(crate) fn of_connection(&self, peer: Peer) -> Option<Place> {
        if peer == Peer::Own {
            return self.take(vec![]);
        }
        let (others, each) = if self.has_proxy {
            (self.most * 3 / 4, self.most / 2)
        } else {
            (self.most / 4, self.most / 4)
        };
        self.take(vec![(Holder::Others, others), (Holder::Other(peer), each)])
    }

    /// A place for a WebSocket of a session. The rest is reserved for requests.
    pub(crate) fn of_socket(&self, session: &str, is_guest: bool) -> Option<Place> {
        let session = Holder::Session(session.to_owned());
        let all = (Holder::Sockets, self.most / 2);
        self.take(if is_guest {
            vec![all, (Holder::GuestSockets, self.most / 4), (session, self.most / 8)]
        } else {
            vec![all, (session, self.most * 3 / 8)]
        })
    }

    /// A place for a connection to processes. The rest is reserved for pages.
    pub(crate) fn of_proxied(&self) -> Option<Place> {
        self.take(vec![(Holder::Proxied, self.proxied.min(self.most * 3 / 4))])
    }

    /// A place for a request to a process, which may hang.
    pub(crate) fn of_process(&self, instance: &str, name: &ProcName) -> Option<Place> {
        let process = Holder::Process(instance.to_owned(), name.clone());
        self.take(vec![(process, self.most / 2)])
    }

    fn take(&self, holders: Vec<(Holder, usize)>) -> Option<Place> {
        let mut taken = locked(&self.taken);
        if holders.iter().any(|(holder, most)| taken.get(holder).is_some_and(|now| now >= most)) {
            return None;
        }
        for (holder, _) in &holders {
            *taken.entry(holder.clone()).or_default() += 1;
        }
        Some(Place(self.clone(), holders.into_iter().map(|(holder, _)| holder).collect()))
    }
}

/// The place of a connection. A WebSocket keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Taken(Arc<TakenPlaces>);

#[derive(Debug)]
struct TakenPlaces {
    /// Among all connections.
    _permit: Option<OwnedSemaphorePermit>,
    /// Among those of its peer.
    _place: Place,
    /// Who has it.
    peer: Peer,
    /// Among those to processes.
    proxied: OnceLock<Place>,
}

impl Taken {
    pub(crate) fn new(permit: Option<OwnedSemaphorePermit>, place: Place, peer: Peer) -> Self {
        let proxied = OnceLock::new();
        Self(Arc::new(TakenPlaces { _permit: permit, _place: place, peer, proxied }))
    }

    /// Whether a program of this user has it.
    pub(crate) fn is_own(&self) -> bool {
        self.0.peer == Peer::Own
    }

    /// Take a place among the connections to processes; false if none is left.
    pub(crate) fn take_proxied(&self, places: &Places) -> bool {
        let proxied = &self.0.proxied;
        proxied.get().is_some()
            || places.of_proxied().is_some_and(|place| proxied.set(place).is_ok())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.0.taken);
        for holder in &self.1 {
            let Some(count) = taken.get_mut(holder) else { continue };
            *count -= 1;
            if *count == 0 {
                taken.remove(holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Peer, Places};

    fn places(most: usize, has_proxy: bool) -> Places {
        Places { most, ..Places::new(has_proxy) }
    }

    #[test]
    fn other_users_and_guests_leave_places_for_the_user() {
        for (has_proxy, others) in [(false, 64), (true, 128)] {
            let places = places(256, has_proxy);
            let eve: Vec<_> =
                std::iter::from_fn(|| places.of_connection(Peer::Other(1001))).collect();
            assert_eq!(eve.len(), others);
            // The proxy has places whatever eve does.
            assert_eq!(places.of_connection(Peer::Other(33)).is_some(), has_proxy);
            assert!(places.of_connection(Peer::Own).is_some());
            drop(eve);
            assert!(places.of_connection(Peer::Other(1001)).is_some());
        }
    }

    #[test]
    fn connections_to_processes_leave_places_for_pages() {
        let places = places(256, false);
        let mut proxied: Vec<_> = std::iter::from_fn(|| places.of_proxied()).collect();
        assert_eq!(proxied.len(), 192);
        assert!(places.of_socket("a", false).is_some());
        proxied.pop();
        assert!(places.of_proxied().is_some(), "a place is free again");
    }

    #[test]
    fn a_session_has_only_so_many_sockets() {
        let places = places(256, false);
        let sockets = |session: &str, is_guest| {
            std::iter::from_fn(|| places.of_socket(session, is_guest)).collect::<Vec<_>>()
        };
        let guests = [sockets("a", true), sockets("b", true), sockets("c", true)];
        assert_eq!(guests.each_ref().map(Vec::len), [32, 32, 0]);
        let own = [sockets("d", false), sockets("e", false)];
        assert_eq!(own.each_ref().map(Vec::len), [64, 0]);
        drop((guests, own));
        assert_eq!(sockets("d", false).len(), 96);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
