//! The thread that watches files: it learns of changes by inotify, or what the system has instead, waits until there
//! are no more, and reports the files that differ.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::take;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::{
    Config, ErrorKind, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::mpsc::Sender;

use super::debounce::Pending;
use super::tree::{Content, Difference, FileTree, Meaning, Scope};
use crate::config::place::git::GitRules;
use crate::model::event::What;
use crate::model::file_change::{ChangedFile, FileChange, MOST_NAMED};
use crate::model::plan::file_patterns::FilePatterns;
use crate::model::plan::rules::FileWatch;
use crate::model::time::{MonotonicTime, Timestamp};
use crate::model::{ProcId, Untrusted};
use crate::sys::clock;

/// How often directories are looked at whose changes the system can't report.
const POLL: Duration = Duration::from_secs(2);
/// Maximum number of paths that are remembered; with more, everything is looked at.
const MOST_PATHS: usize = 10_000;
/// With `FSEvents` a new directory would renew all; it reports everything below a directory.
const IS_RECURSIVE: bool = cfg!(target_os = "macos");

/// A process and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Followed {
    pub(super) id: ProcId,
    pub(super) rules: FileWatch,
    /// All that was written until then is known, if an earlier supervisor has watched the files; later changes are
    /// reported.
    pub(super) since: Option<Timestamp>,
}

/// What the thread has found.
#[derive(Debug)]
pub(super) enum FileReport {
    Changed(Vec<(ProcId, FileChange)>),
    /// Files of exactly these processes change at present. What was written to those of the others until this time is
    /// known.
    Unsettled(Vec<ProcId>, Timestamp),
    Log(What),
}

/// What is to be done.
#[derive(Debug, Default)]
struct Mail {
    /// Where something has changed.
    paths: HashSet<PathBuf>,
    /// Anything may have changed: events were lost.
    all: bool,
    /// When the first of these arrived, which this thread may take up later: what began in between may have read the
    /// file before or after its change.
    first: Option<MonotonicTime>,
    /// What to watch from now on, and the files of tmo itself.
    follow: Option<(Vec<Followed>, Vec<PathBuf>)>,
    end: bool,
}

#[derive(Debug, Default)]
struct Inbox {
    mail: Mutex<Mail>,
    filled: Condvar,
}

impl Inbox {
    fn open(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut self.open());
        self.filled.notify_one();
    }

    /// Take what is there, or wait for that until then, or for ever.
    fn take(&self, until: Option<Instant>) -> Mail {
        let mut mail = self.open();
        while !(mail.end || mail.all || mail.follow.is_some() || !mail.paths.is_empty()) {
            let Some(until) = until else {
                mail = self.filled.wait(mail).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            mail = self.filled.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        take(&mut mail)
    }

    fn heard(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return self.put(|mail| mail.all = true) };
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        // Reading a file is no change.
        if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
            return;
        }
        self.put(|mail| {
            mail.all |= event.need_rescan() || mail.paths.len() + event.paths.len() > MOST_PATHS;
            mail.first.get_or_insert_with(clock::monotonic);
            if mail.all {
                mail.paths.clear();
            } else {
                mail.paths.extend(event.paths);
            }
        });
    }
}

/// The near end of the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watcher(Arc<Inbox>);

impl Watcher {
    /// Start the thread.
    pub(super) fn start(reports: Sender<FileReport>) -> std::io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let system = System { inbox: inbox.clone(), native: None, polling: None, missing: None };
        let work = Work {
            inbox: inbox.clone(),
            reports,
            system,
            trees: vec![],
            quiet: BTreeMap::new(),
            pending: HashMap::new(),
            unsettled: None,
            looked: Timestamp::EPOCH,
            has_warned: false,
        };
        thread::Builder::new().name("file changes".to_owned()).spawn(|| work.watch_files())?;
        Ok(Self(inbox))
    }

    /// Watch these files from now on. Those of tmo itself never count.
    pub(super) fn follow(&self, followed: Vec<Followed>, own: Vec<PathBuf>) {
        self.0.put(|mail| mail.follow = Some((followed, own)));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.put(|mail| mail.end = true);
    }
}

/// What reports changes.
struct System {
    inbox: Arc<Inbox>,
    native: Option<RecommendedWatcher>,
    /// For the directories that the system can't report.
    polling: Option<PollWatcher>,
    /// How many these are; why, and the limit to raise.
    missing: Option<(usize, String, &'static str)>,
}

impl System {
    /// Forget all directories.
    fn renew(&mut self) {
        (self.native, self.polling, self.missing) = (None, None, None);
        let inbox = self.inbox.clone();
        match notify::recommended_watcher(move |event| inbox.heard(event)) {
            Ok(native) => self.native = Some(native),
            Err(error) => {
                self.missing = Some((0, error.to_string(), "max_user_instances=1024"));
            }
        }
    }

    /// Watch a directory, without those in it.
    fn watch(&mut self, dir: &Path, is_root: bool) {
        let mode = match (IS_RECURSIVE, is_root) {
            (true, false) => return,
            (true, true) => RecursiveMode::Recursive,
            (false, _) => RecursiveMode::NonRecursive,
        };
        let limit = "max_user_watches=524288";
        match self.native.as_mut().map(|native| native.watch(dir, mode)) {
            Some(Err(error)) if matches!(error.kind, ErrorKind::MaxFilesWatch) => {
                let why = || (0, "its inotify watches are used up".to_owned(), limit);
                self.missing.get_or_insert_with(why).0 += 1;
            }
            // It is gone again, which its parent directory reports, or it can't be read.
            Some(Ok(()) | Err(_)) => return,
            None => {
                if let Some((count, ..)) = &mut self.missing {
                    *count += 1;
                }
            }
        }
        if self.polling.is_none() {
            let inbox = self.inbox.clone();
            let config = Config::default().with_poll_interval(POLL);
            self.polling = PollWatcher::new(move |event| inbox.heard(event), config).ok();
        }
        if let Some(polling) = &mut self.polling
            && let Err(error) = polling.watch(dir, mode)
        {
            tracing::warn!(%error, dir = %dir.display(), "a directory can't be watched");
        }
    }
}

/// The thread.
struct Work {
    inbox: Arc<Inbox>,
    reports: Sender<FileReport>,
    system: System,
    trees: Vec<FileTree>,
    /// The tree of each process, and how long there has to be no change.
    quiet: BTreeMap<ProcId, (usize, Duration)>,
    pending: HashMap<ProcId, Pending>,
    /// The processes with pending changes, as they were reported, if they were.
    unsettled: Option<Vec<ProcId>>,
    /// When all files were looked at that may have changed.
    looked: Timestamp,
    /// The missing reports were mentioned.
    has_warned: bool,
}

impl Work {
    fn watch_files(mut self) {
        let mut is_reading = false;
        loop {
            let until = if is_reading { Some(Instant::now()) } else { self.due() };
            let Mail { paths, all, first, follow, end } = self.inbox.take(until);
            if end {
                return;
            }
            self.note(&paths, all, first);
            if let Some((followed, own)) = follow {
                self.follow(followed, &own);
            }
            let is_due = self.due().is_some_and(|due| due <= Instant::now());
            if is_due && !self.report() || !self.report_unsettled() {
                return;
            }
            is_reading = self.trees.iter_mut().any(FileTree::read_some);
        }
    }

    fn due(&self) -> Option<Instant> {
        let due = |(id, pending): (&ProcId, &Pending)| Some(pending.due(self.quiet.get(id)?.1));
        self.pending.iter().filter_map(due).min()
    }

    /// Watch these files from now on.
    fn follow(&mut self, followed: Vec<Followed>, own: &[PathBuf]) {
        // What has changed until now is judged by what was known.
        self.compare_doubted();
        self.unsettled = None;
        self.system.renew();
        self.quiet.clear();
        let mut scopes: Vec<Scope> = vec![];
        let mut unseen = vec![];
        for Followed { id, rules, since } in followed {
            let (paths, ignore) = (&rules.paths, &rules.ignore);
            let patterns = FilePatterns::new(
                paths.iter().map(String::as_str),
                ignore.iter().map(String::as_str),
            );
            // They were valid when the plan was made.
            let Ok(patterns) = patterns else { continue };
            let root = rules.dir.as_path().to_owned();
            let is_it = |s: &Scope| s.root == root && s.git.is_some() == rules.gitignore;
            let at = scopes.iter().position(is_it).unwrap_or_else(|| {
                let git = rules.gitignore.then(|| GitRules::new(&root));
                scopes.push(Scope { root, of: vec![], own: own.to_vec(), git });
                scopes.len() - 1
            });
            unseen.extend(since.map(|since| (at, since)));
            scopes[at].of.push((id, patterns));
            self.quiet.insert(id, (at, Duration::from_millis(rules.debounce_ms)));
        }
        self.pending.retain(|id, _| self.quiet.contains_key(id));
        self.trees.clear();
        for scope in scopes {
            let root = scope.root.clone();
            let system = &mut self.system;
            self.trees.push(FileTree::new(scope, &mut |dir| system.watch(dir, dir == root)));
        }
        for (at, since) in unseen {
            let files = self.trees[at].written_since(since);
            self.add(at, files.into_iter().map(|file| (file, None)).collect());
        }
        if let Some((dirs, why, sysctl)) = &self.system.missing
            && !self.has_warned
        {
            self.has_warned = true;
            let (dirs, why, sysctl) = (*dirs, why.clone(), (*sysctl).to_owned());
            // Without a supervisor there is nobody to tell.
            let _ =
                self.reports.blocking_send(FileReport::Log(What::WatchLimit { dirs, why, sysctl }));
        }
    }

    /// Note where something has changed.
    fn note(&mut self, paths: &HashSet<PathBuf>, all: bool, first: Option<MonotonicTime>) {
        let (now, noticed) = (Instant::now(), clock::monotonic());
        for at in 0..self.trees.len() {
            let (tree, system) = (&mut self.trees[at], &mut self.system);
            let root = tree.scope.root.clone();
            let mut watch = |dir: &Path| system.watch(dir, dir == root);
            let mut found = vec![];
            if all {
                found.extend(tree.compare_below(Path::new(""), &mut watch));
            }
            for path in paths {
                match tree.meaning(path) {
                    Meaning::Nothing => {}
                    Meaning::File(file) => {
                        for id in tree.scope.watchers(&file) {
                            let pending = self.pending.entry(id);
                            let pending = pending
                                .or_insert_with(|| Pending::new(now, first.unwrap_or(noticed)));
                            pending.go_on(now, noticed);
                            pending.touch(&file);
                        }
                        tree.doubt(&file);
                    }
                    Meaning::Known(dir) => found.extend(tree.compare_below(&dir, &mut watch)),
                    Meaning::NewIn(dir) => found.extend(tree.compare_dir(&dir, &mut watch)),
                    Meaning::Rules => {
                        found.extend(tree.compare_doubted(&mut watch));
                        tree.renew_rules(&mut watch);
                    }
                }
            }
            self.add(at, found);
        }
    }

    /// Look at all files that may have changed.
    fn compare_doubted(&mut self) {
        self.looked = clock::now();
        for at in 0..self.trees.len() {
            let (tree, system) = (&mut self.trees[at], &mut self.system);
            let root = tree.scope.root.clone();
            let found = tree.compare_doubted(&mut |dir| system.watch(dir, dir == root));
            self.add(at, found);
        }
    }

    /// Add the changed files of a tree to the pending changes of the processes that watch them.
    fn add(&mut self, tree: usize, found: Vec<Difference>) {
        let (now, noticed) = (Instant::now(), clock::monotonic());
        for (path, before) in found {
            for id in self.trees[tree].scope.watchers(&path) {
                let pending = self.pending.entry(id);
                let pending = pending.or_insert_with(|| Pending::new(now, noticed));
                pending.before.entry(path.clone()).or_insert(before);
            }
        }
    }

    /// Report for which processes changes are pending, if these are others by now; returns whether anyone hears that.
    fn report_unsettled(&mut self) -> bool {
        let unsettled: Vec<_> =
            self.quiet.keys().filter(|id| self.pending.contains_key(id)).copied().collect();
        if self.unsettled.as_ref() == Some(&unsettled) {
            return true;
        }
        self.unsettled = Some(unsettled.clone());
        self.reports.blocking_send(FileReport::Unsettled(unsettled, self.looked)).is_ok()
    }

    /// Report the changes that are due; returns whether anyone hears that.
    fn report(&mut self) -> bool {
        let now = Instant::now();
        self.compare_doubted();
        let mut changes = vec![];
        for (id, (tree, quiet)) in &self.quiet {
            if self.pending.get(id).is_none_or(|pending| pending.due(*quiet) > now) {
                continue;
            }
            let Some(pending) = self.pending.remove(id) else { continue };
            let tree = &self.trees[*tree];
            let differs = |(path, was): &(PathBuf, Option<Content>)| {
                !Content::is_same(was.as_ref(), tree.content(path))
            };
            let differing: Vec<_> = pending.before.into_iter().filter(differs).collect();
            let count = differing.len();
            let mut named: Vec<_> =
                differing.into_iter().map(|(path, was)| (path, was.is_none())).collect();
            if count == 0 {
                named = pending.touched.into_iter().map(|path| (path, false)).collect();
            }
            let file = |(path, is_new): (PathBuf, bool)| ChangedFile {
                path: Untrusted::from(path.to_string_lossy()),
                is_new,
            };
            let files: Vec<_> = named.into_iter().take(MOST_NAMED).map(file).collect();
            let (first, last) = (pending.first_noticed, pending.noticed);
            if !files.is_empty() {
                changes.push((*id, FileChange { files, count, first, last }));
            }
        }
        changes.is_empty() || self.reports.blocking_send(FileReport::Changed(changes)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use notify::event::ModifyKind;
    use notify::{Event, EventKind};

    use super::Inbox;
    use crate::sys::clock;

    #[test]
    fn events_have_the_time_of_the_first_one() {
        let inbox = Inbox::default();
        let event = Event::new(EventKind::Modify(ModifyKind::Any)).add_path("a".into());
        inbox.heard(Ok(event.clone()));
        let between = clock::monotonic();
        inbox.heard(Ok(event));
        let first = inbox.take(None).first.unwrap();
        assert!(first <= between && inbox.take(Some(std::time::Instant::now())).first.is_none());
    }
}
