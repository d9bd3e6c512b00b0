#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use std::fs;

use proptest::prelude::*;

use super::{EPOCH, Place};
use crate::format::{BLOCK, Block, seal};
use crate::model::StreamNo;
use crate::model::time::Timestamp;
use crate::read::index::IndexReader;
use crate::record::{Kind, Record};
use crate::segment::{Dirs, file_name};
use crate::write::index::{CONTINUED, IndexState, IndexWriter, SLUG, SPILL_RECORDS};

fn record(number: u64) -> Record {
    Record {
        time: EPOCH + number / 3,
        offset: number * 10,
        len: 10,
        lines: 1,
        life: None,
        seq: 0,
        value: 0,
        stream: StreamNo(u16::try_from(number % 3).unwrap()),
        kind: Kind::Text,
        flags: 0,
    }
}

fn records(from: u64, to: u64) -> Vec<Record> {
    (from..to).map(record).collect()
}

fn read_all(reader: &mut IndexReader) -> Vec<Record> {
    let (mut all, mut some) = (vec![], vec![]);
    loop {
        let hole = reader.read(all.len() as u64, &mut some, 7).unwrap();
        assert_eq!(hole, None);
        if some.is_empty() {
            return all;
        }
        all.append(&mut some);
    }
}

fn segment(place: &Place, first: u64) -> std::path::PathBuf {
    place.dirs.journal.join(file_name(SLUG, first, ""))
}

#[test]
fn what_is_torn_at_any_byte_is_dropped_and_nothing_else() {
    for segment_records in [4, 100] {
        let place = Place::new();
        let mut writer = IndexWriter::with_segments_of(&place.dirs, segment_records).unwrap();
        writer.append(&records(0, 11)).unwrap();
        drop(writer);
        let newest = segment(&place, if segment_records == 4 { 8 } else { 0 });
        let whole = fs::read(&newest).unwrap();
        let first = if segment_records == 4 { 8 } else { 0 };
        let head = whole.len() - usize::try_from(11 - first).unwrap() * BLOCK;
        for cut in head..whole.len() {
            for zeros in [0, BLOCK + 1] {
                let copy = Place::new();
                for entry in fs::read_dir(&place.dirs.journal).unwrap() {
                    let path = entry.unwrap().path();
                    fs::copy(&path, copy.dirs.journal.join(path.file_name().unwrap())).unwrap();
                }
                let mut torn = whole[..cut].to_vec();
                torn.extend(std::iter::repeat_n(0, zeros));
                fs::write(segment(&copy, first), torn).unwrap();
                let good = first + ((cut - head) / BLOCK) as u64;
                let mut early = IndexReader::open(&copy.dirs);
                assert_eq!(read_all(&mut early), records(0, good), "cut {cut}, {zeros} zeros");
                assert_eq!(early.len().unwrap(), good);
                let mut writer =
                    IndexWriter::with_segments_of(&copy.dirs, segment_records).unwrap();
                assert_eq!(writer.standing().next, good);
                let mut standing = IndexState::default();
                standing.advance_all(&records(0, good));
                assert_eq!(*writer.standing(), standing);
                writer.append(&records(good, 20)).unwrap();
                assert_eq!(read_all(&mut IndexReader::open(&copy.dirs)), records(0, 20));
                assert_eq!(read_all(&mut early), records(0, 20), "one that was there before");
            }
        }
    }
}

#[test]
fn a_segment_without_a_sound_beginning_is_begun_anew() {
    let place = Place::new();
    let mut writer = IndexWriter::with_segments_of(&place.dirs, 4).unwrap();
    writer.append(&records(0, 10)).unwrap();
    fs::write(segment(&place, 8), b"garbage").unwrap();
    let mut writer = IndexWriter::with_segments_of(&place.dirs, 4).unwrap();
    assert_eq!(writer.standing().next, 8);
    writer.append(&records(8, 13)).unwrap();
    assert_eq!(read_all(&mut IndexReader::open(&place.dirs)), records(0, 13));
}

#[test]
fn a_long_segment_is_not_continued_by_the_next_writer() {
    for (written, continued) in [(CONTINUED, true), (CONTINUED + 1, false)] {
        let place = Place::new();
        IndexWriter::open(&place.dirs).unwrap().append(&records(0, written)).unwrap();
        let mut writer = IndexWriter::open(&place.dirs).unwrap();
        writer.append(&records(written, written + 1)).unwrap();
        assert_eq!(segment(&place, written).exists(), !continued);
        let all = records(0, written + 1);
        assert_eq!(read_all(&mut IndexReader::open(&place.dirs)), all);
        let mut standing = IndexState::default();
        standing.advance_all(&all);
        assert_eq!(*IndexWriter::open(&place.dirs).unwrap().standing(), standing);
    }
}

#[test]
fn an_index_of_a_later_program_is_left_alone() {
    let place = Place::new();
    IndexWriter::open(&place.dirs).unwrap().append(&records(0, 1)).unwrap();
    let mut bytes = fs::read(segment(&place, 0)).unwrap();
    bytes[8] = 2;
    let head: Block = bytes[..BLOCK].try_into().unwrap();
    bytes[..BLOCK].copy_from_slice(&seal(head));
    fs::write(segment(&place, 0), &bytes).unwrap();
    let error = IndexWriter::open(&place.dirs).unwrap_err();
    assert!(error.to_string().contains("format 2"), "{error}");
    assert_eq!(fs::read(segment(&place, 0)).unwrap(), bytes);
}

#[test]
fn a_record_gone_bad_in_an_old_segment_costs_only_itself() {
    let place = Place::new();
    let mut writer = IndexWriter::with_segments_of(&place.dirs, 4).unwrap();
    writer.append(&records(0, 10)).unwrap();
    let mut bytes = fs::read(segment(&place, 0)).unwrap();
    let second = bytes.len() - 3 * BLOCK;
    bytes[second] ^= 1;
    fs::write(segment(&place, 0), bytes).unwrap();
    let all = read_all(&mut IndexReader::open(&place.dirs));
    assert_eq!(all.len(), 10);
    assert_eq!(all[1].kind, Kind::Gap);
    assert_eq!(all[2..], records(2, 10));
}

#[test]
fn a_reader_crosses_a_hole_and_says_what_was_in_it() {
    let place = Place::new();
    let mut writer = IndexWriter::with_segments_of(&place.dirs, 5).unwrap();
    writer.append(&records(0, 20)).unwrap();
    let mut reader = IndexReader::open(&place.dirs);
    let mut some = vec![];
    reader.read(3, &mut some, 100).unwrap();
    assert_eq!(some, records(3, 5), "never beyond a segment");
    for first in [0, 5, 10] {
        fs::remove_file(segment(&place, first)).unwrap();
    }
    let hole = reader.read(5, &mut some, 100).unwrap().unwrap();
    assert_eq!(some, records(15, 20));
    assert_eq!(hole.until, 15);
    // Of the numbers 5 to 14, four belong to stream 2 and three to each of the others.
    assert_eq!(hole.text, [(0, 30), (1, 30), (2, 40)].map(|(stream, len)| (StreamNo(stream), len)));
    assert_eq!(reader.first().unwrap(), 15);
    assert_eq!(reader.before(15, &mut some, 100).unwrap(), None);
}

#[test]
fn a_number_that_no_file_can_hold_is_behind_the_end() {
    let place = Place::new();
    IndexWriter::open(&place.dirs).unwrap().append(&records(0, 3)).unwrap();
    let mut reader = IndexReader::open(&place.dirs);
    let mut found = vec![];
    for far in [3, 1 << 55, u64::MAX / 48, u64::MAX / 48 + 1, u64::MAX - 1, u64::MAX] {
        assert_eq!(reader.read(far, &mut found, 9).unwrap(), None, "{far}");
        assert_eq!(found, [], "{far}");
        assert_eq!(reader.before(far, &mut found, 9).unwrap(), Some(0), "{far}");
        assert_eq!(found, records(0, 3), "{far}");
    }
}

#[test]
fn a_disk_that_refuses_the_index_is_stood_in_for() {
    let place = Place::new();
    let file = place.dir.path().join("blocked");
    fs::write(&file, "").unwrap();
    let dirs = Dirs::new(&file, place.dirs.spill.clone());
    let mut writer = IndexWriter::open(&dirs).unwrap();
    writer.append(&records(0, 100)).unwrap();
    assert!(writer.spilling());
    let mut reader = IndexReader::open(&dirs);
    assert_eq!(read_all(&mut reader), records(0, 100));
    let many = SPILL_RECORDS * 5 / 2;
    writer.append(&records(100, many)).unwrap();
    let mut some = vec![];
    let mut late = IndexReader::open(&dirs);
    let hole = late.read(0, &mut some, 1).unwrap().unwrap();
    assert_eq!(hole.until, SPILL_RECORDS, "two segments are kept");
    assert_eq!(late.len().unwrap(), many);
    let nowhere = Dirs::new(&file, None);
    let mut writer = IndexWriter::open(&nowhere).unwrap();
    assert!(writer.append(&records(0, 3)).is_err());
    assert_eq!(writer.standing().next, 3, "what comes later keeps its place");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn searching_agrees_with_looking(
        steps in prop::collection::vec(0u64..4, 0..60),
        segment_records in 1u64..20,
        in_memory in 0usize..20,
        asked in 0u64..300,
        end in 0u64..70,
        most in 1usize..30,
    ) {
        let place = Place::new();
        let mut time = 0;
        let all: Vec<Record> = steps.iter().enumerate().map(|(at, step)| {
            time += step;
            Record { time: Timestamp::from_nanos(time), ..record(at as u64) }
        }).collect();
        let (disk, memory) = all.split_at(all.len().saturating_sub(in_memory));
        let mut writer = IndexWriter::with_segments_of(&place.dirs, segment_records).unwrap();
        writer.append(disk).unwrap();
        let mut reader = IndexReader::with_memory(&place.dirs, disk.len() as u64, memory.to_vec());
        prop_assert_eq!(read_all(&mut reader), all.clone());
        prop_assert_eq!(reader.len().unwrap(), all.len() as u64);
        let first = all.partition_point(|record| record.time < Timestamp::from_nanos(asked)) as u64;
        prop_assert_eq!(reader.search_time(Timestamp::from_nanos(asked)).unwrap(), first);
        let mut some = vec![];
        let (mut end, mut back) = (end, vec![]);
        let wanted = all[..usize::try_from(end).unwrap().min(all.len())].to_vec();
        while let Some(from) = reader.before(end, &mut some, most).unwrap() {
            prop_assert!(!some.is_empty() && some.len() <= most);
            some.extend_from_slice(&back);
            back = std::mem::take(&mut some);
            end = from;
        }
        prop_assert_eq!(back, wanted);
    }
}

#[test]
fn an_index_that_was_emptied_under_way_is_begun_anew() {
    let place = Place::new();
    let mut writer = IndexWriter::open(&place.dirs).unwrap();
    writer.append(&records(0, 10)).unwrap();
    fs::File::create(segment(&place, 0)).unwrap();
    writer.append(&records(10, 20)).unwrap();
    let mut some = vec![];
    let mut reader = IndexReader::open(&place.dirs);
    let hole = reader.read(0, &mut some, 100).unwrap().unwrap();
    assert_eq!(hole.until, 10);
    reader.read(10, &mut some, 100).unwrap();
    assert_eq!(some, records(10, 20));
}
