//! The terminal: modes, input, output, the clipboard.

pub mod clipboard;
pub mod input;
pub mod pace;
pub mod writer;

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The sequences that prepare the terminal.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[0m\x1b[2J\x1b[H";
/// Those that undo it: the alternate screen comes last.
const LEAVE: &[u8] = b"\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
/// Buttons and motion with a button pressed, never motion alone.
const MOUSE_ON: &[u8] = b"\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1002l\x1b[?1006l";

/// The bytes that take the terminal.
pub fn enter(mouse: bool) -> Vec<u8> {
    let mut bytes = ENTER.to_vec();
    bytes.extend_from_slice(self::mouse(mouse));
    bytes
}

/// The bytes that switch the mouse on or off.
pub const fn mouse(on: bool) -> &'static [u8] {
    if on { MOUSE_ON } else { MOUSE_OFF }
}

/// The mode of the terminal before [`raw`].
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Switch to raw mode. The mode before it is kept for [`cooked`].
pub fn raw() -> io::Result<()> {
    let mode = tcgetattr(stdin())?;
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut raw = before.get_or_insert(mode).clone();
    raw.make_raw();
    Ok(tcsetattr(stdin(), OptionalActions::Now, &raw)?)
}

/// Switch to the mode before [`raw`].
pub fn cooked() -> io::Result<()> {
    match BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(before) => Ok(tcsetattr(stdin(), OptionalActions::Now, &before)?),
        None => Ok(()),
    }
}

/// Give the terminal back at once, from a panic.
pub fn restore_now() {
    use io::Write as _;
    let mut out = io::stdout();
    // The panic itself is what has to be reported.
    let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    let _ = cooked();
}
