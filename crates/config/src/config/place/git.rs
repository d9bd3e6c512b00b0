//! Which files git ignores, and which linked worktree a directory is in, by the files of git; git itself is not run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::model::text::OsText;
use crate::sys::files::{self, ChosenBy};

/// Where the rules of a directory are.
pub const RULES: &str = ".gitignore";

/// How many bytes and lines of a file of rules count: each rule takes kilobytes of memory.
const MOST: (usize, usize) = (256 << 10, 5_000);

/// The rules of the repository that a directory is in. Outside of a repository there are none.
#[derive(Debug, Default)]
pub struct GitRules {
    /// The top directory of the repository.
    top: Option<PathBuf>,
    /// The rules of the repository for this checkout, and those of the user.
    general: Vec<Gitignore>,
    /// The rules of each directory, as far as they were needed.
    dirs: HashMap<PathBuf, Option<Arc<Gitignore>>>,
}

impl GitRules {
    /// Find the repository of an absolute directory.
    pub fn new(dir: &Path) -> Self {
        let is_top = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
        let Some(top) = dir.ancestors().find(is_top) else { return Self::default() };
        let excluded = read_rules(top, &common_dir(&top.join(".git")).join("info/exclude"));
        let (user, _) = GitignoreBuilder::new(top).build_global();
        let general = excluded.into_iter().chain([user]).collect();
        Self { top: Some(top.to_owned()), general, dirs: HashMap::new() }
    }

    /// Forget the rules of all directories: one of their files has changed.
    pub fn forget(&mut self) {
        self.dirs.clear();
    }

    /// Whether git ignores this absolute path for its own sake; it may still be in an ignored directory.
    pub fn ignore(&mut self, path: &Path, is_dir: bool) -> bool {
        let Some(top) = self.top.clone() else { return false };
        for dir in path.ancestors().skip(1).take_while(|dir| dir.starts_with(&top)) {
            let rules = self
                .dirs
                .entry(dir.to_owned())
                .or_insert_with_key(|dir| read_rules(dir, &dir.join(RULES)).map(Arc::new));
            let found = rules.as_ref().map(|rules| rules.matched(path, is_dir));
            if let Some(found) = found.filter(|found| !found.is_none()) {
                return found.is_ignore();
            }
        }
        let mut found = self.general.iter().map(|rules| rules.matched(path, is_dir));
        found.find(|found| !found.is_none()).is_some_and(|found| found.is_ignore())
    }
}

/// The rules in a file, for paths below this directory. A line that git would not understand is left out.
fn read_rules(dir: &Path, file: &Path) -> Option<Gitignore> {
    let text = files::read_project(file, ChosenBy::Project).ok()?;
    let (bytes, lines) = MOST;
    let text = match text.get(..bytes) {
        // Without a line that is cut off.
        Some(start) => &start[..memchr::memrchr(b'\n', start).unwrap_or(0)],
        None => &text,
    };
    let mut rules = GitignoreBuilder::new(dir);
    let text = String::from_utf8_lossy(text);
    for line in text.trim_start_matches('\u{feff}').lines().take(lines) {
        let _ = rules.add_line(None, line);
    }
    rules.build().ok()
}

/// Where a `.git` file says that the repository is; a directory is it.
pub(in crate::config) fn git_dir(git: &Path) -> Option<PathBuf> {
    // A directory can't be read.
    let text = files::read_project(git, ChosenBy::Project).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(PathBuf::from(text.strip_prefix("gitdir:")?.trim()))
}

/// The directory of a repository that all its worktrees share.
fn common_dir(git: &Path) -> PathBuf {
    let Some(named) = git_dir(git) else { return git.to_owned() };
    let own = git.parent().unwrap_or(git).join(named);
    let common = files::read_project(&own.join("commondir"), ChosenBy::Project).ok();
    match common {
        Some(common) => own.join(String::from_utf8_lossy(&common).trim()),
        None => own,
    }
}

/// Whether this directory is the top of a checkout of its own: a clone or a linked worktree, not a submodule.
pub fn is_other_checkout(dir: &Path) -> bool {
    let git = dir.join(".git");
    let is_submodule = |named: &Path| named.components().any(|part| part.as_os_str() == "modules");
    match git.symlink_metadata() {
        Ok(meta) if meta.is_dir() => true,
        Ok(_) => git_dir(&git).is_some_and(|named| is_of_worktree(&named) || !is_submodule(&named)),
        Err(_) => false,
    }
}

/// The top directory of the linked worktree that `dir` is in; `None` in a main worktree, in a submodule, and outside of
/// git.
pub fn linked_worktree(dir: &Path) -> Option<PathBuf> {
    let top = top(dir)?;
    git_dir_of_linked(top).map(|_| top.to_owned())
}

/// The git directory that all worktrees of the repository share in which `dir` is; `None` outside of git.
pub fn repository(dir: &Path) -> Option<OsText> {
    let top = top(dir)?;
    let shared = git_dir_of_linked(top).and_then(|git| Some(git.parent()?.parent()?.to_owned()));
    let shared = shared.unwrap_or_else(|| top.join(".git"));
    Some(shared.canonicalize().unwrap_or(shared).into())
}

fn top(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok())
}

/// The git directory of a linked worktree with this top directory; `None` for a main one and a submodule.
fn git_dir_of_linked(top: &Path) -> Option<PathBuf> {
    let git = top.join(git_dir(&top.join(".git"))?);
    is_of_worktree(&git).then_some(git)
}

/// Whether this is what the `.git` file of a linked worktree names. That of a submodule names a directory below
/// `modules`.
pub(in crate::config) fn is_of_worktree(git_dir: &Path) -> bool {
    git_dir.parent().and_then(Path::file_name).is_some_and(|name| name == "worktrees")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{GitRules, is_other_checkout, linked_worktree};

    fn write(dir: &Path, file: &str, text: &str) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearest_rule_decides_and_the_last_one_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".git/info/exclude", "*.bak\n");
        write(dir.path(), ".gitignore", "*.log\n!keep.log\n/dist\n*.gen.*\n[\n");
        write(dir.path(), "app/.gitignore", "!*.log\n*.tmp/\n");
        let mut rules = GitRules::new(&dir.path().join("app"));
        for (path, is_dir, is_ignored) in [
            ("a.log", false, true),
            ("keep.log", false, false),
            ("app/a.log", false, false),
            ("app/x.tmp", true, true),
            ("app/x.tmp", false, false),
            ("dist", true, true),
            ("dist/a.js", false, false),
            ("app/dist", true, false),
            ("app/x.gen.rs", false, true),
            ("app/a.bak", false, true),
            ("app/a.rs", false, false),
        ] {
            assert_eq!(rules.ignore(&dir.path().join(path), is_dir), is_ignored, "{path}");
        }
        write(dir.path(), "app/.gitignore", "a.rs\n");
        rules.forget();
        assert!(rules.ignore(&dir.path().join("app/a.rs"), false));
    }

    #[test]
    fn only_the_beginning_of_a_large_file_counts() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".git/HEAD", "x");
        let long = format!("{}\n", "x".repeat(200)).repeat(2_000);
        let many = "**/a/**/b\n".repeat(6_000);
        write(dir.path(), "many/.gitignore", &format!("first\n{many}last\n"));
        write(dir.path(), "long/.gitignore", &format!("first\n{long}last\n"));
        let mut rules = GitRules::new(dir.path());
        for (path, is_ignored) in
            [("many/first", true), ("many/last", false), ("long/first", true), ("long/last", false)]
        {
            assert_eq!(rules.ignore(&dir.path().join(path), false), is_ignored, "{path}");
        }
    }

    #[test]
    fn without_a_repository_there_are_no_rules() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".gitignore", "*\n");
        assert!(!GitRules::new(dir.path()).ignore(&dir.path().join("a"), false));
    }

    #[test]
    fn a_linked_worktree_has_the_rules_of_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "shop/.git/info/exclude", "*.bak\n");
        write(dir.path(), "shop/.git/worktrees/fix/commondir", "../..\n");
        write(dir.path(), "fix/.git", "gitdir: ../shop/.git/worktrees/fix\n");
        let fix = dir.path().join("fix");
        assert!(GitRules::new(&fix).ignore(&fix.join("a.bak"), false));
    }

    #[test]
    fn clones_and_worktrees_are_other_checkouts_and_submodules_are_not() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "clone/.git/HEAD", "x");
        write(dir.path(), "tree/.git", "gitdir: /src/shop/.git/worktrees/tree\n");
        write(dir.path(), "deep/.git", "gitdir: /src/modules/.git/worktrees/deep\n");
        write(dir.path(), "bare/.git", "gitdir: /src/shop.git\n");
        write(dir.path(), "lib/.git", "gitdir: ../.git/modules/lib\n");
        write(dir.path(), "src/a.rs", "");
        let is_other = |name: &&str| is_other_checkout(&dir.path().join(name));
        let all = ["clone", "tree", "deep", "bare", "lib", "src"];
        assert_eq!(all.iter().filter(|name| is_other(name)).count(), 4);
        assert!(!["lib", "src"].iter().any(is_other));
    }

    #[test]
    fn only_a_linked_worktree_is_one() {
        let top = tempfile::tempdir().unwrap();
        let (git, deep) = (top.path().join(".git"), top.path().join("a/b"));
        std::fs::create_dir_all(&deep).unwrap();
        for (text, is_linked) in [
            ("gitdir: /src/shop/.git/worktrees/fix-ui\n", true),
            ("gitdir: ../shop/.git/worktrees/fix-ui", true),
            ("gitdir: /src/shop.git/worktrees/fix-ui\n", true),
            ("gitdir: /src/shop/.git/modules/lib/worktrees/fix\n", true),
            ("gitdir: ../.git/modules/lib\n", false),
            ("gitdir: /src/worktrees/shop/.git\n", false),
            ("gitdir: /src/shop/.git/worktrees/fix/modules/lib\n", false),
            ("/src/shop/.git/worktrees/fix\n", false),
            ("gitdir: worktrees\n", false),
            ("", false),
        ] {
            std::fs::write(&git, text).unwrap();
            let found = linked_worktree(&deep);
            assert_eq!(found, is_linked.then(|| top.path().to_owned()), "{text}");
        }
        std::fs::remove_file(&git).unwrap();
        std::fs::create_dir_all(git.join("worktrees/fix")).unwrap();
        assert_eq!(linked_worktree(&deep), None, "the main one");
    }
}
