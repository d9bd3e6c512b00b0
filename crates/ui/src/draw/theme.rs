//! Styles by role, and the signs of states.
//!
//! Only the colours of the terminal's own palette are used, and no background, so the interface is readable
//! on dark and on light. No colour carries a meaning alone: each state has a sign and a word.

use ratatui_core::style::{Color, Modifier, Style};

use crate::model::state::ProcessState;
use crate::model::terminal::sgr;
use crate::model::terminal::sgr::{Attribute, Sgr};
use crate::model::time::Timestamp;
use crate::model::{Condition, Exit, ProcessStatus, Tone};

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Colours are used.
    pub color: bool,
    /// Signs are ASCII.
    pub ascii: bool,
}

impl Theme {
    const fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// Less important text.
    pub const fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Important text.
    pub const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// A selected row. It has no other colours, which would be those of its background.
    pub const fn selected(self) -> Style {
        let style = Style::new().fg(Color::Reset).bg(Color::Reset);
        style.remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED)
    }

    /// A match.
    pub const fn hit(self) -> Style {
        self.colored(Color::Magenta).add_modifier(Modifier::UNDERLINED).add_modifier(Modifier::BOLD)
    }

    /// Something has failed.
    pub const fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// A key in the footer.
    pub const fn key(self) -> Style {
        self.colored(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The name of a process.
    pub const fn name(self, color: u8) -> Style {
        self.colored(Color::Indexed(color))
    }

    pub fn state(self, process: &ProcessState, now: Timestamp) -> Style {
        match process.tone(now) {
            Tone::Good => self.colored(Color::Green),
            Tone::Busy | Tone::Installing => self.colored(Color::Yellow),
            Tone::Bad => self.bad(),
            Tone::Idle => self.dim(),
        }
    }

    /// A bar for this many eighths, 1 to 8.
    pub fn eighths(self, eighths: usize) -> &'static str {
        const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        const ASCII: [&str; 8] = [".", ":", "-", "=", "+", "*", "%", "@"];
        let bars = if self.ascii { ASCII } else { BARS };
        bars[eighths.clamp(1, 8) - 1]
    }

    /// A bar as high as a number is, compared with the largest one; blank for 0.
    pub fn bar(self, number: u64, most: u64) -> &'static str {
        if number == 0 {
            return " ";
        }
        // By the square root, so that small numbers can still be told from each other: the share of the
        // largest number is compared with the squares of eighths.
        let is_above = |level: &u32| {
            u128::from(number) * 64 > u128::from(most.max(1)) * u128::from(level * level)
        };
        let level = (0..8).rfind(is_above).unwrap_or(0);
        self.eighths(usize::try_from(level).unwrap_or(0) + 1)
    }

    /// The sign that is used of these two.
    pub const fn pick(self, sign: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { sign }
    }

    /// A process is waiting for input.
    pub const fn asking(self) -> Style {
        self.colored(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// The style of text that a process has printed.
    pub fn output(self, sgr: Sgr) -> Style {
        let mut style = Style::new();
        if self.color {
            style.fg = color(sgr.foreground());
            style.bg = color(sgr.background());
        }
        for attribute in sgr.attributes() {
            style = style.add_modifier(match attribute {
                Attribute::Bold => Modifier::BOLD,
                Attribute::Dim => Modifier::DIM,
                Attribute::Italic => Modifier::ITALIC,
                Attribute::Underlined => Modifier::UNDERLINED,
                Attribute::Reversed => Modifier::REVERSED,
                Attribute::Struck => Modifier::CROSSED_OUT,
                // Text that can't be seen is of no use in a log, and nothing blinks here.
                Attribute::Hidden | Attribute::Blinking | Attribute::Overlined => continue,
            });
        }
        style
    }

    /// The mark of the current line.
    pub const fn mark(self) -> &'static str {
        self.pick("▶", ">")
    }

    pub fn sign(self, process: &ProcessState, now: Timestamp) -> &'static str {
        let (sign, ascii) = match &process.state {
            _ if process.condition_at(now) == Condition::CrashLoop => ("↻", "@"),
            ProcessStatus::Running => ("●", "*"),
            ProcessStatus::Starting | ProcessStatus::Restarting => ("◐", "~"),
            ProcessStatus::Installing => ("◇", "^"),
            ProcessStatus::Pending => ("◌", "."),
            ProcessStatus::Stopping => ("◑", "%"),
            ProcessStatus::Stuck => ("!", "!"),
            ProcessStatus::Stopped => ("■", "#"),
            ProcessStatus::Exited if process.condition() == Condition::Done => ("✓", "+"),
            ProcessStatus::Exited | ProcessStatus::Broken | ProcessStatus::Error => ("✖", "x"),
            ProcessStatus::Skipped | ProcessStatus::LeftOut => ("–", "-"),
            ProcessStatus::Other(_) => ("?", "?"),
        };
        self.pick(sign, ascii)
    }
}

const fn color(color: sgr::Color) -> Option<Color> {
    match color {
        sgr::Color::Default => None,
        sgr::Color::Indexed(number) => Some(Color::Indexed(number)),
        sgr::Color::Rgb(r, g, b) => Some(Color::Rgb(r, g, b)),
    }
}

/// The state of a process in a word.
pub fn word(process: &ProcessState, now: Timestamp) -> String {
    if let Some(word) = process.crash_loop_word(now) {
        return word;
    }
    match (&process.state, process.ends.exit) {
        (ProcessStatus::Exited | ProcessStatus::Restarting, Some(Exit::Code(code))) => {
            format!("exit {code}")
        }
        (ProcessStatus::Exited | ProcessStatus::Restarting, Some(exit @ Exit::Signal(_))) => {
            exit.word()
        }
        (ProcessStatus::Running, _) if process.readiness.ready == Some(false) => {
            "not ready".to_owned()
        }
        (state, _) => state.to_string(),
    }
}
