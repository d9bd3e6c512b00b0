//! The rendered log for overmind's `echo` clients: what a terminal would show, starting now.

use std::io;
use std::path::Path;

use super::merged::Renderer;
use super::paint::{Mode, Style};
use crate::journal::cursor::{Cursor, Filter, Position};
use crate::journal::history::{ECHO_CHUNK, Echo, EchoCursor};
use crate::journal::reader::IndexReader;
use crate::journal::segment::Dirs;
use crate::journal::streams::{Stream, Streams};
use crate::model::plan::Plan;
use crate::model::request::Head;

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
