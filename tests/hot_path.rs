//! The cost of a line on its way from the pipe to the screen: no allocation per line.
//!
//! The same bytes are processed as few long lines and as many short ones. The limits are per piece of
//! input, so any code that allocates per line exceeds them.
//!
#![expect(clippy::disallowed_methods, reason = "a test sets the time of its own directory")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::naive_bytecount, reason = "tests are to be read")]

use std::time::{Duration, SystemTime};
use tmo::model::StreamNo;

use allocation_counter::measure;

use tmo::journal::ingest::Ingest;
use tmo::journal::read::cursor::{Cursor, Filter, Position};
use tmo::journal::read::index::IndexReader;
use tmo::journal::search::page::{Pager, Want};
use tmo::journal::search::pattern::Pattern;
use tmo::journal::segment::Dirs;
use tmo::journal::streams::Streams;
use tmo::journal::write::append::Appender;
use tmo::model::ProcName;
use tmo::model::time::Timestamp;
use tmo::view::merged::Renderer;
use tmo::view::paint::{Mode, Style};

/// What a sink is handed at once when there is much.
const PIECE: usize = 64 << 10;
const PIECES: usize = 64;
const LONG: usize = 400;
const SHORT: usize = 8;
/// Allocations that have nothing to do with the number of lines, for each piece: buffers that
/// grow, the chunks of the index.
const FOR_A_PIECE: u64 = 8;

/// Blocks allocated by each part.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    sink: u64,
    ingest: u64,
    view: u64,
}

#[test]
fn no_part_of_the_log_path_allocates_per_line() {
    for mode in [Mode::Plain, Mode::Exact, Mode::Terminal { color: true }] {
        for line in [LONG, SHORT] {
            let blocks = way(line, mode);
            let most = FOR_A_PIECE * PIECES as u64;
            for (part, blocks) in
                [("sink", blocks.sink), ("ingest", blocks.ingest), ("view", blocks.view)]
            {
                assert!(
                    blocks <= most,
                    "{part}, {mode:?}: {blocks} allocations for {} lines in {PIECES} pieces",
                    PIECE / line * PIECES,
                );
            }
        }
    }
}

/// A directory that has just changed is listed each time, because its time stamp would not show a
/// further change. How many pieces come meanwhile depends on the machine.
fn settle(dir: &tempfile::TempDir) {
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(dir.path().join("journal")).unwrap().set_modified(long_ago).unwrap();
}

/// Send all of it the whole way, in lines of this length.
fn way(line: usize, mode: Mode) -> Blocks {
    let dir = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(dir.path().join("journal"), Some(dir.path().join("spill")));
    let mut streams = Streams::open(&dirs).unwrap();
    streams.number(&ProcName::new("web").unwrap(), 2).unwrap();
    streams.save().unwrap();
    let mut sink = Appender::open(&dirs, "web", 16 << 20, true);
    let mut ingest = Ingest::open(&dirs, &[(StreamNo(1), "web".to_owned())], 4096).unwrap();

    let mut text = vec![b'x'; PIECE];
    text.iter_mut().skip(line - 1).step_by(line).for_each(|end| *end = b'\n');
    let mut out = Vec::with_capacity(8 * PIECE);
    let mut blocks = Blocks { sink: 0, ingest: 0, view: 0 };
    let mut cursor = Cursor::open(&dirs, Position::default(), Filter::all());
    let mut renderer = Renderer::new(Style::new(mode), &[(StreamNo(1), "web", 2)]);
    let (mut bytes, mut shown) = (vec![], 0);
    for time in 0..PIECES as u64 {
        blocks.sink += measure(|| sink.append(Timestamp::from_nanos(time), &text)).count_total;
        // The sink and the ingest have made their files with the first piece.
        if time == 1 {
            settle(&dir);
        }
        blocks.ingest += measure(|| _ = ingest.wake(StreamNo(1), u64::MAX).unwrap()).count_total;
        let records = ingest.head().records;
        let view = measure(|| {
            while let Some(chunk) = cursor.next(records, &mut bytes).unwrap() {
                renderer.render(&chunk.record, &bytes, chunk.lost, &mut out);
            }
        });
        blocks.view += view.count_total;
        shown += out.iter().filter(|byte| **byte == b'\n').count();
        out.clear();
    }
    let whole = text.iter().filter(|byte| **byte == b'\n').count() * PIECES;
    assert!(shown.abs_diff(whole) <= 1, "{shown} of {whole} lines were shown");
    blocks
}

/// Records of deleted text are skipped by the index alone: a lookup of files would allocate.
#[test]
fn a_search_looks_for_no_text_that_retention_has_deleted() {
    const RECORDS: u64 = 3000;
    let dir = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(dir.path().join("journal"), None);
    let mut streams = Streams::open(&dirs).unwrap();
    streams.number(&ProcName::new("web").unwrap(), 2).unwrap();
    streams.save().unwrap();
    let mut sink = Appender::open(&dirs, "web", 4 << 10, true);
    let mut ingest = Ingest::open(&dirs, &[(StreamNo(1), "web".to_owned())], 4096).unwrap();
    for time in 0..RECORDS {
        sink.append(Timestamp::from_nanos(time), b"a line of output\n");
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
    }
    let records = ingest.head().records;
    assert!(records >= RECORDS, "{records}");
    let mut files: Vec<_> = std::fs::read_dir(&dirs.journal).unwrap().flatten().collect();
    files.retain(|file| file.path().extension().is_some_and(|kind| kind == "log"));
    files.sort_by_key(std::fs::DirEntry::file_name);
    for file in &files[..files.len() - 1] {
        std::fs::remove_file(file.path()).unwrap();
    }
    settle(&dir);
    let pattern = Some(Pattern::new("nowhere", false, false).unwrap());
    let want = Want { pattern, ..Want::entries(1) };
    let mut pager = Pager::new(IndexReader::open(&dirs), Filter::all());
    let end = Position { record: records, skip: 0 };
    let mut step = None;
    let down = measure(|| step = pager.down(Position::default(), records, &want).ok());
    assert!(step.unwrap().end);
    let mut step = None;
    let up = measure(|| step = pager.up(end, Position::default(), &want).ok());
    assert!(step.unwrap().end);
    for (way, blocks) in [("down", down.count_total), ("up", up.count_total)] {
        assert!(blocks < RECORDS / 2, "{way}: {blocks} allocations for {records} records");
    }
}
