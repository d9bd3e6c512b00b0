//! The state of a terminal: the modes that a program sets in it, and what it shows.
//!
//! The holder of a terminal and its clients split a stream into the same tokens, follow the same modes and draw with
//! the same emulator. So a client can undo exactly what it has passed on, and a snapshot means the same at both ends.

pub mod cells;
pub mod emulator;
pub mod escape;
pub mod line;
mod modes;
pub mod prompt;
pub mod sgr;
mod text;
pub mod unfinished;

pub use self::emulator::Emulator;
pub use self::modes::{Modes, is_mode, number};
pub use text::Utf8;

/// Sequences with the effect of a soft reset (`CSI ! p`), which not every terminal knows.
pub const SOFT_RESET: &[u8] =
    b"\x1b[?25h\x1b[?6l\x1b[?7h\x1b[?1l\x1b[4l\x1b>\x1b(B\x1b)B\x0f\x1b[m\x1b7\x1b[r\x1b8";
