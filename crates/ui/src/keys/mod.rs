//! Keys, and what they do.

pub mod actions;

/// A key, as far as the interface knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character.
    Char(char),
    /// A letter with Ctrl.
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    /// Shift and Tab.
    BackTab,
    Backspace,
    Delete,
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// Shift and an arrow.
    ShiftLeft,
    /// Shift and an arrow.
    ShiftRight,
    PageUp,
    PageDown,
    Home,
    End,
    Insert,
    /// A function key.
    F(u8),
}

impl Key {
    /// Its name, as help shows it.
    pub fn name(self) -> String {
        let name = match self {
            Self::Char(' ') => "Space",
            Self::Char(c) => return c.to_string(),
            Self::Ctrl(c) => return format!("Ctrl-{c}"),
            Self::F(number) => return format!("F{number}"),
            Self::Enter => "Enter",
            Self::Esc => "Esc",
            Self::Tab => "Tab",
            Self::BackTab => "Shift-Tab",
            Self::Backspace => "Backspace",
            Self::Delete => "Delete",
            Self::Up => "↑",
            Self::Down => "↓",
            Self::Left => "←",
            Self::Right => "→",
            Self::ShiftLeft => "Shift-←",
            Self::ShiftRight => "Shift-→",
            Self::PageUp => "PgUp",
            Self::PageDown => "PgDn",
            Self::Home => "Home",
            Self::End => "End",
            Self::Insert => "Insert",
        };
        name.to_owned()
    }
}
