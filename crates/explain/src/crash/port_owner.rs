//! Which process owns the listener on a port that a readiness check probes.
//!
//! A port that accepts connections proves nothing about a process that has yet to bind it: another
//! run may hold the port, and the bind of the process is about to fail. A listener in the process's
//! own tree makes it ready at once. A listener of another managed process never does. Any other
//! listener that is older than the life (a database in a container, reached through a proxy
//! process) makes it ready once the life has lasted long enough for a failed bind to have ended it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::crash::{OwningRun, facts};
use crate::model::plan::rules::PortOwner;
use crate::sys::{self, ProcInfo};

/// How long a life must have lasted before a foreign listener that is older than it counts.
const SETTLED: Duration = Duration::from_secs(3);
/// The hosts of a check that mean this machine, whatever address the process listens on.
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];
/// The addresses to try first for these.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
/// The most ports that one message names.
const MOST_NAMED: usize = 5;

/// A process whose port is probed.
#[derive(Debug, Clone)]
pub struct Probed {
    pub name: String,
    pub run: String,
    /// Its shim, the root of its tree.
    pub shim: Option<u32>,
}

/// Follows the listeners of one port over the attempts of one check.
#[derive(Debug)]
pub struct OwnerCheck {
    rule: PortOwner,
    process: Probed,
    /// When the life began.
    began: Instant,
    /// The sockets that listened on the port when the check began.
    earlier: Option<Vec<u64>>,
    /// The sockets of the last attempt, and their owner.
    last: Option<(Vec<u64>, Owner)>,
    /// What listened at the last failed attempt.
    seen: Option<ListeningSockets>,
}

/// What listens on the machine.
#[derive(Debug)]
struct ListeningSockets {
    /// All listening sockets.
    sockets: Vec<(SocketAddr, u64)>,
    /// The addresses of those in the process's own tree.
    own: Vec<SocketAddr>,
}

/// Who owns a listener, as seen from the probed process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// A process of its own tree.
    Tree,
    /// Another process that tmo manages, with its description.
    Managed(String),
    /// Any other process, with its description.
    Foreign(String),
}

/// Why a port that accepts connections does not make the process ready yet.
#[derive(Debug, PartialEq, Eq)]
pub struct NotYet {
    /// The reason.
    pub text: String,
    /// How long to wait until time alone changes that, if it does.
    pub again: Option<Duration>,
}

impl OwnerCheck {
    /// For a process that has run for this long.
    pub fn new(rule: PortOwner, process: Probed, age: Duration) -> Self {
        let now = Instant::now();
        let began = now.checked_sub(age).unwrap_or(now);
        Self { rule, process, began, earlier: None, last: None, seen: None }
    }

    /// Connect to this port; the text is a warning. On this machine the process may listen on any
    /// address: both loopback addresses are tried, then those on which its own tree listens.
    ///
    /// # Errors
    ///
    /// What is wrong, and which ports the process listens on instead.
    pub async fn reach(
        &mut self,
        host: &str,
        port: u16,
    ) -> Result<(TcpStream, Option<String>), NotYet> {
        self.prepare(port).await;
        let is_here = HERE.contains(&host);
        let hosts = if is_here { &LOOPBACK[..] } else { &[host] };
        let mut refused = None;
        let mut unfit = None;
        for host in hosts {
            match connect((*host, port)).await {
                Err(why) => _ = refused.get_or_insert(why),
                Ok(stream) => match self.judge(&stream).await {
                    Ok(warning) => return Ok((stream, warning)),
                    Err(why) => unfit = Some(why),
                },
            }
        }
        let own = if is_here { self.listens_on().await } else { vec![] };
        for at in own.iter().filter(|at| at.port() == port && !at.ip().is_unspecified()) {
            if let Ok(stream) = connect(*at).await {
                return Ok((stream, None));
            }
        }
        let instead = instead(&own, port);
        let mut why =
            unfit.unwrap_or_else(|| NotYet { text: refused.unwrap_or_default(), again: None });
        why.text.push_str(&instead);
        Err(why)
    }

    /// Another managed process that listens on this port, if no process of the own tree does.
    pub async fn holder_of(&self, port: u16) -> Option<String> {
        let process = self.process.clone();
        let owner = spawn_blocking(move || {
            let sockets: Vec<_> = sys::tcp_sockets(port).into_iter().map(|(_, id)| id).collect();
            (!sockets.is_empty()).then(|| owner_of(&sockets, &process))
        });
        match owner.await {
            Ok(Some(Owner::Managed(who))) => Some(who),
            Ok(_) | Err(_) => None,
        }
    }

    /// The addresses on which the process's own tree listens.
    async fn listens_on(&mut self) -> Vec<SocketAddr> {
        let Some(shim) = self.process.shim else { return vec![] };
        let sockets = spawn_blocking(sys::tcp_listening).await.unwrap_or_default();
        if let Some(seen) = self.seen.as_ref().filter(|seen| seen.sockets == sockets) {
            return seen.own.clone();
        }
        let own =
            spawn_blocking(move || sys::tcp_listeners_of_tree(shim)).await.unwrap_or_default();
        self.seen = Some(ListeningSockets { sockets, own: own.clone() });
        own
    }

    /// Call this before each connection attempt: the first call records the listeners that exist
    /// already.
    async fn prepare(&mut self, port: u16) {
        if self.rule == PortOwner::Auto && self.earlier.is_none() {
            let sockets = spawn_blocking(move || sys::tcp_sockets(port)).await.unwrap_or_default();
            self.earlier = Some(sockets.into_iter().map(|(_, socket)| socket).collect());
        }
    }

    /// Whether the listener behind this connection makes the process ready, perhaps with a warning.
    async fn judge(&mut self, stream: &TcpStream) -> Result<Option<String>, NotYet> {
        let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
            return Ok(None);
        };
        // A listener of another machine has no owner here.
        if self.rule == PortOwner::Any || !(peer.ip().is_loopback() || peer.ip() == local.ip()) {
            return Ok(None);
        }
        let sockets = spawn_blocking(move || sockets_at(peer)).await.unwrap_or_default();
        let owner = match self.last.take() {
            Some((known, owner)) if known == sockets && !sockets.is_empty() => owner,
            Some(_) | None => {
                let process = self.process.clone();
                let held = sockets.clone();
                let owner = spawn_blocking(move || owner_of(&held, &process)).await;
                owner.unwrap_or_else(|_| Owner::Foreign("an unknown process".to_owned()))
            }
        };
        self.last = Some((sockets.clone(), owner.clone()));
        // Without a socket here, packets are redirected, for example to a container.
        let earlier = self.earlier.as_ref().is_none_or(|earlier| {
            sockets.is_empty() || sockets.iter().any(|socket| earlier.contains(socket))
        });
        verdict(self.rule, &owner, earlier, self.began.elapsed())
    }
}

async fn connect(to: impl ToSocketAddrs) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(to).await.map_err(|error| sys::why(&error))?;
    // A connection to a port of the ephemeral range may be given that same port as its source and
    // connect to itself.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err("nobody listens".to_owned());
    }
    Ok(stream)
}

/// Which ports a process listens on instead of this one, as the end of a sentence.
fn instead(own: &[SocketAddr], port: u16) -> String {
    let others: BTreeSet<u16> = own.iter().map(SocketAddr::port).filter(|p| *p != port).collect();
    let named: Vec<_> = others.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if named.is_empty() { String::new() } else { format!("; it listens on {}", named.join(", ")) }
}

fn verdict(
    rule: PortOwner,
    owner: &Owner,
    earlier: bool,
    age: Duration,
) -> Result<Option<String>, NotYet> {
    let refused = |text: String, again| Err(NotYet { text, again });
    match (rule, owner) {
        (PortOwner::Any, _) | (_, Owner::Tree) => Ok(None),
        (PortOwner::Auto | PortOwner::Tree, Owner::Managed(who)) => {
            refused(format!("{who} listens there"), None)
        }
        (PortOwner::Tree, Owner::Foreign(who)) => {
            refused(format!("{who} listens there, which is not part of it"), None)
        }
        (PortOwner::Auto, Owner::Foreign(_)) if !earlier => Ok(None),
        (PortOwner::Auto, Owner::Foreign(who)) => match SETTLED.checked_sub(age) {
            Some(left) if !left.is_zero() => {
                let text = format!(
                    "{who} has listened there since before it began; that counts after {} s",
                    SETTLED.as_secs()
                );
                refused(text, Some(left))
            }
            Some(_) | None => Ok(Some(who.clone())),
        },
    }
}

/// The sockets that receive connections to this address: those bound to it, or else the wildcards.
fn sockets_at(peer: SocketAddr) -> Vec<u64> {
    let all = sys::tcp_sockets(peer.port());
    let bound_to = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<u64> {
        let fits = all.iter().filter(|(at, _)| wanted(at.ip().to_canonical()));
        fits.map(|(_, socket)| *socket).collect()
    };
    let own = peer.ip().to_canonical();
    let exact = bound_to(&|ip| ip == own);
    if exact.is_empty() { bound_to(&|ip| ip.is_unspecified()) } else { exact }
}

fn owner_of(sockets: &[u64], process: &Probed) -> Owner {
    let holders = sys::tcp_holders(sockets);
    let tenants: Vec<_> = holders.iter().map(|h| facts::tenant(h, &process.run)).collect();
    let own = |tenant: &OwningRun| tenant.socket.is_none() && tenant.name == process.name;
    let in_tree =
        |holder: &ProcInfo| process.shim.is_some_and(|shim| sys::is_below(holder.pid, shim));
    if tenants.iter().flatten().any(own) || holders.iter().any(in_tree) {
        return Owner::Tree;
    }
    let managed = holders.iter().zip(&tenants).find_map(|(h, tenant)| Some((h, tenant.as_ref()?)));
    match (managed, holders.first()) {
        (Some((ProcInfo { name, pid, .. }, OwningRun { name: of, socket })), _) => {
            let run = if socket.is_some() { "another run" } else { "this run" };
            Owner::Managed(format!("{of} of {run} ({name}, pid {pid})"))
        }
        (None, Some(ProcInfo { name, pid, .. })) => Owner::Foreign(format!("{name} (pid {pid})")),
        (None, None) => Owner::Foreign("a process of another user".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Owner, verdict};
    use crate::model::plan::rules::PortOwner;
    use crate::model::plan::rules::PortOwner::{Any, Auto, Tree};

    /// The verdict: `ready`, `warning`, `again` (time will change it) or `never`.
    fn kind(rule: PortOwner, owner: &Owner, earlier: bool, age_ms: u64) -> &'static str {
        match verdict(rule, owner, earlier, Duration::from_millis(age_ms)) {
            Ok(None) => "ready",
            Ok(Some(_)) => "warning",
            Err(not_yet) if not_yet.again.is_some() => "again",
            Err(_) => "never",
        }
    }

    #[test]
    fn the_owner_of_a_listener_decides_whether_it_makes_a_process_ready() {
        let (managed, foreign) = (Owner::Managed("db".into()), Owner::Foreign("nc".into()));
        for (rule, owner, earlier, age, expected) in [
            (Auto, &Owner::Tree, true, 0, "ready"),
            (Auto, &managed, false, 60_000, "never"),
            (Auto, &managed, true, 60_000, "never"),
            (Auto, &foreign, false, 0, "ready"),
            (Auto, &foreign, true, 0, "again"),
            (Auto, &foreign, true, 2999, "again"),
            (Auto, &foreign, true, 3000, "warning"),
            (Tree, &Owner::Tree, true, 0, "ready"),
            (Tree, &managed, false, 60_000, "never"),
            (Tree, &foreign, false, 60_000, "never"),
            (Any, &managed, true, 0, "ready"),
            (Any, &foreign, true, 0, "ready"),
        ] {
            let got = kind(rule, owner, earlier, age);
            assert_eq!(got, expected, "{rule:?} {owner:?} {earlier} {age}");
        }
    }
}
