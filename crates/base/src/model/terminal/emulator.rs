//! What a terminal shows, followed byte by byte: its screen.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use unicode_width::UnicodeWidthChar as _;
use utoipa::ToSchema;

use super::cells::TAB;
use super::escape::{Scanner, Token};
use super::modes::{Modes, number};
use super::text::Utf8;
use super::{SOFT_RESET, modes};

/// A terminal without a window.
///
/// Cells and cursor are those of `vt100`; what that does not know is translated for it: character sets, insert mode,
/// lines without wrapping, and a few movements.
pub struct Emulator {
    parser: vt100::Parser,
    modes: Modes,
    scanner: Scanner,
    utf8: Utf8,
    text: String,
    /// The bytes of a sequence whose end has not come yet, as far as they are worth keeping.
    unfinished: Vec<u8>,
}

/// The most bytes of an unfinished sequence that are kept; a longer one has no effect.
const LONGEST_SEQUENCE: usize = 8 << 10;

impl Emulator {
    /// A terminal with so many columns and rows in which these modes are set.
    pub fn new(size: (u16, u16), modes: Modes) -> Self {
        let (rows, columns) = cells(size);
        let mut parser = vt100::Parser::new(rows, columns, 0);
        if modes.is_alternate() {
            parser.process(b"\x1b[?1049h");
        }
        parser.process(&modes.set_all());
        let (top, bottom) = modes.region(rows.get());
        if (top, bottom) != (1, rows.get()) || modes.is_set(6) {
            parser.process(format!("\x1b[{top};{bottom}r").as_bytes());
            parser.process(if modes.is_set(6) { b"\x1b[?6h" } else { b"" });
        }
        Self {
            parser,
            modes,
            scanner: Scanner::default(),
            utf8: Utf8::default(),
            text: String::new(),
            unfinished: vec![],
        }
    }

    /// It has so many columns and rows now.
    pub fn resize(&mut self, size: (u16, u16)) {
        let (rows, columns) = cells(size);
        if self.parser.screen().size() != (rows, columns) {
            self.parser.screen_mut().set_size(rows, columns);
            self.modes.resized();
        }
    }

    /// Cells and cursor.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// The modes that are set.
    pub fn modes(&self) -> &Modes {
        &self.modes
    }

    /// Row and column of the cursor as a terminal reports them: from 1, and in origin mode from the first row of the
    /// scroll region.
    pub fn reported_cursor(&self) -> (u16, u16) {
        let (row, column) = self.screen().cursor_position();
        let (rows, columns) = self.screen().size();
        let above = if self.modes.is_set(6) { self.modes.region(rows.get()).0 - 1 } else { 0 };
        (row.saturating_sub(above) + 1, column.min(columns.get() - 1) + 1)
    }

    /// Show what a program prints next.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut scanner = std::mem::take(&mut self.scanner);
        let (mut rest, mut unfinished) = (bytes, bytes);
        while let Some(token) = scanner.next(&mut rest) {
            unfinished = rest;
            self.unfinished.clear();
            self.utf8.take(&token, &mut self.text);
            self.show_text();
            self.show(&token);
            self.modes.apply(&token);
        }
        self.scanner = scanner;
        let kept = unfinished.len().min(LONGEST_SEQUENCE.saturating_sub(self.unfinished.len()));
        self.unfinished.extend_from_slice(&unfinished[..kept]);
    }

    fn show_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        let wraps = self.modes.is_set(7);
        // The parser does not show the character that stands for what is not UTF-8.
        let is_usual = wraps && !self.modes.inserts() && !self.modes.draws_lines();
        if is_usual && !text.contains(char::REPLACEMENT_CHARACTER) {
            self.parser.process(text.as_bytes());
        } else {
            for character in text.chars() {
                self.show_character(character, wraps);
            }
        }
        self.text = text;
    }

    fn show_character(&mut self, character: char, wraps: bool) {
        let shown = match character {
            char::REPLACEMENT_CHARACTER => '?',
            other if self.modes.draws_lines() => modes::line(other),
            other => other,
        };
        let width = shown.width().and_then(|width| u16::try_from(width).ok()).unwrap_or(0);
        if !wraps {
            let columns = self.screen().size().1.get();
            let last = columns.saturating_sub(width);
            if self.screen().cursor_position().1 > last {
                self.sequence(last + 1, 'G');
            }
        }
        if self.modes.inserts() && width > 0 {
            self.sequence(width, '@');
        }
        self.parser.process(shown.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn sequence(&mut self, number: u16, last: char) {
        self.parser.process(format!("\x1b[{number}{last}").as_bytes());
    }

    /// Show the effect of a token, as far as the modes are not enough.
    fn show(&mut self, token: &Token<'_>) {
        match *token {
            Token::Control(byte @ 0x08..=0x0d) => self.parser.process(&[byte]),
            Token::Escape(b'D') => self.parser.process(b"\n"),
            Token::Escape(b'E') => self.parser.process(b"\r\n"),
            Token::Escape(last @ (b'7' | b'8' | b'=' | b'>' | b'M' | b'c')) => {
                self.parser.process(&[0x1b, last]);
            }
            Token::Csi(inside, last) => self.show_sequence(inside, last),
            Token::Text(_)
            | Token::Control(_)
            | Token::Osc(_)
            | Token::Dcs(_)
            | Token::Escape(_)
            | Token::Designate(..)
            | Token::Other => {}
        }
    }

    fn show_sequence(&mut self, inside: &[u8], last: u8) {
        let count = || number::<u16>(inside).unwrap_or(1).max(1);
        match (last, inside) {
            (b'h' | b'l', [b'?', modes @ ..]) => {
                for mode in modes.split(|&byte| byte == b';').filter_map(number) {
                    self.switch(mode, last);
                }
            }
            (b's', b"") => self.parser.process(b"\x1b7"),
            (b'u', b"") => self.parser.process(b"\x1b8"),
            (b'p', b"!") => self.parser.process(SOFT_RESET),
            (b'b', _) => {
                // Not beyond the end of the line, as in tmux. Every other count is limited by the parser.
                let left = self.screen().size().1.get() - self.reported_cursor().1 + 1;
                self.sequence(count().min(left), 'b');
            }
            (b'a', _) => self.sequence(count(), 'C'),
            (b'e', _) => self.sequence(count(), 'B'),
            (b'I', _) => {
                let columns = self.screen().size().1.get();
                let tabs = usize::from(count().min(columns));
                self.parser.process(&vec![b'\t'; tabs]);
            }
            (b'Z', _) => {
                let column = usize::from(self.screen().cursor_position().1);
                let stops = column.div_ceil(TAB).saturating_sub(usize::from(count()));
                self.sequence(u16::try_from(stops * TAB).unwrap_or(0) + 1, 'G');
            }
            _ => {
                self.parser.process(b"\x1b[");
                self.parser.process(inside);
                self.parser.process(&[last]);
            }
        }
    }

    fn switch(&mut self, mode: u16, last: u8) {
        match (mode, last) {
            (1047, b'h') => self.parser.process(b"\x1b[?47h"),
            (1047, _) if self.screen().alternate_screen() => {
                // The alternate screen is erased when it is left.
                self.parser.process(b"\x1b7\x1b[m\x1b[2J\x1b8\x1b[?47l");
            }
            (1048, b'h') => self.parser.process(b"\x1b7"),
            (1048, _) => self.parser.process(b"\x1b8"),
            _ => self.parser.process(format!("\x1b[?{mode}{}", char::from(last)).as_bytes()),
        }
    }

    /// Bytes that make a terminal of this size show the same, whatever it shows now. What the program prints next may
    /// follow, even in the middle of a sequence.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = b"\x1bc".to_vec();
        let screen = self.screen();
        if let Some(mode) = self.modes.alternate() {
            let main = after(screen, b"\x1b[?47l");
            self.draw(&main, &mut out);
            self.modes.restore_main_keyboard(&mut out);
            self.modes.save_cursor(&format!("\x1b[?{mode}h"), &mut out);
        }
        self.draw(screen, &mut out);
        self.modes.restore(&mut out);
        let rows = screen.size().0.get();
        let (region, is_origin) = (self.modes.region(rows), self.modes.is_set(6));
        if region != (1, rows) || is_origin {
            out.extend(format!("\x1b[{};{}r", region.0, region.1).into_bytes());
            if is_origin {
                out.extend_from_slice(b"\x1b[?6h");
            }
            let (row, column) = self.reported_cursor();
            out.extend(format!("\x1b[{row};{column}H").into_bytes());
        }
        out.extend_from_slice(self.utf8.begun());
        out.extend_from_slice(&self.unfinished);
        out
    }

    /// Draw this screen and restore its saved cursor.
    fn draw(&self, screen: &vt100::Screen, out: &mut Vec<u8>) {
        let saved = after(screen, b"\x1b8");
        let (row, column) = saved.cursor_position();
        out.extend(format!("\x1b[{};{}H", row + 1, column + 1).into_bytes());
        out.extend_from_slice(saved.attributes_formatted().as_bytes());
        self.modes.save_cursor("\x1b7", out);
        out.extend_from_slice(screen.contents_formatted().as_bytes());
    }

    /// What is shown, as lines: those that were wrapped are joined, blanks at the ends are left out.
    pub fn lines(&self) -> Vec<String> {
        let screen = self.screen();
        let (mut lines, mut line) = (vec![], String::new());
        for (at, row) in (0..).zip(screen.rows(0, screen.size().1.get())) {
            line.push_str(&row);
            if !screen.row_wrapped(at) {
                line.truncate(line.trim_end().len());
                lines.push(std::mem::take(&mut line));
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

fn after(screen: &vt100::Screen, bytes: &[u8]) -> vt100::Screen {
    let (rows, columns) = screen.size();
    let mut parser = vt100::Parser::new(rows, columns, 0);
    *parser.screen_mut() = screen.clone();
    parser.process(bytes);
    parser.screen().clone()
}

/// Rows and columns for the parser.
fn cells((columns, rows): (u16, u16)) -> (NonZeroU16, NonZeroU16) {
    let cells = |count| NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN);
    (cells(rows), cells(columns))
}

/// The screen of a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Screen {
    /// Its lines, each with a newline.
    pub screen: String,
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
    /// Its cursor.
    pub cursor: ScreenCursor,
    /// Whether it is the alternate screen of a full-screen program, without the lines above it.
    pub is_alternate: bool,
}

/// The cursor of a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScreenCursor {
    /// Its column, from 0.
    pub column: u16,
    /// Its row, from 0.
    pub row: u16,
    /// Whether it is visible.
    pub is_visible: bool,
}
