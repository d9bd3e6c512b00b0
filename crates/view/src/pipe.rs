//! Output for a pipe that asks for colours: whole lines, their bytes unchanged.
//!
//! Text without a newline is held back, so that lines of two processes never mix. It is written
//! unfinished only when too much is held back in total.
//!
//! overmind's `echo` clients get what a terminal would show, starting now.

use std::io;
use std::path::Path;

use memchr::memchr;

use super::merged::Renderer;
use super::paint::{Mode, Style};
use crate::journal::history::{ECHO_CHUNK, Echo, EchoCursor};
use crate::journal::read::cursor::{Cursor, Filter, Position};
use crate::journal::read::index::IndexReader;
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::model::plan::Plan;
use crate::model::request::Head;
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

/// The log of a run.
#[derive(Debug)]
pub struct EchoLog {
    dirs: Dirs,
    streams: Vec<Stream>,
}

struct EchoReader {
    cursor: Cursor,
    renderer: Renderer,
    text: Vec<u8>,
}

impl EchoLog {
    /// The log of the run with this plan.
    pub fn new(plan: &Plan, runtime: &Path) -> Self {
        let dirs = Dirs::of_run(plan, runtime);
        let mut streams = Streams::open(&dirs).map(|s| s.all().to_vec()).unwrap_or_default();
        streams.retain(|stream| plan.processes.iter().any(|p| p.name == stream.name));
        Self { dirs, streams }
    }
}

impl Echo for EchoLog {
    fn start(&self) -> Box<dyn EchoCursor> {
        // Overmind's clients expect exactly its bytes.
        let renderer = Renderer::of_journal(Style::new(Mode::Exact), &self.dirs, &self.streams);
        let mut index = IndexReader::open(&self.dirs);
        let record = index.len().unwrap_or(0);
        let cursor = Cursor::over(index, Position::at(record), Filter::all());
        Box::new(EchoReader { cursor: cursor.with_drawings(), renderer, text: vec![] })
    }
}

impl EchoCursor for EchoReader {
    fn next(&mut self, upto: &Head, out: &mut Vec<u8>) -> io::Result<()> {
        while out.len() < ECHO_CHUNK {
            let Some(chunk) = self.cursor.next(upto.records, &mut self.text)? else { break };
            self.renderer.render(&chunk.record, &self.text, chunk.lost, out);
        }
        Ok(())
    }
}
