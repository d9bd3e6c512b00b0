//! Opening a terminal, and trying whether this system has what a holder needs.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::pty::{Winsize, openpty};
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::process::ioctl_tiocsctty;
use rustix::termios::{InputModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use super::feed::Feed;
use crate::protocol::terminal::Size;
use crate::sys::files;

/// A terminal of this size: the end that does not block, and the other one.
fn open_pair((columns, rows): Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(Some(&size), None)?;
    fcntl_setfd(&pair.master, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&pair.master, true)?;
    // Backspace erases a character, however many bytes it has.
    let mut modes = tcgetattr(&pair.slave)?;
    modes.input_modes.insert(InputModes::IUTF8);
    tcsetattr(&pair.slave, OptionalActions::Now, &modes)?;
    Ok((pair.master, pair.slave))
}

/// A pipe: the end that does not block, and the other one.
fn open_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    ioctl_fionbio(&reader, true)?;
    Ok((reader.into(), writer.into()))
}

/// A terminal of this size for standard error, or a pipe: the end that does not block, and the other one.
pub(super) fn open_for_stderr(size: Size, is_pipe: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = if is_pipe { open_pipe()? } else { open_pair(size)? };
    fcntl_setfd(&theirs, FdFlags::CLOEXEC)?;
    Ok((ours, theirs))
}

/// Open a terminal of this size. Begin a session on it, with the terminal as standard streams; returns its other end,
/// which does not block.
pub(super) fn become_leader_of_terminal(size: Size) -> io::Result<OwnedFd> {
    let (master, slave) = open_pair(size)?;
    // Fails only for a process that leads a session already.
    nix::unistd::setsid()?;
    ioctl_tiocsctty(&slave)?;
    rustix::stdio::dup2_stdin(&slave)?;
    rustix::stdio::dup2_stdout(&slave)?;
    rustix::stdio::dup2_stderr(&slave)?;
    Ok(master)
}

/// Begin a session without a terminal: a pipe takes what is printed, and there is nothing to be read. Returns the other
/// end of the pipe, which does not block.
pub(super) fn become_leader_with_pipe() -> io::Result<OwnedFd> {
    let (reader, writer) = open_pipe()?;
    nix::unistd::setsid()?;
    rustix::stdio::dup2_stdin(files::open_null()?)?;
    rustix::stdio::dup2_stdout(&writer)?;
    rustix::stdio::dup2_stderr(&writer)?;
    Ok(reader)
}

/// Discard what was typed and has not reached the line discipline yet.
pub(super) fn discard_input(master: BorrowedFd<'_>) -> io::Result<()> {
    Ok(tcflush(master, QueueSelector::OFlush)?)
}

/// Columns and rows of a terminal.
pub(super) fn size(master: BorrowedFd<'_>) -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(master)?;
    Ok((size.ws_col, size.ws_row))
}

/// Give a terminal another size; programs are notified by the kernel.
pub(super) fn resize(master: BorrowedFd<'_>, (columns, rows): Size) -> io::Result<()> {
    let size = rustix::termios::Winsize {
        ws_row: rows.max(1),
        ws_col: columns.max(1),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(master, size)?)
}

/// Open a terminal and close it again. Returns whether the kernel can move its output, so that none is lost if a
/// holder is killed.
pub fn probe() -> io::Result<bool> {
    let pair = openpty(None, None)?;
    ioctl_fionbio(&pair.master, true)?;
    Ok(Feed::new(pair.master, io::pipe()?).is_lossless())
}
