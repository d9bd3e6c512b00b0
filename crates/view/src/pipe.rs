//! Output for a pipe that asks for colours: whole lines, their bytes unchanged.
//!
//! Text without a newline is held back, so that lines of two processes never mix. It is written
//! unfinished only when too much is held back in total.

use memchr::memchr;

use super::merged::Renderer;
use crate::model::terminal::line::whole;

/// Total bytes held back before unfinished lines are written.
pub(super) const MOST_HELD: usize = 32 << 20;
/// Buffers larger than this are freed after their line.
const KEEP: usize = 64 << 10;

impl Renderer {
    /// Process text of a lane.
    pub(super) fn pipe_text(&mut self, lane: usize, mut text: &[u8], out: &mut Vec<u8>) {
        if self.lanes[lane].begun() || self.row == Some(lane) || self.lanes[lane].orphan {
            let Some(end) = memchr(b'\n', text) else { return self.hold(lane, text, out) };
            self.lanes[lane].held.extend_from_slice(&text[..end]);
            self.holding += end;
            self.pipe_end(lane, out);
            text = &text[end + 1..];
        }
        if memchr(b'\n', text).is_some() {
            self.end_row(out);
        }
        let zone = &self.style.zone;
        let prefix = self.lanes[lane].prefix.at(self.clock, zone);
        while let Some(end) = memchr(b'\n', text) {
            out.extend_from_slice(prefix);
            out.extend_from_slice(without_return(&text[..end]));
            out.push(b'\n');
            text = &text[end + 1..];
        }
        self.hold(lane, text, out);
    }

    /// End the held-back line.
    pub(super) fn pipe_end(&mut self, lane: usize, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.lanes[lane].held);
        self.holding -= held.len();
        let text = without_return(&held);
        let rest_of_none = std::mem::take(&mut self.lanes[lane].orphan) && text.is_empty();
        if self.row == Some(lane) || !rest_of_none {
            self.continue_row(lane, out);
            out.extend_from_slice(text);
            out.push(b'\n');
            self.row = None;
        }
        held.clear();
        if held.capacity() <= KEEP {
            self.lanes[lane].held = held;
        }
    }

    /// Bring the output to where text of this lane can continue.
    fn continue_row(&mut self, lane: usize, out: &mut Vec<u8>) {
        if self.row != Some(lane) {
            self.end_row(out);
            self.put_prefix(lane, out);
        }
    }

    fn hold(&mut self, lane: usize, text: &[u8], out: &mut Vec<u8>) {
        self.lanes[lane].held.extend_from_slice(text);
        self.holding += text.len();
        if self.holding > MOST_HELD {
            self.spill(lane, out);
        }
    }

    /// Write an unfinished line, except a final `\r`, which may belong to a newline, and an
    /// incomplete character.
    fn spill(&mut self, lane: usize, out: &mut Vec<u8>) {
        self.continue_row(lane, out);
        self.row = Some(lane);
        let held = &mut self.lanes[lane].held;
        let ready = whole(without_return(held));
        out.extend_from_slice(&held[..ready]);
        self.holding -= ready;
        let rest = held[ready..].to_vec();
        *held = rest;
    }
}

/// A line without the one carriage return that a terminal puts before each newline.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
