//! The list of runs for pages.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::Env;
use crate::model::ProcName;
use crate::model::plan::Plan;
use crate::model::text::untrusted::cleaned;
use crate::run::registry::{self, KnownRun, Standing};
use crate::sys::Changes;
use crate::web::access::Scope;
use crate::web::locked;
use crate::web::runs::Shared;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunEntry {
    id: String,
    title: String,
    state: &'static str,
    /// The machine on which it may go on, if it is another one that sees the same files.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    root: Option<String>,
    processes: usize,
    /// Whether pages show the resource use of its processes.
    metrics: bool,
    /// Nanoseconds since the epoch.
    started: Option<u64>,
    /// The host names of its processes, at the port of this server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<ProcName, String>,
}

impl RunEntry {
    fn new(known: &KnownRun) -> Self {
        let plan = known.plan.as_ref();
        Self {
            id: known.id.clone(),
            title: cleaned(&known.title()),
            state: known.standing.word(),
            host: known.last.elsewhere().map(|machine| cleaned(&machine.name)),
            root: known.root().map(|root| cleaned(&root.display().to_string())),
            processes: plan
                .map_or(0, |plan| plan.present().filter(|one| one.action.is_none()).count()),
            metrics: known.is_sampled(),
            started: plan.map(|plan| plan.started.nanos()),
            hosts: plan
                .filter(|_| known.standing == Standing::Held)
                .map(|plan| hosts(plan))
                .unwrap_or_default(),
        }
    }
}

fn hosts(plan: &Plan) -> BTreeMap<ProcName, String> {
    let names = plan.processes.iter().zip(plan.host_names());
    names.filter(|(one, _)| !one.removed).map(|(one, host)| (one.name.clone(), host)).collect()
}

/// All runs at one time.
pub(crate) type RunList = Arc<Vec<KnownRun>>;

/// The files are read again this long after a change: a process that ends closes its lock file before the lock is
/// released.
const SETTLED: Duration = Duration::from_millis(100);
/// How often the files are read where the system does not report changes.
const INTERVAL: Duration = Duration::from_secs(2);

/// The list of runs. While it is followed, files are read only after they have changed.
#[derive(Debug)]
pub(crate) struct Listing {
    source: ListingSource,
    followed: Shared<RunList>,
    reader: Mutex<Weak<Mutex<ListingReader>>>,
}

impl Listing {
    /// The runs of the user with this environment, or only this instance.
    pub(crate) fn new(env: Env, only: Option<String>) -> Self {
        let source = ListingSource { env, only };
        Self { source, followed: Shared::default(), reader: Mutex::default() }
    }

    /// Read the list now.
    pub(crate) async fn now(&self) -> io::Result<RunList> {
        let reader = locked(&self.reader).upgrade();
        let source = self.source.clone();
        let read = spawn_blocking(move || match reader {
            Some(reader) => locked(&reader).read_if_changed(),
            None => Ok(source.read_runs()?.0),
        });
        read.await.map_err(io::Error::other)?
    }

    /// Follow the list for as long as the receiver exists.
    pub(crate) fn follow(&self) -> watch::Receiver<RunList> {
        let mut receiver = self.followed.follow(|sender| {
            let reader = Arc::new(Mutex::new(ListingReader::new(self.source.clone())));
            *locked(&self.reader) = Arc::downgrade(&reader);
            keep(sender, reader)
        });
        receiver.mark_changed();
        receiver
    }
}

#[derive(Debug, Clone)]
struct ListingSource {
    env: Env,
    /// The id of the only instance that is listed; `None`: all.
    only: Option<String>,
}

impl ListingSource {
    /// The list, and the paths whose changes can affect it.
    fn read_runs(&self) -> io::Result<(RunList, Vec<PathBuf>)> {
        let all = registry::all(&self.env)?;
        let places = registry::places(&self.env, &all);
        let is_listed = |known: &KnownRun| self.only.as_ref().is_none_or(|only| *only == known.id);
        Ok((Arc::new(all.into_values().filter(is_listed).collect()), places))
    }
}

/// Keep a list up to date.
async fn keep(sender: Arc<watch::Sender<RunList>>, reader: Arc<Mutex<ListingReader>>) {
    let signal = locked(&reader).signal();
    loop {
        let reader = Arc::clone(&reader);
        let read = spawn_blocking(move || {
            let mut reader = locked(&reader);
            let read = reader.read_if_changed();
            let pause = if read.is_ok() { reader.pause() } else { Some(INTERVAL) };
            (read, pause)
        });
        let Ok((read, pause)) = read.await else { return };
        match read {
            Ok(now) => {
                sender.send_if_modified(|known| {
                    let is_new = !Arc::ptr_eq(known, &now);
                    *known = now;
                    is_new
                });
            }
            Err(error) => tracing::warn!("the runs of this user can't be listed: {error}"),
        }
        match (pause, &signal) {
            (Some(pause), _) => sleep(pause).await,
            (None, Some(signal)) => match signal.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => sleep(INTERVAL).await,
            },
            (None, None) => sleep(INTERVAL).await,
        }
    }
}

/// Reads the files of runs again when they have changed.
struct ListingReader {
    source: ListingSource,
    /// `None` where the system does not report changes.
    changes: Option<Changes>,
    known: RunList,
    /// When the files were read.
    read: Option<Instant>,
    /// When they last changed.
    changed: Option<Instant>,
    /// How often they were read.
    #[cfg(test)]
    reads: usize,
}

impl ListingReader {
    fn new(source: ListingSource) -> Self {
        let changes = Changes::open();
        let changes = changes.inspect_err(|error| {
            tracing::info!("the runs are listed every 2 seconds: {error}");
        });
        Self {
            source,
            changes: changes.ok(),
            known: RunList::default(),
            read: None,
            changed: None,
            #[cfg(test)]
            reads: 0,
        }
    }

    /// A descriptor that becomes readable after a change.
    fn signal(&self) -> Option<AsyncFd<OwnedFd>> {
        self.changes.as_ref()?.signal().ok()
    }

    /// How long to wait before the files are read again; `None`: for the next change.
    fn pause(&self) -> Option<Duration> {
        match &self.changes {
            None => Some(INTERVAL),
            Some(_) if self.is_settled() => None,
            Some(_) => Some(SETTLED),
        }
    }

    fn is_settled(&self) -> bool {
        let is_after = |changed| self.read.is_some_and(|read| read > changed + SETTLED);
        self.read.is_some() && self.changed.is_none_or(is_after)
    }

    fn read_if_changed(&mut self) -> io::Result<RunList> {
        if self.changes.as_mut().is_some_and(Changes::take) {
            self.changed = Some(Instant::now());
        }
        if self.changes.is_some() && self.is_settled() {
            return Ok(Arc::clone(&self.known));
        }
        loop {
            let begun = Instant::now();
            let (known, places) = self.source.read_runs()?;
            self.known = known;
            self.read = Some(begun);
            #[cfg(test)]
            {
                self.reads += 1;
            }
            let Some(changes) = &mut self.changes else { break };
            match changes.watch(&places) {
                // A path that was not watched yet may have changed meanwhile.
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!("the runs are listed every 2 seconds: {error}");
                    self.changes = None;
                }
            }
        }
        Ok(Arc::clone(&self.known))
    }
}

/// The visible runs, active ones first.
pub(crate) fn entries(all: &[KnownRun], scope: &Scope) -> Vec<RunEntry> {
    let mut all: Vec<_> = all.iter().filter(|known| scope.has_run(&known.id)).collect();
    let started = |known: &KnownRun| known.plan.as_ref().map(|plan| plan.started);
    all.sort_by_key(|known| (known.standing == Standing::Over, started(known), known.title()));
    let mut entries: Vec<_> = all.into_iter().map(RunEntry::new).collect();
    if let Some(names) = scope.names() {
        for entry in &mut entries {
            (entry.root, entry.processes) = (None, names.len());
            entry.hosts.clear();
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::{Listing, ListingReader, ListingSource, SETTLED};
    use crate::config::Env;
    use crate::journal::last_run::LastRun;
    use crate::run::registry::KnownRun;

    fn env(dir: &Path) -> Env {
        let runtime = dir.join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let state = dir.join("state");
        Env::of([("XDG_RUNTIME_DIR", text(&runtime)), ("XDG_STATE_HOME", text(&state))])
    }

    /// Create the files that a finished run leaves.
    fn leave_run(dir: &Path, id: &str) {
        let journal = dir.join("journals").join(id);
        std::fs::create_dir_all(&journal).unwrap();
        let record = serde_json::json!({ "version": 1, "journal": journal, "crashes": null });
        let last: LastRun = serde_json::from_value(record).unwrap();
        last.record(&dir.join("state/tmo/last-run").join(id)).unwrap();
    }

    fn ids(known: &[KnownRun]) -> Vec<&str> {
        known.iter().map(|run| run.id.as_str()).collect()
    }

    #[tokio::test]
    async fn runs_that_come_and_go_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let listing = Listing::new(env(dir.path()), None);
        let mut followed = listing.follow();
        let mut until = async |wanted: &[&str]| {
            while ids(&followed.borrow_and_update()) != wanted {
                followed.changed().await.unwrap();
            }
        };
        until(&[]).await;
        // Its directories come with the first one.
        leave_run(dir.path(), "0a");
        until(&["0a"]).await;
        leave_run(dir.path(), "0b");
        until(&["0a", "0b"]).await;
        std::fs::remove_dir(dir.path().join("journals/0a")).unwrap();
        until(&["0b"]).await;
        std::fs::remove_file(dir.path().join("state/tmo/last-run/0b")).unwrap();
        until(&[]).await;
    }

    #[tokio::test]
    async fn the_list_is_dropped_with_its_last_receiver() {
        let dir = tempfile::tempdir().unwrap();
        let listing = Listing::new(env(dir.path()), None);
        drop(listing.follow());
        while listing.reader.lock().unwrap().upgrade().is_some() {
            tokio::task::yield_now().await;
        }
        leave_run(dir.path(), "0a");
        assert_eq!(ids(&listing.now().await.unwrap()), ["0a"]);
    }

    #[test]
    fn files_are_read_again_only_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        leave_run(dir.path(), "0a");
        let mut reader = ListingReader::new(ListingSource { env: env(dir.path()), only: None });
        let count = |reader: &mut ListingReader| {
            reader.read_if_changed().unwrap();
            reader.reads
        };
        let first = count(&mut reader);
        assert_eq!(count(&mut reader), first);
        leave_run(dir.path(), "0b");
        let second = count(&mut reader);
        assert!(second > first);
        assert_eq!(ids(&reader.known), ["0a", "0b"]);
        // It is read once more after the change has settled, and then not again.
        assert!(count(&mut reader) > second);
        reader.changed = reader.changed.map(|changed| changed.checked_sub(2 * SETTLED).unwrap());
        let last = reader.reads;
        assert_eq!(count(&mut reader), last);
    }
}
