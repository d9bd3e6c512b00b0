//! Counts the output of each process. Each count reads only the new part of the index.

use std::collections::BTreeMap;
use std::io;

use crate::index::IndexState;
use crate::model::ProcName;
use crate::reader::IndexReader;
use crate::segment::Dirs;
use crate::streams::Streams;

/// Counts the bytes of output in a growing journal.
#[derive(Debug)]
pub struct Printed {
    index: IndexReader,
    /// The state at the end of the index at the last count.
    state: Option<IndexState>,
}

impl Printed {
    /// The counts for the journal in these directories.
    pub fn new(dirs: &Dirs) -> Self {
        Self { index: IndexReader::open(dirs), state: None }
    }

    /// The number of bytes that each process has printed, including deleted output.
    pub fn count(&mut self) -> io::Result<BTreeMap<ProcName, u64>> {
        let end = self.index.len()?;
        let state = match self.state.take().filter(|state| state.next <= end) {
            Some(mut state) => {
                self.index.advance(&mut state, end)?;
                state
            }
            None => self.index.state_at(end)?,
        };
        let streams = Streams::open(self.index.dirs())?;
        let mut counts = BTreeMap::new();
        for stream in streams.all() {
            *counts.entry(stream.name.clone()).or_default() += state.stream(stream.number).text;
        }
        self.state = Some(state);
        Ok(counts)
    }
}
