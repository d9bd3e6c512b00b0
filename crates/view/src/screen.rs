//! Properties of the user's terminal, and the size of the panes that follows from them.

use std::os::fd::AsFd;

use super::paint::NARROWEST;
use crate::model::time::Timestamp;
use crate::sys::local;

/// The size of a pane when there is no terminal to fit it to.
pub const DEFAULT_SIZE: (u16, u16) = (80, 24);
/// The minimum width of a pane, however narrow the terminal is.
const FEWEST_COLUMNS: u16 = 10;
/// The separator between the name and the text.
const SEPARATOR: usize = " | ".len();
/// The time before the name.
const TIME: usize = "15:04:05 ".len();

/// Whether this is a terminal.
pub fn is_terminal(file: impl AsFd) -> bool {
    rustix::termios::isatty(file)
}

/// Columns and rows of this terminal; `None` if it is not a terminal or has no size.
pub fn window_size(file: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(file).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The time of day, `14:05`.
pub fn clock_time(at: Timestamp) -> String {
    local::zone().to_datetime(at.utc()).strftime("%H:%M").to_string()
}

/// The pane size at which lines with their prefix fit a terminal of this size.
pub fn pane_size(terminal: Option<(u16, u16)>, name_width: usize, timestamps: bool) -> (u16, u16) {
    let Some((columns, rows)) = terminal else { return DEFAULT_SIZE };
    let time = if timestamps { TIME } else { 0 };
    let prefix = name_width.max(NARROWEST) + SEPARATOR + time;
    let prefix = u16::try_from(prefix).unwrap_or(u16::MAX);
    (columns.saturating_sub(prefix).max(FEWEST_COLUMNS), rows.max(1))
}

#[cfg(test)]
mod tests {
    use super::{clock_time, is_terminal, pane_size, window_size};
    use crate::model::time::Timestamp;

    #[test]
    fn panes_leave_room_for_the_prefix() {
        for (terminal, names, timestamps, expected) in [
            (None, 6, true, (80, 24)),
            (Some((120, 40)), 6, false, (111, 40)),
            (Some((120, 40)), 6, true, (102, 40)),
            (Some((120, 40)), 3, false, (111, 40)),
            (Some((120, 40)), 20, false, (97, 40)),
            (Some((12, 1)), 20, false, (10, 1)),
            (Some((100, 30)), usize::MAX / 2, false, (10, 30)),
        ] {
            assert_eq!(pane_size(terminal, names, timestamps), expected);
        }
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        let time = clock_time(Timestamp::from_nanos(1_700_000_000_000_000_000));
        let (hours, minutes) = time.split_once(':').unwrap();
        assert!(hours.parse::<u8>().unwrap() < 24 && minutes.len() == 2, "{time}");
    }

    #[test]
    fn a_file_is_no_terminal_and_a_pty_has_a_size() {
        let file = tempfile::tempfile().unwrap();
        assert!(!is_terminal(&file));
        assert_eq!(window_size(&file), None);
        let size = nix::pty::Winsize { ws_row: 33, ws_col: 99, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).unwrap();
        assert!(is_terminal(&pty.slave));
        assert_eq!(window_size(&pty.slave), Some((99, 33)));
        let pty = nix::pty::openpty(None, None).unwrap();
        assert_eq!(window_size(&pty.slave), None, "0x0 is no size");
    }
}
