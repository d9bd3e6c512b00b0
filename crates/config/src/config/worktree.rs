//! Which linked git worktree a directory is in, by the files that git leaves there; git itself is not run.

use std::path::{Path, PathBuf};

use super::git_rules::git_dir;
use crate::model::text::OsText;

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
pub(super) fn is_of_worktree(git_dir: &Path) -> bool {
    git_dir.parent().and_then(Path::file_name).is_some_and(|name| name == "worktrees")
}

#[cfg(test)]
mod tests {
    use super::linked_worktree;

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
