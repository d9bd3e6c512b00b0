//! One line of a process's output as a terminal of unlimited width shows it.
//!
//! Carriage returns, backspaces, erasing and cursor movement within the line are carried out. Colours and
//! attributes are kept separately from the text. Everything else that a terminal would act on (modes,
//! titles, queries, alternate screens, character sets) is dropped, and invalid UTF-8 becomes U+FFFD. The
//! text therefore contains no control characters except tabs.

mod sequences;

use std::borrow::Cow;
use std::cell::Cell;

use super::cells::{Cells, MOST_COLUMNS, TAB};
use super::escape::{Scanner, has_directions, is_ordinary};
use super::sgr::Sgr;
use crate::model::text::untrusted::reorders;
use unicode_width::UnicodeWidthChar as _;

/// Buffers larger than this are freed after their line.
const KEEP: usize = 64 << 10;
/// Maximum number of columns that one sequence can move the cursor to the right.
const FARTHEST: usize = 512;

/// A change of style at a byte of the text. Before the first change the style is plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StyleChange {
    /// Offset of the first byte with the new style.
    pub at: usize,
    /// The new style.
    pub style: Sgr,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A line feed.
    Newline,
    /// The cursor leaves the line, by this many rows upwards (0: in any other direction).
    Moved(usize),
    /// The screen is cleared.
    Cleared,
}

/// The current line, and the state that persists from one line to the next.
#[derive(Debug, Default)]
pub struct Line {
    scanner: Scanner,
    /// The style that the process has switched on.
    pen: Sgr,
    /// The bytes of an incomplete character.
    part: Vec<u8>,
    text: Vec<u8>,
    changes: Vec<StyleChange>,
    /// The text as cells, once the process edits something before its end.
    cells: Option<Cells>,
    /// The cursor column; `None` means the end of the text. Unused while there are cells.
    column: Option<usize>,
    /// The number of text bytes that have been measured, and the column after them. The rest is measured
    /// only when the column is needed, so that each byte is measured once.
    measured: Cell<(usize, usize)>,
    /// The column where the text begins, if the part before it was already written out. Such a line cannot
    /// be edited.
    written: Option<usize>,
    /// The column where the next line begins.
    next: usize,
    /// Incremented when existing text changes.
    version: u64,
    lines: u64,
    /// The line and column of the cursor position that the process has saved.
    saved: (u64, usize),
    /// Maximum number of text bytes to keep; 0 means no limit.
    limit: usize,
    /// The number of text bytes without the limit.
    total: u64,
    visible: bool,
    edited: bool,
    begun: bool,
    /// Whether the cursor is in the upper left corner.
    home: bool,
    /// The character immediately before, for repetition; NUL if there is none.
    last: char,
}

impl Line {
    /// Keep at most this many bytes of each line.
    pub fn limited(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Consume input up to and including the end of the line; `None` if the line continues. After an end,
    /// call [`Self::next_line`] before feeding more.
    pub fn feed(&mut self, input: &mut &[u8]) -> Option<End> {
        self.begun |= !input.is_empty();
        loop {
            if self.must_break(input) {
                self.next = self.column.unwrap_or(0);
                return Some(End::Moved(0));
            }
            let mut scanner = std::mem::take(&mut self.scanner);
            let token = scanner.next(input);
            let ended = token.is_none();
            let end = token.and_then(|token| self.take(token));
            self.scanner = scanner;
            if ended || end.is_some() {
                return end;
            }
        }
    }

    /// Whether the next input is text that would overwrite part of a line that can no longer be edited.
    fn must_break(&self, input: &[u8]) -> bool {
        self.column.is_some()
            && self.cells.is_none()
            && !self.is_editable()
            && self.scanner.at_rest()
            && input.first().is_some_and(|byte| *byte >= 0x20)
    }

    /// Change the cells. Does nothing in a line that cannot be edited.
    fn edit(&mut self, change: impl FnOnce(&mut Cells)) {
        if self.need_cells()
            && let Some(cells) = &mut self.cells
        {
            change(cells);
            self.version += 1;
        }
    }

    /// Convert the line to cells; returns whether it has cells.
    fn need_cells(&mut self) -> bool {
        if self.cells.is_some() {
            return true;
        }
        let cursor = self.cursor();
        if !self.is_editable() || cursor > MOST_COLUMNS {
            return false;
        }
        let mut cells = Cells::from_parts(self.parts());
        cells.cursor = cursor;
        (self.cells, self.column, self.edited) = (Some(cells), None, true);
        // Tabs become blanks, so the text has changed.
        self.version += 1;
        true
    }

    /// Append text, which may end within a character.
    fn decode(&mut self, mut bytes: &[u8]) {
        while !self.part.is_empty() {
            let Some((&first, rest)) = bytes.split_first() else { return };
            self.part.push(first);
            bytes = rest;
            let whole = whole(&self.part);
            if whole > 0 {
                let part = std::mem::take(&mut self.part);
                self.put_lossy(&part[..whole]);
                self.part.extend_from_slice(&part[whole..]);
            }
        }
        let (text, part) = bytes.split_at(whole(bytes));
        self.put_lossy(text);
        self.part.extend_from_slice(part);
    }

    /// Give up waiting for the rest of an incomplete character.
    fn flush_part(&mut self) {
        if !self.part.is_empty() {
            let part = std::mem::take(&mut self.part);
            self.put_lossy(&part);
        }
    }

    fn put_lossy(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            let valid = match chunk.valid() {
                text if has_directions(text.as_bytes()) => {
                    Cow::Owned(text.replace(reorders, "\u{fffd}"))
                }
                text => Cow::Borrowed(text),
            };
            // Two-byte C1 controls that were split between two inputs become visible only here.
            if memchr::memchr(0xc2, valid.as_bytes()).is_some() {
                for part in valid.split(char::is_control).filter(|part| !part.is_empty()) {
                    self.put(part);
                }
            } else if !valid.is_empty() {
                self.put(&valid);
            }
            if !chunk.invalid().is_empty() {
                self.put("\u{fffd}");
            }
        }
    }

    fn put(&mut self, text: &str) {
        self.home = false;
        self.last = text.chars().next_back().unwrap_or(self.last);
        if self.column.is_some() && !self.need_cells() {
            self.column = None;
        }
        if self.cells.is_none() {
            return self.append(text);
        }
        let (pen, mut rest) = (self.pen, text.chars());
        while let Some(cells) = &mut self.cells
            && let Some(character) = rest.next()
        {
            if cells.put(character, pen) {
                self.version += 1;
            }
            if cells.cursor >= MOST_COLUMNS {
                self.flatten();
                self.cells = None;
            }
        }
        if self.cells.is_none() {
            self.append(rest.as_str());
        }
    }

    /// Append to the text. Beyond the limit, bytes are only counted.
    fn append(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let room = match self.limit {
            0 => text.len(),
            _ if self.is_cut() => 0,
            limit => limit.saturating_sub(self.text.len()).min(text.len()),
        };
        let room = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        let kept = &text[..room];
        self.total += text.len() as u64;
        if kept.is_empty() {
            return;
        }
        self.styled(self.pen);
        self.visible |=
            self.pen.shows_blanks() || kept.bytes().any(|byte| !matches!(byte, b' ' | b'\t'));
        self.text.extend_from_slice(kept.as_bytes());
    }

    /// Set the style of the text that is appended next.
    fn styled(&mut self, style: Sgr) {
        let last = self.changes.last().map_or(Sgr::default(), |change| change.style);
        if last != style {
            self.changes.push(StyleChange { at: self.text.len(), style });
        }
    }

    /// Update the text from the cells. Must be called before the text is read.
    pub fn flatten(&mut self) {
        let Some(cells) = self.cells.take() else { return };
        self.text.clear();
        self.changes.clear();
        self.measured.set((0, self.written.unwrap_or(0)));
        self.visible = false;
        cells.for_each(|character, style| {
            self.styled(style);
            self.visible |= character != ' ' || style.shows_blanks();
            self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        });
        self.total = self.text.len() as u64;
        self.cells = Some(cells);
    }

    /// The text of the line: UTF-8 without control characters except tabs.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The style changes of the text.
    pub fn changes(&self) -> &[StyleChange] {
        &self.changes
    }

    /// The text, split into parts of one style.
    pub fn parts(&self) -> impl Iterator<Item = (&str, Sgr)> {
        let ends = self.changes.iter().map(|change| change.at).chain([self.text.len()]);
        let begins = [StyleChange { at: 0, style: Sgr::default() }].into_iter();
        let begins = begins.chain(self.changes.iter().copied());
        begins.zip(ends).map(|(begin, end)| {
            (std::str::from_utf8(&self.text[begin.at..end]).unwrap_or_default(), begin.style)
        })
    }

    /// Changes when existing text changes, but not when text is appended.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The number of text bytes without the limit.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether the line was truncated by the limit.
    pub fn is_cut(&self) -> bool {
        self.total > self.text.len() as u64
    }

    /// Whether any of the line is visible.
    pub fn is_visible(&self) -> bool {
        self.visible
    }

    /// Whether the process has overwritten parts of the line.
    pub fn is_edited(&self) -> bool {
        self.edited
    }

    /// Whether any input was consumed for this line.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether text that arrives now would begin a line, in the plain style.
    pub fn is_at_rest(&self) -> bool {
        !self.begun && self.column.is_none() && self.scanner.at_rest() && self.pen.is_plain()
    }

    /// Begin the next line.
    pub fn next_line(&mut self) {
        self.written = None;
        self.empty();
        self.give_back();
        self.version += 1;
        self.lines += 1;
        (self.edited, self.begun) = (false, false);
        let column = std::mem::take(&mut self.next);
        self.go(column);
    }

    /// Free the memory of a long text.
    fn give_back(&mut self) {
        if self.text.capacity() > KEEP {
            self.text = Vec::new();
        }
        if self.changes.capacity() > KEEP {
            self.changes = Vec::new();
        }
    }

    /// The memory that the text occupies, in bytes. Cells count as 0, because their number is limited.
    pub fn held(&self) -> usize {
        match self.cells {
            Some(_) => 0,
            None => self.text.len() + size_of_val(&self.changes[..]),
        }
    }

    /// Forget the text, because it was written out. The rest of the line is appended and cannot edit it.
    pub fn forget(&mut self) {
        if self.cells.is_some() {
            return;
        }
        let column = self.end_column();
        self.total -= self.text.len() as u64;
        self.text.clear();
        let style = self.changes.last().map_or(Sgr::default(), |change| change.style);
        self.changes.clear();
        self.give_back();
        self.styled(style);
        self.measured.set((0, column));
        self.written = Some(column);
    }

    /// End of the output: an unfinished sequence or character will not be completed.
    pub fn abandon(&mut self) {
        self.scanner.reset();
        self.flush_part();
    }

    /// Another program writes from here on, with plain style.
    pub fn reset(&mut self) {
        self.abandon();
        self.pen.reset();
        self.next = 0;
        self.next_line();
        self.home = false;
    }
}

/// The column after a text that begins in column `begin`.
fn columns(begin: usize, text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.chars().fold(begin, |column, character| match character {
        '\t' => (column / TAB + 1) * TAB,
        character => column + character.width().unwrap_or(0),
    })
}

/// The number of bytes of this text that form complete characters: all but an incomplete last one.
pub fn whole(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(3)..];
    for (back, &byte) in (1..).zip(tail.iter().rev()) {
        let needed = match byte {
            0x80..0xc0 => continue,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            0x00..0x80 | 0xc0..0xc2 | 0xf5.. => 1,
        };
        return if needed > back { text.len() - back } else { text.len() };
    }
    text.len()
}

pub fn without_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Append the visible text of a line of output (without its line break). If the line was drawn in several
/// rows, the rows that show anything are separated by newlines.
pub fn plain(line: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    rows(line, |row| {
        out.extend_from_slice(if out.len() > begin { b"\n" } else { b"" });
        out.extend_from_slice(row);
    });
}

/// The visible text of a line of output, with or without its line break.
pub fn plain_text(line: &[u8]) -> String {
    let mut bytes = vec![];
    plain(without_break(line), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Take the visible text of each row of a line of output (without its line break). A line that was erased has none.
pub fn rows(line: &[u8], mut take: impl FnMut(&[u8])) {
    if is_ordinary(line) {
        return take(line);
    }
    let (mut screen, mut rest, mut is_first) = (Line::default(), line, true);
    let mut row = |screen: &mut Line, is_last: bool| {
        screen.flatten();
        if screen.is_visible() || is_last && is_first && !screen.is_edited() {
            is_first = false;
            take(trimmed(screen));
        }
        screen.next_line();
    };
    while screen.feed(&mut rest).is_some() {
        row(&mut screen, false);
    }
    screen.abandon();
    row(&mut screen, true);
}

/// The text of a finished line. In a line that was overwritten, trailing blanks are leftovers and are removed.
pub fn trimmed(line: &Line) -> &[u8] {
    let text = line.text();
    let styled = line.changes().last().is_some_and(|change| change.style.shows_blanks());
    if line.is_edited() && !styled { text.trim_ascii_end() } else { text }
}

#[cfg(test)]
mod tests;
