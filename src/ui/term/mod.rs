//! The terminal: modes, input, output, the clipboard.

pub mod clipboard;
pub mod input;
pub mod writer;

use std::io;

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

/// The bytes that give it back.
pub const fn leave() -> &'static [u8] {
    LEAVE
}

/// The bytes that switch the mouse on or off.
pub const fn mouse(on: bool) -> &'static [u8] {
    if on { MOUSE_ON } else { MOUSE_OFF }
}

/// Switch to raw mode. The mode before it is kept for [`cooked`].
pub fn raw() -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()
}

/// The mode before [`raw`].
pub fn cooked() -> io::Result<()> {
    crossterm::terminal::disable_raw_mode()
}

/// Give the terminal back at once, from a panic.
pub fn restore_now() {
    use io::Write as _;
    let mut out = io::stdout();
    // The panic itself is what has to be reported.
    let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    let _ = cooked();
}
