//! Locates the project: its root, its Procfile, its control socket, and its title. For a command
//! typed in a subdirectory it is found as git finds a repository.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::dirs::{Identity, applied_file, state_dir, state_id};
use super::paths::{absolute, session_name};
use super::socket::{BadAddress, SOCKET, SocketFlags, SocketPath, start_socket};
use crate::config::command::process_name;
use crate::config::env::Env;
use crate::config::options::{Setting, StartOptions};
use crate::sys::files;

/// A project to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The Procfile, absolute.
    pub procfile: PathBuf,
    /// The Procfile as the user named it.
    pub procfile_shown: PathBuf,
    /// Working directory of the processes, absolute; symbolic links are kept.
    pub root: PathBuf,
    /// The title: base name of the root unless given.
    pub title: String,
    /// The directory the start was typed in.
    pub dir: PathBuf,
    /// The path of the control socket.
    pub socket: SocketPath,
    /// The `tmo.toml` that a fleet has applied to it.
    pub applied: Option<PathBuf>,
    /// Tells its instance from all others.
    pub identity: Identity,
    /// Names its state: see [`state_id`].
    pub(crate) state: String,
}

impl Project {
    /// The project for a `tmo start` typed in `start_dir`.
    pub fn locate(start_dir: &Path, typed: &StartOptions, env: &Env) -> Result<Self, BadAddress> {
        let procfile_shown = typed.procfile.clone().or_else(|| env.path("PROCFILE"));
        let applied = if procfile_shown.is_none() { applied(start_dir, env) } else { None };
        let procfile_shown =
            procfile_shown.unwrap_or_else(|| Setting::default_of("procfile").into());
        let procfile = absolute(start_dir, &procfile_shown);
        let root = match &typed.root {
            Some(root) => absolute(start_dir, root),
            // A pipe has no directory of its own.
            None if files::is_descriptor(&procfile) => start_dir.to_owned(),
            None => procfile.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let named =
            typed.title.clone().map_or_else(|| env.text("TITLE"), |title| Ok(Some(title)))?;
        let title =
            named.filter(|title| !title.is_empty()).unwrap_or_else(|| match &typed.command[..] {
                [] => root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned(),
                command => process_name(command),
            });
        let address = SocketFlags { socket: typed.socket.clone(), network: typed.network.clone() };
        let socket = start_socket(start_dir, address, env)?;
        let identity = Identity::of_socket(env, &socket.path);
        let state = state_id(env, &root, &socket.path);
        let dir = start_dir.to_owned();
        Ok(Self { procfile, procfile_shown, root, title, dir, socket, applied, identity, state })
    }

    /// Show absolute paths of its files, because the user is in another directory.
    pub fn show_absolute(&mut self) {
        self.procfile_shown.clone_from(&self.procfile);
        if self.socket.tcp.is_none() {
            self.socket.shown.clone_from(&self.socket.path);
        }
    }

    /// The name of the tmux session.
    pub fn session(&self) -> String {
        session_name(&self.title)
    }

    /// The name of the tmux server: shows the project's name, and is unique to this instance.
    pub fn tmux_socket(&self) -> String {
        let session = self.session();
        format!("tmo-{}-{}", &session[..session.len().min(20)], self.identity.name())
    }

    /// The `tmo.toml` beside the Procfile, or the applied one: its path, and its name for messages.
    pub fn toml(&self) -> (PathBuf, PathBuf) {
        self.applied.clone().map_or_else(|| self.beside("tmo.toml"), |file| (file.clone(), file))
    }

    /// The directory that paths in its `tmo.toml` are relative to.
    pub fn base(&self) -> &Path {
        if self.applied.is_some() {
            &self.root
        } else if files::is_descriptor(&self.procfile) {
            &self.dir
        } else {
            self.procfile.parent().unwrap_or(&self.root)
        }
    }

    /// The directory of the files that it keeps between runs.
    pub fn state_dir(&self, env: &Env) -> PathBuf {
        state_dir(env, &self.title, &self.state)
    }

    /// The directory of its apps.
    pub fn apps(&self, env: &Env) -> PathBuf {
        self.state_dir(env).join("apps")
    }

    /// The `failure_declarations.json` beside the Procfile: its path, and its name for messages.
    pub fn failures(&self) -> (PathBuf, PathBuf) {
        self.beside(crate::config::failures::FILE)
    }

    /// A file beside the Procfile: its path, and its name for messages.
    fn beside(&self, name: &str) -> (PathBuf, PathBuf) {
        let shown = if files::is_descriptor(&self.procfile) {
            Path::new(".").join(name)
        } else {
            self.procfile_shown.with_file_name(name)
        };
        (self.base().join(name), shown)
    }
}

/// The directory the command was typed in, with symbolic links as the shell shows them.
pub fn start_dir(env: &Env) -> std::io::Result<PathBuf> {
    let real = std::env::current_dir()?;
    let plain = |path: &PathBuf| {
        path.is_absolute()
            && path.components().all(|part| part != Component::ParentDir)
            && files::number(path).is_some_and(|found| Some(found) == files::number(&real))
    };
    Ok(env.caller("PWD").map(PathBuf::from).filter(plain).unwrap_or(real))
}

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
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::{Project, project_above};
    use crate::config::{Env, StartOptions};

    fn none() -> Env {
        Env::default()
    }

    #[test]
    fn the_root_is_where_the_procfile_is() {
        let typed = StartOptions { procfile: Some("../app/P.dev".into()), ..Default::default() };
        let project = Project::locate(Path::new("/x/bin"), &typed, &none()).unwrap();
        assert_eq!(project.root, Path::new("/x/app"));
        assert_eq!(project.procfile, Path::new("/x/app/P.dev"));
        assert_eq!(project.procfile_shown, Path::new("../app/P.dev"));
        assert_eq!(project.title, "app");
        assert_eq!(project.socket.path, Path::new("/x/bin/.overmind.sock"));
        assert_eq!(project.socket.shown, Path::new("./.overmind.sock"));
        assert_eq!(project.toml().1, Path::new("../app/tmo.toml"));
    }

    #[test]
    fn flags_beat_variables() {
        let env = Env::of([
            ("OVERMIND_PROCFILE", "P2"),
            ("OVERMIND_TITLE", "Two"),
            ("OVERMIND_SOCKET", "/s2"),
        ]);
        let at = |typed: &StartOptions| Project::locate(Path::new("/x"), typed, &env).unwrap();
        let by_env = at(&StartOptions::default());
        assert_eq!((by_env.title.as_str(), by_env.socket.path.to_str()), ("Two", Some("/s2")));
        assert_eq!(by_env.procfile, Path::new("/x/P2"));
        let typed = StartOptions {
            title: Some("My App!".into()),
            socket: Some("s1".into()),
            root: Some("r".into()),
            ..Default::default()
        };
        let by_flag = at(&typed);
        assert_eq!(by_flag.socket.path, Path::new("/x/s1"));
        assert_eq!(by_flag.root, Path::new("/x/r"));
        assert_eq!(by_flag.session(), "my-app-");
        assert_eq!(by_flag.tmux_socket(), format!("tmo-my-app--{}", by_flag.identity.id));
    }

    #[test]
    fn the_tmux_server_has_a_short_name() {
        let typed = StartOptions { title: Some("x".repeat(200)), ..Default::default() };
        let project = Project::locate(Path::new("/x"), &typed, &none()).unwrap();
        assert_eq!(project.tmux_socket().len(), "tmo-".len() + 20 + 1 + 10);
    }

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
