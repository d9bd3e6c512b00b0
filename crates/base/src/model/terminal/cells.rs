//! The character cells of one line on a terminal of unlimited width, with the edits that a program makes to
//! them: overwriting, erasing, inserting and deleting.

use unicode_width::UnicodeWidthChar as _;

use super::sgr::Sgr;

/// Lines longer than this many columns are not edited.
pub const MOST_COLUMNS: usize = 4096;
/// The distance between two tab stops.
pub const TAB: usize = 8;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    /// The character; [`SPACER`] in the second column of a character that is two columns wide.
    character: char,
    /// Zero-width characters combined with it; an unused place holds [`SPACER`].
    marks: [char; 2],
    style: Sgr,
}

const SPACER: char = '\0';

impl Cell {
    const fn new(character: char, style: Sgr) -> Self {
        Self { character, marks: [SPACER; 2], style }
    }

    fn blank() -> Self {
        Self::new(' ', Sgr::default())
    }
}

/// The cells of a line and the cursor position.
#[derive(Debug, Default)]
pub struct Cells {
    cells: Vec<Cell>,
    /// The column of the next character; may lie beyond the last cell.
    pub cursor: usize,
}

impl Cells {
    /// The cells of a text with its style.
    pub fn from_parts<'a>(text: impl Iterator<Item = (&'a str, Sgr)>) -> Self {
        let mut cells = Self::default();
        for (part, style) in text {
            for character in part.chars() {
                cells.put(character, style);
            }
        }
        cells
    }

    /// The number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no cells.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Write a character; returns whether that changed existing cells.
    pub fn put(&mut self, character: char, style: Sgr) -> bool {
        if character == '\t' {
            self.cursor = (self.cursor / TAB + 1) * TAB;
            return false;
        }
        let width = character.width().unwrap_or(0);
        if width == 0 {
            return self.mark(character);
        }
        if self.cells.len() < self.cursor {
            self.cells.resize(self.cursor, Cell::blank());
        }
        let end = self.cursor + width;
        let changes = self.cursor < self.cells.len();
        self.part_wide(self.cursor);
        self.part_wide(end);
        if self.cells.len() < end {
            self.cells.resize(end, Cell::blank());
        }
        self.cells[self.cursor] = Cell::new(character, style);
        if width > 1 {
            self.cells[self.cursor + 1] = Cell::new(SPACER, style);
        }
        self.cursor = end;
        changes
    }

    /// Combine a zero-width character with the character before the cursor.
    fn mark(&mut self, character: char) -> bool {
        let before = self.cells.get_mut(..self.cursor).unwrap_or_default();
        let base = before.iter_mut().rev().find(|cell| cell.character != SPACER);
        let Some(cell) = base else { return false };
        if let Some(mark) = cell.marks.iter_mut().find(|mark| **mark == SPACER) {
            *mark = character;
        }
        self.cursor < self.cells.len()
    }

    /// If this column is the second half of a wide character, blank both halves.
    fn part_wide(&mut self, column: usize) {
        if column > 0 && self.cells.get(column).is_some_and(|cell| cell.character == SPACER) {
            self.cells[column - 1] = Cell::blank();
            self.cells[column] = Cell::blank();
        }
    }

    /// Erase from the cursor to the end.
    pub fn erase_right(&mut self) {
        self.part_wide(self.cursor);
        self.cells.truncate(self.cursor);
    }

    /// Erase from the start of the line to the cursor, inclusive.
    pub fn erase_left(&mut self) {
        let end = self.cells.len().min(self.cursor + 1);
        self.part_wide(end);
        self.cells[..end].fill(Cell::blank());
    }

    /// Erase this many characters, starting at the cursor.
    pub fn erase(&mut self, count: usize) {
        let end = self.cells.len().min(self.cursor.saturating_add(count));
        if self.cursor < end {
            self.part_wide(self.cursor);
            self.part_wide(end);
            self.cells[self.cursor..end].fill(Cell::blank());
        }
    }

    /// Delete this many characters at the cursor and move the rest to the left.
    pub fn delete(&mut self, count: usize) {
        let end = self.cells.len().min(self.cursor.saturating_add(count));
        if self.cursor < end {
            self.part_wide(self.cursor);
            self.part_wide(end);
            self.cells.drain(self.cursor..end);
        }
    }

    /// Insert this many blanks at the cursor and move the rest to the right.
    pub fn insert(&mut self, count: usize) {
        if self.cursor < self.cells.len() {
            self.part_wide(self.cursor);
            let count = count.min(MOST_COLUMNS.saturating_sub(self.cells.len()));
            let blanks = std::iter::repeat_n(Cell::blank(), count);
            self.cells.splice(self.cursor..self.cursor, blanks);
        }
    }

    /// Call `each` with every character and its style.
    pub fn for_each(&self, mut each: impl FnMut(char, Sgr)) {
        for cell in self.cells.iter().filter(|cell| cell.character != SPACER) {
            each(cell.character, cell.style);
            for mark in cell.marks.into_iter().filter(|mark| *mark != SPACER) {
                each(mark, cell.style);
            }
        }
    }
}
