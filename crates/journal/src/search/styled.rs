//! Lines with their colours.
//!
//! A process that switches a colour on keeps it until it switches it off, perhaps many lines later. So the
//! style at the beginning of a line is that at the end of the line before; for the first line of a page, it is
//! found in the output before it.

use std::collections::HashMap;
use std::io;

use memchr::memmem;

use super::lines::Entry;
use crate::history::{StyledText, TextColor};
use crate::model::StreamNo;
use crate::model::request::Partial;
use crate::model::terminal::line::{Line, trimmed, without_break};
use crate::model::terminal::prompt::menu_question;
use crate::model::terminal::sgr::Sgr;
use crate::model::terminal::{Emulator, Modes};
use crate::model::time::Timestamp;
use crate::protocol::marker::INTRO;
use crate::read::stream::{Read, StreamReader};
use crate::read::text::TextReader;
use crate::record::TO_BE_CONTINUED;
use crate::segment::Dirs;
use crate::streams::Stream;

/// How much output before a line is searched for the style at its beginning.
const BEFORE: u64 = 32 << 10;
/// How much of an unfinished line is shown at most.
const LONGEST_UNFINISHED: u64 = 16 << 10;

/// A piece of text in one style: UTF-8 without control characters except tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub text: String,
    pub style: Sgr,
}

/// A row of the terminal. A line has several if the process moved the cursor between rows while drawing it.
pub type Row = Vec<Run>;

/// How many rows of an unfinished line are shown at most: the last ones.
const MOST_UNFINISHED: usize = 5;

/// Determines the styles of lines.
#[derive(Debug)]
pub struct Styles {
    texts: TextReader,
    /// For each stream the offset after the last line, and the state there.
    pens: HashMap<StreamNo, (u64, Line)>,
}

impl Styles {
    /// For lines of the journal in these directories.
    pub fn new(dirs: &Dirs) -> Self {
        Self { texts: TextReader::new(dirs), pens: HashMap::new() }
    }

    /// The rows of a line of output. Cheapest for the lines of a process in ascending order.
    pub fn rows(&mut self, entry: &Entry<'_>) -> io::Result<Vec<Row>> {
        let stream = entry.record.stream;
        let kept = self.pens.remove(&stream).filter(|(end, _)| *end == entry.record.offset);
        let mut pen = match kept {
            Some((_, pen)) => pen,
            None => self.pen_before(stream, entry.record.offset)?,
        };
        let rows = rows(&mut pen, entry.text, entry.record.flags & TO_BE_CONTINUED == 0);
        self.pens.insert(stream, (entry.record.end(), pen));
        Ok(rows)
    }

    /// The rows of a line of which this range of its stream was printed so far; of a long one only the end.
    /// `None` if not all of it can be read: then it has ended, and was deleted since.
    pub fn unfinished(&mut self, line: Partial) -> io::Result<Option<Vec<Row>>> {
        let Partial { stream, start, end } = line;
        let from = start.max(end.saturating_sub(LONGEST_UNFINISHED));
        let (mut text, length) = (vec![], usize::try_from(end - from).unwrap_or(0));
        let read = self.texts.read(stream, from, length, &mut text)?;
        if !matches!(read, Read::Bytes(read) if read == length) {
            return Ok(None);
        }
        let mut pen = self.pen_before(stream, from)?;
        let mut rows = rows(&mut pen, &text, false);
        rows.drain(..rows.len().saturating_sub(MOST_UNFINISHED));
        Ok(Some(rows))
    }

    /// The text in the row of the cursor behind an unfinished line: its last row, or one further up, if it is empty and has
    /// moved the cursor there. Editors of lines that keep room for a menu below them do that. `None` as for `unfinished`.
    pub fn cursor_row(&mut self, line: Partial) -> io::Result<Option<String>> {
        let text = |row: Option<Row>| {
            row.unwrap_or_default().iter().map(|run| run.text.as_str()).collect::<String>()
        };
        let Some(mut rows) = self.unfinished(line)? else { return Ok(None) };
        let own = text(rows.pop());
        if !own.trim().is_empty() {
            return Ok(Some(own));
        }
        let Partial { stream, start, end } = line;
        let from = start.saturating_sub(LONGEST_UNFINISHED);
        let mut printed = vec![];
        self.texts.read_behind_gaps(stream, from..end, &mut printed)?;
        let begin = memchr::memrchr(b'\n', &printed).map_or(0, |newline| newline + 1);
        let up = rows_up(&printed[begin..]);
        let row = printed.rsplit(|byte| *byte == b'\n').nth(up).unwrap_or_default();
        Ok(Some(text(self::rows(&mut Line::default(), row, false).pop())))
    }

    /// The question of a menu that is shown at the end of this line, if its program has hidden the cursor.
    pub fn menu(&mut self, line: Partial) -> io::Result<Option<String>> {
        const SIZE: (u16, u16) = (200, 50);
        let mut printed = vec![];
        let from = line.end.saturating_sub(LONGEST_UNFINISHED);
        self.texts.read_behind_gaps(line.stream, from..line.end, &mut printed)?;
        let last = |switch: &[u8]| memmem::rfind(&printed, switch);
        if last(b"\x1b[?25l") <= last(b"\x1b[?25h") {
            return Ok(None);
        }
        let mut screen = Emulator::new(SIZE, Modes::default());
        // What another life has printed above it is no question.
        let life = memmem::rfind(&printed, INTRO).unwrap_or(0);
        screen.feed(&printed[life..]);
        Ok(menu_question(&screen.lines()).map(str::to_owned))
    }

    /// The state at this offset of a stream, as far as the output shortly before it tells.
    fn pen_before(&mut self, stream: StreamNo, end: u64) -> io::Result<Line> {
        let mut text = vec![];
        self.texts.read_behind_gaps(stream, end.saturating_sub(BEFORE)..end, &mut text)?;
        // A new life begins without the colours of the one before.
        let life = memmem::rfind(&text, INTRO).unwrap_or(0);
        let text = &text[life..];
        let (mut pen, mut rest) = (Line::default(), &text[last_reset(text)..]);
        while pen.feed(&mut rest).is_some() {
            pen.next_line();
        }
        pen.abandon();
        pen.next_line();
        Ok(pen)
    }
}

/// How many rows further up the cursor is after this output, which has no newline.
fn rows_up(text: &[u8]) -> usize {
    let moves = memmem::find_iter(text, b"\x1b[").filter_map(|at| {
        let rest = &text[at + 2..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let count = std::str::from_utf8(&rest[..digits]).ok()?.parse().unwrap_or(1_usize);
        (rest.get(digits) == Some(&b'A')).then_some(count.max(1))
    });
    moves.fold(0, usize::saturating_add)
}

/// From where on this output has to be read to know the style at its end.
fn last_reset(text: &[u8]) -> usize {
    const RESETS: [&[u8]; 2] = [b"\x1b[0m", b"\x1b[m"];
    // A link does not end with the colours.
    if memmem::find(text, b"\x1b]").is_some() {
        return 0;
    }
    if memchr::memchr(0x1b, text).is_none() {
        return memchr::memrchr(b'\n', text).map_or(0, |end| line_start(text, end));
    }
    let reset = RESETS.into_iter().filter_map(|reset| memmem::rfind(text, reset)).max();
    reset.map_or(0, |reset| line_start(text, reset))
}

/// Where the line begins that contains this byte.
fn line_start(text: &[u8], at: usize) -> usize {
    memchr::memrchr(b'\n', &text[..at]).map_or(0, |newline| newline + 1)
}

/// Feed a line, and return its rows. `ends`: it does not continue in the next record.
fn rows(pen: &mut Line, line: &[u8], ends: bool) -> Vec<Row> {
    let (mut rows, mut rest) = (vec![], without_break(line));
    let mut row = |pen: &mut Line, is_last: bool| {
        pen.flatten();
        if pen.is_visible() || is_last && rows.is_empty() && !pen.is_edited() {
            rows.push(runs(pen));
        }
        pen.next_line();
    };
    while pen.feed(&mut rest).is_some() {
        row(pen, false);
    }
    if ends {
        pen.abandon();
    }
    row(pen, true);
    rows
}

fn runs(line: &Line) -> Row {
    let mut left = trimmed(line).len();
    let mut runs: Row = vec![];
    for (text, style) in line.parts() {
        let text = &text[..text.len().min(left)];
        left -= text.len();
        match runs.last_mut() {
            Some(last) if last.style == style => last.text.push_str(text),
            Some(_) | None if text.is_empty() => {}
            Some(_) | None => runs.push(Run { text: text.to_owned(), style }),
        }
    }
    runs
}

/// The rows of a line in the form of the API.
pub fn styled_text(rows: &[Row]) -> Vec<StyledText> {
    let mut all: Vec<StyledText> = vec![];
    for (at, row) in rows.iter().enumerate() {
        if let (1.., Some(last)) = (at, all.last_mut()) {
            last.text.push('\n');
        }
        all.extend(row.iter().map(|run| StyledText {
            text: run.text.clone(),
            color: TextColor::of(run.style.foreground()),
            background: TextColor::of(run.style.background()),
            attributes: run.style.attributes().collect(),
        }));
    }
    all
}

/// When the end of an unfinished line was printed.
pub fn printed_at(dirs: &Dirs, stream: &Stream, line: Partial) -> io::Result<Timestamp> {
    let mut reader = StreamReader::open(dirs, &stream.slug());
    // This also looks for its files.
    let end = reader.end()?.min(line.end);
    reader.time_of(end)
}

/// The rows of a text that may contain SGR sequences.
pub fn rows_of_text(text: &str) -> Vec<Row> {
    let mut pen = Line::default();
    let lines = text.lines().flat_map(|line| rows(&mut pen, line.as_bytes(), true));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The style of what is printed after this.
    fn style_after(text: &[u8]) -> Vec<Row> {
        let (mut pen, mut rest) = (Line::default(), text);
        while pen.feed(&mut rest).is_some() {
            pen.next_line();
        }
        pen.abandon();
        pen.next_line();
        rows(&mut pen, b"next", true)
    }

    proptest! {
        #[test]
        fn the_style_after_a_text_is_that_after_its_last_reset(
            pieces in proptest::collection::vec(
                prop_oneof![
                    "[a-z]{0,3}",
                    "\x1b\\[(0|1|31|38;5;9|39|)m",
                    Just("\r\n".to_owned()),
                    Just("\n".to_owned()),
                    Just("\x1b]8;;http://a\x1b\\".to_owned()),
                    Just("\x1b[2A".to_owned()),
                ],
                0..40,
            ),
        ) {
            let text = pieces.concat() + "\r\n";
            let text = text.as_bytes();
            prop_assert_eq!(style_after(&text[last_reset(text)..]), style_after(text));
        }
    }
}
