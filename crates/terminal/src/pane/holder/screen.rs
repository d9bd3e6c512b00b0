//! A model of what the terminal shows, built from the streams when somebody wants to see it.
//!
//! A flood that nobody looks at costs nothing: the model reads on from where it was, or begins anew close to the end.

use std::io;

use crate::journal::read::stream::{Read, StreamReader};
use crate::model::terminal::emulator::{Screen, ScreenCursor};
use crate::model::terminal::{Emulator, Modes};
use crate::protocol::terminal::{Size, WantedScreen};

/// If the model is this far behind it begins anew.
const FARTHEST: u64 = 8 << 20;
/// How far before the end it then begins.
const TAIL: u64 = 1 << 20;
/// The same after a change of its size. What was printed is laid out anew for that, as its lines were wrapped.
const RESIZED_TAIL: u64 = 128 << 10;
const CHUNK: usize = 64 << 10;

pub(super) struct Model {
    emulator: Option<Emulator>,
    size: Size,
    /// The output of the terminal begins at these offsets of the streams.
    begin: Offsets,
    /// Everything before these offsets has been taken in.
    fed: Offsets,
}

/// An offset in each stream of a process: the main one, and standard error if it is apart.
pub(super) type Offsets = [u64; 2];

/// Up to which offsets of the streams a model has to be, and the modes there.
pub(super) type Now<'a> = (Offsets, &'a Modes);

impl Model {
    /// The model of a terminal of this size whose output begins at these offsets.
    pub(super) const fn new(size: Size, begin: Offsets) -> Self {
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
                self.begin_near(self.fed, RESIZED_TAIL);
            }
        }
    }

    /// Begin anew at most this far before these offsets.
    fn begin_near(&mut self, ends: Offsets, tail: u64) {
        self.emulator = None;
        for (fed, (begin, end)) in self.fed.iter_mut().zip(self.begin.into_iter().zip(ends)) {
            *fed = begin.max(end.saturating_sub(tail));
        }
    }

    /// Take in everything up to these offsets, in the order of arrival.
    pub(super) fn catch_up(
        &mut self,
        streams: &mut [StreamReader],
        (ends, modes): Now<'_>,
    ) -> io::Result<&Emulator> {
        if ends.iter().zip(self.fed).any(|(end, fed)| end.saturating_sub(fed) > FARTHEST) {
            self.begin_near(ends, TAIL);
        }
        let emulator = self.emulator.get_or_insert_with(|| {
            // What was set before a later offset is still set, as far as it can be known.
            let modes = if self.fed == self.begin { Modes::default() } else { modes.clone() };
            Emulator::new(self.size, modes)
        });
        let mut buffer = vec![0; CHUNK];
        while let Some((at, end)) = next_run(streams, self.fed, ends)? {
            let most = usize::try_from(end - self.fed[at]).unwrap_or(CHUNK).min(CHUNK);
            match streams[at].read_at(self.fed[at], &mut buffer[..most])? {
                Read::Bytes(read) => {
                    emulator.feed(&buffer[..read]);
                    self.fed[at] += read as u64;
                }
                Read::Gap { next } => self.fed[at] = next,
                Read::End => break,
            }
        }
        Ok(emulator)
    }

    /// What it shows, as text.
    pub(super) fn text(
        &mut self,
        streams: &mut [StreamReader],
        now: Now<'_>,
        wanted: WantedScreen,
    ) -> io::Result<Screen> {
        let (columns, rows) = self.size;
        let screen = self.catch_up(streams, now)?.screen();
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

/// The stream whose next bytes arrived first, and the end of those before the other's next ones.
fn next_run(
    streams: &mut [StreamReader],
    fed: Offsets,
    ends: Offsets,
) -> io::Result<Option<(usize, u64)>> {
    match (streams, [fed[0] < ends[0], fed[1] < ends[1]]) {
        (_, [false, false]) => Ok(None),
        ([_], _) | (_, [true, false]) => Ok(Some((0, ends[0]))),
        (_, [false, true]) => Ok(Some((1, ends[1]))),
        (streams, [true, true]) => {
            let times = [streams[0].time_of(fed[0] + 1)?, streams[1].time_of(fed[1] + 1)?];
            let at = usize::from(times[1] < times[0]);
            let end = streams[at].run(fed[at], times[1 - at], CHUNK as u64)?;
            Ok(Some((at, end.min(ends[at]))))
        }
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
