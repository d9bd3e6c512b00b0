//! Connections to a process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::model::ProcName;
use crate::model::name::hostname::{ZONE, has_no_pages};
use crate::model::plan::rules::LazyStart;
use crate::model::state::ProcessState;
use crate::sys;
use crate::web::locked;
use crate::web::proxy::page::Problem;
use crate::web::proxy::waking::{Caller, Waking};
use crate::web::runs::{Link, Run, Runs};

/// How long a request waits for a process that begins to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for one that a request has started, from when it is ready on.
const LAZY_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it listens: the system does not report that.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a connection may take: the queue of the listener may be full.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is made where the process listens without being expected there, until it is looked again.
const UNEXPECTED: Duration = Duration::from_secs(1);
/// How long a process may take to show whether it answers HTTP; it is tried again later.
const TRIAL: Duration = Duration::from_secs(1);
/// How many bytes may wait in a connection for its reader, and the largest head of an answer.
const BUFFER: usize = 64 << 10;
/// The most connections to a process that are kept for further requests.
const MOST_IDLE: usize = 32;
/// How long they are kept. Most servers close an idle connection after 5 s or more, and a request must not cross that.
const IDLE: Duration = Duration::from_secs(2);

/// A process as requests reach it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service {
    /// The id of its instance.
    pub(super) instance: String,
    /// The id of its run.
    pub(super) run: String,
    pub(super) process: ProcName,
    /// The ports at which it is expected, the best one first.
    pub(super) ports: Vec<u16>,
    /// The host name that it expects in requests, if it is not its own one.
    pub(super) host: Option<String>,
    /// Whether a request starts it.
    pub(super) lazy: Option<LazyStart>,
    /// The pages that belong to it.
    pub(super) site: Arc<Site>,
}

/// The pages of a project.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// What stands for it in the names of its processes.
    pub(super) project: String,
    /// The ports of its processes.
    pub(super) ports: Vec<u16>,
}

impl Site {
    /// Whether an `Origin` is a name of the project, at this port of the server, or `localhost` at the port of one of
    /// its processes.
    pub(super) fn has(&self, origin: &str, page: u16) -> bool {
        let at = origin.strip_prefix("http://").and_then(|at| at.rsplit_once(':'));
        let Some((host, Ok(port))) = at.map(|(host, port)| (host, port.parse())) else {
            return false;
        };
        if host == "localhost" {
            return self.ports.contains(&port);
        }
        let names = host.strip_suffix(ZONE).and_then(|host| host.rsplit_once('.'));
        port == page && names.is_some_and(|(_, project)| project == self.project)
    }
}

/// A process, with its connections.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) service: Service,
    /// Where it listened last.
    listener: Mutex<Option<Listener>>,
    /// Held while somebody looks for the listener.
    looking: tokio::sync::Mutex<()>,
    idle: Mutex<IdleConnections>,
    /// The socket of which it is known whether HTTP is answered there, and whether it is.
    http: Mutex<Option<(u64, bool)>>,
    pub(super) waking: Waking,
}

/// A socket on which a process listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    address: SocketAddr,
    /// Its inode: nothing else listens while it exists.
    socket: u64,
    found: Instant,
}

/// The connections that wait for their next request.
#[derive(Debug, Default)]
struct IdleConnections {
    all: Vec<IdleConnection>,
    /// Whether a task closes those that nobody uses.
    are_watched: bool,
}

impl IdleConnections {
    /// Keep a connection. If there are enough, it is closed; whether it is kept.
    fn add(&mut self, sender: SendRequest<Body>, now: Instant) -> bool {
        let is_kept = self.all.len() < MOST_IDLE;
        if is_kept {
            self.all.push(IdleConnection { sender, since: now });
        }
        is_kept
    }

    /// Close those that have waited for too long.
    fn close_old(&mut self, now: Instant) {
        self.all.retain(|one| now < one.since + IDLE && !one.sender.is_closed());
    }
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct IdleConnection {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection to a process.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    /// Whether it has carried a request before; the process may have closed it meanwhile.
    pub(super) is_reused: bool,
    /// The port of the process.
    pub(super) port: u16,
}

impl Upstream {
    pub(super) fn new(service: Service) -> Self {
        Self {
            service,
            listener: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
            http: Mutex::default(),
            waking: Waking::default(),
        }
    }

    /// A connection for a request: one that is open already, or a new one.
    pub(super) async fn connection(
        &self,
        runs: &Runs,
        caller: Caller,
    ) -> Result<Connection, Problem> {
        let known = self.known();
        while let Some(idle) = locked(&self.idle).all.pop() {
            if let Some(Listener { address, .. }) = known
                && !idle.sender.is_closed()
            {
                let port = address.port();
                return Ok(Connection { sender: idle.sender, is_reused: true, port });
            }
        }
        self.new_connection(runs, caller).await
    }

    /// A new connection. It waits for a process that is about to listen.
    pub(super) async fn new_connection(
        &self,
        runs: &Runs,
        caller: Caller,
    ) -> Result<Connection, Problem> {
        let (listener, stream) = self.reach(runs, caller).await?;
        // Small frames must be sent at once.
        let _ = stream.set_nodelay(true);
        let made = Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| self.broken(&error))?;
        tokio::spawn(connection.with_upgrades());
        Ok(Connection { sender, is_reused: false, port: listener.address.port() })
    }

    /// Where it listened last. Where it is not expected (a debugger listens first), that counts only for a moment.
    fn known(&self) -> Option<Listener> {
        let is_expected =
            |listener: &Listener| self.service.ports.first() == Some(&listener.address.port());
        let known = *locked(&self.listener);
        known.filter(|listener| is_expected(listener) || listener.found.elapsed() < UNEXPECTED)
    }

    /// Connect to the process where it listened last, or else where it listens now.
    async fn reach(&self, runs: &Runs, caller: Caller) -> Result<(Listener, TcpStream), Problem> {
        let known = self.known();
        if let Some(listener) = known
            && let Some(stream) = connect(listener).await
        {
            return Ok((listener, stream));
        }
        let page_at = caller.page_at.filter(|_| self.service.lazy.is_some());
        let looking = async { Ok(self.looking.lock().await) };
        let _looking = match page_at {
            Some(at) => match timeout_at(at, looking).await {
                Ok(looking) => looking,
                Err(_) => Err(self.waiting(&*self.run_of_process(runs).await?).await),
            },
            None => looking.await,
        }?;
        self.waking.failure(caller)?;
        // Whoever has looked meanwhile may have found it.
        let now = self.known();
        if now != known
            && let Some(listener) = now
            && let Some(stream) = connect(listener).await
        {
            return Ok((listener, stream));
        }
        let found = self.find_listener(runs, caller).await?;
        self.waking.answers();
        let before = locked(&self.listener).replace(found.0);
        if before.is_some_and(|before| before.socket != found.0.socket) {
            locked(&self.idle).all.clear();
        }
        Ok(found)
    }

    /// Whether the process with this pid answers HTTP. That is tried once for each of its listeners, and never where a
    /// database, cache or queue listens, which would log it as an error. One that does not run is started by a request,
    /// or has no pages.
    pub(super) async fn answers_http(&self, pid: Option<u32>) -> bool {
        if has_no_pages(self.service.process.entry()) {
            return false;
        }
        let Some(pid) = pid else { return self.service.lazy.is_some() };
        let Some(listener) = self.listener_of(pid).await else { return false };
        let known = *locked(&self.http);
        if let Some((_, answers)) = known.filter(|(socket, _)| *socket == listener.socket) {
            return answers;
        }
        let holders = spawn_blocking(move || sys::tcp_holders(&[listener.socket])).await;
        let answers = if holders.unwrap_or_default().iter().any(|of| has_no_pages(&of.name)) {
            false
        } else {
            let Some(stream) = connect(listener).await else { return false };
            let Ok(answers) = timeout(TRIAL, speaks_http(stream)).await else { return false };
            answers
        };
        *locked(&self.http) = Some((listener.socket, answers));
        answers
    }

    /// Keep a connection for further requests once its answer has been read.
    pub(super) fn keep(self: &Arc<Self>, mut sender: SendRequest<Body>) {
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            if sender.ready().await.is_err() {
                return;
            }
            let are_watched = {
                let mut idle = locked(&upstream.idle);
                if !idle.add(sender, Instant::now()) {
                    return;
                }
                std::mem::replace(&mut idle.are_watched, true)
            };
            if !are_watched {
                upstream.close_idle().await;
            }
        });
    }

    /// Close connections that nobody uses, until none is left.
    async fn close_idle(&self) {
        loop {
            sleep(IDLE).await;
            let mut idle = locked(&self.idle);
            idle.close_old(Instant::now());
            idle.are_watched = !idle.all.is_empty();
            if !idle.are_watched {
                break;
            }
        }
    }

    /// The `Host` that the process expects, if it is not the name that was asked for.
    pub(super) fn host(&self, port: u16) -> Option<HeaderValue> {
        let host = self.service.host.as_ref()?;
        HeaderValue::from_str(&format!("{host}:{port}")).ok()
    }

    /// The problem with a process that gives no proper answer.
    pub(super) fn broken(&self, error: &hyper::Error) -> Problem {
        let name = &self.service.process;
        let why = if error.is_incomplete_message() || error.is_canceled() {
            "closed the connection before it answered".to_owned()
        } else {
            format!("gave no answer of HTTP: {error}")
        };
        let why = format!("{name} {why}; `tmo logs {name}` shows what it printed");
        Problem::new(axum::http::StatusCode::BAD_GATEWAY, why)
    }

    /// Look for the listener of the process, and connect to it.
    async fn find_listener(
        &self,
        runs: &Runs,
        caller: Caller,
    ) -> Result<(Listener, TcpStream), Problem> {
        let Service { process, lazy, .. } = &self.service;
        let run = self.run_of_process(runs).await?;
        let mut seen = run.follow();
        let patience = if lazy.is_some() { LAZY_PATIENCE } else { PATIENCE };
        let page_at = caller.page_at.filter(|_| lazy.is_some());
        let mut until = Instant::now() + patience;
        loop {
            let (link, state) = {
                let seen = seen.borrow_and_update();
                (seen.link, seen.processes.iter().find(|state| state.name == *process).cloned())
            };
            let pid = state.as_ref().and_then(|state| state.pid);
            let pid = pid.filter(|_| lazy.is_none() || is_ready(state.as_deref()));
            if let Some(pid) = pid
                && let Some(listener) = self.listener_of(pid).await
                && let Some(stream) = connect(listener).await
            {
                return Ok((listener, stream));
            }
            let mut is_over =
                link == Link::Over || state.as_ref().is_some_and(|state| state.state.is_at_rest());
            if let (Some(_), Some(state), Link::Up) = (lazy, &state, link) {
                if is_over {
                    self.wake(&run, caller, state).await?;
                    is_over = false;
                } else if pid.is_none() && state.readiness.not_ready.is_none() {
                    // It has its own time limits for that.
                    until = Instant::now() + patience;
                }
            }
            if page_at.is_some_and(|at| Instant::now() >= at) {
                return Err(self.waiting(&run).await);
            }
            if is_over || Instant::now() >= until {
                return Err(self.absent(link, state.as_deref()));
            }
            let next = if pid.is_some() { Instant::now() + AGAIN } else { until };
            let next = page_at.map_or(next, |at| next.min(at));
            // The end of the task that follows the run is its end, too.
            if let Ok(Err(_)) = timeout_at(next.min(until), seen.changed()).await {
                return Err(Problem::passing(format!("{process} runs no longer")));
            }
        }
    }

    async fn run_of_process(&self, runs: &Runs) -> Result<Arc<Run>, Problem> {
        let Service { instance, process, .. } = &self.service;
        let run = runs.get(instance).await.ok().flatten();
        run.ok_or_else(|| Problem::passing(format!("{process} runs no longer")))
    }

    /// The best socket on which anything below the shim of a process listens.
    async fn listener_of(&self, pid: u32) -> Option<Listener> {
        let listeners = move || {
            let shim = sys::info(pid)?.ppid;
            let own = sys::tcp_listeners_of_tree(shim);
            let of_tree = sys::tcp_listening().into_iter().filter(|(at, _)| own.contains(at));
            Some(of_tree.collect::<Vec<_>>())
        };
        let found = spawn_blocking(listeners).await.ok().flatten()?;
        let (address, socket) = found.into_iter().min_by_key(|(at, _)| {
            let expected = self.service.ports.iter().position(|port| *port == at.port());
            (expected.unwrap_or(usize::MAX), at.port(), at.is_ipv6())
        })?;
        Some(Listener { address, socket, found: Instant::now() })
    }

    /// Why nothing can be connected to.
    fn absent(&self, link: Link, state: Option<&ProcessState>) -> Problem {
        let name = &self.service.process;
        match state {
            _ if link == Link::Over => {
                Problem::passing(format!("{name} runs no longer: its run is over"))
            }
            None => Problem::passing(format!("the supervisor of {name} does not answer")),
            Some(state) if state.state.is_at_rest() => Problem::passing(format!(
                "{name} does not run ({}); `tmo start {name}` starts it, `tmo why {name}` says why",
                state.state
            )),
            Some(state) => Problem::passing(format!(
                "{name} ({}) does not listen at any port yet; `tmo logs {name}` shows what it does",
                state.state
            )),
        }
    }
}

/// Whether the first answer on this connection is one of HTTP.
async fn speaks_http(mut stream: TcpStream) -> bool {
    let mut start = [0; 5];
    let head = b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.is_ok()
        && stream.read_exact(&mut start).await.is_ok()
        && start == *b"HTTP/"
}

fn is_ready(state: Option<&ProcessState>) -> bool {
    state.is_some_and(|state| state.readiness.ready == Some(true))
}

/// Connect to this listener, unless it no longer exists.
async fn connect(listener: Listener) -> Option<TcpStream> {
    let Listener { mut address, socket, .. } = listener;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv6() {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            Ipv4Addr::LOCALHOST.into()
        };
        address.set_ip(loopback);
    }
    let stream = timeout(CONNECT, TcpStream::connect(address)).await.ok()?.ok()?;
    // Only now: it has existed since before the connection was made.
    let exists = move || sys::tcp_listening().contains(&(listener.address, socket));
    let exists =
        if sys::FINDS_SOCKETS_FAST { exists() } else { spawn_blocking(exists).await.ok()? };
    exists.then_some(stream)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hyper::client::conn::http1::Builder;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::Instant;

    use super::{IDLE, IdleConnections, MOST_IDLE, Site};

    #[test]
    fn the_pages_of_a_project_are_its_names_and_localhost_at_its_ports() {
        let site = Site { project: "shop".to_owned(), ports: vec![5000, 5100] };
        for (origin, expected) in [
            ("http://web.shop.localhost:10000", true),
            ("http://eu.web.shop.localhost:10000", true),
            ("http://localhost:5100", true),
            ("http://localhost:5200", false),
            ("http://localhost", false),
            ("http://web.shop.localhost:5000", false),
            ("http://web.other.localhost:10000", false),
            ("http://shop.localhost:10000", false),
            ("http://webshop.localhost:10000", false),
            ("https://web.shop.localhost:10000", false),
            ("http://web.shop.localhost.evil.example:10000", false),
            ("null", false),
        ] {
            assert_eq!(site.has(origin, 10_000), expected, "{origin}");
        }
    }

    #[tokio::test]
    async fn few_idle_connections_are_kept_and_not_for_long() {
        let (mut idle, now) = (IdleConnections::default(), Instant::now());
        let mut far_ends = vec![];
        for number in 0..MOST_IDLE + 8 {
            let (near, far) = duplex(64);
            let (sender, connection) =
                Builder::new().handshake::<_, Body>(TokioIo::new(near)).await.unwrap();
            tokio::spawn(connection);
            assert_eq!(idle.add(sender, now), number < MOST_IDLE);
            far_ends.push(far);
        }
        // The process sees that those beyond are closed.
        for mut far in far_ends.split_off(MOST_IDLE) {
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        }
        idle.close_old(now + IDLE / 2);
        assert_eq!(idle.all.len(), MOST_IDLE);
        idle.close_old(now + IDLE);
        assert!(idle.all.is_empty());
        for mut far in far_ends {
            assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
