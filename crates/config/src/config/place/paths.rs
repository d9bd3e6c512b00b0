//! Paths and names derived from the user's input, and programs chosen by the caller of a command, not by the project.
//!
//! A repository can contain a program named `tmux` and an env file that puts it first in `PATH`. A command
//! that only inspects must not run it, so it searches only the caller's own `PATH`, and only directories
//! where no file of the project can be.

use std::path::{Component, Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::config::Env;

/// The part of the caller's own `PATH` that is safe to run programs from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath {
    /// The directories of the project, with links resolved.
    project: Vec<PathBuf>,
    entries: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
}

impl OwnPath {
    /// The `PATH` of the caller without relative entries and without directories inside the project.
    ///
    /// A project that is the caller's home, or contains it, is not excluded: the user's own programs are
    /// there.
    pub fn new<'a>(env: &Env, project: impl IntoIterator<Item = &'a Path>) -> Self {
        let home = env.caller_dir("HOME").map(|home| real(&home));
        let holds_home = |dir: &PathBuf| home.as_ref().is_some_and(|home| home.starts_with(dir));
        let project: Vec<_> = project.into_iter().map(real).filter(|d| !holds_home(d)).collect();
        let mut own = Self { project, entries: vec![], skipped: vec![] };
        let path = std::env::split_paths(env.caller("PATH").unwrap_or_default());
        (own.entries, own.skipped) = path.partition(|entry| own.allows(entry));
        own
    }

    /// Whether a program at this path is outside of the project.
    pub fn allows(&self, path: &Path) -> bool {
        path.is_absolute() && {
            let real = real(path);
            !self.project.iter().any(|dir| path.starts_with(dir) || real.starts_with(dir))
        }
    }

    /// The first program of this name.
    pub fn find(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        let name = name.as_ref();
        let runs = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
        if name.components().count() != 1 || name.file_name().is_none() {
            return Some(name.to_owned()).filter(|path| self.allows(path) && runs(path));
        }
        let all = self.entries.iter().map(|entry| entry.join(name));
        all.filter(|path| self.allows(path)).find(runs)
    }

    /// The excluded entries.
    pub fn skipped(&self) -> &[PathBuf] {
        &self.skipped
    }

    /// The remaining entries, as a `PATH`.
    pub fn joined(&self) -> std::ffi::OsString {
        // Entries that came from a `PATH` can be joined into one.
        std::env::join_paths(&self.entries).unwrap_or_default()
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `path` seen from `base`, absolute, without `.` and `..`; symbolic links are kept.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

/// Expands `~/…` with the user's home directory.
pub fn at_home(env: &Env, dir: PathBuf) -> PathBuf {
    match (dir.strip_prefix("~"), env.caller_dir("HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_) | Err(_), _) => dir,
    }
}

/// The tmux session name of a title: lower case, every run of characters other than ASCII letters and
/// digits becomes one `-`; `tmo` if nothing is left. A long title is cut to the maximum length of a file
/// name: tmux accepts no command of many thousand characters.
pub fn session_name(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars().take(255) {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    if name.is_empty() || name == "-" { "tmo".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::{OwnPath, absolute, session_name};
    use crate::config::Env;

    fn plant(dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("tmux"), "").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.join("tmux"), mode).unwrap();
    }

    #[test]
    fn no_program_of_the_project_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        plant(&at("app/bin"));
        plant(&at("own"));
        std::fs::create_dir(at("links")).unwrap();
        symlink(at("app/bin"), at("alias")).unwrap();
        symlink(at("app/bin/tmux"), at("links/tmux")).unwrap();
        let path = ["./bin", "", "app/bin", "{}/app/bin", "{}/alias", "{}/own/../app/bin"];
        let path = path.map(|entry| entry.replace("{}", dir.path().to_str().unwrap())).join(":");
        let find = |path: String, project: &Path| {
            let mut env = Env::of([("PATH", path), ("HOME", at("home").display().to_string())]);
            env.set_from_file(&Path::new("./.env").into(), "PATH".into(), at("app/bin").into());
            OwnPath::new(&env, [project]).find("tmux")
        };
        assert_eq!(find(path.clone(), &at("app")), None);
        let links = format!("{path}:{}", at("links").display());
        assert_eq!(find(links.clone(), &at("app")), None, "a link into the project");
        let own = format!("{links}:{}", at("own").display());
        assert_eq!(find(own.clone(), &at("app")), Some(at("own/tmux")));
        // The project is the directory that the link leads to.
        assert_eq!(find(own, &at("alias")), Some(at("own/tmux")));
    }

    #[test]
    fn a_home_that_is_a_project_keeps_its_programs() {
        let dir = tempfile::tempdir().unwrap();
        plant(&dir.path().join("bin"));
        let bin = dir.path().join("bin").display().to_string();
        let env = Env::of([("PATH", bin.clone()), ("HOME", dir.path().display().to_string())]);
        let own = OwnPath::new(&env, [dir.path()]);
        assert_eq!(own.find("tmux"), Some(dir.path().join("bin/tmux")));
        assert_eq!(own.joined(), *bin);
    }

    #[test]
    fn a_path_is_a_program_only_outside_the_project() {
        let dir = tempfile::tempdir().unwrap();
        plant(&dir.path().join("app/bin"));
        plant(&dir.path().join("own"));
        let own = OwnPath::new(&Env::default(), [&*dir.path().join("app")]);
        assert_eq!(own.find(dir.path().join("app/bin/tmux")), None);
        let path = dir.path().join("own/tmux");
        assert_eq!(own.find(&path), Some(path.clone()));
        assert_eq!(own.find("./own/tmux"), None);
    }

    #[test]
    fn paths_are_cleaned_by_their_text() {
        let table = [("./a/../b", "/x/b"), ("/y/./z/", "/y/z"), ("../../..", "/"), (".", "/x")];
        for (path, expected) in table {
            assert_eq!(absolute(Path::new("/x"), Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn sessions_are_plain_words() {
        let table =
            [("My App!", "my-app-"), ("a__b", "a-b"), ("", "tmo"), ("日本", "tmo"), ("é1", "-1")];
        for (title, expected) in table {
            assert_eq!(session_name(title), expected, "{title}");
        }
    }
}
