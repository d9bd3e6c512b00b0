//! The character cells of one line of a terminal of unlimited width, as far as a program edits
//! them: it writes over them, erases, inserts and deletes.

use unicode_width::UnicodeWidthChar as _;

use super::sgr::Sgr;

/// Lines longer than this many columns are not edited.
pub const MOST_COLUMNS: usize = 4096;
/// The distance between two tab stops.
pub const TAB: usize = 8;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    /// Its character; [`SPACER`] behind a character that takes two columns.
    character: char,
    /// Characters without a width of their own that stand on it; [`SPACER`] is none.
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

/// The cells of a line and the place of the cursor.
#[derive(Debug, Default)]
pub struct Cells {
    cells: Vec<Cell>,
    /// The column where the next character goes; it may lie beyond the last cell.
    pub cursor: usize,
}

impl Cells {
    /// The cells of a text with its style.
    pub fn of<'a>(text: impl Iterator<Item = (&'a str, Sgr)>) -> Self {
        let mut cells = Self::default();
        for (part, style) in text {
            for character in part.chars() {
                cells.put(character, style);
            }
        }
        cells
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Write a character; whether that changed what was there before.
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

    /// Put a character without a width onto the one before the cursor.
    fn mark(&mut self, character: char) -> bool {
        let before = self.cells.get_mut(..self.cursor).unwrap_or_default();
        let base = before.iter_mut().rev().find(|cell| cell.character != SPACER);
        let Some(cell) = base else { return false };
        if let Some(mark) = cell.marks.iter_mut().find(|mark| **mark == SPACER) {
            *mark = character;
        }
        self.cursor < self.cells.len()
    }

    /// A character that takes two columns and has this column for its second becomes blank.
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

    /// Erase from the beginning to the cursor, with what is below it.
    pub fn erase_left(&mut self) {
        let end = self.cells.len().min(self.cursor + 1);
        self.part_wide(end);
        self.cells[..end].fill(Cell::blank());
    }

    /// Erase so many characters from the cursor on.
    pub fn erase(&mut self, count: usize) {
        let end = self.cells.len().min(self.cursor.saturating_add(count));
        if self.cursor < end {
            self.part_wide(self.cursor);
            self.part_wide(end);
            self.cells[self.cursor..end].fill(Cell::blank());
        }
    }

    /// Delete so many characters from the cursor on: what follows moves to the left.
    pub fn delete(&mut self, count: usize) {
        let end = self.cells.len().min(self.cursor.saturating_add(count));
        if self.cursor < end {
            self.part_wide(self.cursor);
            self.part_wide(end);
            self.cells.drain(self.cursor..end);
        }
    }

    /// Insert so many blanks at the cursor: what follows moves to the right.
    pub fn insert(&mut self, count: usize) {
        if self.cursor < self.cells.len() {
            self.part_wide(self.cursor);
            let count = count.min(MOST_COLUMNS.saturating_sub(self.cells.len()));
            let blanks = std::iter::repeat_n(Cell::blank(), count);
            self.cells.splice(self.cursor..self.cursor, blanks);
        }
    }

    /// Hand each character to `each` with its style.
    pub fn read(&self, mut each: impl FnMut(char, Sgr)) {
        for cell in self.cells.iter().filter(|cell| cell.character != SPACER) {
            each(cell.character, cell.style);
            for mark in cell.marks.into_iter().filter(|mark| *mark != SPACER) {
                each(mark, cell.style);
            }
        }
    }
}
