//! Reading ahead in another thread.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use super::{EPOCH, Place};
use crate::model::StreamNo;
use crate::read::cursor::{Cursor, Filter, Position};
use crate::read::stream::Read;
use crate::read::text::TextReader;
use crate::record::Kind;
use crate::segment::LOG;

/// Two streams with records of all sizes, in many segments.
fn place() -> Place {
    let place = Place::new();
    let mut sinks = [place.sink(1, 1 << 20), place.sink(2, 3 << 20)];
    let mut ingest = place.ingest();
    let mut line = 0u32;
    let sizes = [300 << 10, 2000, 40 << 10, 70].into_iter().cycle();
    for (turn, size) in (0..140u64).zip(sizes) {
        let stream = u16::from(turn % 7 == 3);
        let mut text = vec![];
        while text.len() < size {
            line += 1;
            text.extend_from_slice(format!("{line} some words of a line\n").as_bytes());
        }
        sinks[usize::from(stream)].append(EPOCH + turn, &text);
        ingest.wake(StreamNo(stream + 1), u64::MAX).unwrap();
    }
    place
}

/// All chunks of a cursor.
fn read(mut cursor: Cursor) -> Vec<(u64, u64, StreamNo, u64, Vec<u8>)> {
    let (mut chunks, mut buffer) = (vec![], vec![]);
    while let Some(chunk) = cursor.next(u64::MAX, &mut buffer).unwrap() {
        assert!(chunk.record.kind != Kind::Text || buffer.len() == chunk.record.len as usize);
        let offset = chunk.record.offset;
        chunks.push((chunk.position, chunk.lost, chunk.record.stream, offset, buffer.clone()));
    }
    chunks
}

fn both(place: &Place, at: Position, filter: &Filter) -> usize {
    let cursor = || Cursor::open(&place.dirs, at, filter.clone());
    let (here, other) = (read(cursor()), read(cursor().in_advance()));
    assert!(here == other, "{} and {} chunks", here.len(), other.len());
    here.iter().map(|(.., text)| text.len()).sum()
}

#[test]
fn it_reads_the_same() {
    let place = place();
    for filter in [Filter::all(), Filter::only(vec![StreamNo(1)]), Filter::only(vec![StreamNo(2)])]
    {
        for (record, skip) in [(0, 0), (0, 77), (9, 0), (40, 5)] {
            both(&place, Position { record, skip }, &filter);
        }
    }
    assert!(both(&place, Position::default(), &Filter::all()) > 10 << 20);
    assert_eq!(both(&place, Position { record: 1 << 40, skip: 0 }, &Filter::all()), 0);
}

#[test]
fn it_counts_the_same_losses() {
    let place = place();
    let all = both(&place, Position::default(), &Filter::all());
    let mut files: Vec<_> = std::fs::read_dir(&place.dirs.journal)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(LOG))
        .collect();
    files.sort();
    // Also in the middle of what is being read ahead.
    for gone in files.iter().skip(1).step_by(3) {
        std::fs::remove_file(gone).unwrap();
    }
    assert!(both(&place, Position::default(), &Filter::all()) < all);
}

#[test]
fn a_length_that_is_a_lie_takes_no_room() {
    let place = Place::new();
    place.sink(1, 1 << 20).append(EPOCH, b"five\n");
    place.ingest().wake(StreamNo(1), u64::MAX).unwrap();
    let (mut texts, mut buffer) = (TextReader::new(&place.dirs), vec![]);
    let read = texts.read(StreamNo(1), 0, u32::MAX as usize, &mut buffer).unwrap();
    assert_eq!((read, &buffer[..]), (Read::Bytes(5), &b"five\n"[..]));
    assert!(buffer.capacity() < 64 << 20, "{}", buffer.capacity());
}

#[test]
fn whoever_stops_reading_leaves_no_thread() {
    let place = place();
    let mut cursor = Cursor::open(&place.dirs, Position::default(), Filter::all()).in_advance();
    let mut buffer = vec![];
    let threads = || {
        let all = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        all.filter_map(|task| name(task).ok()).filter(|name| name.trim() == "read-ahead").count()
    };
    // Enough is left for the thread to block on its full queue.
    let mut read = 0;
    while read < 6 << 20 {
        assert!(cursor.next(u64::MAX, &mut buffer).unwrap().is_some());
        read += buffer.len();
    }
    assert!(threads() > 0);
    drop(cursor);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while threads() > 0 {
        assert!(std::time::Instant::now() < deadline, "a thread stays");
        std::thread::yield_now();
    }
}
