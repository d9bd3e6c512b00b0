//! Tests the parts of the journal together, on real files.

mod append;
mod crash;
mod cursor;
mod format;
mod index;
mod ingest;
mod landmark;
mod page;
mod place;
mod retention;
mod share;
mod split;
mod styled;
mod texts;

use self::place::{EPOCH, NAMES, Place, streams};
use super::read::cursor::{Chunk, Cursor, Filter, Position};
use super::read::stream::{Read, StreamReader};
use super::record::{Kind, Record};
use super::write::expected_markers::Expected;
use crate::model::{LifeId, StreamNo};
use crate::protocol::marker::Marker;

const SECOND: u64 = 1_000_000_000;

impl Place {
    fn cursor(&self, filter: Filter) -> Cursor {
        Cursor::open(&self.dirs, Position::default(), filter)
    }

    /// All chunks of the journal, from the beginning.
    fn all(&self, filter: Filter) -> Vec<(Chunk, Vec<u8>)> {
        drain(&mut self.cursor(filter), u64::MAX)
    }

    /// The text of one stream, as found through the index.
    fn text(&self, stream: u16) -> Vec<u8> {
        let chunks = self.all(Filter::only(vec![StreamNo(stream)]));
        chunks.into_iter().flat_map(|(_, text)| text).collect()
    }

    /// The bytes of one stream, as they are on disk.
    fn raw(&self, stream: u16) -> Vec<u8> {
        let mut reader = StreamReader::open(&self.dirs, NAMES[usize::from(stream) - 1]);
        let (mut bytes, mut buffer) = (vec![], [0; 777]);
        while let Read::Bytes(read) = reader.read_at(bytes.len() as u64, &mut buffer).unwrap() {
            bytes.extend_from_slice(&buffer[..read]);
        }
        bytes
    }

    fn files(&self, ending: &str) -> usize {
        let files = std::fs::read_dir(&self.dirs.journal).unwrap();
        files
            .filter(|f| f.as_ref().unwrap().file_name().to_str().unwrap().ends_with(ending))
            .count()
    }
}

fn drain(cursor: &mut Cursor, upto: u64) -> Vec<(Chunk, Vec<u8>)> {
    let (mut chunks, mut buffer) = (vec![], vec![]);
    while let Some(chunk) = cursor.next(upto, &mut buffer).unwrap() {
        chunks.push((chunk, buffer.clone()));
    }
    chunks
}

fn records(chunks: &[(Chunk, Vec<u8>)]) -> Vec<Record> {
    chunks.iter().map(|(chunk, _)| chunk.record).collect()
}

fn marker(seq: u64, skip: u32) -> Vec<u8> {
    Marker { nonce: 0xfeed, seq, skip }.encode()
}

fn expected(seq: u64, kind: Kind) -> Expected {
    Expected { seq, nonce: 0xfeed, kind, value: 7, life: LifeId::FIRST }
}
