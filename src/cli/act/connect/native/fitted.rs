//! A terminal that has another size than the user's own: the part of it around its cursor is drawn.

use std::fmt::Write as _;

use crate::model::terminal::{Emulator, Modes};
use crate::protocol::terminal::Size;

/// The terminal, and what of it is drawn.
pub(super) struct Fitted {
    emulator: Emulator,
    /// The rows as they are drawn.
    drawn: Vec<String>,
}

impl Fitted {
    /// A terminal of this size. It is to be redrawn next.
    pub(super) fn new(size: Size) -> Self {
        Self { emulator: Emulator::new(size, Modes::default()), drawn: vec![] }
    }

    /// What it shows.
    pub(super) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Its columns and rows.
    pub(super) fn size(&self) -> Size {
        let (rows, columns) = self.emulator.screen().size();
        (columns.get(), rows.get())
    }

    /// Show what a program prints next.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.emulator.feed(bytes);
    }

    /// The user's terminal shows nothing of it any more.
    pub(super) fn forget(&mut self) {
        self.drawn.clear();
    }

    /// Bytes for the user's terminal of this size.
    pub(super) fn draw(&mut self, (own_columns, own_rows): Size) -> String {
        let screen = self.emulator.screen();
        let (row, column) = screen.cursor_position();
        let (above, left) = (
            row.saturating_sub(own_rows.saturating_sub(1)),
            // It may stand after the last column.
            column.min(screen.size().1.get() - 1).saturating_sub(own_columns.saturating_sub(1)),
        );
        let visible = (usize::from(above), usize::from(own_rows));
        let rows = screen.rows_formatted(left, own_columns).skip(visible.0).take(visible.1);
        let rows: Vec<String> = rows.collect();
        let mut out = String::from("\x1b[?25l");
        let count = rows.len().max(self.drawn.len());
        for at in 0..count {
            let row = rows.get(at).map_or("", String::as_str);
            if self.drawn.get(at).map(String::as_str) != Some(row) {
                // Writing to a string can't fail.
                let _ = write!(out, "\x1b[{};1H\x1b[m\x1b[2K{row}", at + 1);
            }
        }
        let _ = write!(out, "\x1b[m\x1b[{};{}H", row - above + 1, column - left + 1);
        if !screen.hide_cursor() {
            out.push_str("\x1b[?25h");
        }
        self.drawn = rows;
        out
    }

    /// The row that was drawn there.
    pub(super) fn row(&self, at: u16) -> &str {
        self.drawn.get(usize::from(at)).map_or("", String::as_str)
    }

    /// Sequences that set the modes which decide what the user's terminal sends, and the screen that is used: leaving
    /// that of a full-screen program leaves nothing of it behind.
    pub(super) fn modes(&self) -> Vec<u8> {
        let modes = self.emulator.modes();
        let screen: &[u8] = if modes.is_alternate() { b"\x1b[?1049h" } else { b"" };
        [screen, &modes.of_input().set_all()].concat()
    }
}
