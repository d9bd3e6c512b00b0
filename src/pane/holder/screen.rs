//! A model of what the terminal shows, built from the stream when somebody wants to see it.
//!
//! A flood that nobody looks at costs nothing: the model reads on from where it was, or begins anew close to the end.

use std::io;
use std::num::NonZeroU16;

use super::modes::Modes;
use crate::journal::stream::{Read, StreamReader};
use crate::model::screen::{Screen, ScreenCursor};
use crate::protocol::terminal::{Size, WantedScreen};

/// If the model is this far behind it begins anew.
const FARTHEST: u64 = 8 << 20;
/// How far before the end it then begins.
const TAIL: u64 = 1 << 20;
const CHUNK: usize = 64 << 10;

/// The model.
pub(super) struct Model {
    parser: Option<vt100::Parser>,
    size: Size,
    /// Everything before this offset of the stream has been taken in.
    fed: u64,
}

impl Model {
    /// The model of a terminal of this size whose output begins at this offset.
    pub(super) const fn new(size: Size, begin: u64) -> Self {
        Self { parser: None, size, fed: begin }
    }

    /// The terminal has this size now.
    pub(super) fn resize(&mut self, size: Size) {
        self.size = size;
        if let Some(parser) = &mut self.parser {
            let (rows, columns) = cells(size);
            parser.screen_mut().set_size(rows, columns);
        }
    }

    /// Take in everything up to this offset.
    fn catch_up(
        &mut self,
        stream: &mut StreamReader,
        (end, modes): (u64, &Modes),
    ) -> io::Result<&vt100::Screen> {
        if end - self.fed.min(end) > FARTHEST {
            self.parser = None;
            self.fed = end - TAIL;
        }
        let (rows, columns) = cells(self.size);
        let parser = self.parser.get_or_insert_with(|| {
            let mut parser = vt100::Parser::new(rows, columns, 0);
            // What was set before the part that is read.
            parser.process(modes.before_drawing());
            parser
        });
        let mut buffer = vec![0; CHUNK];
        while self.fed < end {
            let most = usize::try_from(end - self.fed).unwrap_or(CHUNK).min(CHUNK);
            match stream.read_at(self.fed, &mut buffer[..most])? {
                Read::Bytes(read) => {
                    parser.process(&buffer[..read]);
                    self.fed += read as u64;
                }
                Read::Gap { next } => self.fed = next,
                Read::End => break,
            }
        }
        Ok(parser.screen())
    }

    /// Bytes that make a terminal show the same, whatever it shows now.
    pub(super) fn redraw(
        &mut self,
        stream: &mut StreamReader,
        (end, modes): (u64, &Modes),
    ) -> io::Result<Vec<u8>> {
        let screen = self.catch_up(stream, (end, modes))?;
        let mut bytes = if screen.alternate_screen() {
            b"\x1b[?1049h".to_vec()
        } else {
            b"\x1b[?1049l".to_vec()
        };
        bytes.extend_from_slice(b"\x1b[m\x1b[r\x1b[H\x1b[2J");
        bytes.extend_from_slice(screen.state_formatted().as_bytes());
        bytes.extend_from_slice(&modes.after_drawing());
        Ok(bytes)
    }

    /// Row and column of the cursor, from 1.
    pub(super) fn cursor(
        &mut self,
        stream: &mut StreamReader,
        now: (u64, &Modes),
    ) -> io::Result<(u16, u16)> {
        let (row, column) = self.catch_up(stream, now)?.cursor_position();
        Ok((row.saturating_add(1), column.saturating_add(1)))
    }

    /// What it shows, as text.
    pub(super) fn text(
        &mut self,
        stream: &mut StreamReader,
        now: (u64, &Modes),
        wanted: WantedScreen,
    ) -> io::Result<Screen> {
        let (columns, rows) = self.size;
        let screen = self.catch_up(stream, now)?;
        let (row, column) = screen.cursor_position();
        Ok(Screen {
            screen: lines(screen, columns, wanted),
            columns,
            rows,
            cursor: ScreenCursor { column, row, is_visible: !screen.hide_cursor() },
            is_alternate: screen.alternate_screen(),
        })
    }
}

/// Each line with a newline.
fn lines(screen: &vt100::Screen, columns: u16, wanted: WantedScreen) -> String {
    let whole = if wanted.color {
        screen.contents_formatted_basic()
    } else if wanted.blanks {
        let mut text = String::new();
        for (at, row) in (0..).zip(screen.rows(0, columns)) {
            text.push_str(&row);
            if !screen.row_wrapped(at) {
                text.push('\n');
            }
        }
        return text;
    } else {
        screen.rows(0, columns).collect::<Vec<_>>().join("\n")
    };
    let line = |line: &str| {
        let line = if wanted.blanks { line } else { line.trim_end_matches(' ') };
        format!("{line}\n")
    };
    whole.split('\n').map(line).collect()
}

/// Rows and columns for the model.
fn cells((columns, rows): Size) -> (NonZeroU16, NonZeroU16) {
    let cells = |count| NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN);
    (cells(rows), cells(columns))
}
