use proptest::prelude::*;

use super::cursor::{filters, pieces, written};
use super::{EPOCH, Place};
use crate::model::StreamNo;
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::record::{EVENTS, Kind, Record};
use crate::search::line_counts::Printed;
use crate::search::place::{Density, Share, density, share};
use crate::write::index::IndexWriter;

/// All records of a journal, with their numbers.
fn all(index: &mut IndexReader) -> Vec<Record> {
    let mut all = vec![];
    index
        .find(0, |_, record| {
            all.push(*record);
            None::<()>
        })
        .unwrap();
    all
}

/// How many bytes of text are in records below a number.
fn text(records: &[Record], filter: &Filter, range: std::ops::Range<usize>) -> u64 {
    let is_text = |r: &&Record| r.kind == Kind::Text && filter.takes(r.stream);
    records[range].iter().filter(is_text).map(|r| u64::from(r.len)).sum()
}

/// Many segments of records of two streams, ten bytes each, one each three nanoseconds.
fn many(segment: u64, count: u64) -> Place {
    let place = Place::new();
    let mut writer = IndexWriter::with_segments_of(&place.dirs, segment).unwrap();
    let record = |number: u64| Record {
        offset: number / 2 * 10,
        len: 10,
        lines: 1,
        ..Record::empty(
            Kind::Text,
            StreamNo(u16::try_from(1 + number % 2).unwrap()),
            EPOCH + number * 3,
        )
    };
    writer.append(&(0..count).map(record).collect::<Vec<_>>()).unwrap();
    place
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_share_of_a_position_is_the_text_before_it(
        pieces in pieces(),
        filter in filters(),
        at in any::<prop::sample::Index>(),
        floor in any::<prop::sample::Index>(),
        skip in 0u32..20,
    ) {
        let place = written(&pieces, 200);
        let mut index = IndexReader::open(&place.dirs);
        let records = all(&mut index);
        let floor = floor.index(records.len() + 1);
        let at = floor + at.index(records.len() + 1 - floor);
        let upto = records.len() as u64;
        let range = (floor as u64, upto);
        let position = Position { record: at as u64, skip };
        let found = share(&mut index, &filter, range, position).unwrap();
        let within = records.get(at).filter(|r| r.kind == Kind::Text && filter.takes(r.stream));
        let within = within.map_or(0, |record| u64::from(skip.min(record.len)));
        let before = text(&records, &filter, floor..at) + within;
        let all = text(&records, &filter, floor..records.len());
        prop_assert_eq!(found, Share { before, all });
    }

    #[test]
    fn the_density_is_the_text_between_two_times(
        pieces in pieces(),
        edges in prop::collection::vec(0u64..50_000_000_000, 0..6),
    ) {
        let place = written(&pieces, 200);
        let mut index = IndexReader::open(&place.dirs);
        let records = all(&mut index);
        let mut edges: Vec<_> = edges.into_iter().map(|edge| EPOCH + edge).collect();
        edges.sort();
        let found = density(&mut index, &edges, records.len() as u64).unwrap();
        prop_assert!(!found.is_estimate);
        prop_assert_eq!(found.periods.len(), edges.len().saturating_sub(1));
        for (period, edges) in found.periods.iter().zip(edges.windows(2)) {
            for stream in [1, 2] {
                let within = |r: &&Record| {
                    r.stream == StreamNo(stream) && r.kind == Kind::Text && (edges[0]..edges[1]).contains(&r.time)
                };
                let bytes: u64 = records.iter().filter(within).map(|r| u64::from(r.len)).sum();
                prop_assert_eq!(period.get(&StreamNo(stream)).copied().unwrap_or(0), bytes);
            }
            prop_assert!(!period.contains_key(&EVENTS));
        }
    }
}

#[test]
fn a_share_needs_no_more_than_the_heads_and_one_segment() {
    let place = many(100, 1050);
    let mut index = IndexReader::open(&place.dirs);
    for (at, before) in [(0, 0), (99, 500), (100, 500), (551, 2760), (1050, 5250)] {
        let position = Position { record: at, skip: 0 };
        let found =
            share(&mut index, &Filter::only(vec![StreamNo(1)]), (0, 1050), position).unwrap();
        assert_eq!(found, Share { before, all: 5250 }, "{at}");
    }
}

#[test]
fn the_density_of_many_segments_is_estimated() {
    // More records than are read exactly.
    let count = 6 * 65_536;
    let place = many(65_536, count);
    let mut index = IndexReader::open(&place.dirs);
    let edges: Vec<_> = (0..=24).map(|at| EPOCH + at * count / 24 * 3).collect();
    let Density { periods, is_estimate } = density(&mut index, &edges, count).unwrap();
    assert!(is_estimate);
    assert_eq!(periods.len(), 24);
    let exact = count / 24 * 10 / 2;
    for period in &periods {
        for stream in [1, 2] {
            let bytes = period[&StreamNo(stream)];
            assert!(bytes.abs_diff(exact) <= 20, "{bytes} {exact}");
        }
    }
}

#[test]
fn what_is_printed_is_counted_as_it_comes() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 100), place.sink(2, 100));
    let mut ingest = place.ingest();
    let mut printed = Printed::new(&place.dirs);
    let mut count = || printed.count().unwrap().into_values().collect::<Vec<_>>();
    assert_eq!(count(), [0, 0]);
    // By name: db, web.
    for at in 1..=50 {
        web.append(EPOCH + at, b"ten bytes\n");
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
        if at == 20 {
            db.append(EPOCH + at, b"five\n");
            ingest.wake(StreamNo(2), u64::MAX).unwrap();
            assert_eq!(count(), [5, 200]);
        }
    }
    assert_eq!(count(), [5, 500]);
    assert_eq!(count(), [5, 500]);
}

#[test]
fn a_place_whose_end_was_deleted_has_no_text() {
    let place = many(4, 40);
    let mut index = IndexReader::open(&place.dirs);
    let at = Position { record: 7, skip: 3 };
    assert_eq!(share(&mut index, &Filter::all(), (10, 5), at).unwrap(), Share::default());
}
