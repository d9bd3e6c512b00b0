//! Events of the terminal as messages. What the interface does not know is dropped here.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::ui::keys::Key;
use crate::ui::state::msg::{Mouse, Msg};

/// How many rows one turn of the wheel scrolls.
const WHEEL: isize = 3;

/// The message for an event, if it is one.
pub fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => key_of(key).map(Msg::Key),
        Event::Mouse(mouse) => mouse_of(mouse).map(Msg::Mouse),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::FocusGained | Event::FocusLost => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "keys that are not known are ignored")]
fn key_of(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let (ctrl, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
    let shift = event.modifiers.contains(KeyModifiers::SHIFT);
    Some(match event.code {
        KeyCode::Char(_) if event.modifiers.contains(alt) => return None,
        KeyCode::Char(c) if event.modifiers.contains(ctrl) => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left if shift => Key::ShiftLeft,
        KeyCode::Right if shift => Key::ShiftRight,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}

fn mouse_of(MouseEvent { kind, column, row, .. }: MouseEvent) -> Option<Mouse> {
    Some(match kind {
        MouseEventKind::ScrollUp => Mouse::Wheel(-WHEEL, column, row),
        MouseEventKind::ScrollDown => Mouse::Wheel(WHEEL, column, row),
        MouseEventKind::Down(MouseButton::Left) => Mouse::Press(column, row),
        MouseEventKind::Drag(MouseButton::Left) => Mouse::Drag(column, row),
        MouseEventKind::Up(MouseButton::Left) => Mouse::Release(column, row),
        MouseEventKind::Down(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Up(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => return None,
    })
}
