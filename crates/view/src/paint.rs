//! The style of lines: colours, prefixes, times of day, the supervisor's own messages.

use crate::model::time::Timestamp;
use std::ffi::OsStr;

use jiff::tz::TimeZone;

/// The minimum width of the name column.
pub const NARROWEST: usize = 6;
/// The name before the supervisor's messages about itself.
pub const SYSTEM: &str = "system";
/// The colour of that name.
pub const SYSTEM_COLOR: u8 = 7;

/// The kind of output and what it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A terminal: prompts and spinners are shown while they change. `color` enables the colours of
    /// processes and of tmo itself.
    Terminal {
        /// Whether prefixes, messages and the text of processes are coloured.
        color: bool,
    },
    /// A pipe that asked for colours: the same bytes as overmind's, with the text unchanged.
    Exact,
    /// A pipe: whole lines after plain names, without colours.
    Plain,
}

impl Mode {
    /// The mode of standard output, by these variables: `NO_COLOR` has priority, then `CLICOLOR_FORCE` (unless `0`),
    /// then the type of the terminal, where `TERM=dumb` means no colours. Empty ones don't count.
    pub fn of<'a>(is_terminal: bool, variable: impl Fn(&str) -> Option<&'a OsStr>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let color = set("NO_COLOR").is_none() && (forced || (is_terminal && !dumb));
        match (is_terminal, color) {
            (true, color) => Self::Terminal { color },
            (false, true) => Self::Exact,
            (false, false) => Self::Plain,
        }
    }

    /// Whether tmo writes escape sequences of its own.
    pub const fn color(self) -> bool {
        matches!(self, Self::Terminal { color: true } | Self::Exact)
    }

    /// Whether a person watches the output while it is written.
    pub const fn terminal(self) -> bool {
        matches!(self, Self::Terminal { .. })
    }
}

/// The time before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamp {
    #[default]
    None,
    /// The time of day, to the second, in overmind's format.
    Clock,
    /// Day and time, to the millisecond: for a log that is read later.
    Date,
}

impl Stamp {
    /// Placeholder of the same width while there is no time.
    const fn empty(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Clock => b"--:--:-- ",
            Self::Date => b"---------- --:--:--.--- ",
        }
    }

    fn text(self, time: Timestamp, zone: &TimeZone) -> String {
        let format = match self {
            Self::None => return String::new(),
            Self::Clock => "%H:%M:%S",
            Self::Date => "%Y-%m-%d %H:%M:%S%.3f",
        };
        zone.to_datetime(time.utc()).strftime(format).to_string()
    }

    /// A number that changes exactly when the text changes.
    fn number(self, time: Timestamp) -> u64 {
        match self {
            Self::None => 0,
            Self::Clock => time.seconds(),
            Self::Date => time.nanos() / 1_000_000,
        }
    }
}

/// Everything that decides how a merged log looks.
#[derive(Debug, Clone)]
pub struct Style {
    /// The kind of output.
    pub mode: Mode,
    /// The time before each line.
    pub stamp: Stamp,
    /// Only lines of processes, without names or times.
    pub bare: bool,
    /// Columns of the terminal.
    pub columns: u16,
    /// The minimum width of the name column. Names that are not part of the run still count.
    pub name_width: usize,
    /// The time zone of the times of day.
    pub zone: TimeZone,
}

impl Style {
    /// A style of this mode: 80 columns, no times, the narrowest name column, UTC.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            stamp: Stamp::None,
            bare: false,
            columns: 80,
            name_width: NARROWEST,
            zone: TimeZone::UTC,
        }
    }
}

/// The width of the name column that these names need.
pub fn name_width<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    names.into_iter().map(str::len).fold(NARROWEST, usize::max)
}

/// The text before each line of one process, ready to be copied.
#[derive(Debug, Clone)]
pub struct Prefix {
    bytes: Vec<u8>,
    clock: Option<Clock>,
    /// How many cells it occupies on a terminal.
    pub(crate) cells: usize,
}

/// The time within a prefix: its place, and the time that it shows now.
#[derive(Debug, Clone, Copy)]
struct Clock {
    at: usize,
    stamp: Stamp,
    shown: Option<u64>,
}

impl Prefix {
    /// The prefix of this process, with the name padded to this width.
    pub fn new(style: &Style, width: usize, name: &str, color: u8) -> Self {
        if style.bare {
            return Self { bytes: vec![], clock: None, cells: 0 };
        }
        let mut bytes = Vec::with_capacity(64);
        let mut clock = None;
        let stamp = style.stamp;
        if stamp != Stamp::None {
            if style.mode.color() {
                bytes.extend_from_slice(format!("\x1b[0;38;5;{color}m").as_bytes());
            }
            clock = Some(Clock { at: bytes.len(), stamp, shown: None });
            bytes.extend_from_slice(stamp.empty());
        }
        // Rust's formatter does not accept a larger width.
        let padding = width.min(usize::from(u16::MAX));
        let padded = if style.mode.color() {
            format!("\x1b[1;38;5;{color}m{name:padding$}\x1b[0m | ")
        } else {
            format!("{name:padding$} | ")
        };
        bytes.extend_from_slice(padded.as_bytes());
        Self { bytes, clock, cells: stamp.empty().len() + name.len().max(width) + " | ".len() }
    }

    /// The prefix for a line of this time.
    pub fn at(&mut self, time: Timestamp, zone: &TimeZone) -> &[u8] {
        if let Some(Clock { at, stamp, shown }) = &mut self.clock {
            let number = stamp.number(time);
            if shown.replace(number) != Some(number) {
                let text = stamp.text(time, zone);
                // An out-of-range time must not cause a panic.
                for (shown, byte) in self.bytes[*at..].iter_mut().zip(text.bytes()) {
                    *shown = byte;
                }
            }
        }
        &self.bytes
    }
}

/// Append the text of a message of the supervisor, without the prefix.
pub(crate) fn message(mode: Mode, text: &[u8], error: bool, out: &mut Vec<u8>) {
    if mode.color() {
        out.extend_from_slice(if error { b"\x1b[0;31m" } else { b"\x1b[1m" });
    }
    out.extend_from_slice(text);
    out.extend_from_slice(if mode.color() { b"\x1b[0m\n" } else { b"\n" });
}

#[cfg(test)]
mod tests {
    use crate::model::time::Timestamp;
    use std::ffi::OsStr;

    use jiff::tz::{Offset, TimeZone};

    use super::{Mode, Prefix, Stamp, Style, name_width};

    const COLOR: Mode = Mode::Terminal { color: true };
    const GREY: Mode = Mode::Terminal { color: false };

    #[test]
    fn a_name_may_have_any_length() {
        for mode in [COLOR, Mode::Plain] {
            let style = Style::new(mode);
            let mut prefix = Prefix::new(&style, 70_000, "web", 2);
            assert!(prefix.at(Timestamp::EPOCH, &TimeZone::UTC).len() > 60_000);
        }
    }

    #[test]
    fn the_mode_follows_from_the_terminal_and_the_variables() {
        let table = [
            // terminal, NO_COLOR, CLICOLOR_FORCE, TERM
            ((true, None, None, Some("xterm")), COLOR),
            ((true, None, None, None), COLOR),
            ((true, None, None, Some("dumb")), GREY),
            ((true, None, Some("1"), Some("dumb")), COLOR),
            ((true, Some("1"), None, Some("xterm")), GREY),
            ((true, Some(""), None, Some("xterm")), COLOR),
            ((true, Some("1"), Some("1"), Some("xterm")), GREY),
            ((false, None, None, Some("xterm")), Mode::Plain),
            ((false, None, Some("1"), Some("dumb")), Mode::Exact),
            ((false, None, Some("0"), None), Mode::Plain),
            ((false, None, Some(""), None), Mode::Plain),
            ((false, Some("1"), Some("1"), None), Mode::Plain),
        ];
        for ((is_terminal, no_color, force, term), mode) in table {
            let variable = |name: &str| match name {
                "NO_COLOR" => no_color.map(OsStr::new),
                "CLICOLOR_FORCE" => force.map(OsStr::new),
                _ => term.map(OsStr::new),
            };
            let facts = (is_terminal, no_color, force, term);
            assert_eq!(Mode::of(is_terminal, variable), mode, "{facts:?}");
        }
    }

    #[test]
    fn prefixes_are_overminds() {
        let style = Style::new(Mode::Exact);
        let mut web = Prefix::new(&style, 6, "web", 42);
        assert_eq!(
            web.at(Timestamp::from_nanos(5), &style.zone),
            b"\x1b[1;38;5;42mweb   \x1b[0m | "
        );
        assert_eq!(web.cells, 9);
        let style = Style { stamp: Stamp::Clock, ..style };
        let mut web = Prefix::new(&style, 6, "web", 42);
        let zone = TimeZone::fixed(Offset::constant(2));
        let noon = 10 * 3600 * 1_000_000_000;
        let expected = b"\x1b[0;38;5;42m12:00:00 \x1b[1;38;5;42mweb   \x1b[0m | ";
        assert_eq!(web.at(Timestamp::from_nanos(noon), &zone), expected);
        assert_eq!(web.at(Timestamp::from_nanos(noon + 999_999_999), &zone), expected);
        assert!(
            web.at(Timestamp::from_nanos(noon + 1_000_000_000), &zone)
                .starts_with(b"\x1b[0;38;5;42m12:00:01 ")
        );
        assert_eq!(web.cells, 18);
        let style = Style { mode: Mode::Plain, ..style };
        assert_eq!(
            Prefix::new(&style, 6, "web", 42).at(Timestamp::from_nanos(noon), &zone),
            b"12:00:00 web    | "
        );
    }

    #[test]
    fn a_senseless_time_is_no_panic() {
        let style = Style { stamp: Stamp::Clock, ..Style::new(Mode::Plain) };
        let mut web = Prefix::new(&style, 6, "web", 42);
        assert!(web.at(Timestamp::from_nanos(u64::MAX), &style.zone).ends_with(b" web    | "));
    }

    #[test]
    fn the_column_fits_the_longest_name() {
        assert_eq!(name_width(["a", "web"]), 6);
        assert_eq!(name_width(["a", "longer-name"]), 11);
    }
}
