//! The hosts of a page, and a bridge to each.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::client::Backoff;
use crate::config::Env;
use crate::fleet::call::Call;
use crate::fleet::call_error::{CallError, last_line};
use crate::fleet::caller::{CallEnd, Caller};
use crate::fleet::fan::AT_ONCE;
use crate::fleet::host::{Host, Reach};
use crate::fleet::inventory::Inventory;
use crate::fleet::place::HostPlaces;
use crate::fleet::procman;
use crate::model::units::span;
use crate::sys::clock;
use crate::web::locked;
use crate::web::runs::Shared;

/// The version of bridges.
const VERSION: &str = "1";
/// The most hosts of a page. It has a WebSocket for each.
pub const MOST_HOSTS: usize = 64;
/// How long a host may be silent.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the program that reaches a host may take to end.
const FAREWELL: Duration = Duration::from_secs(1);
/// The interval between pings on a bridge.
const PING: Duration = Duration::from_secs(10);
/// The first pause before a host is tried again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before a host is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often what an engine runs is listed again.
const RELIST: Duration = Duration::from_secs(10);

/// Whether a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostLink {
    /// It is this machine.
    Here,
    /// The first connection to it is being made.
    Connecting,
    /// It answers.
    Up,
    /// It does not answer; it is tried again.
    Lost,
}

/// A host, for pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HostEntry {
    name: String,
    link: HostLink,
    /// Since when it does not answer, in nanoseconds since the epoch by the clock here.
    since: Option<u64>,
    /// Why it does not.
    why: Option<String>,
}

/// The hosts as they are known, in the order of the inventory.
type HostList = watch::Sender<Vec<HostEntry>>;

#[derive(Debug)]
pub(crate) struct FleetHosts {
    inventory: Inventory,
    places: HostPlaces,
    seen: Shared<Vec<HostEntry>>,
    bridges: Mutex<HashMap<String, SendRequest<Body>>>,
    /// Only so many connections are made at a time: a jump host refuses more.
    connecting: Semaphore,
}

impl FleetHosts {
    /// The hosts of this file. Nothing is executed if it names commands that the user has not allowed.
    pub(crate) fn load(file: &Path, env: &Env) -> io::Result<Arc<Self>> {
        let inventory = procman::read_any(Path::new("/"), env, file).map_err(io::Error::other)?;
        if !inventory.is_trusted(env) {
            return Err(io::Error::other("it names commands that you have not allowed"));
        }
        let places = HostPlaces::of_command(env, true)?;
        let (seen, bridges) = (Shared::default(), Mutex::default());
        let connecting = Semaphore::new(AT_ONCE);
        Ok(Arc::new(Self { inventory, places, seen, bridges, connecting }))
    }

    /// Follow the hosts. As long as the receiver exists, there is a bridge to each that answers.
    pub(crate) fn follow(self: &Arc<Self>) -> watch::Receiver<Vec<HostEntry>> {
        let hosts = Arc::clone(self);
        let mut seen = self.seen.follow(|sender| hosts.keep(sender));
        seen.mark_changed();
        seen
    }

    /// The bridge to a host, if it answers.
    pub(crate) fn bridge(&self, host: &str) -> Option<SendRequest<Body>> {
        locked(&self.bridges).get(host).cloned()
    }

    fn caller(&self) -> Caller<'_> {
        Caller { places: &self.places, patience: PATIENCE }
    }

    /// Keep a bridge to each host.
    async fn keep(self: Arc<Self>, sender: Arc<HostList>) {
        let mut tasks = JoinSet::new();
        let mut connected: HashMap<String, (Host, AbortHandle)> = HashMap::new();
        loop {
            let mut inventory = self.inventory.clone();
            inventory.add_listed(&self.caller()).await;
            if inventory.hosts.len() > MOST_HOSTS {
                tracing::warn!(
                    "of {} hosts, pages show the first {MOST_HOSTS}",
                    inventory.hosts.len()
                );
                inventory.hosts.truncate(MOST_HOSTS);
            }
            let hosts = inventory.hosts;
            connected.retain(|_, (host, task)| {
                let is_listed = hosts.contains(host);
                if !is_listed {
                    task.abort();
                }
                is_listed
            });
            sender.send_if_modified(|known| {
                let now = hosts.iter().map(|host| {
                    let is_kept = connected.contains_key(&host.name);
                    let known = known.iter().find(|one| is_kept && one.name == host.name);
                    known.cloned().unwrap_or_else(|| HostEntry::new(host))
                });
                let now: Vec<_> = now.collect();
                let is_new = *known != now;
                *known = now;
                is_new
            });
            for host in hosts {
                if host.reach != Reach::Here && !connected.contains_key(&host.name) {
                    let task = tasks
                        .spawn(Arc::clone(&self).keep_connected(host.clone(), Arc::clone(&sender)));
                    connected.insert(host.name.clone(), (host, task));
                }
            }
            if inventory.lists.is_empty() {
                return std::future::pending().await;
            }
            sleep(RELIST).await;
            // Those of hosts that are no longer listed.
            while tasks.try_join_next().is_some() {}
        }
    }

    /// Keep a bridge to this host, and tell pages whether it answers.
    async fn keep_connected(self: Arc<Self>, host: Host, sender: Arc<HostList>) {
        let mut backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let begun = Instant::now();
            let ended = self.connect(&host, &sender).await;
            let why = ended
                .err()
                .map_or_else(|| "the bridge has ended".to_owned(), |error| error.to_string());
            HostEntry::tell(&sender, &host, |entry| {
                let since = entry.since.or_else(|| Some(clock::now().nanos()));
                HostEntry { link: HostLink::Lost, since, why: Some(why), ..entry }
            });
            if begun.elapsed() > LONGEST_PAUSE {
                backoff.reset();
            }
            backoff.wait().await;
        }
    }

    /// Connect to this host and stay connected until the bridge ends; the error is the reason.
    async fn connect(&self, host: &Host, sender: &HostList) -> Result<(), CallError> {
        let call = Call::new(host, &["bridge", VERSION]).with_clock();
        let turn = self.connecting.acquire().await;
        let running = self.caller().open(host, &call, None).await?;
        drop(turn);
        let version = running.hello.version.clone();
        let Some((stream, end)) = running.split() else { return Ok(()) };
        let made = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PATIENCE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await;
        let Ok((mut bridge, connection)) = made else {
            return self.explain(host, end, &version).await;
        };
        let connection = tokio::spawn(connection);
        let _ended = AbortOnDrop(connection.abort_handle());
        // The handshake alone needs no answer.
        if bridge.ready().await.is_ok() && is_answered(&mut bridge).await {
            let _held = HeldBridge { hosts: self, name: &host.name };
            locked(&self.bridges).insert(host.name.clone(), bridge);
            HostEntry::tell(sender, host, |entry| HostEntry {
                link: HostLink::Up,
                since: None,
                why: None,
                ..entry
            });
            let _ = connection.await;
        }
        self.explain(host, end, &version).await
    }

    /// Why a bridge has ended: by the program that reached the host, or that which ran there.
    async fn explain(&self, host: &Host, end: CallEnd, version: &str) -> Result<(), CallError> {
        // Without a connection, what reached the host has ended, or never will.
        let ended = timeout(FAREWELL, end.finish(host)).await;
        let (code, error) = ended.map_err(|_| CallError::Silent(span(PATIENCE)))??;
        if code == 0 {
            return Ok(());
        }
        Err(CallError::Lost(if code == 2 {
            format!(
                "it has tmo {version}, which has no bridge: `{} install {}`",
                self.inventory.command(),
                host.name
            )
        } else {
            let last = last_line(&error).unwrap_or_else(|| "the bridge has failed".to_owned());
            last.strip_prefix("tmo: ").unwrap_or(&last).to_owned()
        }))
    }
}

/// Whether the other end of a bridge is one.
async fn is_answered(bridge: &mut SendRequest<Body>) -> bool {
    let request = hyper::Request::get("http://tmo/me").body(Body::empty());
    let Ok(request) = request else { return false };
    let asked = timeout(PATIENCE, bridge.send_request(request)).await;
    asked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()))
}

/// Ends a task with this value.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A bridge in use; requests do not find it after this value is dropped.
struct HeldBridge<'a> {
    hosts: &'a FleetHosts,
    name: &'a str,
}

impl Drop for HeldBridge<'_> {
    fn drop(&mut self) {
        locked(&self.hosts.bridges).remove(self.name);
    }
}

impl HostEntry {
    fn new(host: &Host) -> Self {
        let link = if host.reach == Reach::Here { HostLink::Here } else { HostLink::Connecting };
        Self { name: host.name.clone(), link, since: None, why: None }
    }

    /// Change what is known of a host.
    fn tell(sender: &HostList, host: &Host, change: impl FnOnce(Self) -> Self) {
        sender.send_modify(|known| {
            if let Some(entry) = known.iter_mut().find(|entry| entry.name == host.name) {
                *entry = change(entry.clone());
            }
        });
    }
}
