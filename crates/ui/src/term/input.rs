//! Bytes of the terminal as keys, mouse events and pasted text.
//!
//! Bytes are taken as they come. What the interface does not know is dropped, and nothing grows without
//! limit: an unfinished sequence is given up after a few bytes.

use std::collections::VecDeque;

use crate::keys::Key;
use crate::state::msg::{Mouse, Msg};

/// How many rows one turn of the wheel scrolls.
const WHEEL: isize = 3;
/// The longest sequence that means something.
const LONGEST: usize = 32;
/// The most bytes of a paste that are kept.
const MOST_PASTED: usize = 64 << 10;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Parses input.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes of an unfinished sequence or character.
    begun: Vec<u8>,
    /// The pasted text so far.
    pasted: Option<Vec<u8>>,
}

/// What the beginning of some bytes is.
enum Parsed {
    /// A sequence of this length, and its meaning, if it has one.
    Whole(usize, Option<Msg>),
    /// The beginning of pasted text.
    Paste(usize),
    /// More bytes have to come.
    Unfinished,
}

impl Parser {
    /// Parse bytes; what they mean is appended to `messages`.
    pub fn feed(&mut self, bytes: &[u8], messages: &mut VecDeque<Msg>) {
        self.begun.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.begun.len() {
            if self.pasted.is_some() {
                let (after, text) = self.paste(at);
                if after == at {
                    break;
                }
                at = after;
                messages.extend(text.map(Msg::Paste));
                continue;
            }
            match parse(&self.begun[at..]) {
                Parsed::Whole(length, msg) => {
                    at += length;
                    messages.extend(msg);
                }
                Parsed::Paste(length) => {
                    at += length;
                    self.pasted = Some(vec![]);
                }
                Parsed::Unfinished => break,
            }
        }
        self.begun.drain(..at);
    }

    /// Whether the bytes so far may be the Esc key, or the beginning of a sequence.
    pub fn is_waiting(&self) -> bool {
        !self.begun.is_empty() && self.pasted.is_none()
    }

    /// Nothing has followed for a while: it was the Esc key.
    pub fn settle(&mut self, messages: &mut VecDeque<Msg>) {
        if std::mem::take(&mut self.begun) == [0x1b] {
            messages.push_back(Msg::Key(Key::Esc));
        }
    }

    /// Take pasted text, up to its end if that has come. Returns where the rest begins, and the whole text.
    fn paste(&mut self, at: usize) -> (usize, Option<String>) {
        let rest = &self.begun[at..];
        let Some(text) = &mut self.pasted else { return (at, None) };
        let end = memchr::memmem::find(rest, PASTE_END);
        // The end may be divided between two reads.
        let taken = end.unwrap_or(rest.len().saturating_sub(PASTE_END.len() - 1));
        let room = MOST_PASTED.saturating_sub(text.len());
        text.extend_from_slice(&rest[..taken.min(room)]);
        if end.is_none() {
            return (at + taken, None);
        }
        let text = self.pasted.take().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace('\r', "\n");
        (at + taken + PASTE_END.len(), Some(text))
    }
}

/// Parse the first key or event.
fn parse(bytes: &[u8]) -> Parsed {
    match bytes {
        [0x1b] | [0x1b, b'[' | b'O'] => Parsed::Unfinished,
        [0x1b, b'[', rest @ ..] => control_sequence(rest),
        [0x1b, b'O', letter, ..] => Parsed::Whole(3, letter_key(*letter, false).map(Msg::Key)),
        // Two times Esc, or Esc before a sequence.
        [0x1b, 0x1b, ..] => Parsed::Whole(1, Some(Msg::Key(Key::Esc))),
        // Alt and a character.
        [0x1b, _, ..] => Parsed::Whole(2, None),
        [byte @ (0..0x20 | 0x7f), ..] => Parsed::Whole(1, control(*byte).map(Msg::Key)),
        _ => character(bytes),
    }
}

const fn control(byte: u8) -> Option<Key> {
    match byte {
        b'\r' | b'\n' => Some(Key::Enter),
        b'\t' => Some(Key::Tab),
        0x7f | 0x08 => Some(Key::Backspace),
        1..=26 => Some(Key::Ctrl((byte + b'a' - 1) as char)),
        _ => None,
    }
}

fn character(bytes: &[u8]) -> Parsed {
    let length = match bytes[0] {
        0..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        // Not the beginning of a character.
        _ => return Parsed::Whole(1, None),
    };
    let Some(part) = bytes.get(..length) else { return Parsed::Unfinished };
    match str::from_utf8(part).ok().and_then(|text| text.chars().next()) {
        Some(c) => Parsed::Whole(length, Some(Msg::Key(Key::Char(c)))),
        None => Parsed::Whole(1, None),
    }
}

/// What follows `ESC [`.
fn control_sequence(rest: &[u8]) -> Parsed {
    let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        let is_too_long = rest.len() > LONGEST;
        return if is_too_long { Parsed::Whole(rest.len() + 2, None) } else { Parsed::Unfinished };
    };
    let (parameters, letter, length) = (&rest[..end], rest[end], end + 3);
    let text = str::from_utf8(parameters).unwrap_or_default();
    if let Some(mouse) = text.strip_prefix('<') {
        return Parsed::Whole(length, mouse_event(mouse, letter).map(Msg::Mouse));
    }
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    if (first, letter) == (Some(200), b'~') {
        return Parsed::Paste(length);
    }
    // The modifiers are one more than the sum of 1 Shift, 2 Alt, 4 Ctrl.
    let shift = second.is_some_and(|modifiers| modifiers.wrapping_sub(1) & 1 == 1);
    let key = match (letter, first) {
        (b'~', Some(1 | 7)) => Some(Key::Home),
        (b'~', Some(4 | 8)) => Some(Key::End),
        (b'~', Some(2)) => Some(Key::Insert),
        (b'~', Some(3)) => Some(Key::Delete),
        (b'~', Some(5)) => Some(Key::PageUp),
        (b'~', Some(6)) => Some(Key::PageDown),
        (b'~', Some(number)) => function_key(number),
        (b'Z', _) => Some(Key::BackTab),
        (letter, _) => letter_key(letter, shift),
    };
    Parsed::Whole(length, key.map(Msg::Key))
}

/// A function key that is a number; two numbers are left out among them.
fn function_key(number: u16) -> Option<Key> {
    let key = match number {
        11..=15 => number - 10,
        17..=21 => number - 11,
        23..=24 => number - 12,
        _ => return None,
    };
    u8::try_from(key).ok().map(Key::F)
}

/// A key that is a letter behind `ESC [` or `ESC O`.
const fn letter_key(letter: u8, shift: bool) -> Option<Key> {
    Some(match (letter, shift) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', false) => Key::Right,
        (b'D', false) => Key::Left,
        (b'C', true) => Key::ShiftRight,
        (b'D', true) => Key::ShiftLeft,
        (b'H', _) => Key::Home,
        (b'F', _) => Key::End,
        (b'M', _) => Key::Enter,
        (b'P'..=b'S', _) => Key::F(letter - b'P' + 1),
        (_, _) => return None,
    })
}

/// `BUTTON;COLUMN;ROW` of SGR mouse reports; a small letter is a release.
fn mouse_event(text: &str, letter: u8) -> Option<Mouse> {
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let mut number = || numbers.next().flatten();
    let (button, column, row) = (number()?, number()?.checked_sub(1)?, number()?.checked_sub(1)?);
    Some(match (button, letter) {
        (0, b'M') => Mouse::Press(column, row),
        (32, b'M') => Mouse::Drag(column, row),
        (0 | 32, b'm') => Mouse::Release(column, row),
        (64, b'M') => Mouse::Wheel(-WHEEL, column, row),
        (65, b'M') => Mouse::Wheel(WHEEL, column, row),
        (_, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::Parser;
    use crate::keys::Key;
    use crate::state::msg::Msg;

    fn parsed(pieces: &[&[u8]]) -> Vec<String> {
        let (mut parser, mut messages) = (Parser::default(), VecDeque::new());
        for piece in pieces {
            parser.feed(piece, &mut messages);
        }
        parser.settle(&mut messages);
        let name = |msg: &Msg| {
            if let Msg::Key(key) = msg { key.name() } else { format!("{msg:?}") }
        };
        messages.iter().map(name).collect()
    }

    #[test]
    fn keys_are_recognized() {
        let table: [(&[u8], &[&str]); 15] = [
            (b"aZ ", &["a", "Z", "Space"]),
            ("é日🙂".as_bytes(), &["é", "日", "🙂"]),
            (b"\r\n\t\x7f\x08", &["Enter", "Enter", "Tab", "Backspace", "Backspace"]),
            (b"\x03\x1a", &["Ctrl-c", "Ctrl-z"]),
            (b"\x1b[A\x1bOB\x1b[C\x1b[D", &["↑", "↓", "→", "←"]),
            (b"\x1b[1;2C\x1b[1;2D", &["Shift-→", "Shift-←"]),
            (b"\x1b[5~\x1b[6~\x1b[3~", &["PgUp", "PgDn", "Delete"]),
            (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH", &["Home", "End", "Home", "End", "Home"]),
            (b"\x1b[Z", &["Shift-Tab"]),
            (
                b"\x1bOP\x1b[1;2S\x1b[11~\x1b[15~\x1b[17~\x1b[24~\x1b[2~",
                &["F1", "F4", "F1", "F5", "F6", "F12", "Insert"],
            ),
            (b"\x1b", &["Esc"]),
            (b"\x1b\x1b", &["Esc", "Esc"]),
            (b"\x1bx\xff\x1b[99~q", &["q"]),
            (b"\x1b[<0;3;4M\x1b[<65;1;1M", &["Mouse(Press(2, 3))", "Mouse(Wheel(3, 0, 0))"]),
            (b"\x1b[200~q\rs\x1b[A\x1b[201~k", &["Paste(\"q\\ns\\u{1b}[A\")", "k"]),
        ];
        for (bytes, keys) in table {
            assert_eq!(parsed(&[bytes]), keys, "{bytes:?}");
            // In single bytes as well.
            let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(parsed(&pieces), keys, "{bytes:?} in pieces");
        }
    }

    #[test]
    fn an_unfinished_paste_keeps_the_keys_from_acting() {
        assert_eq!(parsed(&[b"\x1b[200~rm", b"q"]), Vec::<String>::new());
        let mut parser = Parser::default();
        parser.feed(b"\x1b[200~", &mut VecDeque::new());
        for _ in 0..100 {
            parser.feed(&[b'x'; 4096], &mut VecDeque::new());
        }
        assert!(parser.pasted.unwrap().len() <= super::MOST_PASTED);
        assert!(parser.begun.len() < 16);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(pieces: Vec<Vec<u8>>) {
            let (mut parser, mut messages) = (Parser::default(), VecDeque::new());
            for piece in &pieces {
                parser.feed(piece, &mut messages);
                prop_assert!(parser.begun.len() <= super::LONGEST + 8);
            }
            let known = |msg: &Msg| matches!(msg, Msg::Key(_) | Msg::Mouse(_) | Msg::Paste(_));
            prop_assert!(messages.iter().all(known));
            prop_assert!(!messages.iter().any(|msg| matches!(msg, Msg::Key(Key::Char('\0')))));
        }
    }
}
