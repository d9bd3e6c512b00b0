//! Finds the project for a command typed in a subdirectory, as git finds a repository.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::dirs::applied_file;
use super::env::Env;
use super::socket::SOCKET;
use crate::sys::files;

/// Any of these makes a directory a project.
const MARKS: [&str; 3] = ["Procfile", "tmo.toml", SOCKET];
/// The first of [`MARKS`]: what configures a project.
const FILES: [&str; 2] = ["Procfile", "tmo.toml"];
/// All users may write.
const OTHERS_WRITE: u32 = 0o002;

/// The Procfiles with other names in this directory, such as `Procfile.dev`.
pub fn other_procfiles(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter(|name| name.starts_with("Procfile.") && dir.join(name).is_file()).collect();
    names.sort();
    names
}

/// The kind of a file of another tool that was given as a Procfile, if its content shows that.
pub fn other_format(text: &[u8]) -> Option<&'static str> {
    if text.trim_ascii_start().starts_with(b"{") {
        return Some("a JSON file");
    }
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find_map(|line| match line {
        b"services:" => Some("a compose file"),
        b"processes:" => Some("a process-compose file"),
        b"procs:" => Some("an mprocs file"),
        _ => None,
    })
}

/// Whether this directory is a project.
pub fn is_project(dir: &Path, env: &Env) -> bool {
    MARKS.iter().any(|name| dir.join(name).symlink_metadata().is_ok())
        || applied(dir, env).is_some()
}

/// The file in this directory that configures a project.
pub fn own_file(dir: &Path) -> Option<&'static str> {
    FILES.into_iter().find(|name| dir.join(name).symlink_metadata().is_ok())
}

/// The `tmo.toml` that a fleet has applied to this directory, unless the directory has files of its own.
pub fn applied(dir: &Path, env: &Env) -> Option<PathBuf> {
    let file = applied_file(env, dir);
    (file.is_file() && own_file(dir).is_none()).then_some(file)
}

/// The nearest parent of `start_dir` that is a project, unless `start_dir` is one itself.
///
/// The search stops at the home directory, at file system boundaries, and at a directory that another user
/// owns or that all users may write to, so that no other user can plant a project there.
pub fn project_above(start_dir: &Path, env: &Env) -> Option<PathBuf> {
    if is_project(start_dir, env) {
        return None;
    }
    nearest_above(start_dir, env, &MARKS)
}

/// The nearest parent of `start_dir` with a file of one of these names, under the same rules.
pub fn nearest_above(start_dir: &Path, env: &Env, names: &[&str]) -> Option<PathBuf> {
    let begin = start_dir.metadata().ok()?;
    let home = env.caller_dir("HOME").and_then(|home| files::number(&home));
    let is_home = |dir: &Metadata| home == Some((dir.dev(), dir.ino()));
    if is_home(&begin) {
        return None;
    }
    let me = nix::unistd::geteuid().as_raw();
    let ours = |path: PathBuf| path.symlink_metadata().is_ok_and(|found| found.uid() == me);
    for dir in start_dir.ancestors().skip(1) {
        let found = dir.metadata().ok()?;
        let foreign = found.uid() != me || found.mode() & OTHERS_WRITE != 0;
        if foreign || found.dev() != begin.dev() || is_home(&found) {
            return None;
        }
        if names.iter().any(|name| ours(dir.join(name))) {
            return Some(dir.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::project_above;
    use crate::config::Env;

    #[test]
    fn the_nearest_project_is_found_up_to_home_and_to_what_others_can_write() {
        let top = tempfile::tempdir().unwrap();
        let home = top.path().join("home");
        let deep = home.join("app/sub/deep");
        std::fs::create_dir_all(&deep).unwrap();
        let env = Env::of([("HOME", &home)]);
        let at = |dir: &str| home.join(dir);
        let found = |dir: &str| project_above(&at(dir), &env);
        std::fs::write(top.path().join("Procfile"), "").unwrap();
        std::fs::write(at("Procfile"), "").unwrap();
        assert_eq!(found("app/sub/deep"), None, "neither that of the home nor one above");
        std::fs::write(at("app/Procfile"), "").unwrap();
        assert_eq!(found("app/sub/deep"), Some(at("app")));
        assert_eq!(found("app"), None, "it is one itself");
        std::fs::write(at("app/sub/tmo.toml"), "").unwrap();
        assert_eq!(found("app/sub/deep"), Some(at("app/sub")));
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(at("app/sub"), open).unwrap();
        assert_eq!(found("app/sub/deep"), None, "everybody may write there");
        assert_eq!(project_above(&home, &env), None);
    }
}
