//! What is known of the files in one directory that are watched.
//!
//! Events only say where to look: what has changed is found by comparing a directory with what was there before. So it
//! does not matter how an editor saves, and nothing is missed if events are lost.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::mem::take;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::place::git::{GitRules, RULES, is_other_checkout};
use crate::model::ProcId;
use crate::model::plan::file_patterns::{FilePatterns, is_of_a_tool};
use crate::model::time::Timestamp;
use crate::sys::files;

/// Larger files count as changed when their size, inode or time has.
const LARGEST_READ: u64 = 1 << 20;
/// How many files are read between two looks at the events.
const READ_AT_ONCE: usize = 64;

/// The content of a file, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    size: u64,
    inode: u64,
    modified: Timestamp,
    /// When its inode was changed: unlike the time above, no program can set it.
    changed: Timestamp,
    hash: Option<u64>,
}

/// A file that differs, and what was there before.
pub(super) type Difference = (PathBuf, Option<Content>);

impl Content {
    fn from_metadata(meta: &Metadata) -> Self {
        let modified = Timestamp::of_file(meta.mtime(), meta.mtime_nsec());
        let changed = Timestamp::of_file(meta.ctime(), meta.ctime_nsec());
        Self { size: meta.size(), inode: meta.ino(), modified, changed, hash: None }
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
    pub(super) of: Vec<(ProcId, FilePatterns)>,
    /// Files and directories of tmo itself, absolute.
    pub(super) own: Vec<PathBuf>,
    /// The rules of git, if files that it ignores are left out.
    pub(super) git: Option<GitRules>,
}

/// How much of a directory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// All that the patterns lead to.
    Whole,
    /// Only what is on the way to a file or directory that a pattern names.
    Way,
}

impl Scope {
    /// Whether a file or directory does not count for its own sake, unless a pattern names it.
    fn leaves_out(&mut self, path: &Path, is_dir: bool) -> bool {
        let full = self.root.join(path);
        path.file_name().is_some_and(is_of_a_tool)
            || self.git.as_mut().is_some_and(|git| git.ignore(&full, is_dir))
            || is_dir && is_other_checkout(&full)
    }

    fn is_own(&self, path: &Path) -> bool {
        let full = self.root.join(path);
        self.own.iter().any(|own| full.starts_with(own))
    }

    /// Whether a file may count, given how its directory is looked at.
    fn takes_file(&mut self, path: &Path, depth: Depth) -> bool {
        let has = |(_, patterns): &(_, FilePatterns)| patterns.matches(path);
        !self.is_own(path)
            && self.of.iter().any(has)
            && (self.of.iter().any(|(_, patterns)| patterns.name(path, false))
                || depth == Depth::Whole && !self.leaves_out(path, false))
    }

    /// How much of a directory is looked at, given how the one that it is in is.
    fn takes_dir(&mut self, path: &Path, depth: Depth) -> Option<Depth> {
        let leads = |(_, patterns): &(_, FilePatterns)| patterns.lead_to(path);
        let names = |(_, patterns): &(_, FilePatterns)| patterns.name(path, true);
        if self.is_own(path) || !self.of.iter().any(leads) {
            return None;
        }
        if self.of.iter().any(names) || depth == Depth::Whole && !self.leaves_out(path, true) {
            return Some(Depth::Whole);
        }
        self.of.iter().any(|(_, patterns)| patterns.pass_through(path)).then_some(Depth::Way)
    }

    /// Those for whom this file is watched.
    pub(super) fn watchers(&mut self, file: &Path) -> Vec<ProcId> {
        let of = take(&mut self.of);
        let watched = of
            .iter()
            .filter(|(_, patterns)| patterns.matches(file) && !self.is_left_out(file, patterns));
        let found = watched.map(|(id, _)| *id).collect();
        self.of = of;
        found
    }

    /// Whether a file, or a directory that it is in, does not count, and these patterns name nothing from there on.
    fn is_left_out(&mut self, file: &Path, patterns: &FilePatterns) -> bool {
        let mut is_dir = false;
        for path in file.ancestors().filter(|path| !path.as_os_str().is_empty()) {
            if patterns.name(path, is_dir) {
                return false;
            }
            if self.leaves_out(path, is_dir) {
                return true;
            }
            is_dir = true;
        }
        false
    }
}

/// What an event means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
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
    pub(super) scope: Scope,
    /// Each watched directory with its watched files.
    dirs: HashMap<PathBuf, BTreeMap<OsString, Content>>,
    /// The watched directories that are only on the way to others.
    ways: HashSet<PathBuf>,
    /// The directories that have to be looked at.
    dirty: BTreeSet<PathBuf>,
    /// The files that were not read yet.
    unread: Vec<PathBuf>,
}

impl FileTree {
    /// Take stock of a directory. `watch` is called for each directory whose changes are needed.
    pub(super) fn new(scope: Scope, watch: &mut dyn FnMut(&Path)) -> Self {
        let mut tree = Self {
            scope,
            dirs: HashMap::new(),
            ways: HashSet::new(),
            dirty: BTreeSet::new(),
            unread: vec![],
        };
        tree.scan(Path::new(""), true, false, watch);
        tree
    }

    /// What an event about this path means.
    pub(super) fn meaning(&mut self, path: &Path) -> Meaning {
        let Ok(relative) = path.strip_prefix(&self.scope.root) else { return Meaning::Nothing };
        if self.dirs.contains_key(relative) {
            return Meaning::Known(relative.to_owned());
        }
        let dir = relative.parent().unwrap_or(relative);
        if !self.dirs.contains_key(dir) {
            return Meaning::Nothing;
        }
        let depth = self.depth(dir);
        if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            return match self.scope.takes_dir(relative, depth) {
                Some(_) => Meaning::NewIn(dir.to_owned()),
                None => Meaning::Nothing,
            };
        }
        if self.scope.git.is_some() && relative.file_name().is_some_and(|name| name == RULES) {
            return Meaning::Rules;
        }
        if self.scope.takes_file(relative, depth) {
            return Meaning::File(relative.to_owned());
        }
        Meaning::Nothing
    }

    fn depth(&self, dir: &Path) -> Depth {
        if self.ways.contains(dir) { Depth::Way } else { Depth::Whole }
    }

    /// Look at this file with the next call of [`Self::compare_doubted`].
    pub(super) fn doubt(&mut self, file: &Path) {
        self.dirty.insert(file.parent().unwrap_or(Path::new("")).to_owned());
    }

    /// Look at a directory, and at those in it that are new; returns what differs.
    pub(super) fn compare_dir(
        &mut self,
        dir: &Path,
        watch: &mut dyn FnMut(&Path),
    ) -> Vec<Difference> {
        self.scan(dir, false, true, watch)
    }

    /// Look at the directories of all files in doubt; returns what differs.
    pub(super) fn compare_doubted(&mut self, watch: &mut dyn FnMut(&Path)) -> Vec<Difference> {
        let mut found = vec![];
        for dir in take(&mut self.dirty) {
            found.extend(self.scan(&dir, false, true, watch));
        }
        found
    }

    /// Look at a directory and all below it; returns what differs.
    pub(super) fn compare_below(
        &mut self,
        dir: &Path,
        watch: &mut dyn FnMut(&Path),
    ) -> Vec<Difference> {
        self.scan(dir, true, true, watch)
    }

    /// The rules of git have changed: other files count from now on, which are no changes.
    pub(super) fn renew_rules(&mut self, watch: &mut dyn FnMut(&Path)) {
        if let Some(git) = &mut self.scope.git {
            git.forget();
        }
        self.scan(Path::new(""), true, true, watch);
    }

    /// The files that were written, or put in their place, later than this.
    pub(super) fn written_since(&self, time: Timestamp) -> Vec<PathBuf> {
        let files =
            self.dirs.iter().flat_map(|(dir, files)| files.iter().map(move |file| (dir, file)));
        let later = files.filter(|(_, (_, content))| content.changed > time);
        later.map(|(dir, (name, _))| dir.join(name)).collect()
    }

    /// What is known of this file.
    pub(super) fn content(&self, file: &Path) -> Option<&Content> {
        self.dirs.get(file.parent()?)?.get(file.file_name()?)
    }

    /// Compare a directory, and all below it if `deep`, with what is known. If `read`, changed files are read at once.
    fn scan(
        &mut self,
        from: &Path,
        deep: bool,
        read: bool,
        watch: &mut dyn FnMut(&Path),
    ) -> Vec<Difference> {
        let mut differences = vec![];
        let mut there = HashSet::new();
        let mut rest = vec![(from.to_owned(), self.depth(from))];
        while let Some((dir, depth)) = rest.pop() {
            let Ok(entries) = fs::read_dir(self.scope.root.join(&dir)) else { continue };
            watch(&self.scope.root.join(&dir));
            there.insert(dir.clone());
            match depth {
                Depth::Whole => self.ways.remove(&dir),
                Depth::Way => self.ways.insert(dir.clone()),
            };
            let mut files = vec![];
            for entry in entries.filter_map(Result::ok) {
                let path = dir.join(entry.file_name());
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    let Some(depth) = self.scope.takes_dir(&path, depth) else { continue };
                    if deep || !self.dirs.contains_key(&path) {
                        rest.push((path, depth));
                    } else {
                        there.insert(path);
                    }
                } else if (kind.is_file() || kind.is_symlink())
                    && self.scope.takes_file(&path, depth)
                    && let Ok(meta) = entry.metadata()
                {
                    files.push((entry.file_name(), meta));
                }
            }
            self.compare(&dir, files, read, &mut differences);
        }
        for dir in self.gone(from, &there, deep) {
            self.ways.remove(&dir);
            let files = self.dirs.remove(&dir).unwrap_or_default();
            differences.extend(files.into_iter().map(|(name, was)| (dir.join(name), Some(was))));
        }
        differences
    }

    /// Compare the files of a directory with what is known of them.
    fn compare(
        &mut self,
        dir: &Path,
        files: Vec<(OsString, Metadata)>,
        read: bool,
        differences: &mut Vec<Difference>,
    ) {
        let mut known = self.dirs.remove(dir).unwrap_or_default();
        let mut now = BTreeMap::new();
        for (name, meta) in files {
            let mut content = Content::from_metadata(&meta);
            let before = known.remove(&name);
            if let Some(before) = before.filter(|before| before.looks_like(&content)) {
                now.insert(name, before);
                continue;
            }
            let path = dir.join(&name);
            let is_small = meta.is_file() && meta.size() <= LARGEST_READ;
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
        self.dirs.insert(dir.to_owned(), now);
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
            let now = full.symlink_metadata().map(|meta| Content::from_metadata(&meta));
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
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use super::{Content, FileTree, GitRules, Meaning, Scope};
    use crate::model::ProcId;
    use crate::model::plan::file_patterns::FilePatterns;
    use crate::model::time::Timestamp;
    use crate::sys::{clock, files};

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
                of: vec![(ProcId::at(0), patterns)],
                own: vec![self.path("log")],
                git: Some(GitRules::new(self.0.path())),
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
                    Meaning::File(file) => tree.doubt(&file),
                    Meaning::Known(dir) => found.extend(tree.compare_below(&dir, &mut |_| {})),
                    Meaning::NewIn(dir) => found.extend(tree.compare_dir(&dir, &mut |_| {})),
                    Meaning::Rules => tree.renew_rules(&mut |_| {}),
                    Meaning::Nothing => {}
                }
            }
            found.extend(tree.compare_doubted(&mut |_| {}));
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
        assert_eq!(tree.meaning(&project.path("x.gen.rs")), Meaning::Nothing);
        assert_eq!(tree.meaning(&project.path(".gitignore")), Meaning::Rules);
    }

    #[test]
    fn what_is_named_counts_although_git_ignores_it_and_nothing_beside_it() {
        let project = Project::new(&[
            "src/a.js",
            ".env",
            "dist/out/app.js",
            "dist/x.js",
            "build/b.js",
            "build/t/c.js",
        ]);
        project.write(".gitignore", ".env\ndist\nbuild\n");
        project.write("build/.gitignore", "t\n");
        let paths = [".env", "**/*.js", "dist/out/app.js", "build"];
        let (mut tree, watched) = project.tree(&paths);
        assert_eq!(watched, ["", "build", "dist", "dist/out", "src"]);
        let all = [
            ".env",
            "src/a.js",
            "dist/out/app.js",
            "dist/x.js",
            "dist/y.js",
            "build/b.js",
            "build/t/c.js",
        ];
        for file in all {
            project.write(file, "2");
        }
        assert_eq!(
            project.changed(&mut tree, &all),
            [".env", "build/b.js", "dist/out/app.js", "src/a.js"],
            "the rules below a named directory hold"
        );
        fs::remove_dir_all(project.path("dist")).unwrap();
        project.write("dist/out/app.js", "3");
        project.write("dist/x.js", "3");
        assert_eq!(project.changed(&mut tree, &["dist", "dist/x.js"]), ["dist/out/app.js"]);
    }

    #[test]
    fn what_one_process_names_does_not_count_for_another() {
        let project = Project::new(&[".env", "a.py"]);
        project.write(".gitignore", ".env\n");
        let of = [&[".env"][..], &["."]]
            .map(|paths| FilePatterns::new(paths.iter().copied(), []).unwrap());
        let of =
            of.into_iter().enumerate().map(|(at, patterns)| (ProcId::at(at), patterns)).collect();
        let git = Some(GitRules::new(project.0.path()));
        let mut scope = Scope { root: project.0.path().to_owned(), of, own: vec![], git };
        assert_eq!(scope.watchers(Path::new(".env")), [ProcId::at(0)]);
        assert_eq!(scope.watchers(Path::new("a.py")), [ProcId::at(1)]);
    }

    #[test]
    fn files_of_tools_and_other_checkouts_do_not_count() {
        let project = Project::new(&["src/a.py", "lib/a.py", "lib/.git"]);
        project.write("lib/.git", "gitdir: ../.git/modules/lib");
        let (mut tree, _) = project.tree(&["**/*.py", "src"]);
        let clone = [".claude/worktrees/x/a.py", ".claude/worktrees/x/.git/HEAD"];
        let tools =
            ["src/.#a.py", "src/.a.py.swp", "src/#a.py#", "src/a.py~", "src/__pycache__/a.pyc"];
        for file in clone.iter().chain(&tools).chain(&["src/b.py", "lib/b.py"]) {
            project.write(file, "2");
        }
        let events = [
            &["src/b.py", "lib/b.py", ".claude", ".claude/worktrees", "src/__pycache__"][..],
            &tools,
        ]
        .concat();
        assert_eq!(
            project.changed(&mut tree, &events),
            ["lib/b.py", "src/b.py"],
            "a submodule counts"
        );
        let (mut tree, _) = project.tree(&[".claude/worktrees/x", "src/__pycache__"]);
        project.write(clone[0], "3");
        project.write("src/__pycache__/a.pyc", "3");
        let named = [clone[0], "src/__pycache__/a.pyc"];
        assert_eq!(project.changed(&mut tree, &named), named, "they are named");
    }

    #[test]
    fn what_was_written_since_then_is_known() {
        let project = Project::new(&["src/future.py", "src/old.py", "src/b.py"]);
        // With a time to come.
        project.touch("src/future.py");
        let before = project.path("src/future.py").metadata().unwrap();
        let before = Timestamp::of_file(before.ctime(), before.ctime_nsec());
        let changed = || {
            // As `cp -p` of an older file does.
            project.write("src/old.py", "2");
            let file = files::open_to_write(&project.path("src/old.py")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            project.tree(&["src"]).0.written_since(before)
        };
        // The time of a file is that of the last tick of the kernel's clock.
        let found = std::iter::repeat_with(changed).find(|found| !found.is_empty());
        assert_eq!(found.unwrap(), [Path::new("src/old.py")]);
        let (tree, _) = project.tree(&["src"]);
        let later = clock::timestamp(SystemTime::now()) + Duration::from_secs(1);
        assert_eq!(tree.written_since(later), [] as [PathBuf; 0]);
    }
}
