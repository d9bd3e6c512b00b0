//! Locates the project: its root, its Procfile, its control socket, and its title.

use std::path::{Component, Path, PathBuf};

use super::command::process_name;
use super::dirs::{Identity, state_dir, state_id};
use super::env::Env;
use super::lookup::applied;
use super::options::{Setting, StartOptions};
use super::paths::{absolute, session_name};
use super::socket::{BadAddress, SocketFlags, SocketPath, start_socket};
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
        let base = || match &typed.command[..] {
            [] => root.file_name().unwrap_or(root.as_os_str()).to_string_lossy().into_owned(),
            command => process_name(command),
        };
        let title = named.filter(|title| !title.is_empty()).unwrap_or_else(base);
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
        const MOST: usize = 20;
        let session = self.session();
        format!("tmo-{}-{}", &session[..session.len().min(MOST)], self.identity.id)
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
        self.beside(super::failures::FILE)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::Project;
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
}
