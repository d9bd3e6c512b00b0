#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use proptest::prelude::*;

use super::{EPOCH, Place, SECOND, drain, streams};
use crate::ingest::Ingest;
use crate::model::StreamNo;
use crate::model::plan::LogPolicy;
use crate::read::cursor::{Cursor, Filter, Position};
use crate::read::stream::{Read, StreamReader};
use crate::segment::{LOG, TIMES};
use crate::write::clear;
use crate::write::index::IndexWriter;
use crate::write::retention::{Deleted, delete_old_output};

fn policy(place: &Place, per_process: u64, total: u64) -> LogPolicy {
    LogPolicy { dir: place.dirs.journal.clone().into(), per_process, total, max_age_ms: 0 }
}

/// Retention as if everything had a record.
fn delete_all_old_output(place: &Place, per_process: u64, total: u64) -> Deleted {
    delete_old_output(&place.dirs, &policy(place, per_process, total), |_| None).unwrap()
}

#[test]
fn each_process_has_its_own_quota() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 100), place.sink(2, 100));
    db.append(EPOCH, b"quiet and old\n");
    for number in 0..100 {
        web.append(EPOCH + number, &[b'x'; 50]);
    }
    assert_eq!(delete_all_old_output(&place, 0, 0), Deleted::default(), "0 keeps everything");
    let deleted = delete_all_old_output(&place, 1000, 0);
    assert!(deleted.segments > 30, "{deleted:?}");
    assert_eq!(place.raw(2), b"quiet and old\n");
    assert_eq!(place.files(LOG), place.files(TIMES));
    assert_eq!(delete_all_old_output(&place, 1000, 0), Deleted::default());
    delete_all_old_output(&place, 1, 0);
    assert_eq!(place.files(LOG), 2, "the newest of each stays");
}

#[test]
fn what_is_too_old_is_deleted_however_little_it_is() {
    let place = Place::new();
    let mut web = place.sink(1, 100);
    for number in 0..20 {
        web.append(EPOCH + number, &[b'x'; 50]);
    }
    let mut segments: Vec<_> = std::fs::read_dir(&place.dirs.journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    segments.sort();
    let hour = std::time::Duration::from_secs(3600);
    for (path, hours) in segments.iter().zip([5, 4, 3, 1]) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - hours * hour).unwrap();
    }
    let delete = |hours: u64| {
        let max_age_ms = hours * 3_600_000;
        let policy = LogPolicy { max_age_ms, ..policy(&place, 0, 0) };
        delete_old_output(&place.dirs, &policy, |_| None).unwrap().segments
    };
    assert_eq!((delete(0), delete(6), delete(2), delete(2)), (0, 0, 3, 0));
}

#[test]
fn what_has_no_record_yet_is_not_deleted() {
    let place = Place::new();
    let mut web = place.sink(1, 100);
    for number in 0..20 {
        web.append(EPOCH + number, &[b'x'; 50]);
    }
    let deleted =
        |covered| delete_old_output(&place.dirs, &policy(&place, 1, 1), |_| Some(covered)).unwrap();
    assert_eq!(deleted(99).segments, 0);
    assert_eq!(deleted(250).segments, 2);
    assert_eq!(deleted(1000).segments, 7);
}

#[test]
fn of_all_the_oldest_goes_first() {
    let place = Place::new();
    for (stream, age) in [(1, 300), (2, 200), (1, 100), (2, 0)] {
        let start = {
            let mut sink = place.sink(stream, 10);
            let start = sink.end();
            sink.append(EPOCH, &[b'x'; 100]);
            start
        };
        let name = crate::segment::file_name(super::NAMES[usize::from(stream) - 1], start, LOG);
        let file =
            std::fs::File::options().append(true).open(place.dirs.journal.join(name)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age);
        file.set_modified(time).unwrap();
    }
    assert_eq!(delete_all_old_output(&place, 0, 350).segments, 1);
    assert_eq!((place.raw(1).len(), place.raw(2).len()), (0, 200), "the first of web is gone");
    assert_eq!(delete_all_old_output(&place, 0, 240).segments, 1);
    assert_eq!(delete_all_old_output(&place, 0, 1).segments, 0, "each stream keeps its newest");
}

/// Write a journal whose index has small segments too.
fn indexed(place: &Place, lines: &[bool]) {
    let mut sinks = [place.sink(1, 60), place.sink(2, 60)];
    let mut memory = Ingest::in_memory(&place.dirs, &streams(), false).unwrap();
    for (at, db) in lines.iter().enumerate() {
        let time = EPOCH + at as u64 * SECOND;
        sinks[usize::from(*db)].append(time, format!("line {at:04}\n").as_bytes());
        memory.wake(StreamNo(1 + u16::from(*db)), u64::MAX).unwrap();
    }
    let (mut index, mut records) = (memory.into_index(), vec![]);
    let mut writer = IndexWriter::with_segments_of(&place.dirs, 7).unwrap();
    while index.read(writer.standing().next, &mut records, 5).unwrap().is_none()
        && !records.is_empty()
    {
        writer.append(&records).unwrap();
    }
}

#[test]
fn the_index_goes_with_what_it_points_at() {
    let place = Place::new();
    indexed(&place, &[false; 100]);
    let deleted = delete_all_old_output(&place, 400, 0);
    assert!(deleted.index > 5, "{deleted:?}");
    let all = place.all(Filter::all());
    let kept: u64 = all.iter().map(|(_, text)| text.len() as u64).sum();
    let lost: u64 = all.iter().map(|(chunk, _)| chunk.lost).sum();
    assert_eq!(kept + lost, 1000);
}

#[test]
fn the_index_itself_is_bounded_by_the_total() {
    let place = Place::new();
    let mut lines = vec![true];
    lines.extend([false; 300]);
    lines.push(true);
    indexed(&place, &lines);
    let deleted = delete_all_old_output(&place, 0, 2500);
    let size: u64 = std::fs::read_dir(&place.dirs.journal)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_name().to_str().unwrap().contains("streams"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(size <= 2500, "{size} after {deleted:?}");
    let all = place.all(Filter::all());
    let kept: u64 = all.iter().map(|(_, text)| text.len() as u64).sum();
    let lost: u64 = all.iter().map(|(chunk, _)| chunk.lost).sum();
    assert_eq!(kept + lost, 3020);
}

#[test]
fn a_loss_is_told_even_if_nothing_wanted_follows() {
    let place = Place::new();
    let mut lines = vec![false; 84];
    lines.push(true);
    indexed(&place, &lines);
    delete_all_old_output(&place, 0, 1);
    let web = place.all(Filter::only(vec![StreamNo(1)]));
    assert_eq!(web.len(), 1);
    assert_eq!((web[0].0.lost, web[0].0.record.len), (840, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_byte_is_either_read_or_told_to_be_lost(
        lines in prop::collection::vec(any::<bool>(), 1..150),
        read_before in 0u64..100,
        per_process in prop_oneof![Just(0u64), 1u64..2000],
        total in prop_oneof![Just(0u64), 1u64..4000],
        only in any::<bool>(),
    ) {
        let place = Place::new();
        indexed(&place, &lines);
        let filter = if only { Filter::only(vec![StreamNo(1)]) } else { Filter::all() };
        let mut cursor = Cursor::open(&place.dirs, Position::default(), filter.clone());
        let mut all = drain(&mut cursor, read_before);
        delete_all_old_output(&place, per_process, total);
        all.extend(drain(&mut cursor, u64::MAX));
        let counts = |all: &[(crate::Chunk, Vec<u8>)]| {
            let kept: u64 = all.iter().map(|(_, text)| text.len() as u64).sum();
            kept + all.iter().map(|(chunk, _)| chunk.lost).sum::<u64>()
        };
        let wanted = 10 * lines.iter().filter(|db| !only || !**db).count() as u64;
        prop_assert_eq!(counts(&all), wanted, "one that was reading");
        prop_assert_eq!(counts(&place.all(filter)), wanted, "one that comes later");
        let text: Vec<u8> = place.all(Filter::only(vec![StreamNo(1)])).into_iter().flat_map(|(_, t)| t).collect();
        let whole: Vec<u8> = lines.iter().enumerate().filter(|(_, db)| !**db)
            .flat_map(|(at, _)| format!("line {at:04}\n").into_bytes()).collect();
        prop_assert!(whole.ends_with(&text), "what is kept is the newest");
    }
}

#[test]
fn the_oldest_kept_line_is_whole() {
    let place = Place::new();
    let mut sink = place.sink(1, 8);
    let mut ingest = place.ingest();
    for piece in ["one\ntwo\nth", "ree\nfour\n", "five\n"] {
        sink.append(EPOCH, piece.as_bytes());
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
    }
    assert_eq!(ingest.delete_old_output(&policy(&place, 50, 0)).unwrap().segments, 1);
    assert_eq!(place.text(1), b"four\nfive\n");
    let lost: u64 = place.all(Filter::only(vec![StreamNo(1)])).iter().map(|c| c.0.lost).sum();
    assert_eq!(lost, 14, "with the rest of the line");
}

#[test]
fn what_is_cleared_is_gone_from_the_disk_and_no_other_line() {
    let place = Place::new();
    let mut ingest = place.ingest();
    let mut sink = place.sink(1, 1 << 20);
    sink.append(EPOCH, b"password: hunter2\n\0zero\nunfin");
    ingest.event(EPOCH, br#"{"event":"flag","line":"hunter2"}"#).unwrap();
    ingest.wake(StreamNo(1), u64::MAX).unwrap();
    let mut behind = Cursor::open(&place.dirs, Position::default(), Filter::all());
    let lines = 20_000_u32;
    let all = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            sink.append(EPOCH, b"ished\n");
            (0..lines).for_each(|line| sink.append(EPOCH, format!("line {line}\n").as_bytes()));
        });
        while !writer.is_finished() {
            clear::clear_behind(&place.dirs).unwrap();
        }
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
        drain(&mut behind, u64::MAX)
    });
    assert!(all.iter().all(|(chunk, _)| chunk.lost == 0), "what was cleared is no loss");
    let text: Vec<u8> = all.into_iter().flat_map(|(_, text)| text).collect();
    let expected = (0..lines).fold(String::new(), |all, line| all + &format!("line {line}\n"));
    assert_eq!(String::from_utf8(text).unwrap(), format!("unfinished\n{expected}"));
    for file in std::fs::read_dir(&place.dirs.journal).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(memchr::memmem::find(&bytes, b"hunter2").is_none());
    }
    let read = StreamReader::open(&place.dirs, "web").read_at(0, &mut [0; 9]).unwrap();
    assert_eq!(read, Read::Gap { next: 24 }, "offsets stay");
    let cleared = clear::clear_behind(&place.dirs).unwrap();
    assert!(cleared.freed > 0, "{cleared:?}");
    assert_eq!(place.text(1), b"");
}
