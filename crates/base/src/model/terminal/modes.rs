//! The modes that a program has set in its terminal.
//! The flags of kitty's keyboard protocol are a stack for each screen; a character set is text, or lines for frames.

use std::collections::BTreeSet;

use super::escape::Token;

/// The private modes that are followed and passed on to the terminals of users.
const KNOWN: &[u16] = &[
    1, 5, 6, 7, 12, 25, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1047, 1049, 2004,
    2026,
];
/// Those that are set in a fresh terminal.
const USUAL: &[u16] = &[7, 25];
/// Those that switch to the alternate screen.
const ALTERNATE: &[u16] = &[47, 1047, 1049];
/// Those that a snapshot restores in another way, or leaves to the program.
const NOT_RESTORED: &[u16] = &[6, 47, 1047, 1049, 2026];
/// Those that decide what the terminal sends.
const INPUT: &[u16] = &[1, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 2004];
/// The longest title that is kept.
const LONGEST_TITLE: usize = 1 << 10;

/// Whether this private mode is followed and passed on.
pub fn is_mode(mode: u16) -> bool {
    KNOWN.contains(&mode)
}

/// The modes of a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modes {
    /// The private modes that differ from those of a fresh terminal.
    changed: BTreeSet<u16>,
    insert: bool,
    keypad: bool,
    /// The number of the cursor's shape; 0 is the usual one.
    cursor_shape: u8,
    /// xterm's `modifyOtherKeys`.
    other_keys: u8,
    charsets: Charsets,
    saved_charsets: Charsets,
    /// Those of the main and of the alternate screen.
    keyboards: [Keyboard; 2],
    /// First and last row of the scroll regions of both screens, from 1.
    regions: [Option<(u16, u16)>; 2],
    /// The window's title, if it was set.
    title: Option<Vec<u8>>,
}

impl Modes {
    /// Follow this token.
    pub fn apply(&mut self, token: &Token<'_>) {
        match *token {
            Token::Control(byte @ (0x0e | 0x0f)) => self.charsets.shift(byte == 0x0e),
            Token::Csi(inside, last) => self.apply_sequence(inside, last),
            Token::Osc(inside) => {
                if let [b'0' | b'2', b';', title @ ..] = inside
                    && title.len() <= LONGEST_TITLE
                {
                    self.title = Some(title.to_vec());
                }
            }
            Token::Designate(place, set) => self.charsets.designate(place, set),
            Token::Escape(b'7') => self.saved_charsets = self.charsets,
            Token::Escape(b'8') => self.charsets = self.saved_charsets,
            Token::Escape(last @ (b'=' | b'>')) => self.keypad = last == b'=',
            Token::Escape(b'c') => *self = Self::default(),
            Token::Text(_)
            | Token::Control(_)
            | Token::Dcs(_)
            | Token::Escape(_)
            | Token::Other => {}
        }
    }

    fn apply_sequence(&mut self, inside: &[u8], last: u8) {
        match (last, inside) {
            (b'h' | b'l', [b'?', modes @ ..]) => {
                for mode in modes.split(|&byte| byte == b';').filter_map(number) {
                    self.set(mode, last == b'h');
                }
            }
            (b'h' | b'l', b"4") => self.insert = last == b'h',
            (b'p', b"!") => self.reset_softly(),
            (b's', b"") => self.saved_charsets = self.charsets,
            (b'u', b"") => self.charsets = self.saved_charsets,
            (b'u', _) => {
                let screen = usize::from(self.is_alternate());
                self.keyboards[screen].apply(inside);
            }
            (b'q', [shape @ .., b' ']) => {
                self.cursor_shape = number::<u8>(shape).filter(|shape| *shape <= 6).unwrap_or(0);
            }
            (b'm', [b'>', rest @ ..]) => {
                let mut numbers = rest.split(|&byte| byte == b';').map(number::<u8>);
                if numbers.next() == Some(Some(4)) {
                    self.other_keys = numbers.next().flatten().unwrap_or(0);
                }
            }
            (b'r', _) => {
                let mut rows = inside.split(|&byte| byte == b';').map(number::<u16>);
                let (top, bottom) = (rows.next().flatten(), rows.next().flatten());
                let region = (top.unwrap_or(1).max(1), bottom.unwrap_or(0));
                let screen = usize::from(self.is_alternate());
                self.regions[screen] = (region != (1, 0)).then_some(region);
            }
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, set: bool) {
        match (mode, set) {
            (1048 | 1049, true) => self.saved_charsets = self.charsets,
            (1048 | 1049, false) => self.charsets = self.saved_charsets,
            _ => {}
        }
        if ALTERNATE.contains(&mode) {
            self.changed.retain(|other| !ALTERNATE.contains(other));
            if (mode, set) == (1049, true) {
                self.regions[1] = None;
            }
        }
        if set == USUAL.contains(&mode) {
            self.changed.remove(&mode);
        } else if is_mode(mode) {
            self.changed.insert(mode);
        }
    }

    fn reset_softly(&mut self) {
        self.changed.retain(|mode| !matches!(mode, 1 | 6 | 7 | 25));
        self.regions[usize::from(self.is_alternate())] = None;
        (self.insert, self.keypad) = (false, false);
        (self.charsets, self.saved_charsets) = (Charsets::default(), Charsets::default());
    }

    /// Whether a private mode is set.
    pub fn is_set(&self, mode: u16) -> bool {
        USUAL.contains(&mode) != self.changed.contains(&mode)
    }

    /// The private mode that has switched to the alternate screen.
    pub(super) fn alternate(&self) -> Option<u16> {
        ALTERNATE.iter().copied().find(|mode| self.changed.contains(mode))
    }

    /// Whether the alternate screen is shown.
    pub fn is_alternate(&self) -> bool {
        self.alternate().is_some()
    }

    /// Whether characters are inserted.
    pub const fn inserts(&self) -> bool {
        self.insert
    }

    /// The number of the cursor's shape.
    pub const fn cursor_shape(&self) -> u8 {
        self.cursor_shape
    }

    /// The flags of kitty's keyboard protocol.
    pub fn keyboard_flags(&self) -> u8 {
        self.keyboards[usize::from(self.is_alternate())].flags()
    }

    /// First and last row of the scroll region on a screen of so many rows, from 1.
    pub fn region(&self, rows: u16) -> (u16, u16) {
        let region = self.regions[usize::from(self.is_alternate())];
        let (top, bottom) = region.unwrap_or((1, rows));
        let bottom = if bottom == 0 { rows } else { bottom.min(rows) };
        if top < bottom { (top, bottom) } else { (1, rows) }
    }

    /// The terminal has another size, which resets the scroll regions.
    pub fn resized(&mut self) {
        self.regions = [None; 2];
    }

    pub(super) fn draws_lines(&self) -> bool {
        self.charsets.draws_lines()
    }

    /// The state of a private mode, as DECRQM reports it: 1 set, 2 not set, 0 unknown.
    pub fn report(&self, mode: u16) -> u8 {
        match is_mode(mode) {
            true if self.is_set(mode) => 1,
            true => 2,
            false => 0,
        }
    }

    /// Sequences that set the keyboard of the screen that is not shown, in a fresh terminal that does not show the
    /// alternate screen yet.
    pub(super) fn restore_main_keyboard(&self, out: &mut Vec<u8>) {
        if self.is_alternate() {
            self.keyboards[0].restore(out);
        }
    }

    /// Sequences that set, in a fresh terminal that shows the same screen, everything but what moves the cursor.
    pub(super) fn restore(&self, out: &mut Vec<u8>) {
        if let Some(title) = &self.title {
            out.extend_from_slice(b"\x1b]2;");
            out.extend_from_slice(title);
            out.extend_from_slice(b"\x1b\\");
        }
        for mode in self.changed.iter().filter(|mode| !NOT_RESTORED.contains(mode)) {
            self.set_mode(*mode, out);
        }
        self.restore_input(out);
        if self.insert {
            out.extend_from_slice(b"\x1b[4h");
        }
        self.charsets.restore(out);
    }

    /// A sequence that saves the cursor, with the character sets that were saved with it.
    pub(super) fn save_cursor(&self, sequence: &str, out: &mut Vec<u8>) {
        self.saved_charsets.restore(out);
        out.extend_from_slice(sequence.as_bytes());
        out.extend_from_slice(b"\x1b(B\x1b)B\x0f");
    }

    fn set_mode(&self, mode: u16, out: &mut Vec<u8>) {
        let letter = if self.is_set(mode) { 'h' } else { 'l' };
        out.extend(format!("\x1b[?{mode}{letter}").into_bytes());
    }

    fn restore_input(&self, out: &mut Vec<u8>) {
        if self.keypad {
            out.extend_from_slice(b"\x1b=");
        }
        if self.cursor_shape > 0 {
            out.extend(format!("\x1b[{} q", self.cursor_shape).into_bytes());
        }
        if self.other_keys > 0 {
            out.extend(format!("\x1b[>4;{}m", self.other_keys).into_bytes());
        }
        self.keyboards[usize::from(self.is_alternate())].restore(out);
    }

    /// The modes that decide what a terminal sends, without what changes how it draws.
    #[must_use]
    pub fn of_input(&self) -> Self {
        let screen = usize::from(self.is_alternate());
        let changed = self.changed.iter().copied().filter(|mode| INPUT.contains(mode)).collect();
        Self {
            changed,
            keypad: self.keypad,
            cursor_shape: self.cursor_shape,
            other_keys: self.other_keys,
            keyboards: [self.keyboards[screen].clone(), Keyboard::default()],
            title: self.title.clone(),
            ..Self::default()
        }
    }

    /// Sequences that set these modes in a fresh terminal.
    pub fn set_all(&self) -> Vec<u8> {
        let mut out = vec![];
        self.restore(&mut out);
        out
    }

    /// Sequences that bring a terminal with these modes to those of a fresh one. The keyboard's flags are left to the
    /// caller, and so is the title.
    pub fn undo(&self) -> Vec<u8> {
        let mut out = b"\x1b]8;;\x1b\\\x1b(B\x1b)B\x0f\x1b[m\x1b[4l".to_vec();
        if self.is_set(6) {
            out.extend_from_slice(b"\x1b[?6l");
        }
        out.extend_from_slice(b"\x1b[r");
        if self.keypad {
            out.extend_from_slice(b"\x1b>");
        }
        if self.cursor_shape > 0 {
            out.extend_from_slice(b"\x1b[0 q");
        }
        if self.other_keys > 0 {
            out.extend_from_slice(b"\x1b[>4m");
        }
        // The alternate screen comes last: it restores the cursor.
        let (last, first): (Vec<u16>, Vec<u16>) =
            self.changed.iter().partition(|mode| ALTERNATE.contains(mode));
        for mode in first.into_iter().filter(|mode| *mode != 6).chain(last) {
            let letter = if USUAL.contains(&mode) { 'h' } else { 'l' };
            out.extend(format!("\x1b[?{mode}{letter}").into_bytes());
        }
        out
    }
}

pub fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The most entries of a stack; the oldest one is forgotten then.
const DEEPEST: usize = 16;
/// The flags that exist.
const ALL: u8 = 0b1_1111;

/// The stack of one screen; its last entry applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keyboard(Vec<u8>);

impl Keyboard {
    /// The flags that apply.
    pub(super) fn flags(&self) -> u8 {
        self.0.last().copied().unwrap_or(0)
    }

    /// Apply a control sequence that ends with `u`; returns whether it is one of these.
    pub(super) fn apply(&mut self, inside: &[u8]) -> bool {
        let Some((&kind, rest)) = inside.split_first() else { return false };
        let mut numbers = rest.split(|&byte| byte == b';').map(super::number::<u16>);
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let flags = u8::try_from(first.unwrap_or(0)).unwrap_or(0) & ALL;
        match kind {
            b'>' => {
                if self.0.len() == DEEPEST {
                    self.0.remove(0);
                }
                self.0.push(flags);
            }
            b'<' => {
                let count = usize::from(first.unwrap_or(1).max(1));
                self.0.truncate(self.0.len().saturating_sub(count));
            }
            b'=' => {
                let flags = match second.unwrap_or(1) {
                    1 => flags,
                    2 => self.flags() | flags,
                    3 => self.flags() & !flags,
                    _ => return false,
                };
                match self.0.last_mut() {
                    Some(last) => *last = flags,
                    None => self.0.push(flags),
                }
            }
            _ => return false,
        }
        true
    }

    /// Sequences that build this stack.
    pub(super) fn restore(&self, out: &mut Vec<u8>) {
        for flags in &self.0 {
            out.extend(format!("\x1b[>{flags}u").into_bytes());
        }
    }
}

/// Whether the sets G0 and G1 draw lines, and which of them is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Charsets {
    lines: [bool; 2],
    second: bool,
}

impl Charsets {
    /// Choose a set: `(` or `)`, and its name.
    pub(super) fn designate(&mut self, place: u8, set: u8) {
        self.lines[usize::from(place == b')')] = set == b'0';
    }

    /// Use G1, or G0.
    pub(super) fn shift(&mut self, second: bool) {
        self.second = second;
    }

    /// Whether letters are lines.
    pub(super) fn draws_lines(self) -> bool {
        self.lines[usize::from(self.second)]
    }

    /// Sequences that choose these sets in a fresh terminal.
    pub(super) fn restore(self, out: &mut Vec<u8>) {
        for (lines, place) in self.lines.into_iter().zip(*b"()") {
            if lines {
                out.extend_from_slice(&[0x1b, place, b'0']);
            }
        }
        if self.second {
            out.push(0x0e);
        }
    }
}

/// The line that a letter stands for.
pub(super) fn line(letter: char) -> char {
    const LINES: [char; 32] = [
        '\u{a0}', '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺',
        '⎻', '─', '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
    ];
    let at = u32::from(letter).checked_sub(0x5f).and_then(|at| usize::try_from(at).ok());
    at.and_then(|at| LINES.get(at)).copied().unwrap_or(letter)
}
