#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::{EPOCH, Place, SECOND};
use crate::model::time::Timestamp;
use crate::read::stream::{Read, StreamReader};
use crate::segment::{self, Dirs};
use crate::write::append::{Appender, SPILL_SEGMENT};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn what_is_appended_is_read_whatever_the_sizes(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..30),
        limit in 1u64..100,
        window in 1usize..50,
        restart in 0usize..30,
    ) {
        let place = Place::new();
        let mut sink = place.sink(1, limit);
        let mut reader = StreamReader::open(&place.dirs, "web");
        let (mut all, mut got) = (vec![], vec![]);
        for (at, chunk) in chunks.iter().enumerate() {
            if at == restart {
                sink = place.sink(1, limit);
            }
            sink.append(EPOCH + at as u64, chunk);
            all.extend_from_slice(chunk);
            let mut buffer = vec![0; window];
            while let Read::Bytes(read) = reader.read_at(got.len() as u64, &mut buffer).unwrap() {
                got.extend_from_slice(&buffer[..read]);
            }
            prop_assert_eq!(&got, &all, "a reader that follows");
        }
        prop_assert_eq!(place.raw(1), all);
        prop_assert_eq!(reader.end().unwrap(), got.len() as u64);
        prop_assert_eq!(reader.start().unwrap(), 0);
    }

    #[test]
    fn every_byte_has_the_time_of_its_append(
        sizes in prop::collection::vec(1usize..40, 1..600),
        limit in 1u64..3000,
        asked in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let place = Place::new();
        let mut sink = place.sink(1, limit);
        let mut times = vec![];
        for (at, size) in sizes.iter().enumerate() {
            sink.append(EPOCH + at as u64, &vec![b'x'; *size]);
            times.extend(std::iter::repeat_n(EPOCH + at as u64, *size));
        }
        let mut reader = StreamReader::open(&place.dirs, "web");
        let mut buffer = [0; 1];
        reader.read_at(0, &mut buffer).unwrap();
        for index in asked {
            let byte = index.index(times.len());
            prop_assert_eq!(reader.time_of(byte as u64 + 1).unwrap(), times[byte]);
        }
    }
}

#[test]
fn short_runs_share_a_segment_and_long_ones_do_not() {
    let place = Place::new();
    for _ in 0..10 {
        place.sink(1, 1000).append(EPOCH, &[b'x'; 60]);
    }
    assert_eq!(place.files(".log"), 2, "600 bytes: a segment is continued up to its half");
    assert_eq!(place.raw(1).len(), 600);
}

#[test]
fn a_torn_time_costs_a_segment_not_the_times_behind_it() {
    let place = Place::new();
    place.sink(1, 1000).append(EPOCH, b"one\n");
    let name = segment::file_name("web", 0, segment::TIMES);
    fs::write(place.dirs.journal.join(name), [1, 2, 3]).unwrap();
    place.sink(1, 1000).append(EPOCH + 5, b"two\n");
    assert_eq!(place.raw(1), b"one\ntwo\n");
    let mut reader = StreamReader::open(&place.dirs, "web");
    assert_eq!(reader.end().unwrap(), 8);
    assert_eq!(reader.time_of(8).unwrap(), EPOCH + 5);
    let fallback = reader.time_of(4).unwrap();
    assert!(fallback > Timestamp::EPOCH && fallback < EPOCH, "the file's own time: {fallback}");
}

/// A directory in which nothing can be created until `heal` is called.
fn blocked(place: &Place) -> (Dirs, impl Fn()) {
    let file = place.dir.path().join("blocked");
    fs::write(&file, "").unwrap();
    let dirs = Dirs::new(file.clone(), place.dirs.spill.clone());
    (dirs, move || {
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    })
}

#[test]
fn a_disk_that_refuses_is_stood_in_for_and_asked_again() {
    let place = Place::new();
    let (dirs, heal) = blocked(&place);
    let mut sink = Appender::open(&dirs, "web", 1 << 20, true);
    let mut reader = StreamReader::open(&dirs, "web");
    let mut buffer = [0; 64];
    sink.append(EPOCH, b"spilled\n");
    assert!(sink.spilling());
    assert_eq!(reader.read_at(0, &mut buffer).unwrap(), Read::Bytes(8));
    assert_eq!(reader.segment().unwrap().place, segment::SegmentDir::Spill);
    heal();
    sink.append(EPOCH + SECOND, b"too soon\n");
    assert!(sink.spilling(), "the disk is left alone for a while");
    sink.append(EPOCH + 4 * SECOND, b"back\n");
    assert!(!sink.spilling());
    assert_eq!(reader.read_at(8, &mut buffer).unwrap(), Read::Bytes(9));
    assert_eq!(reader.read_at(17, &mut buffer).unwrap(), Read::Bytes(5));
    assert_eq!(reader.segment().unwrap().place, segment::SegmentDir::Journal);
    assert_eq!(reader.time_of(17).unwrap(), EPOCH + SECOND);
    assert_eq!(sink.end(), 22);
}

#[test]
fn of_what_is_spilled_the_newest_mebibyte_stays() {
    let place = Place::new();
    let (dirs, _) = blocked(&place);
    let mut sink = Appender::open(&dirs, "web", 1 << 20, true);
    let mut early = StreamReader::open(&dirs, "web");
    let mut buffer = [0; 4];
    let piece = SPILL_SEGMENT / 4;
    for number in 0..12u8 {
        sink.append(EPOCH, &vec![number; usize::try_from(piece).unwrap()]);
        if number == 0 {
            assert_eq!(early.read_at(0, &mut buffer).unwrap(), Read::Bytes(4));
        }
    }
    assert_eq!(sink.end(), 12 * piece);
    assert_eq!(early.read_at(4, &mut buffer).unwrap(), Read::Bytes(4), "it holds the file open");
    assert_eq!(early.read_at(SPILL_SEGMENT, &mut buffer).unwrap(), Read::Bytes(4));
    let mut late = StreamReader::open(&dirs, "web");
    assert_eq!(late.read_at(0, &mut buffer).unwrap(), Read::Gap { next: 4 * piece });
    assert_eq!(late.start().unwrap(), 4 * piece);
    assert_eq!(late.read_at(11 * piece, &mut buffer).unwrap(), Read::Bytes(4));
    assert_eq!(buffer, [11; 4]);
}

#[test]
fn where_nothing_can_be_written_offsets_are_all_that_advances() {
    let place = Place::new();
    let (dirs, heal) = blocked(&place);
    let dirs = Dirs::new(dirs.journal, None);
    let mut sink = Appender::open(&dirs, "web", 1 << 20, true);
    sink.append(EPOCH, b"lost\n");
    heal();
    sink.append(EPOCH + 9 * SECOND, b"kept\n");
    let mut reader = StreamReader::open(&dirs, "web");
    let mut buffer = [0; 64];
    assert_eq!(reader.read_at(0, &mut buffer).unwrap(), Read::Gap { next: 5 });
    assert_eq!(reader.read_at(5, &mut buffer).unwrap(), Read::Bytes(5));
}

#[test]
fn an_end_in_the_spill_directory_is_remembered_on_the_disk() {
    let place = Place::new();
    let (dirs, heal) = blocked(&place);
    let mut sink = Appender::open(&dirs, "web", 1 << 20, true);
    sink.append(EPOCH, b"spilled\n");
    heal();
    sink.finish(EPOCH);
    fs::remove_dir_all(dirs.spill.as_ref().unwrap()).unwrap();
    assert_eq!(Appender::open(&dirs, "web", 1 << 20, true).end(), 8);
}

#[test]
fn a_gap_is_noticed_by_a_reader_that_waits_at_it() {
    let place = Place::new();
    place.sink(1, 100).append(EPOCH, b"before\n");
    let mut reader = StreamReader::open(&place.dirs, "web");
    let mut buffer = [0; 64];
    assert_eq!(reader.read_at(0, &mut buffer).unwrap(), Read::Bytes(7));
    assert_eq!(reader.read_at(7, &mut buffer).unwrap(), Read::End);
    let path = |start| place.dirs.journal.join(segment::file_name("web", start, segment::LOG));
    fs::write(path(50), "").unwrap();
    assert_eq!(reader.read_at(7, &mut buffer).unwrap(), Read::End, "an empty segment says nothing");
    fs::write(path(50), "after\n").unwrap();
    assert_eq!(reader.read_at(7, &mut buffer).unwrap(), Read::Gap { next: 50 });
}

#[test]
fn a_file_that_was_emptied_or_written_to_by_others_shifts_no_address() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    sink.append(EPOCH, b"before\n");
    let path = place.dirs.journal.join(segment::file_name("web", 0, segment::LOG));
    fs::File::create(&path).unwrap();
    sink.append(EPOCH, b"after\n");
    let mut reader = StreamReader::open(&place.dirs, "web");
    let mut buffer = [0; 64];
    assert_eq!(reader.read_at(0, &mut buffer).unwrap(), Read::Gap { next: 7 });
    assert_eq!(reader.read_at(7, &mut buffer).unwrap(), Read::Bytes(6));
    let path = place.dirs.journal.join(segment::file_name("web", 7, segment::LOG));
    fs::File::options().append(true).open(path).unwrap().write_all(b"mine\n").unwrap();
    sink.append(EPOCH, b"once more\n");
    assert_eq!(sink.end(), 7 + 6 + 5 + 10);
    let mut text = vec![];
    while let Read::Bytes(read) = reader.read_at(7 + text.len() as u64, &mut buffer).unwrap() {
        text.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(text, b"after\nmine\nonce more\n");
}

#[test]
fn the_first_bytes_are_not_skipped_if_they_are_written_while_the_start_is_determined() {
    for _ in 0..300 {
        let place = Place::new();
        let mut sink = place.sink(1, 100);
        std::thread::scope(|scope| {
            scope.spawn(|| sink.append(EPOCH, b"up"));
            let mut reader = StreamReader::open(&place.dirs, "web");
            let mut is_written = false;
            while !is_written {
                is_written = reader.end().unwrap() > 0;
                assert_eq!(reader.start().unwrap(), 0);
            }
        });
    }
}

#[test]
fn a_segment_is_left_after_a_time_so_that_what_is_too_old_can_be_deleted() {
    let place = Place::new();
    let dirs = place.dirs.clone();
    let now = crate::sys::clock::now();
    let open =
        || Appender::open(&dirs, "web", 1 << 20, true).renewed_after(Some(Duration::from_mins(1)));
    let mut sink = open();
    sink.append(now, b"one\n");
    sink.append(now + 59 * SECOND, b"two\n");
    sink.append(now + 61 * SECOND, b"three\n");
    // The next writer goes by the age of the file.
    let mut sink = open();
    sink.append(now + 62 * SECOND, b"four\n");
    let mut reader = StreamReader::open(&dirs, "web");
    let mut buffer = [0; 64];
    for (at, length) in [(0, 8), (8, 6), (14, 5)] {
        assert_eq!(reader.read_at(at, &mut buffer).unwrap(), Read::Bytes(length));
    }
}
