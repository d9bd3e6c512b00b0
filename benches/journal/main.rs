//! How fast the parts of the journal are, alone and in one process: `cargo bench --bench journal`.
//!
//! Nothing is compared and nothing but the counts is checked; the figures tell where to look.

#![expect(clippy::unwrap_used, reason = "a measurement that can't go on fails")]
#![expect(clippy::print_stdout, reason = "figures are to be read")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../crates/journal/src/tests/place.rs"]
mod place;

use std::time::{Duration, Instant};
use tmo::model::StreamNo;

use tmo::journal::format::Summary;
use tmo::journal::read::cursor::{Cursor, Filter, Position};
use tmo::journal::read::index::IndexReader;
use tmo::journal::read::query::tail;
use tmo::journal::record::{Kind, Record};
use tmo::journal::write::index::IndexWriter;
use tmo::journal::write::split::{MarkerTrust, Splitter};
use tmo::model::time::Timestamp;
// The journal's own tests name these so.
use tmo::{journal, model};

use place::{EPOCH, Place};

const MIB: usize = 1 << 20;
const LINE: &[u8] =
    b"2026-11-20T12:00:00Z INFO request served in 12 ms, 200 OK, 1234 bytes, GET /x/y\n";

/// A stream goes on in another file after this.
const SEGMENT: u64 = 16 << 20;

fn main() {
    // `cargo test` runs the benches too, to see that they can be run.
    if !std::env::args().any(|word| word == "--bench") {
        println!("nothing is measured here: `cargo bench --bench journal` does");
        return;
    }
    streams();
    a_million_records();
}

fn describe(what: &str, bytes: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = bytes as f64 / 1e9 / seconds;
    println!("{what}: {rate:.2} GB/s ({seconds:.3} s)");
}

fn streams() {
    let text = LINE.repeat(512 * MIB / LINE.len());
    let begun = Instant::now();
    let mut splitter = Splitter::new(&Summary::default(), 0, MarkerTrust::Announced);
    let mut out = vec![];
    for piece in text.chunks(64 << 10) {
        splitter.feed(piece, false, &mut out);
    }
    splitter.flush(&mut out);
    describe("splitter alone", text.len(), begun);
    let lines: usize = out.iter().map(|record| record.lines as usize).sum();
    assert_eq!(lines, text.len() / LINE.len());

    for wake in [4 << 10, 64 << 10] {
        let place = Place::new();
        let mut sink = place.sink(1, SEGMENT);
        let mut ingest = place.ingest();
        let (mut writing, mut reading) = (0.0, 0.0);
        for (at, piece) in text.chunks(wake).enumerate() {
            let begun = Instant::now();
            sink.append(EPOCH + Duration::from_nanos(at as u64), piece);
            let written = Instant::now();
            writing += (written - begun).as_secs_f64();
            ingest.wake(StreamNo(1), u64::MAX).unwrap();
            reading += written.elapsed().as_secs_f64();
        }
        let rate = |seconds: f64| f64::from(u32::try_from(text.len()).unwrap()) / 1e9 / seconds;
        println!(
            "wakes of {wake}: sink {:.2} GB/s, ingest {:.2} GB/s",
            rate(writing),
            rate(reading)
        );
        let begun = Instant::now();
        let mut cursor = Cursor::open(&place.dirs, Position::default(), Filter::all());
        let (mut buffer, mut bytes, mut chunks) = (vec![], 0, 0);
        while cursor.next(u64::MAX, &mut buffer).unwrap().is_some() {
            bytes += buffer.len();
            chunks += 1;
        }
        describe(&format!("cursor over {chunks} records"), bytes, begun);
    }
    backlog(&text);
}

fn backlog(text: &[u8]) {
    let place = Place::new();
    let mut sinks = [place.sink(1, SEGMENT), place.sink(2, SEGMENT)];
    for (at, piece) in text.chunks(8 << 10).enumerate() {
        sinks[at % 2].append(EPOCH + Duration::from_micros(at as u64 * 100), piece);
    }
    let begun = Instant::now();
    let progress = place.ingest().catch_up(u64::MAX).unwrap();
    describe(&format!("catching up, {} records", progress.records), text.len(), begun);
}

fn a_million_records() {
    let place = Place::new();
    let record = |number: u64| Record {
        time: Timestamp::from_nanos(number),
        offset: number,
        len: 1,
        lines: 1,
        life: None,
        seq: 0,
        value: 0,
        stream: StreamNo(u16::from(!number.is_multiple_of(1000)) + 1),
        kind: Kind::Text,
        flags: 0,
    };
    let all: Vec<Record> = (0..1_000_000).map(record).collect();
    let begun = Instant::now();
    let mut writer = IndexWriter::open(&place.dirs).unwrap();
    all.chunks(1000).for_each(|some| writer.append(some).unwrap());
    println!("append, a thousand at a time: {:?}", begun.elapsed());
    let begun = Instant::now();
    all[..10_000].iter().for_each(|one| writer.append(&[*one]).unwrap());
    println!("append, one at a time: {:?} each", begun.elapsed() / 10_000);
    let begun = Instant::now();
    assert_eq!(IndexWriter::open(&place.dirs).unwrap().standing().next, 1_010_000);
    println!("open: {:?}", begun.elapsed());
    let mut index = IndexReader::open(&place.dirs);
    let begun = Instant::now();
    assert_eq!(index.search_time(Timestamp::from_nanos(777_777)).unwrap(), 777_777);
    println!("search by time: {:?}", begun.elapsed());
    for (stream, lines) in [(2, 50), (1, 50), (1, 1000)] {
        let begun = Instant::now();
        let filter = Filter::only(vec![StreamNo(stream)]);
        let position = tail(&mut index, &filter, lines, 1_000_000).unwrap();
        println!("last {lines} of stream {stream}: {:?} to {position:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let mut cursor =
        Cursor::open(&place.dirs, Position::default(), Filter::only(vec![StreamNo(9)]));
    assert!(cursor.next(u64::MAX, &mut vec![]).unwrap().is_none());
    println!("walk over all: {:?}", begun.elapsed());
}
