//! What is known of the files in one directory that are watched.
//!
//! Events only say where to look: what has changed is found by comparing a directory with what was there before. So it
//! does not matter how an editor saves, and nothing is missed if events are lost.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::mem::take;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::{DirEntry, WalkBuilder};

use crate::model::ProcId;
use crate::model::file_patterns::FilePatterns;
use crate::model::time::Timestamp;
use crate::sys::files;

/// Larger files count as changed when their size, inode or time has.
const LARGEST_READ: u64 = 1 << 20;
/// How many files are read between two looks at the events.
const READ_AT_ONCE: usize = 64;
/// Maximum number of files that are remembered as those that git ignores.
const MOST_FOREIGN: usize = 10_000;
/// Where version control systems keep their own files.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// The content of a file, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    size: u64,
    inode: u64,
    pub(super) modified: Timestamp,
    hash: Option<u64>,
}

/// A file that differs, and what was there before.
pub(super) type Difference = (PathBuf, Option<Content>);

impl Content {
    fn of(meta: &Metadata) -> Self {
        let modified = Timestamp::of_file(meta.mtime(), meta.mtime_nsec());
        Self { size: meta.size(), inode: meta.ino(), modified, hash: None }
    }

    fn looks_like(&self, other: &Self) -> bool {
        (self.size, self.inode, self.modified) == (other.size, other.inode, other.modified)
    }

    /// Whether two states of a file do not differ.
    pub(super) fn is_same(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => {
                one.looks_like(other) || one.hash.is_some() && one.hash == other.hash
            }
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

/// A hash of a small plain file.
fn hash(path: &Path) -> Option<u64> {
    let file = files::open_plain(path).ok()?;
    let mut bytes = vec![];
    let length = file.take(LARGEST_READ + 1).read_to_end(&mut bytes).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    (length as u64 <= LARGEST_READ).then(|| hasher.finish())
}

/// Which files of a directory are watched, and for whom. Paths are relative to it.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) root: PathBuf,
    /// Whether files that git ignores are left out.
    pub(super) gitignore: bool,
    pub(super) of: Vec<(ProcId, FilePatterns)>,
    /// Files and directories of tmo itself, absolute.
    pub(super) own: Vec<PathBuf>,
}

impl Scope {
    fn is_left_out(&self, path: &Path) -> bool {
        let is_own = || self.own.iter().any(|own| path.starts_with(own));
        path.file_name().is_some_and(|name| VERSION_CONTROL.iter().any(|own| name == *own))
            || is_own()
    }

    fn takes(&self, entry: &DirEntry) -> bool {
        let (path, kind) = (entry.path(), entry.file_type());
        let Ok(relative) = path.strip_prefix(&self.root) else { return false };
        let takes = || match kind {
            Some(kind) if kind.is_dir() => self.leads_to(relative),
            Some(kind) if kind.is_file() || kind.is_symlink() => self.has(relative),
            Some(_) | None => false,
        };
        entry.depth() == 0 || !self.is_left_out(path) && takes()
    }

    fn leads_to(&self, dir: &Path) -> bool {
        self.of.iter().any(|(_, patterns)| patterns.lead_to(dir))
    }

    fn has(&self, file: &Path) -> bool {
        self.of.iter().any(|(_, patterns)| patterns.matches(file))
    }

    /// Those for whom this file is watched.
    pub(super) fn watchers(&self, file: &Path) -> impl Iterator<Item = ProcId> {
        self.of.iter().filter(|(_, patterns)| patterns.matches(file)).map(|(id, _)| *id)
    }
}

/// What an event means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing.
    Nothing,
    /// This file may have changed.
    File(PathBuf),
    /// This known directory is gone or replaced.
    Known(PathBuf),
    /// In this directory there is a new one.
    NewIn(PathBuf),
    /// Other files may be ignored from now on.
    Rules,
}

/// The files of a scope.
#[derive(Debug)]
pub(super) struct FileTree {
    pub(super) scope: Arc<Scope>,
    /// Each watched directory with its watched files.
    dirs: HashMap<PathBuf, BTreeMap<OsString, Content>>,
    /// The directories that have to be looked at.
    dirty: BTreeSet<PathBuf>,
    /// The files that have to be looked at.
    doubtful: HashSet<PathBuf>,
    /// Files that are in place but not watched: git ignores them.
    foreign: HashSet<PathBuf>,
    /// The files that were not read yet.
    unread: Vec<PathBuf>,
}

impl FileTree {
    /// Take stock of a directory. `watch` is called for each directory whose changes are needed.
    pub(super) fn new(scope: Scope, watch: &mut dyn FnMut(&Path)) -> Self {
        let mut tree = Self {
            scope: Arc::new(scope),
            dirs: HashMap::new(),
            dirty: BTreeSet::new(),
            doubtful: HashSet::new(),
            foreign: HashSet::new(),
            unread: vec![],
        };
        tree.scan(Path::new(""), true, false, watch);
        tree
    }

    /// What an event about this path means.
    pub(super) fn meaning(&self, path: &Path) -> Meaning {
        let Ok(relative) = path.strip_prefix(&self.scope.root) else { return Meaning::Nothing };
        let inside = path.ancestors().take(relative.components().count());
        if inside.into_iter().any(|path| self.scope.is_left_out(path)) {
            return Meaning::Nothing;
        }
        if self.dirs.contains_key(relative) {
            return Meaning::Known(relative.to_owned());
        }
        let dir = relative.parent().unwrap_or(relative);
        if !self.dirs.contains_key(dir) {
            return Meaning::Nothing;
        }
        let is_dir = || path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if self.scope.leads_to(relative) && is_dir() {
            return Meaning::NewIn(dir.to_owned());
        }
        if self.scope.gitignore && relative.file_name().is_some_and(|name| name == ".gitignore") {
            return Meaning::Rules;
        }
        if self.scope.has(relative) && !self.foreign.contains(relative) {
            return Meaning::File(relative.to_owned());
        }
        Meaning::Nothing
    }

    /// Look at this file with the next call of [`Self::look`].
    pub(super) fn doubt(&mut self, file: PathBuf) {
        self.dirty.insert(file.parent().unwrap_or(Path::new("")).to_owned());
        self.doubtful.insert(file);
    }

    /// Look at a directory, and at those in it that are new; returns what differs.
    pub(super) fn look_in(&mut self, dir: &Path, watch: &mut dyn FnMut(&Path)) -> Vec<Difference> {
        self.scan(dir, false, true, watch)
    }

    /// Look at the directories of all files in doubt; returns what differs.
    pub(super) fn look(&mut self, watch: &mut dyn FnMut(&Path)) -> Vec<Difference> {
        let mut found = vec![];
        for dir in take(&mut self.dirty) {
            found.extend(self.scan(&dir, false, true, watch));
        }
        if self.foreign.len() > MOST_FOREIGN {
            self.foreign.clear();
        }
        for file in take(&mut self.doubtful) {
            if self.content(&file).is_none() && self.scope.root.join(&file).exists() {
                self.foreign.insert(file);
            }
        }
        found
    }

    /// Look at a directory and all below it; returns what differs.
    pub(super) fn look_below(
        &mut self,
        dir: &Path,
        watch: &mut dyn FnMut(&Path),
    ) -> Vec<Difference> {
        if dir.as_os_str().is_empty() {
            self.foreign.clear();
        }
        self.scan(dir, true, true, watch)
    }

    /// What is known of this file.
    pub(super) fn content(&self, file: &Path) -> Option<&Content> {
        self.dirs.get(file.parent()?)?.get(file.file_name()?)
    }

    fn walk(&self, from: &Path, deep: bool) -> impl Iterator<Item = DirEntry> + use<> {
        let at = if from.as_os_str().is_empty() {
            self.scope.root.clone()
        } else {
            self.scope.root.join(from)
        };
        let git = self.scope.gitignore;
        let scope = Arc::clone(&self.scope);
        let mut walk = WalkBuilder::new(at);
        walk.hidden(false).ignore(false).git_ignore(git).git_global(git).git_exclude(git);
        walk.parents(git).max_depth((!deep).then_some(1));
        walk.filter_entry(move |entry| scope.takes(entry));
        walk.build().filter_map(Result::ok)
    }

    /// Compare a directory, and all below it if `deep`, with what is known. If `read`, changed files are read at once.
    fn scan(
        &mut self,
        from: &Path,
        deep: bool,
        read: bool,
        watch: &mut dyn FnMut(&Path),
    ) -> Vec<Difference> {
        let mut found: HashMap<PathBuf, Vec<(OsString, Content, bool)>> = HashMap::new();
        let (mut subdirs, mut new) = (HashSet::new(), vec![]);
        for entry in self.walk(from, deep) {
            let Ok(path) = entry.path().strip_prefix(&self.scope.root) else { continue };
            if entry.file_type().is_some_and(|kind| kind.is_dir()) {
                if deep || entry.depth() == 0 {
                    watch(entry.path());
                    found.entry(path.to_owned()).or_default();
                } else if !self.dirs.contains_key(path) {
                    new.push(path.to_owned());
                }
                subdirs.insert(path.to_owned());
            } else if let (Ok(meta), Some(dir), Some(name)) =
                (entry.metadata(), path.parent(), path.file_name())
            {
                let is_small = meta.is_file() && meta.size() <= LARGEST_READ;
                let file = (name.to_owned(), Content::of(&meta), is_small);
                found.entry(dir.to_owned()).or_default().push(file);
            }
        }
        let mut differences = vec![];
        for dir in self.gone(from, &subdirs, deep) {
            let files = self.dirs.remove(&dir).unwrap_or_default();
            differences.extend(files.into_iter().map(|(name, was)| (dir.join(name), Some(was))));
        }
        for (dir, files) in found {
            let mut known = self.dirs.remove(&dir).unwrap_or_default();
            let mut now = BTreeMap::new();
            for (name, mut content, is_small) in files {
                let before = known.remove(&name);
                if let Some(before) = before.filter(|before| before.looks_like(&content)) {
                    now.insert(name, before);
                    continue;
                }
                let path = dir.join(&name);
                if is_small && read {
                    content.hash = hash(&self.scope.root.join(&path));
                } else if is_small {
                    self.unread.push(path.clone());
                }
                now.insert(name, content);
                if !Content::is_same(before.as_ref(), Some(&content)) {
                    differences.push((path, before));
                }
            }
            differences.extend(known.into_iter().map(|(name, was)| (dir.join(name), Some(was))));
            self.dirs.insert(dir, now);
        }
        for dir in new {
            differences.extend(self.scan(&dir, true, read, watch));
        }
        differences
    }

    /// The known directories below `from` that are not there any more, given those that are: all, or only those
    /// directly in it.
    fn gone(&self, from: &Path, there: &HashSet<PathBuf>, deep: bool) -> Vec<PathBuf> {
        let is_gone = |dir: &&PathBuf| {
            let Ok(below) = dir.strip_prefix(from) else { return false };
            if deep || !there.contains(from) {
                return !there.contains(*dir);
            }
            below.components().next().is_some_and(|first| !there.contains(&from.join(first)))
        };
        self.dirs.keys().filter(is_gone).cloned().collect()
    }

    /// Read some of the files that were not read yet, so that a change of their times alone is recognized. Returns whether
    /// some are left.
    pub(super) fn read_some(&mut self) -> bool {
        let rest = self.unread.len().saturating_sub(READ_AT_ONCE);
        for path in self.unread.split_off(rest) {
            let full = self.scope.root.join(&path);
            let hash = hash(&full);
            let now = full.symlink_metadata().map(|meta| Content::of(&meta));
            let known = path.parent().zip(path.file_name());
            let known = known.and_then(|(dir, name)| self.dirs.get_mut(dir)?.get_mut(name));
            if let (Some(known), Ok(now)) = (known, now)
                && known.looks_like(&now)
            {
                known.hash = hash;
            }
        }
        if rest == 0 {
            self.unread = vec![];
        }
        rest > 0
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use super::{Content, FileTree, Meaning, Scope};
    use crate::model::ProcId;
    use crate::model::file_patterns::FilePatterns;
    use crate::sys::files;

    struct Project(tempfile::TempDir);

    impl Project {
        /// A git repository with these files.
        fn new(files: &[&str]) -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            project.write(".git/HEAD", "x");
            for file in files {
                project.write(file, "1");
            }
            project
        }

        fn path(&self, file: &str) -> PathBuf {
            self.0.path().join(file)
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn tree(&self, paths: &[&str]) -> (FileTree, Vec<String>) {
            let patterns = FilePatterns::new(paths.iter().copied(), []).unwrap();
            let scope = Scope {
                root: self.0.path().to_owned(),
                gitignore: true,
                of: vec![(ProcId::at(0), patterns)],
                own: vec![self.path("log")],
            };
            let mut watched = vec![];
            let mut tree = FileTree::new(scope, &mut |dir| {
                let dir = dir.strip_prefix(self.0.path()).unwrap();
                watched.push(dir.display().to_string());
            });
            while tree.read_some() {}
            watched.sort();
            (tree, watched)
        }

        /// What differs after an event for each of these.
        fn changed(&self, tree: &mut FileTree, events: &[&str]) -> Vec<String> {
            let mut found = vec![];
            for event in events {
                match tree.meaning(&self.path(event)) {
                    Meaning::File(file) => tree.doubt(file),
                    Meaning::Known(dir) => found.extend(tree.look_below(&dir, &mut |_| {})),
                    Meaning::NewIn(dir) => found.extend(tree.look_in(&dir, &mut |_| {})),
                    Meaning::Nothing | Meaning::Rules => {}
                }
            }
            found.extend(tree.look(&mut |_| {}));
            let mut names: Vec<_> =
                found.into_iter().map(|(path, _)| path.display().to_string()).collect();
            names.sort();
            names
        }

        fn touch(&self, file: &str) {
            let file = files::open_to_write(&self.path(file)).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        }
    }

    #[test]
    fn only_directories_that_matter_are_watched() {
        let project =
            Project::new(&["src/a.rs", "src/b/c.rs", "target/x.rs", "doc/a.md", "log/l.rs"]);
        project.write(".gitignore", "target\n");
        assert_eq!(project.tree(&["src"]).1, ["", "src", "src/b"]);
        assert_eq!(project.tree(&["**/*.rs"]).1, ["", "doc", "src", "src/b"]);
        assert_eq!(project.tree(&["*.rs"]).1, [""]);
    }

    #[test]
    fn every_way_to_save_a_file_is_one_change() {
        let project = Project::new(&["src/a.rs"]);
        let (mut tree, _) = project.tree(&["src/**/*.rs"]);
        project.write("src/a.rs", "2");
        assert_eq!(project.changed(&mut tree, &["src/a.rs"]), ["src/a.rs"]);
        project.write("src/a.rs.tmp", "3");
        fs::rename(project.path("src/a.rs.tmp"), project.path("src/a.rs")).unwrap();
        assert_eq!(project.changed(&mut tree, &["src/a.rs.tmp", "src/a.rs"]), ["src/a.rs"]);
        // As vim does: a swap file, a backup, a new file.
        project.write("src/.a.rs.swp", "x");
        fs::rename(project.path("src/a.rs"), project.path("src/a.rs~")).unwrap();
        project.write("src/a.rs", "4");
        fs::remove_file(project.path("src/a.rs~")).unwrap();
        let events = ["src/.a.rs.swp", "src/a.rs", "src/a.rs~", "src/4913"];
        assert_eq!(project.changed(&mut tree, &events), ["src/a.rs"]);
        fs::remove_file(project.path("src/a.rs")).unwrap();
        assert_eq!(project.changed(&mut tree, &["src/a.rs"]), ["src/a.rs"]);
        assert!(project.changed(&mut tree, &["src/a.rs"]).is_empty());
    }

    #[test]
    fn the_same_content_is_no_change() {
        let project = Project::new(&["src/a.rs"]);
        let (mut tree, _) = project.tree(&["src"]);
        project.touch("src/a.rs");
        assert!(project.changed(&mut tree, &["src/a.rs"]).is_empty());
        let before = tree.content(Path::new("src/a.rs")).copied();
        project.write("src/a.rs", "2");
        assert_eq!(project.changed(&mut tree, &["src/a.rs"]), ["src/a.rs"]);
        project.write("src/a.rs", "1");
        project.changed(&mut tree, &["src/a.rs"]);
        assert!(Content::is_same(before.as_ref(), tree.content(Path::new("src/a.rs"))));
        fs::write(project.path("src/a.rs"), vec![0; 2 << 20]).unwrap();
        assert_eq!(project.changed(&mut tree, &["src/a.rs"]), ["src/a.rs"]);
        project.touch("src/a.rs");
        assert_eq!(project.changed(&mut tree, &["src/a.rs"]), ["src/a.rs"], "it is not read");
    }

    #[test]
    fn directories_come_and_go_with_their_files() {
        let project = Project::new(&["src/a.rs"]);
        let (mut tree, _) = project.tree(&["src"]);
        project.write("src/new/deep/b.rs", "1");
        assert_eq!(project.changed(&mut tree, &["src/new"]), ["src/new/deep/b.rs"]);
        project.write("src/new/deep/b.rs", "2");
        assert_eq!(project.changed(&mut tree, &["src/new/deep/b.rs"]), ["src/new/deep/b.rs"]);
        fs::rename(project.path("src/new"), project.path("src/old")).unwrap();
        let both = ["src/new/deep/b.rs", "src/old/deep/b.rs"];
        assert_eq!(project.changed(&mut tree, &["src/new", "src/old"]), both);
        fs::remove_dir_all(project.path("src")).unwrap();
        let all = ["src/a.rs", "src/old/deep/b.rs"];
        assert_eq!(project.changed(&mut tree, &["src/old", "src"]), all);
        project.write("src/a.rs", "1");
        assert_eq!(project.changed(&mut tree, &["src"]), ["src/a.rs"]);
    }

    #[test]
    fn what_git_ignores_and_what_tmo_writes_is_left_out() {
        let project = Project::new(&["a.rs", "target/b.rs", "log/c.rs"]);
        project.write(".gitignore", "target\n*.gen.rs\n");
        let (mut tree, _) = project.tree(&["."]);
        for file in ["target/b.rs", "log/c.rs", ".git/HEAD", "x.gen.rs"] {
            project.write(file, "2");
        }
        let events = ["target", "target/b.rs", "log", "log/c.rs", ".git/HEAD", "x.gen.rs"];
        assert!(project.changed(&mut tree, &events).is_empty());
        assert_eq!(tree.meaning(&project.path("x.gen.rs")), Meaning::Nothing, "it is known by now");
        assert_eq!(tree.meaning(&project.path(".gitignore")), Meaning::Rules);
    }
}
