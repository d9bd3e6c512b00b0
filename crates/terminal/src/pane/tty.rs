//! The terminal as seen by the shim: its foreground process group, its modes, and writing markers to
//! it in whatever state a process has left it.
//!
//! Everything here is best effort and bounded in time: a terminal may be stopped, misconfigured or
//! gone, and must not delay the end of processes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::process::Pid;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, Termios, tcflow,
    tcflush, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp, ttyname,
};

use crate::sys::{self, files};

/// The time limit for writing a marker.
const MARKER_PATIENCE: Duration = Duration::from_millis(500);
/// So much waits in a terminal that can't take more at present.
const FULL: u64 = 4000;
/// How long nothing more must arrive before all input counts as discarded, and the limit for that.
const QUIET: Duration = Duration::from_millis(100);
const DISCARDING: Duration = Duration::from_secs(5);

/// The terminal of a pane.
#[derive(Debug)]
pub struct Tty {
    name: PathBuf,
    /// A separate open file for output, so that only this one is non-blocking. `None`: there is no
    /// terminal.
    out: Option<File>,
    /// Another terminal or pipe for the standard error of processes.
    stderr: Option<OwnedFd>,
    /// The terminal modes for the start of a process.
    fresh: Option<Termios>,
    /// The rest of a marker that was written only in part.
    torn: Vec<u8>,
    /// The last write timed out: do not wait again until a write succeeds.
    stuck: bool,
}

impl Tty {
    /// The terminal on stdin, or the pipe on stdout if there is none.
    pub fn open(stderr: Option<OwnedFd>) -> Self {
        let name = ttyname(stdin(), Vec::new()).unwrap_or_default();
        let name = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let out =
            files::open_terminal(&name).or_else(|_| files::open_terminal("/dev/tty".as_ref()));
        // Without a terminal, output goes to a pipe.
        let out = out.or_else(|_| files::reopen_output()).ok();
        let fresh = tcgetattr(stdin()).ok().map(sane);
        Self { name, out, stderr, fresh, torn: Vec::new(), stuck: false }
    }

    /// The path of the terminal device.
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Prepare the terminal for a marker and for the time between lives: take back the foreground,
    /// resume output after ^S, set sane output modes, and do not echo input.
    pub fn calm(&self) {
        sys::set_usual_discipline(stdin());
        let _ = tcsetpgrp(stdin(), rustix::process::getpgrp());
        let _ = tcflow(stdin(), Action::OOn);
        self.set(|modes| {
            // Removing IXON also resumes output that was stopped by ^S.
            modes.input_modes.remove(InputModes::IXON);
            modes.local_modes.remove(
                LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN,
            );
        });
    }

    /// Set the terminal modes for the start of a process.
    pub fn cook(&self) {
        self.set(|_| ());
        if let (Some(stderr), Some(modes)) = (&self.stderr, &self.fresh) {
            let _ = tcflow(stderr, Action::OOn);
            let _ = tcsetattr(stderr, OptionalActions::Now, modes);
        }
    }

    /// What a process gets for standard error, if that is apart.
    pub fn stderr(&self) -> Option<BorrowedFd<'_>> {
        self.stderr.as_ref().map(OwnedFd::as_fd)
    }

    /// Discard typed input that has not been read. If more may wait in the terminal's server, that too: it arrives
    /// as soon as there is room.
    pub fn flush_input(&self, has_server: bool) {
        let is_full = ioctl_fionread(stdin()).is_ok_and(|count| count >= FULL);
        let _ = tcflush(stdin(), QueueSelector::IFlush);
        let until = Instant::now() + DISCARDING;
        while has_server && is_full && Instant::now() < until {
            let came = sys::wait_for(stdin(), PollFlags::IN, Some(QUIET));
            if !came.is_ok_and(|events| !events.is_empty()) {
                break;
            }
            let _ = tcflush(stdin(), QueueSelector::IFlush);
        }
    }

    /// Undo changes that a process made to the flags of the descriptors that the next one inherits.
    pub fn restore_descriptors(&self) {
        let all = [stdin(), stdout(), stderr()];
        for fd in all.into_iter().chain(self.stderr()) {
            let _ = rustix::fs::fcntl_getfl(fd).and_then(|flags| {
                rustix::fs::fcntl_setfl(fd, flags.difference(OFlags::NONBLOCK | OFlags::APPEND))
            });
        }
    }

    /// Set the foreground process group: it may read, and ^C signals it.
    pub fn foreground(&self, group: u32) {
        if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
            let _ = tcsetpgrp(stdin(), group);
        }
    }

    /// The foreground process group.
    pub fn foreground_group(&self) -> Option<u32> {
        let group = tcgetpgrp(stdin()).ok()?;
        u32::try_from(group.as_raw_pid()).ok()
    }

    /// Whether the foreground process group is the shim's own or has no members left.
    pub fn deserted(&self) -> bool {
        tcgetpgrp(stdin()).is_ok_and(|group| {
            group == rustix::process::getpgrp()
                || rustix::process::test_kill_process_group(group).is_err()
        })
    }

    /// Write a marker directly followed by a note for the screen, without output processing.
    pub fn mark_with_note(&mut self, bytes: &[u8]) -> bool {
        self.set_raw();
        let done = self.mark(bytes);
        self.calm();
        done
    }

    /// Whether the terminal has been closed by tmux.
    pub fn is_gone(&self) -> bool {
        let state = sys::wait_for(stdin(), PollFlags::empty(), Some(Duration::ZERO));
        state.is_ok_and(|state| state.contains(PollFlags::HUP))
    }

    fn set_raw(&self) {
        self.set(|modes| {
            modes.input_modes.remove(InputModes::IXON);
            modes.output_modes.remove(OutputModes::OPOST);
            modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        });
    }

    fn set(&self, change: impl FnOnce(&mut Termios)) {
        if let Some(mut modes) = self.fresh.clone() {
            change(&mut modes);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }
    }

    /// Write a marker; returns whether it was written completely.
    pub fn mark(&mut self, bytes: &[u8]) -> bool {
        let Some(out) = &mut self.out else { return false };
        let patience = if self.stuck { Duration::ZERO } else { MARKER_PATIENCE };
        let until = Instant::now() + patience;
        if !self.torn.is_empty() {
            // An incomplete escape sequence would swallow what comes next, so finish it first.
            let written = write_until(out, &self.torn, until);
            self.torn.drain(..written);
        }
        let written = if self.torn.is_empty() { write_until(out, bytes, until) } else { 0 };
        let done = written == bytes.len();
        if !done && written > 0 {
            self.torn = bytes[written..].to_vec();
        }
        self.stuck = !done;
        done
    }
}

/// Write as much as possible before the deadline; returns the number of bytes written.
fn write_until(out: &mut File, bytes: &[u8], until: Instant) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !writable(out.as_fd(), until.saturating_duration_since(Instant::now())) {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    written
}

fn writable(out: BorrowedFd<'_>, time: Duration) -> bool {
    match sys::wait_for(out, PollFlags::OUT, Some(time)) {
        // Interrupted by a signal, which the main loop will handle; the next attempt uses the
        // remaining time.
        Err(rustix::io::Errno::INTR) => !time.is_zero(),
        Err(_) => false,
        Ok(events) => !events.is_empty(),
    }
}

/// The default modes of a terminal.
fn sane(mut modes: Termios) -> Termios {
    let input = &mut modes.input_modes;
    input.remove(InputModes::IGNCR | InputModes::INLCR | InputModes::ISTRIP | InputModes::IXOFF);
    input.insert(InputModes::ICRNL | InputModes::IXON);
    let output = &mut modes.output_modes;
    output.remove(OutputModes::OCRNL | OutputModes::ONOCR | OutputModes::ONLRET);
    output.insert(OutputModes::OPOST | OutputModes::ONLCR);
    #[cfg(target_os = "linux")]
    {
        modes.input_modes.remove(InputModes::IUCLC);
        modes.output_modes.remove(OutputModes::OLCUC);
        modes.local_modes.remove(LocalModes::XCASE);
    }
    let local = &mut modes.local_modes;
    local.remove(LocalModes::ECHONL | LocalModes::NOFLSH | LocalModes::TOSTOP | LocalModes::FLUSHO);
    local.insert(
        LocalModes::ISIG
            | LocalModes::ICANON
            | LocalModes::IEXTEN
            | LocalModes::ECHO
            | LocalModes::ECHOE
            | LocalModes::ECHOK
            | LocalModes::ECHOCTL
            | LocalModes::ECHOKE,
    );
    modes
}

/// Continue the output that a user has held with Ctrl-S.
pub fn release(terminal: impl AsFd) -> io::Result<()> {
    let modes = tcgetattr(&terminal)?;
    if modes.input_modes.contains(InputModes::IXON) {
        // Without this mode, nothing is held.
        let mut without = modes.clone();
        without.input_modes.remove(InputModes::IXON);
        tcsetattr(&terminal, OptionalActions::Now, &without)?;
        tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    }
    Ok(())
}

/// The hidden verb that continues the held output of a terminal of tmux.
pub const RELEASE: &str = "release-terminal";

/// The same for the terminal at this path, if it is one. It is of this user: others can't open it.
pub fn release_at(path: &Path) -> io::Result<()> {
    release(files::open_terminal(path)?)
}
