//! Runs a command next to the processes: a check, a hook, a stop command. It exits with the status of
//! the command, once nothing is left of the process tree of the command.
//!
//! It is the subreaper of that tree, so no process escapes by leaving the group or the session. On
//! SIGHUP it kills the tree at once: the command is no longer needed, or the supervisor has died.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;

use super::process_tree::{self, EndingProgress, Root, Termination, Tree};
use crate::model::Exit;
use crate::sys::{self, Wakes};

/// Run the command; returns its exit status. If the command was ended by a signal, this process ends
/// itself with the same signal.
pub fn run_beside(shell: &OsStr, command: &OsStr) -> u8 {
    match carry_out(shell, command) {
        Ok(Exit::Code(code)) => code,
        Ok(Exit::Signal(signal)) => {
            sys::end_by(signal.into());
            128_u8.saturating_add(signal)
        }
        // The exit codes of a shell.
        Err(error) if error.kind() == io::ErrorKind::NotFound => 127,
        Err(_) => 126,
    }
}

fn carry_out(shell: &OsStr, command: &OsStr) -> io::Result<Exit> {
    let mut wakes = Wakes::install()?;
    sys::adopt_orphans()?;
    let child = Command::new(shell).arg("-c").arg(command).process_group(0).spawn()?;
    // Close our copy of stdin, so that writing to it fails once the command has closed its own.
    let _ = nix::unistd::close(0);
    let own = std::process::id();
    let session = sys::info(own).map_or(0, |process| process.sid);
    let root = Root { shim: own, session, main: child.id(), holder: 0 };
    let (mut exit, mut ending) = (None, None);
    loop {
        process_tree::reap_all_but(root);
        exit = exit.or_else(|| end_of(root.main));
        if exit.is_some() || wakes.hangup() {
            let now = Instant::now();
            ending.get_or_insert_with(|| Termination::leftovers(SIGKILL, now, Duration::ZERO));
        }
        let mut watched = None;
        if let Some(ending) = &mut ending {
            let tree = Tree::survey(root, None);
            let is_over = tree.is_empty(root, exit.is_some()) || {
                let progress = ending.go_on(root, &tree, exit.is_some(), Instant::now());
                matches!(progress, EndingProgress::Stuck(_))
            };
            if let (Some(exit), true) = (exit, is_over) {
                let _ = sys::reap(root.main);
                return Ok(exit);
            }
            watched = tree.watch_deep(root);
        }
        let until = ending.as_ref().and_then(Termination::deadline);
        let time = until.map(|at| at.saturating_duration_since(Instant::now()));
        wakes.wait(time, watched.as_ref().map(OwnedFd::as_fd))?;
    }
}

/// The exit status of the command, if it has ended. It remains a zombie.
fn end_of(main: u32) -> Option<Exit> {
    match sys::peek(main) {
        Ok(ended) => ended.map(|ended| ended.exit),
        // Another process has reaped it.
        Err(_) => Some(Exit::Signal(9)),
    }
}
