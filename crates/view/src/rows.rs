//! Lines as they are shown: with escape sequences interpreted, after the name of their process.
//!
//! On a terminal the cursor is either at the beginning of an empty row or at the end of the
//! unfinished line of one process. That row makes room for other output and is drawn again below
//! it. For each unfinished line we know which part of which version is on the screen, so that
//! completing it shows nothing twice. A pipe receives whole lines. A line is written in pieces only
//! when too many bytes of unfinished lines are held back.

use memchr::memchr;

use super::merged::{Lane, Renderer};
use super::pipe::{MOST_HELD, without_return};
use super::width;
use crate::model::terminal::escape::is_ordinary;
use crate::model::terminal::line::{End, Line, StyleChange, trimmed, whole};
use crate::model::terminal::sgr::Sgr;
use crate::model::time::Timestamp;

/// The maximum length of a line on a terminal. Other limits of a line: `LONGEST_RECORD` in `write/split.rs` for a
/// record, `LONGEST_SEARCH_LINE` in `search/lines.rs` for a search.
const LONGEST_TERMINAL_LINE: usize = 1 << 20;
/// Maximum number of empty lines that are held back.
const MOST_EMPTY: usize = 1000;

/// A process's unfinished line, the part of it on the screen, and the empty lines before it.
#[derive(Debug)]
pub(super) struct UnfinishedRow {
    pub(super) line: Line,
    shown: DrawnPart,
    /// The times of empty lines that are shown when text follows.
    empty: Vec<Timestamp>,
    /// How many bytes of the line count as held back.
    held: usize,
    /// Whether the beginning of the line has been written to a pipe before its end arrived.
    spilled: bool,
}

/// The part of an unfinished line that is on the screen.
#[derive(Debug, Clone, Copy, Default)]
struct DrawnPart {
    /// The version that is shown. If it is not the line's present version, nothing of the present
    /// version is on the screen.
    version: Option<u64>,
    /// How many bytes of it are shown.
    bytes: usize,
    /// How many of those are on rows above the last one.
    above: usize,
    /// How many cells they occupy on the last row.
    cells: usize,
}

impl UnfinishedRow {
    /// The line of a process, for a terminal or for a pipe.
    pub(super) fn new(terminal: bool) -> Self {
        let line = if terminal { Line::limited(LONGEST_TERMINAL_LINE) } else { Line::default() };
        Self { line, shown: DrawnPart::default(), empty: vec![], held: 0, spilled: false }
    }

    /// How many bytes of the present version of the line are shown.
    fn shown_bytes(&self) -> Option<usize> {
        (self.shown.version == Some(self.line.version())).then_some(self.shown.bytes)
    }

    /// Hold back an empty line that has ended. Returns whether there are now too many to hold back.
    fn hold_empty(&mut self, time: Timestamp) -> bool {
        self.empty.push(time);
        self.empty.len() > MOST_EMPTY
    }

    /// The cursor moves up by this many rows: drop as many of the held-back empty lines.
    fn drop_empty(&mut self, rows: usize) {
        self.empty.truncate(self.empty.len().saturating_sub(rows));
    }
}

impl Renderer {
    /// Process text of a lane.
    pub(super) fn row_text(&mut self, lane: usize, mut text: &[u8], out: &mut Vec<u8>) {
        text = self.ordinary_lines(lane, text, out);
        while let Some(end) = self.lanes[lane].row.line.feed(&mut text) {
            match end {
                End::Newline => self.row_end(lane, out),
                End::Moved(up) => {
                    self.row_left(lane, out);
                    self.lanes[lane].row.drop_empty(up);
                }
                End::Cleared => {
                    self.row_left(lane, out);
                    self.lanes[lane].row.empty.clear();
                }
            }
        }
        if !self.style.mode.terminal() {
            self.count_held(lane, out);
        }
    }

    /// Show lines that need nothing but a prefix, as long as the text consists of such lines.
    /// Returns the rest, which starts at the beginning of a line.
    fn ordinary_lines<'a>(
        &mut self,
        lane: usize,
        mut text: &'a [u8],
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let Lane { row, orphan, .. } = &self.lanes[lane];
        if self.row == Some(lane) || *orphan || !row.line.is_at_rest() {
            return text;
        }
        let end = memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1);
        if end == 0 || !is_ordinary(&text[..end]) {
            return text;
        }
        let rest = &text[end..];
        text = &text[..end];
        let mut lines = 0;
        while let Some(newline) = memchr(b'\n', text) {
            let line = without_return(&text[..newline]);
            text = &text[newline + 1..];
            // Most lines begin with a visible character.
            let seen = line.first().is_some_and(|byte| *byte > b' ');
            if !seen && line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                if self.lanes[lane].row.hold_empty(self.clock) {
                    self.show_empty(lane, out);
                }
                continue;
            }
            if self.row.is_some() || !self.lanes[lane].row.empty.is_empty() {
                self.make_room(out);
                self.show_empty(lane, out);
            }
            out.extend_from_slice(self.lanes[lane].prefix.at(self.clock, &self.style.zone));
            let limit = if self.style.mode.terminal() { LONGEST_TERMINAL_LINE } else { usize::MAX };
            let kept = if line.len() > limit { whole(&line[..limit]) } else { line.len() };
            out.extend_from_slice(&line[..kept]);
            mark_cut(kept, line.len() as u64, out);
            out.push(b'\n');
            lines += 1;
        }
        self.recent.add(lane, lines);
        rest
    }

    /// The line has ended: print the rest of it, if anything in it is visible.
    pub(super) fn row_end(&mut self, lane: usize, out: &mut Vec<u8>) {
        let orphan = std::mem::take(&mut self.lanes[lane].orphan);
        let known = orphan || self.lanes[lane].row.spilled;
        self.lanes[lane].row.line.flatten();
        if self.lanes[lane].row.line.is_visible() {
            self.complete(lane, out);
        } else if self.row == Some(lane) && !self.wipe(out) {
            // The part that is on the screen stays there.
            self.end_row(out);
        } else if !known && self.lanes[lane].row.hold_empty(self.clock) {
            self.show_empty(lane, out);
        }
        self.next_line(lane);
    }

    /// The cursor leaves the line without a line feed. If nothing in it is visible, it does not
    /// count as a line.
    pub(super) fn row_left(&mut self, lane: usize, out: &mut Vec<u8>) {
        let row = &mut self.lanes[lane].row;
        row.line.flatten();
        if row.line.is_visible() {
            self.complete(lane, out);
        } else if self.row == Some(lane) && !self.wipe(out) {
            self.end_row(out);
        }
        self.next_line(lane);
    }

    fn next_line(&mut self, lane: usize) {
        let row = &mut self.lanes[lane].row;
        row.line.next_line();
        row.shown = DrawnPart::default();
        row.spilled = false;
        self.holding -= std::mem::take(&mut row.held);
        self.resume = self.resume.filter(|resumed| *resumed != lane);
    }

    /// Print the rest of a finished line.
    fn complete(&mut self, lane: usize, out: &mut Vec<u8>) {
        let row = &self.lanes[lane].row;
        let (open, shown) = (self.row == Some(lane), row.shown_bytes());
        let len = trimmed(&row.line).len();
        if shown.is_some_and(|shown| shown >= len) && !open {
            return;
        }
        let from = shown.unwrap_or(0).min(len);
        self.reach(lane, shown.is_some(), out);
        self.piece(lane, from..len, out);
        let line = &self.lanes[lane].row.line;
        if line.is_cut() {
            mark_cut(len, line.total(), out);
        }
        out.push(b'\n');
        self.row = None;
        self.recent.add(lane, 1);
    }

    /// Show the unfinished line of a lane in its present state.
    pub(super) fn row_show(&mut self, lane: usize, out: &mut Vec<u8>) {
        self.lanes[lane].row.line.flatten();
        let (row, cells) = (&self.lanes[lane].row, self.lanes[lane].prefix.cells);
        if !row.line.is_visible() {
            if self.row == Some(lane) {
                self.wipe(out);
            }
            return;
        }
        let (shown, open) = (row.shown_bytes(), self.row == Some(lane));
        let from = shown.unwrap_or(0);
        let beside = if shown.is_some() && open { row.shown.cells } else { 0 };
        let text = row.line.text();
        let mut to = text.len();
        if row.line.is_edited() {
            // The line is redrawn repeatedly, which only works within one row.
            let room = usize::from(self.style.columns).saturating_sub(cells + beside + 1);
            to = from + width::fit(&text[from..to], room);
        }
        if from == to {
            return;
        }
        let cells = beside + width::cells(&text[from..to]);
        let version = Some(row.line.version());
        let above = if open && shown.is_some() { row.shown.above } else { from };
        self.keep_others(lane, out);
        self.reach(lane, shown.is_some(), out);
        self.piece(lane, from..to, out);
        self.lanes[lane].row.shown = DrawnPart { version, bytes: to, above, cells };
        (self.row, self.resume) = (Some(lane), None);
    }

    /// Redraw the unfinished line that has made room for other output.
    pub fn restore(&mut self, out: &mut Vec<u8>) {
        if self.row.is_none()
            && let Some(lane) = self.resume.take()
        {
            self.row_show(lane, out);
        }
    }

    /// Redraw the unfinished line with its prefix on an empty row, because the cursor has left its
    /// row: the user pressed Enter, or the shell printed something.
    pub fn draw_again(&mut self, out: &mut Vec<u8>) {
        if let Some(lane) = self.row.filter(|_| self.style.mode.terminal()) {
            self.recent.add(lane, 1);
            self.lanes[lane].row.shown = DrawnPart::default();
            (self.row, self.resume) = (None, Some(lane));
            self.restore(out);
        }
    }

    /// Another lane's unfinished line moves to the bottom. A line that waits for an answer stays
    /// above it; a line that is redrawn continuously is removed, since it will reappear by itself.
    fn keep_others(&mut self, lane: usize, out: &mut Vec<u8>) {
        let Some(other) = self.row.or(self.resume).filter(|other| *other != lane) else { return };
        if !self.lanes[other].row.line.is_edited() {
            self.restore(out);
            self.end_row(out);
        }
        self.make_room(out);
        self.resume = None;
    }

    /// Move the cursor to the beginning of a row for other output.
    pub(super) fn make_room(&mut self, out: &mut Vec<u8>) {
        let Some(lane) = self.row else { return };
        if self.wipe(out) {
            self.resume = Some(lane);
        } else {
            self.end_row(out);
        }
    }

    /// Leave the row unchanged and begin a new one.
    pub(super) fn end_row(&mut self, out: &mut Vec<u8>) {
        if let Some(lane) = self.row.take() {
            out.push(b'\n');
            self.recent.add(lane, 1);
        }
    }

    /// Erase the unfinished line from its row. Not possible if it extends over several rows.
    fn wipe(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(lane) = self.row.filter(|_| self.style.mode.terminal()) else { return false };
        let cells = self.lanes[lane].prefix.cells + self.lanes[lane].row.shown.cells;
        if cells > usize::from(self.style.columns) {
            return false;
        }
        out.push(b'\r');
        if self.style.mode.color() {
            out.extend_from_slice(b"\x1b[K");
        } else {
            // A character in the last column would start another row.
            let blanks = cells.min(usize::from(self.style.columns).saturating_sub(1));
            out.resize(out.len() + blanks, b' ');
            out.push(b'\r');
        }
        let shown = &mut self.lanes[lane].row.shown;
        (shown.bytes, shown.cells) = (shown.above, 0);
        self.row = None;
        true
    }

    /// Move the cursor to where the lane's line continues (`same`) or is to be drawn.
    fn reach(&mut self, lane: usize, same: bool, out: &mut Vec<u8>) {
        if self.row == Some(lane) {
            if same {
                return;
            }
            if !self.wipe(out) {
                self.end_row(out);
            }
        } else {
            self.make_room(out);
        }
        self.show_empty(lane, out);
        self.put_prefix(lane, out);
    }

    /// Show the empty lines that were held back.
    pub(super) fn show_empty(&mut self, lane: usize, out: &mut Vec<u8>) {
        if self.lanes[lane].row.empty.is_empty() {
            return;
        }
        self.make_room(out);
        let times = std::mem::take(&mut self.lanes[lane].row.empty);
        self.recent.add(lane, times.len());
        for time in times {
            out.extend_from_slice(self.lanes[lane].prefix.at(time, &self.style.zone));
            out.push(b'\n');
        }
    }

    /// Append a part of the lane's line with its colours.
    fn piece(&self, lane: usize, part: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let line = &self.lanes[lane].row.line;
        let text = line.text();
        if !self.style.mode.color() {
            return out.extend_from_slice(&text[part]);
        }
        let changes = line.changes();
        let first = changes.partition_point(|change| change.at <= part.start);
        let mut style = first.checked_sub(1).map_or(Sgr::default(), |at| changes[at].style);
        style.emit(out);
        let mut from = part.start;
        for &StyleChange { at, style: next } in
            changes[first..].iter().take_while(|c| c.at < part.end)
        {
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(if style.is_plain() { b"" } else { b"\x1b[0m" });
            next.emit(out);
            (from, style) = (at, next);
        }
        out.extend_from_slice(&text[from..part.end]);
        out.extend_from_slice(if style.is_plain() { b"" } else { b"\x1b[0m" });
    }

    /// Update the number of held-back bytes. If it is too high, write this line as far as it goes.
    /// A line that is stored as cells is short and can wait for its end.
    fn count_held(&mut self, lane: usize, out: &mut Vec<u8>) {
        let row = &mut self.lanes[lane].row;
        let held = row.line.held();
        self.holding = self.holding - row.held + held;
        row.held = held;
        if self.holding > MOST_HELD && held > 0 {
            let len = row.line.text().len();
            self.reach(lane, self.row == Some(lane), out);
            self.piece(lane, 0..len, out);
            let row = &mut self.lanes[lane].row;
            row.line.forget();
            // The part that was written is removed from the line; only the rest is still to come.
            row.shown = DrawnPart { version: Some(row.line.version()), ..DrawnPart::default() };
            row.spilled = true;
            self.holding -= std::mem::take(&mut row.held);
            self.row = Some(lane);
        }
    }
}

/// Print that a line is longer than what is shown.
fn mark_cut(shown: usize, total: u64, out: &mut Vec<u8>) {
    if total > shown as u64 {
        out.extend_from_slice(format!(" … [{shown} of {total} bytes shown]").as_bytes());
    }
}
