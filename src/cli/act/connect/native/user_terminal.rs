//! The user's terminal while it shows that of a process.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr,
};
use tokio::io::unix::AsyncFd;

use super::filter::Filter;
use crate::cli::view::keyboard::{open_terminal, read_typed};
use crate::model::terminal::Modes;
use crate::protocol::terminal::Size;
use crate::sys;

/// How long the terminal may take to accept what undoes its modes.
const UNDO: Duration = Duration::from_millis(500);

/// How to give the terminal back if the program panics.
static ON_PANIC: Mutex<Option<(File, Termios, Vec<u8>)>> = Mutex::new(None);

/// Open the user's terminal.
pub(super) fn open() -> io::Result<AsyncFd<File>> {
    Ok(open_terminal(OFlag::O_RDWR).ok_or(io::ErrorKind::NotFound)?)
}

/// Columns and rows of a terminal; the usual ones if it does not tell.
pub(super) fn size(terminal: &AsyncFd<File>) -> Size {
    match tcgetwinsize(terminal.get_ref()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        Ok(_) | Err(_) => (80, 24),
    }
}

/// The terminal in raw mode, until this is dropped.
pub(super) struct UserTerminal {
    terminal: AsyncFd<File>,
    before: Termios,
    raw: Termios,
    filter: Filter,
    /// What is to be written, from this place on.
    pending: Vec<u8>,
    written: usize,
    /// The modes that a panic would undo.
    noted: Modes,
    /// What was drawn in the last row, if a line of this program covers it.
    covered: Option<String>,
}

impl UserTerminal {
    /// Switch to raw mode, with what is allowed by this filter.
    pub(super) fn begin(terminal: AsyncFd<File>, filter: Filter) -> io::Result<Self> {
        let before = tcgetattr(terminal.get_ref())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal.get_ref(), OptionalActions::Now, &raw)?;
        let mut this = Self {
            terminal,
            before,
            raw,
            filter,
            pending: vec![],
            written: 0,
            noted: Modes::default(),
            covered: None,
        };
        undo_on_panic();
        this.note_undoing()?;
        // Keep the title.
        this.show(b"\x1b[22;2t");
        Ok(this)
    }

    /// Switch to raw mode again, after the shell that has stopped this program has changed it.
    pub(super) fn renew(&self) -> io::Result<()> {
        Ok(tcsetattr(self.terminal.get_ref(), OptionalActions::Now, &self.raw)?)
    }

    /// Its columns and rows.
    pub(super) fn size(&self) -> Size {
        size(&self.terminal)
    }

    /// Move what the terminal shows into its scroll-back.
    pub(super) fn scroll_away(&mut self) {
        let rows = usize::from(self.size().1);
        self.show("\r\n".repeat(rows.saturating_sub(1)).as_bytes());
    }

    /// Show what a process has printed, as far as that is allowed.
    pub(super) fn draw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let allowed = self.filter.pass(bytes);
        if *self.filter.modes() != self.noted {
            self.note_undoing()?;
        }
        self.show(&allowed);
        Ok(())
    }

    /// Show text of this program.
    pub(super) fn show(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether something is to be written.
    pub(super) fn is_behind(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Write some of what is to be written; returns how much, for [`Self::wrote`]. Cancel-safe.
    pub(super) async fn write(&self) -> io::Result<usize> {
        let bytes = &self.pending[self.written..];
        loop {
            let mut ready = self.terminal.writable().await?;
            let write =
                |terminal: &AsyncFd<File>| Ok(rustix::io::write(terminal.get_ref(), bytes)?);
            if let Ok(written) = ready.try_io(write) {
                return written;
            }
        }
    }

    /// So much has been written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.pending.len() {
            (self.pending, self.written) = (vec![], 0);
        }
    }

    /// What was typed; an error if the terminal is gone. Cancel-safe.
    pub(super) async fn read_typed(&self) -> io::Result<Vec<u8>> {
        read_typed(&self.terminal).await
    }

    /// A line of this program covers the last row, in which this was drawn; or nothing covers it any more.
    pub(super) fn cover(&mut self, row: Option<&str>) {
        self.covered = row.map(str::to_owned);
    }

    fn note_undoing(&mut self) -> io::Result<()> {
        self.noted = self.filter.modes().clone();
        let undo = self.undoing(self.filter.undo_later());
        let file = self.terminal.get_ref().try_clone()?;
        let mut on_panic = ON_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        *on_panic = Some((file, self.before.clone(), undo));
        Ok(())
    }

    /// These sequences, and those for the place of the cursor and the title.
    fn undoing(&self, modes: Vec<u8>) -> Vec<u8> {
        let rows = self.size().1;
        let covered = self.covered.as_ref();
        let covered = covered.map_or(String::new(), |row| format!("\x1b[2K{row}\x1b[m\r"));
        [modes, format!("\x1b[{rows};1H{covered}\r\n\x1b[23;2t").into_bytes()].concat()
    }
}

impl Drop for UserTerminal {
    fn drop(&mut self) {
        *ON_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A sequence that has been written in part must not swallow the beginning.
        let cut: &[u8] = if self.is_behind() && self.written > 0 { b"\x18" } else { b"" };
        let modes = self.filter.undo();
        give_back(self.terminal.get_ref(), &self.before, &[cut, &self.undoing(modes)].concat());
    }
}

/// Write this to the terminal, forget what was typed, and leave raw mode.
fn give_back(terminal: &File, before: &Termios, mut bytes: &[u8]) {
    let until = std::time::Instant::now() + UNDO;
    while !bytes.is_empty() {
        match rustix::io::write(terminal, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let left = until.saturating_duration_since(std::time::Instant::now());
                let mut ready = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::OUT)];
                if rustix::event::poll(&mut ready, Some(&sys::timespec(left))) == Ok(0) {
                    break;
                }
            }
            // It is gone.
            Err(_) => break,
        }
    }
    let _ = tcflush(terminal, QueueSelector::IFlush);
    let _ = tcsetattr(terminal, OptionalActions::Now, before);
}

fn undo_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The thread that has panicked may be the one that holds it.
            let on_panic = ON_PANIC.try_lock().ok().and_then(|mut on_panic| on_panic.take());
            if let Some((terminal, before, undo)) = on_panic {
                give_back(&terminal, &before, &undo);
            }
            report(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    use super::{ON_PANIC, undo_on_panic};

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let (mut ours, theirs) = (File::from(pty.master), File::from(pty.slave));
        let before = tcgetattr(&theirs).unwrap();
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &raw).unwrap();
        undo_on_panic();
        let shown = theirs.try_clone().unwrap();
        *ON_PANIC.lock().unwrap() = Some((shown, before.clone(), b"\x1b[?1049lEND".to_vec()));
        std::panic::catch_unwind(|| panic!("a test of the hook")).unwrap_err();
        let mut written = [0; 11];
        ours.read_exact(&mut written).unwrap();
        assert_eq!(written, *b"\x1b[?1049lEND");
        assert_eq!(tcgetattr(&theirs).unwrap().local_modes, before.local_modes);
    }
}
