//! A pseudo-terminal between `tmo connect` and a page.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::pty::openpty;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::process::ioctl_tiocsctty;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

/// The hidden command that [`attach`] implements.
pub const ATTACH: &str = "web-attach";

/// Columns and rows.
pub(crate) type Size = (u16, u16);

/// The page's end of a pseudo-terminal, and the command in it.
pub(crate) struct Pty {
    ours: AsyncFd<OwnedFd>,
    child: Child,
}

/// Give a terminal a size, limited to values that tmux and programs accept.
fn resize(terminal: &OwnedFd, (columns, rows): Size) -> io::Result<()> {
    let (ws_col, ws_row) = (columns.clamp(10, 1000), rows.clamp(2, 500));
    Ok(tcsetwinsize(terminal, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 })?)
}

impl Pty {
    /// Connect to the terminal of a process of the run with this control socket.
    pub(crate) fn connect(
        socket: &Path,
        name: &str,
        keeps_size: bool,
        size: Size,
    ) -> io::Result<Self> {
        let pair = openpty(None, None)?;
        // No command can inherit the descriptor before this line: only this thread starts commands.
        fcntl_setfd(&pair.master, FdFlags::CLOEXEC)?;
        fcntl_setfd(&pair.slave, FdFlags::CLOEXEC)?;
        ioctl_fionbio(&pair.master, true)?;
        resize(&pair.master, size)?;
        let end = || pair.slave.try_clone().map(Stdio::from);
        let mut command = Command::new(crate::sys::program(&std::env::current_exe()?));
        command.args([ATTACH.into(), socket.as_os_str().to_owned(), OsString::from(name)]);
        command.arg(if keeps_size { "keep-size" } else { "set-size" });
        command.stdin(end()?).stdout(end()?).stderr(end()?);
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        // The server may run in a tmux to which this terminal does not belong.
        command.env_remove("TMUX").env_remove("TMUX_PANE");
        let child = command.kill_on_drop(true).spawn()?;
        #[expect(unsafe_code, reason = "tokio has no other way to wait for a terminal")]
        // SAFETY: an `OwnedFd` keeps its descriptor open until it is dropped with this value.
        let ours = unsafe { AsyncFd::register(pair.master) }?;
        Ok(Self { ours, child })
    }

    /// Read output of the terminal; 0 at the end.
    pub(crate) async fn read_output(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.ours.readable().await?;
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut *buffer)?));
            match read {
                // Linux returns EIO when the other end is closed.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Ok(0);
                }
                Ok(read) => return read,
                Err(_) => {}
            }
        }
    }

    /// Write some of the typed input; returns how much. Cancel-safe.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.ours.writable().await?;
            if let Ok(written) = ready.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                return written;
            }
        }
    }

    /// The process of `tmo connect`.
    pub(crate) fn client(&self) -> Option<u32> {
        self.child.id()
    }

    /// Close the terminal, which ends the command in it.
    pub(crate) fn close(self) -> Child {
        self.child
    }

    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        resize(self.ours.get_ref(), size)
    }
}

/// Become `tmo connect` in the terminal at standard input. Returns only if that fails.
pub fn attach(socket: &Path, name: &str, keeps_size: bool) -> io::Error {
    let become_connect = || {
        let _ = nix::unistd::setsid();
        ioctl_tiocsctty(rustix::stdio::stdin())?;
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["connect", "--no-status", "--socket"]).arg(socket);
        if keeps_size {
            command.arg("--keep-size");
        }
        Err::<(), _>(command.arg("--").arg(name).exec())
    };
    match become_connect() {
        Err(error) => error,
        Ok(()) => io::ErrorKind::Other.into(),
    }
}
