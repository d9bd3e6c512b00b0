//! `tmo cleanup`: what a run has left of which every part was killed.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::args::ClientArgs;
use super::error::CliError;
use super::instance::{Instance, WAITS};
use crate::control::dial::{self, Answer};
use crate::control::listen;
use crate::control::lock::{self, Door, RunLock};
use crate::model::count;
use crate::sys;

/// End and remove it, and say what that was. What lives and can be gone on with is left alone.
pub(super) fn cleanup(args: &ClientArgs, out: &mut dyn Write) -> Result<u8, CliError> {
    let instance = Instance::find(args)?;
    let runtime = &instance.runtime;
    let mut done = vec![];
    if runtime.dir().is_dir() {
        let door = Door::enter(runtime.dir(), || super::warn(&WAITS));
        let _door = door.map_err(CliError::io("the lock"))?;
        if lock::is_held(runtime.dir()).map_err(CliError::io("the lock"))? {
            let text = "a run is here, nothing is left over; `tmo quit` ends it".to_owned();
            return Err(CliError::Other(text));
        }
        if runtime.adoptable()? {
            let text = "processes live here whose supervisor was killed: `tmo start` goes on with \
                        them, `tmo quit` ends them";
            return Err(CliError::Other(text.to_owned()));
        }
        let tmux = runtime.saved().ok().and_then(|saved| saved.tmux);
        let (ended, left) = runtime.sweep();
        if !left.is_empty() {
            let list = left.iter().map(|process| format!("{} (pid {})", process.comm, process.pid));
            let list = list.collect::<Vec<_>>().join(", ");
            return Err(CliError::Other(format!("this can't be ended: {list}")));
        }
        if ended > 0 {
            done.push(format!("ended {}", count::processes(ended, "")));
        }
        let there = runtime.plan_file().exists() || runtime.state_file().exists();
        runtime.clear().map_err(CliError::io(runtime.dir().display()))?;
        if there {
            done.push(format!("removed what the run had left in {}", runtime.dir().display()));
        }
        // Nobody else takes it: they wait at the door.
        if let Ok(lock) = RunLock::acquire(runtime.dir()) {
            lock.release(runtime.dir());
        }
        for socket in listen::own_sockets(runtime.dir()) {
            remove_stale(&socket)?;
        }
        let server = tmux.filter(|server| !sys::alive(server.pid, server.start_time));
        if let Some(server) = server
            && remove_stale(server.socket.as_path())?
        {
            done.push(format!("removed {}", server.socket.as_path().display()));
        }
    }
    let (path, shown) = (&instance.socket.path, instance.socket.shown.display());
    let unlinked = listen::unlink_own(path, runtime.dir()).map_err(CliError::io(shown))?;
    if unlinked || remove_stale(path)? {
        done.push(format!("removed {}", instance.socket.shown.display()));
    }
    if done.is_empty() {
        done.push("nothing is left over here".to_owned());
    }
    super::print(out, &(done.join("\n") + "\n"))
}

/// Remove a socket of this user that nobody listens on; anything else stays.
fn remove_stale(path: &Path) -> Result<bool, CliError> {
    let uid = nix::unistd::geteuid().as_raw();
    let ours = path
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() == uid);
    if !ours || !matches!(dial::probe(path), Ok(Answer::Dead)) {
        return Ok(false);
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(CliError::io(path.display())),
    }
}
