#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use std::fs;

use proptest::prelude::*;

use super::{EPOCH, Place, SECOND, expected, marker, records};
use crate::ingest::Ingest;
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::read::cursor::Filter;
use crate::record::Kind;
use crate::write::append::Appender;
use crate::write::index::SLUG;

/// Truncate the newest segment of the index somewhere after its head.
fn tear(place: &Place, at: prop::sample::Index) {
    let newest = fs::read_dir(&place.dirs.journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(SLUG))
        .max();
    if let Some(path) = newest {
        let bytes = fs::read(&path).unwrap();
        let head = 48 * (1 + usize::from(bytes[12]));
        fs::write(&path, &bytes[..head + at.index(bytes.len() - head + 1)]).unwrap();
    }
}

#[derive(Debug, Clone)]
enum WriterStep {
    Write(bool, Vec<u8>),
    Mark(bool, u32),
    Wake(bool),
    Crash(prop::sample::Index),
}

fn step() -> impl Strategy<Value = WriterStep> {
    let byte =
        prop_oneof![8 => any::<u8>(), 3 => Just(b'\n'), 1 => Just(b'\x1b'), 1 => Just(b'\r')];
    let text = prop::collection::vec(byte, 0..40);
    prop_oneof![
        4 => (any::<bool>(), text).prop_map(|(db, text)| WriterStep::Write(db, text)),
        1 => (any::<bool>(), 0u32..6).prop_map(|(db, skip)| WriterStep::Mark(db, skip)),
        3 => any::<bool>().prop_map(WriterStep::Wake),
        1 => any::<prop::sample::Index>().prop_map(WriterStep::Crash),
    ]
}

/// Two streams, their sinks and the indexer, including crashes.
struct World {
    place: Place,
    sinks: [Appender; 2],
    marks: [u64; 2],
    text: [Vec<u8>; 2],
    now: Timestamp,
}

impl World {
    fn new(limit: u64) -> Self {
        let place = Place::new();
        let sinks = [place.sink(1, limit), place.sink(2, limit)];
        Self { place, sinks, marks: [0; 2], text: [vec![], vec![]], now: EPOCH }
    }

    fn ingest(&self) -> Ingest {
        let mut ingest = self.place.ingest();
        for (stream, marks) in [(1, self.marks[0]), (2, self.marks[1])] {
            let done =
                ingest.last_marker(StreamNo(stream)).map_or(0, |marked| u64::from(marked.seq));
            (done + 1..=marks)
                .for_each(|seq| ingest.expect(StreamNo(stream), expected(seq, Kind::Exit)));
        }
        ingest.catch_up(u64::MAX).unwrap();
        ingest
    }

    fn write(&mut self, at: usize, text: &[u8]) {
        self.sinks[at].append(self.now, text);
        self.text[at].extend_from_slice(text);
    }

    fn run(&mut self, steps: &[WriterStep]) -> Ingest {
        let mut ingest = self.ingest();
        for step in steps {
            self.now += SECOND;
            match step {
                WriterStep::Write(db, text) => self.write(usize::from(*db), text),
                WriterStep::Mark(db, skip) => {
                    let at = usize::from(*db);
                    self.marks[at] += 1;
                    ingest
                        .expect(StreamNo(1 + u16::from(*db)), expected(self.marks[at], Kind::Exit));
                    let mut bytes = marker(self.marks[at], *skip);
                    bytes.extend(std::iter::repeat_n(b'\n', *skip as usize));
                    self.sinks[at].append(self.now, &bytes);
                }
                WriterStep::Wake(db) => {
                    drop(ingest.wake(StreamNo(1 + u16::from(*db)), u64::MAX).unwrap());
                }
                WriterStep::Crash(at) => {
                    drop(ingest);
                    tear(&self.place, *at);
                    ingest = self.ingest();
                }
            }
        }
        ingest
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn nothing_is_lost_doubled_or_moved_by_crashes(
        steps in prop::collection::vec(step(), 0..40),
        limit in 1u64..200,
    ) {
        let mut world = World::new(limit);
        let mut ingest = world.run(&steps);
        for stream in [1, 2] {
            // This resolves bytes that may be the beginning of a marker, and is seen whatever sequence is open.
            world.write(usize::from(stream) - 1, b"\n~~end of this stream~~\n");
            ingest.wake(StreamNo(stream), u64::MAX).unwrap();
        }
        let all = records(&world.place.all(Filter::all()));
        prop_assert!(all.is_sorted_by_key(|record| record.time));
        for stream in [1, 2] {
            let at = usize::from(stream) - 1;
            let own: Vec<_> = all.iter().filter(|record| record.stream == StreamNo(stream)).collect();
            let covered: u64 = own.iter().map(|record| u64::from(record.len)).sum();
            prop_assert_eq!(covered, world.sinks[at].end(), "every byte has one record");
            let marks: Vec<u64> =
                own.iter().filter(|r| r.kind == Kind::Exit).map(|r| u64::from(r.seq)).collect();
            prop_assert_eq!(marks, (1..=world.marks[at]).collect::<Vec<_>>());
            prop_assert_eq!(world.place.text(stream), &*world.text[at]);
        }
    }
}

/// A sink and a concurrent reader, connected only by a bell, which may ring once for many appends.
#[test]
fn one_ring_for_many_appends_is_enough() {
    for limit in [100, 2000] {
        let place = Place::new();
        let mut sink = place.sink(1, limit);
        let mut ingest = place.ingest();
        let (bell, rings) = std::sync::mpsc::sync_channel(1);
        let lines = 4_000u64;
        let writer = std::thread::spawn(move || {
            for number in 0..lines {
                let line = format!("line {number}\n");
                let (head, tail) = line.split_at(line.len() % 7);
                sink.append(EPOCH + number, head.as_bytes());
                sink.append(EPOCH + number, tail.as_bytes());
                // Full: the bell is already ringing.
                let _ = bell.try_send(());
            }
        });
        while rings.recv().is_ok() {
            ingest.wake(StreamNo(1), u64::MAX).unwrap();
        }
        writer.join().unwrap();
        let wanted: Vec<u8> =
            (0..lines).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let reported = records(&place.all(Filter::all()));
        assert!(reported.iter().all(|record| record.kind == Kind::Text));
        assert_eq!(
            ingest.indexed(StreamNo(1)),
            wanted.len() as u64,
            "the last ring told everything"
        );
        assert!(place.text(1) == wanted);
    }
}
