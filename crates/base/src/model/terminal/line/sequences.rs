//! The effect of control characters and escape sequences on a line: cursor movement within the line,
//! erasing, repetition, colours.

use super::{End, FARTHEST, Line, columns};
use crate::model::terminal::cells::{Cells, MOST_COLUMNS, TAB};
use crate::model::terminal::escape::Token;

impl Line {
    pub(super) fn take(&mut self, token: Token<'_>) -> Option<End> {
        if let Token::Text(text) = token {
            self.decode(text);
            return None;
        }
        self.flush_part();
        let end = match token {
            Token::Control(byte) => self.control(byte),
            Token::Escape(last) => self.escape(last),
            Token::Csi(inside, last) => self.csi(inside, last),
            Token::Text(_)
            | Token::Osc(_)
            | Token::Dcs(_)
            | Token::Designate(..)
            | Token::Other => None,
        };
        // Only a character immediately before a repetition is repeated.
        self.last = '\0';
        end
    }

    fn control(&mut self, byte: u8) -> Option<End> {
        match byte {
            b'\n' => {
                self.next = 0;
                return Some(End::Newline);
            }
            b'\r' => self.go(0),
            0x08 => self.go(self.cursor().saturating_sub(1)),
            // To the next line, same column.
            0x0b | 0x0c => return Some(self.leave(self.cursor(), End::Moved(0))),
            _ => {}
        }
        None
    }

    fn escape(&mut self, last: u8) -> Option<End> {
        match last {
            b'c' => {
                self.pen.reset();
                return Some(self.leave(0, End::Cleared));
            }
            b'D' => return Some(self.leave(self.cursor(), End::Moved(0))),
            b'E' => return Some(self.leave(0, End::Newline)),
            b'M' => return Some(self.leave(self.cursor(), End::Moved(1))),
            b'7' => self.saved = (self.lines, self.cursor()),
            b'8' => return self.restore(),
            _ => {}
        }
        None
    }

    fn csi(&mut self, inside: &[u8], last: u8) -> Option<End> {
        if last == b'm' {
            self.pen.apply(inside);
            return None;
        }
        if !inside.iter().all(|b| matches!(b, b'0'..=b'9' | b';')) {
            return self.private(inside, last);
        }
        let home = std::mem::take(&mut self.home);
        let mut numbers = inside.split(|&b| b == b';').map(number);
        let first = numbers.next().unwrap_or(0);
        let count = first.max(1);
        let column = |n: usize| n.saturating_sub(1);
        match last {
            b'C' | b'a' => self.go(self.cursor() + count.min(FARTHEST)),
            b'D' => self.go(self.cursor().saturating_sub(count)),
            b'G' | b'`' => self.go(self.within(column(count))),
            b'I' => self.go((self.cursor() / TAB + count.min(FARTHEST / TAB)) * TAB),
            b'Z' => self.go((self.cursor().div_ceil(TAB)).saturating_sub(count) * TAB),
            b'A' => return Some(self.leave(self.cursor(), End::Moved(count))),
            b'F' => return Some(self.leave(0, End::Moved(count))),
            b'B' | b'e' | b'd' | b'L' => return Some(self.leave(self.cursor(), End::Moved(0))),
            b'E' => return Some(self.leave(0, End::Moved(0))),
            b'H' | b'f' => {
                let at = self.within(column(numbers.next().unwrap_or(0)));
                self.home = count == 1 && at == 0;
                return Some(self.leave(at, End::Moved(0)));
            }
            b'J' if first > 1 || first == 0 && home => {
                return Some(self.leave(self.cursor(), End::Cleared));
            }
            b'J' | b'K' => self.erase(first),
            b'X' => self.edit(|cells| cells.erase(count)),
            b'P' => self.edit(|cells| cells.delete(count)),
            b'@' => self.edit(|cells| cells.insert(count)),
            b'M' => self.erase(2),
            b'b' => self.repeat(count.min(FARTHEST)),
            b's' if inside.is_empty() => self.saved = (self.lines, self.cursor()),
            b'u' if inside.is_empty() => return self.restore(),
            _ => {}
        }
        None
    }

    fn private(&mut self, inside: &[u8], last: u8) -> Option<End> {
        match (inside, last) {
            // Switch to the alternate screen or back.
            (b"?1049" | b"?1047" | b"?47", b'h' | b'l') => Some(self.leave(0, End::Cleared)),
            (b"!", b'p') => {
                self.pen.reset();
                None
            }
            _ => None,
        }
    }

    fn leave(&mut self, column: usize, end: End) -> End {
        self.next = column;
        end
    }

    fn restore(&mut self) -> Option<End> {
        let (line, column) = self.saved;
        if line != self.lines {
            return Some(self.leave(column, End::Moved(0)));
        }
        self.go(column);
        None
    }

    /// The cursor column.
    pub(super) fn cursor(&self) -> usize {
        match (&self.cells, self.column) {
            (Some(cells), _) => cells.cursor,
            (None, Some(column)) => column,
            (None, None) => self.end_column(),
        }
    }

    /// The column after the text.
    pub(super) fn end_column(&self) -> usize {
        let (bytes, column) = self.measured.get();
        let column = columns(column, &self.text[bytes..]);
        self.measured.set((self.text.len(), column));
        column
    }

    /// Whether the line can be edited: it is short enough, and none of it was written out.
    pub(super) fn is_editable(&self) -> bool {
        self.text.len() <= MOST_COLUMNS && self.written.is_none()
    }

    /// Limit an absolute column to not much beyond the end of the text.
    fn within(&self, column: usize) -> usize {
        column.min(self.text.len().clamp(FARTHEST, MOST_COLUMNS))
    }

    pub(super) fn go(&mut self, column: usize) {
        let column = column.min(MOST_COLUMNS + self.text.len());
        match &mut self.cells {
            Some(cells) => cells.cursor = column.min(MOST_COLUMNS),
            None if column == 0 && self.text.is_empty() && self.written.is_none() => {
                self.column = None;
            }
            None => self.column = Some(column),
        }
    }

    /// Erase from the cursor to the end (0), from the start to the cursor (1), or everything (2).
    fn erase(&mut self, what: usize) {
        let at = self.cursor();
        match what {
            2 => self.erase_all(at),
            0 if at == 0 => self.erase_all(0),
            0 if self.cells.is_none() && self.column.is_none() => {}
            0 => self.edit(Cells::erase_right),
            1 => self.edit(Cells::erase_left),
            _ => {}
        }
    }

    fn erase_all(&mut self, cursor: usize) {
        if !self.text.is_empty() || self.cells.as_ref().is_some_and(|cells| !cells.is_empty()) {
            self.version += 1;
            self.edited = true;
        }
        self.empty();
        self.go(cursor);
    }

    pub(super) fn empty(&mut self) {
        self.text.clear();
        self.changes.clear();
        self.cells = None;
        self.column = None;
        self.measured.set((0, self.written.unwrap_or(0)));
        self.total = 0;
        self.visible = false;
    }

    fn repeat(&mut self, count: usize) {
        if self.last != '\0' {
            let text = self.last.to_string().repeat(count);
            self.put(&text);
        }
    }
}

/// The number of a parameter; 0 if there is none.
fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |n: usize, b| n.saturating_mul(10).saturating_add(usize::from(b - b'0')))
}
