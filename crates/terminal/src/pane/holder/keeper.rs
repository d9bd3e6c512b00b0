//! Keeps a terminal's holder running: the shim starts another one when the holder has ended.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;
use rustix::event::PollFlags;

use super::{Holder, Terminal};
use crate::sys;

/// How long a holder must have lived for its successor to be started at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How many holders in a row may live shorter than that before the next one has to wait.
const MOST_SHORT_LIVES: u32 = 3;
/// How long a holder may take to discard input. One that is stopped does not.
const DISCARD_PATIENCE: Duration = Duration::from_millis(500);

/// Keeps a holder for the terminal of a shim.
#[derive(Debug)]
pub struct HolderKeeper {
    terminal: Terminal,
    holder: Option<Holder>,
    /// How many holders in a row have lived for a short time only.
    short_lives: u32,
    /// When to start the next one.
    due: Option<Instant>,
}

impl HolderKeeper {
    /// Start the first holder of this terminal.
    pub fn begin(terminal: Terminal, spec: &Path) -> Self {
        let mut keeper = Self { terminal, holder: None, short_lives: 0, due: None };
        keeper.start(spec);
        keeper
    }

    fn start(&mut self, spec: &Path) {
        match self.terminal.hold(spec) {
            Ok(holder) => (self.holder, self.due) = (Some(holder), None),
            // The user has too many processes: some will end.
            Err(_) => self.due = Some(Instant::now() + SHORT_LIFE),
        }
    }

    /// The process id of the holder, 0 while there is none.
    pub fn pid(&self) -> u32 {
        self.holder.as_ref().map_or(0, |holder| holder.pid)
    }

    /// What is closed when the holder ends.
    pub fn end(&self) -> Option<BorrowedFd<'_>> {
        self.holder.as_ref().map(|holder| holder.end.as_fd())
    }

    /// When [`Self::renew`] has something to do.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Discard what was typed for a process that has ended and is not in the terminal yet.
    pub fn discard_input(&self) {
        let Some(Holder { end, .. }) = &self.holder else { return };
        let mut to = end;
        if has_ended(end) || to.write_all(&[0]).is_err() {
            return;
        }
        // If it ends meanwhile, so does what it kept.
        let _ = sys::wait_for(end, PollFlags::IN, Some(DISCARD_PATIENCE));
        has_ended(end);
    }

    /// End a holder whose socket was removed, so that [`Self::renew`] starts one with another. What it has not written
    /// yet is in the pipe.
    pub fn replace_if_unreachable(&self, socket: &Path) {
        let is_gone = !socket.exists() && socket.parent().is_some_and(Path::exists);
        if is_gone && let Some(holder) = &self.holder {
            // An error means that it has ended.
            let _ = sys::signal_pid(holder.pid, SIGKILL);
        }
    }

    /// Start another holder if this one has ended.
    pub fn renew(&mut self, spec: &Path) {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            return self.start(spec);
        }
        let Some(holder) = &self.holder else { return };
        if !has_ended(&holder.end) {
            return;
        }
        let is_short = now.duration_since(holder.began) < SHORT_LIFE;
        self.short_lives = if is_short { self.short_lives + 1 } else { 0 };
        self.holder = None;
        if self.short_lives > MOST_SHORT_LIVES {
            self.due = Some(now + SHORT_LIFE);
        } else {
            self.start(spec);
        }
    }
}

/// Whether the other end is closed. Its answers to [`HolderKeeper::discard_input`] are no longer needed.
fn has_ended(mut end: &UnixStream) -> bool {
    loop {
        match end.read(&mut [0; 64]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}
