//! A model of what the terminal shows, built from the stream when somebody wants to see it.
//!
//! A flood that nobody looks at costs nothing: the model reads on from where it was, or begins anew close to the end.

use std::io;

use crate::journal::stream::{Read, StreamReader};
use crate::model::screen::{Screen, ScreenCursor};
use crate::model::terminal::{Emulator, Modes};
use crate::protocol::terminal::{Size, WantedScreen};

/// If the model is this far behind it begins anew.
const FARTHEST: u64 = 8 << 20;
/// How far before the end it then begins.
const TAIL: u64 = 1 << 20;
/// The same after a change of its size. What was printed is laid out anew for that, as its lines were wrapped.
const RESIZED_TAIL: u64 = 128 << 10;
const CHUNK: usize = 64 << 10;

/// The model.
pub(super) struct Model {
    emulator: Option<Emulator>,
    size: Size,
    /// The output of the terminal begins at this offset of the stream.
    begin: u64,
    /// Everything before this offset has been taken in.
    fed: u64,
}

/// Up to which offset of the stream a model has to be, and the modes there.
pub(super) type Now<'a> = (u64, &'a Modes);

impl Model {
    /// The model of a terminal of this size whose output begins at this offset.
    pub(super) const fn new(size: Size, begin: u64) -> Self {
        Self { emulator: None, size, begin, fed: begin }
    }

    /// The terminal has this size now.
    pub(super) fn resize(&mut self, size: Size) {
        self.size = size;
        if let Some(emulator) = &mut self.emulator {
            if emulator.modes().is_alternate() {
                // The program draws it anew.
                emulator.resize(size);
            } else {
                self.emulator = None;
                self.fed = self.begin.max(self.fed.saturating_sub(RESIZED_TAIL));
            }
        }
    }

    /// Take in everything up to this offset.
    fn catch_up(
        &mut self,
        stream: &mut StreamReader,
        (end, modes): Now<'_>,
    ) -> io::Result<&Emulator> {
        if end - self.fed.min(end) > FARTHEST {
            self.emulator = None;
            self.fed = end - TAIL;
        }
        let emulator = self.emulator.get_or_insert_with(|| {
            // What was set before a later offset is still set, as far as it can be known.
            let modes = if self.fed == self.begin { Modes::default() } else { modes.clone() };
            Emulator::new(self.size, modes)
        });
        let mut buffer = vec![0; CHUNK];
        while self.fed < end {
            let most = usize::try_from(end - self.fed).unwrap_or(CHUNK).min(CHUNK);
            match stream.read_at(self.fed, &mut buffer[..most])? {
                Read::Bytes(read) => {
                    emulator.feed(&buffer[..read]);
                    self.fed += read as u64;
                }
                Read::Gap { next } => self.fed = next,
                Read::End => break,
            }
        }
        Ok(emulator)
    }

    /// Bytes that make a terminal show the same, whatever it shows now.
    pub(super) fn redraw(
        &mut self,
        stream: &mut StreamReader,
        now: Now<'_>,
    ) -> io::Result<Vec<u8>> {
        Ok(self.catch_up(stream, now)?.snapshot())
    }

    /// Row and column of the cursor, as they are reported to programs.
    pub(super) fn cursor(
        &mut self,
        stream: &mut StreamReader,
        now: Now<'_>,
    ) -> io::Result<(u16, u16)> {
        Ok(self.catch_up(stream, now)?.reported_cursor())
    }

    /// What it shows, as text.
    pub(super) fn text(
        &mut self,
        stream: &mut StreamReader,
        now: Now<'_>,
        wanted: WantedScreen,
    ) -> io::Result<Screen> {
        let (columns, rows) = self.size;
        let screen = self.catch_up(stream, now)?.screen();
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
