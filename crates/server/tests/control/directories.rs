//! A project directory and a runtime directory for sockets.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pretty_assertions::assert_eq;
use tempfile::TempDir;
use tmo_base::sys::dial::{ListenerState, dial, probe};
use tmo_run::listen::{ListenError, Listening, bind, locate};

pub(crate) struct Directories {
    _dir: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) runtime: PathBuf,
}

pub(crate) fn directories() -> Directories {
    let dir = tempfile::tempdir().unwrap();
    let (root, runtime) = (dir.path().join("app"), dir.path().join("run"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&runtime).unwrap();
    Directories { path: root.join(".overmind.sock"), runtime, _dir: dir }
}

impl Directories {
    pub(crate) fn bind(&self) -> Result<Listening, ListenError> {
        bind(&self.path, Path::new("./.overmind.sock"), &self.runtime)
    }

    /// What lies beside the Procfile.
    pub(crate) fn beside(&self) -> usize {
        fs::read_dir(self.path.parent().unwrap()).unwrap().count()
    }
}

/// A client that finds the socket reaches this listener.
pub(crate) fn reaches(dirs: &Directories, listening: &Listening) {
    let found = locate(&dirs.path, &dirs.runtime);
    let mut client = dial(&found, Duration::from_secs(5)).unwrap();
    client.write_all(b"x").unwrap();
    listening.listener.set_nonblocking(true).unwrap();
    listening.listener.accept().expect("the client waits here");
}

/// A socket that nobody listens on any more.
pub(crate) fn leave_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert_eq!(probe(path).unwrap(), ListenerState::Dead);
}
