//! Reads newly indexed text of a stream again, for searching it.

use std::io;

use super::record::Record;
use super::segment::Dirs;
use super::stream::Read;
use super::text_reader::TextReader;
use crate::model::StreamNo;

/// Reads the text of one stream, each byte once.
#[derive(Debug)]
pub struct IncrementalReader {
    texts: TextReader,
    stream: StreamNo,
    /// Everything before this offset has been returned.
    given: u64,
    text: Vec<u8>,
}

impl IncrementalReader {
    /// Read this stream of the journal in these directories.
    pub fn new(dirs: &Dirs, stream: StreamNo) -> Self {
        Self { texts: TextReader::new(dirs), stream, given: 0, text: vec![] }
    }

    /// The text of a record, except what was returned before.
    pub fn record(&mut self, record: &Record) -> io::Result<&[u8]> {
        self.range(record.offset, record.end())
    }

    /// Do not return anything before this offset.
    pub fn skip_to(&mut self, offset: u64) {
        self.given = self.given.max(offset);
    }

    /// The bytes between two offsets, as far as they exist and have not been returned before.
    pub fn range(&mut self, start: u64, end: u64) -> io::Result<&[u8]> {
        self.text.clear();
        let mut from = start.max(self.given);
        while from < end {
            let length = usize::try_from(end - from).unwrap_or(usize::MAX);
            match self.texts.read(self.stream, from, length, &mut self.text)? {
                Read::Bytes(read) => from += read as u64,
                Read::Gap { next } => from = next,
                Read::End => break,
            }
        }
        self.given = self.given.max(end);
        Ok(&self.text)
    }
}
