//! The shim's side of the terminal: who may read it, in which mode it is, and markers written to
//! it whatever state a process left it in.
//!
//! Everything here is best effort and bounded in time: a terminal may be stopped, strange or gone,
//! and nothing that ends processes may wait for it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::process::Pid;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, Termios, tcflow,
    tcflush, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp, ttyname,
};

use crate::sys::{self, files};

/// How long a marker may take to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// The terminal of a pane.
#[derive(Debug)]
pub struct Tty {
    name: PathBuf,
    /// Opened apart from stdout, so that only it is non-blocking. `None`: no terminal.
    out: Option<File>,
    /// The modes that tmux gave it.
    fresh: Option<Termios>,
    /// The end of something that went out in part.
    torn: Vec<u8>,
    /// The last writing took too long: don't be patient again before it works.
    stuck: bool,
}

impl Tty {
    /// The terminal that is stdin.
    pub fn open() -> Self {
        let name = ttyname(stdin(), Vec::new()).unwrap_or_default();
        let name = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let own = || files::open_terminal("/dev/tty".as_ref());
        let out = files::open_terminal(&name).or_else(|_| own()).ok();
        let fresh = tcgetattr(stdin()).ok().map(sane);
        Self { name, out, fresh, torn: Vec::new(), stuck: false }
    }

    /// The device.
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Make it fit for a marker and quiet between lives: the foreground taken back, output going
    /// on after a ^S, sane output modes, nothing typed is shown.
    pub fn calm(&self) {
        sys::set_usual_discipline(stdin());
        let _ = tcsetpgrp(stdin(), rustix::process::getpgrp());
        let _ = tcflow(stdin(), Action::OOn);
        self.set(|modes| {
            // Leaving IXON is also what lets output go on that a ^S has stopped.
            modes.input_modes.remove(InputModes::IXON);
            modes.local_modes.remove(
                LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN,
            );
        });
    }

    /// The modes a process finds at its start.
    pub fn cook(&self) {
        self.set(|_| ());
    }

    /// Forget what was typed and not read.
    pub fn flush_input(&self) {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// Undo what a process did to the descriptors that the next one inherits.
    pub fn restore_descriptors(&self) {
        for fd in [stdin(), stdout(), stderr()] {
            let _ = rustix::fs::fcntl_getfl(fd).and_then(|flags| {
                rustix::fs::fcntl_setfl(fd, flags.difference(OFlags::NONBLOCK | OFlags::APPEND))
            });
        }
    }

    /// Who may read and be reached by ^C.
    pub fn foreground(&self, group: u32) {
        if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
            let _ = tcsetpgrp(stdin(), group);
        }
    }

    /// Whether nobody lives in the foreground group, or only the shim.
    pub fn deserted(&self) -> bool {
        tcgetpgrp(stdin()).is_ok_and(|group| {
            group == rustix::process::getpgrp()
                || rustix::process::test_kill_process_group(group).is_err()
        })
    }

    /// Write a marker; whether all of it went out.
    pub fn mark(&mut self, marker: &[u8]) -> bool {
        self.write(marker)
    }

    /// Write a marker with a note for the screen right behind it, byte for byte.
    pub fn mark_with_note(&mut self, bytes: &[u8]) -> bool {
        self.set_raw();
        let done = self.write(bytes);
        self.calm();
        done
    }

    /// Whether nobody is at its other end any more.
    pub fn is_gone(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(stdin(), PollFlags::empty())];
        let polled = rustix::event::poll(&mut fds, Some(&sys::timespec(Duration::ZERO)));
        polled.is_ok() && fds[0].revents().contains(PollFlags::HUP)
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

    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(out) = &mut self.out else { return false };
        let patience = if self.stuck { Duration::ZERO } else { PATIENCE };
        let until = Instant::now() + patience;
        if !self.torn.is_empty() {
            // Half an escape sequence is out there: it would swallow what comes next.
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

/// Write as much as goes out in time; how much that was.
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
    let mut fds = [PollFd::from_borrowed_fd(out, PollFlags::OUT)];
    match rustix::event::poll(&mut fds, Some(&sys::timespec(time))) {
        // A signal: it is kept for the loop, and the next attempt sees how late it is.
        Err(rustix::io::Errno::INTR) => !time.is_zero(),
        Ok(0) | Err(_) => false,
        Ok(_) => true,
    }
}

/// What a terminal is like before anyone has changed it.
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
