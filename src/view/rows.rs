//! Lines for a terminal: what is on the screen of them already, and what is still to come.
//!
//! The cursor stands either at the beginning of a fresh row or behind the unfinished line of one
//! process. Of each unfinished line it is known which state of it was shown and how much of that,
//! so it is completed without showing anything twice, whatever came between.

use super::clean::{Cleaner, Segment};
use super::merged::Renderer;
use super::sgr::Sgr;
use super::width;

/// A process's unfinished line and what is shown of it.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) cleaner: Cleaner,
    shown: Shown,
}

/// What is on the screen of an unfinished line.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    /// Which state of it.
    id: u64,
    /// How many bytes of that.
    bytes: usize,
    /// How many cells they take on their row.
    cells: usize,
    /// What is switched on behind them.
    after: Sgr,
}

impl Renderer {
    /// Take text of a lane.
    pub(super) fn row_text(&mut self, lane: usize, mut text: &[u8], out: &mut Vec<u8>) {
        while self.lanes[lane].row.cleaner.feed(&mut text) {
            self.row_end(lane, out);
        }
    }

    /// The line is over: show what is not shown of it yet.
    pub(super) fn row_end(&mut self, lane: usize, out: &mut Vec<u8>) {
        let rest_of_none = std::mem::take(&mut self.lanes[lane].orphan);
        let row = &self.lanes[lane].row;
        let segment = row.cleaner.segment();
        let open = self.row == Some(lane);
        let all = segment.bytes.len();
        let len = if segment.cut() { width::whole(&segment.bytes) } else { all };
        let same = row.shown.id == segment.id;
        let from = if same { row.shown.bytes.min(len) } else { 0 };
        let shown_before = if same { from == len } else { rest_of_none && len == 0 };
        if open || !shown_before {
            self.reach(lane, same, out);
            self.piece(lane, from..len, open, out);
            self.mark_cut(lane, len, out);
            out.push(b'\n');
            self.row = None;
        }
        let row = &mut self.lanes[lane].row;
        row.cleaner.next_line();
        row.shown = Shown::default();
    }

    /// Show the unfinished line of a lane as it stands.
    pub(super) fn row_show(&mut self, lane: usize, out: &mut Vec<u8>) {
        let (row, cells) = (&self.lanes[lane].row, self.lanes[lane].prefix.cells);
        let (segment, open) = (row.cleaner.segment(), self.row == Some(lane));
        let same = row.shown.id == segment.id;
        let from = if same { row.shown.bytes } else { 0 };
        let beside = if same && open { row.shown.cells } else { 0 };
        let room = usize::from(self.style.columns).saturating_sub(cells + beside + 1);
        let mut to = width::whole(&segment.bytes).max(from);
        if row.cleaner.turned() {
            // It is drawn again and again, which works within one row only.
            to = from + width::fit(&segment.bytes[from..to], room);
        }
        if !segment.visible || from == to {
            return;
        }
        let id = segment.id;
        let cells = beside + width::cells(&segment.bytes[from..to]);
        self.reach(lane, same, out);
        let after = self.piece(lane, from..to, open, out);
        self.lanes[lane].row.shown = Shown { id, bytes: to, cells, after };
        self.row = Some(lane);
    }

    /// Bring the cursor to where the lane's line goes on (`same`) or is to be drawn.
    fn reach(&mut self, lane: usize, same: bool, out: &mut Vec<u8>) {
        if self.row != Some(lane) {
            self.settle(out);
        } else if same {
            return;
        } else {
            let cells = self.lanes[lane].prefix.cells + self.lanes[lane].row.shown.cells;
            if cells > usize::from(self.style.columns) {
                // It goes over several rows, and what is above cannot be drawn anew.
                out.push(b'\n');
            } else if self.style.mode.color() {
                out.push(b'\r');
                self.put_prefix(lane, out);
                // Before the text, as a tab in it leaves what it skips.
                out.extend_from_slice(b"\x1b[K");
                return;
            } else {
                out.push(b'\r');
                out.resize(out.len() + cells, b' ');
                out.push(b'\r');
            }
        }
        self.put_prefix(lane, out);
    }

    /// Append a part of the lane's line, from its beginning or from where it was shown to, between
    /// what switches its colours on and off. Returns what the line has switched on behind it.
    fn piece(
        &self,
        lane: usize,
        part: std::ops::Range<usize>,
        open: bool,
        out: &mut Vec<u8>,
    ) -> Sgr {
        let Row { cleaner, shown } = &self.lanes[lane].row;
        let segment = cleaner.segment();
        let color = self.style.mode.color();
        // A long line that grows is not looked through from its beginning each time.
        let before = if part.start == 0 { segment.start } else { shown.after };
        let after = state_behind(segment, before, &part);
        if color {
            before.emit(out);
        } else if part.start == 0 && segment.start != cleaner.opening() {
            out.extend_from_slice(if segment.start.is_plain() { b"\x1b[0m" } else { b"" });
            segment.start.emit(out);
        }
        let mut text = &segment.bytes[part.clone()];
        while let Some(rest) = text.strip_prefix(b"\x08")
            && !open
        {
            text = rest;
        }
        out.extend_from_slice(text);
        if color {
            if !after.is_plain() {
                out.extend_from_slice(b"\x1b[0m");
            }
            if segment.linked && link_open(&segment.bytes[..part.end]) {
                out.extend_from_slice(b"\x1b]8;;\x1b\\");
            }
        }
        after
    }

    /// Say that there is more of a line than is shown.
    fn mark_cut(&self, lane: usize, shown: usize, out: &mut Vec<u8>) {
        let segment = self.lanes[lane].row.cleaner.segment();
        if segment.cut() {
            let total = segment.total;
            out.extend_from_slice(format!(" … [{shown} of {total} bytes shown]").as_bytes());
        }
    }
}

/// What is switched on behind a part of a segment, when `before` is where the part begins.
fn state_behind(segment: &Segment, before: Sgr, part: &std::ops::Range<usize>) -> Sgr {
    if part.end == segment.bytes.len() {
        return segment.end;
    }
    let mut sgr = before;
    sgr.feed(&segment.bytes[part.clone()]);
    sgr
}

/// Whether the last link in the text has no end.
fn link_open(text: &[u8]) -> bool {
    let Some(at) = memchr::memmem::rfind(text, b"\x1b]8;") else { return false };
    let inside = &text[at + 4..];
    memchr::memchr(b';', inside).is_some_and(|at| !inside[at + 1..].starts_with(b"\x1b"))
}
