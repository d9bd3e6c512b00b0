use proptest::prelude::*;

use super::{EPOCH, Place, SECOND, drain};
use crate::model::StreamNo;
use crate::model::terminal::line::plain_text;
use crate::model::time::Timestamp;
use crate::read::cursor::{CHUNK, Cursor, Filter, Position};
use crate::read::index::IndexReader;
use crate::read::query::{since, tail};
use crate::record::{CONTINUES, EVENTS, Kind, TO_BE_CONTINUED};
use crate::segment::{LOG, file_name};

/// Two streams and events, with one record per piece of text.
pub(super) fn written(pieces: &[(bool, Vec<u8>)], limit: u64) -> Place {
    let place = Place::new();
    let mut sinks = [place.sink(1, limit), place.sink(2, limit)];
    let mut ingest = place.ingest();
    for (at, (db, text)) in pieces.iter().enumerate() {
        let time = EPOCH + at as u64 * SECOND;
        sinks[usize::from(*db)].append(time, text);
        ingest.wake(StreamNo(1 + u16::from(*db)), u64::MAX).unwrap();
        if at % 5 == 4 {
            ingest.event(time, br#"{"event":"x"}"#).unwrap();
        }
    }
    place
}

pub(super) fn pieces() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let line = prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')], 1..30);
    prop::collection::vec((any::<bool>(), line), 0..40)
}

/// All complete lines of some streams, in the order of the index.
fn lines(place: &Place, filter: &Filter) -> Vec<Vec<u8>> {
    let chunks = place.all(filter.clone());
    let texts = chunks.into_iter().filter(|(chunk, _)| chunk.record.kind == Kind::Text);
    texts
        .flat_map(|(_, text)| {
            text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
}

pub(super) fn filters() -> impl Strategy<Value = Filter> {
    prop_oneof![
        Just(Filter::all()),
        Just(Filter::only(vec![StreamNo(1)])),
        Just(Filter::only(vec![StreamNo(1), EVENTS])),
        Just(Filter::only(vec![])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_byte_comes_once_wherever_a_cursor_stops(
        pieces in pieces(),
        limit in 1u64..300,
        filter in filters(),
        stops in prop::collection::vec(0u64..50, 0..5),
    ) {
        let place = written(&pieces, limit);
        let whole = place.all(filter.clone());
        let mut stops = stops;
        stops.sort_unstable();
        let (mut at, mut parts) = (Position::default(), vec![]);
        for upto in stops.into_iter().chain([u64::MAX]) {
            let mut cursor = Cursor::open(&place.dirs, at, filter.clone());
            parts.extend(drain(&mut cursor, upto));
            prop_assert!(cursor.position().record <= upto);
            at = cursor.position();
        }
        prop_assert_eq!(&parts, &whole);
        for stream in [1, 2].into_iter().filter(|stream| filter.takes(StreamNo(*stream))) {
            let text: Vec<u8> =
                whole.iter().filter(|(c, _)| c.record.stream == StreamNo(stream)).flat_map(|(_, t)| t.clone()).collect();
            let raw = place.raw(stream);
            prop_assert_eq!(&text[..], &raw[..text.len()]);
            let rest = raw[text.len()..].split_inclusive(|byte| *byte == b'\n');
            let mut ended = rest.filter(|line| line.ends_with(b"\n"));
            prop_assert!(ended.all(|line| plain_text(line).trim().is_empty()), "the rest is unfinished or blank");
        }
    }

    #[test]
    fn the_tail_is_the_last_lines(
        pieces in pieces(),
        filter in filters(),
        count in 0usize..30,
    ) {
        let place = written(&pieces, 200);
        let mut index = IndexReader::open(&place.dirs);
        let upto = index.len().unwrap();
        let all = lines(&place, &filter);
        let position = tail(&mut index, &filter, count as u64, upto).unwrap();
        let mut cursor = Cursor::open(&place.dirs, position, filter.clone());
        let texts = drain(&mut cursor, upto).into_iter().filter(|(c, _)| c.record.kind == Kind::Text);
        let got: Vec<u8> = texts.flat_map(|(_, text)| text).collect();
        prop_assert_eq!(got, all[all.len().saturating_sub(count)..].concat());
    }
}

#[test]
fn the_tail_of_a_quiet_stream_and_of_the_events() {
    let mut pieces = vec![(true, b"quiet 1\n".to_vec()), (true, b"quiet 2\n".to_vec())];
    pieces.extend(std::iter::repeat_n((false, b"noise\n".to_vec()), 9000));
    let place = written(&pieces, 1 << 20);
    let mut index = IndexReader::open(&place.dirs);
    let upto = index.len().unwrap();
    let only = Filter::only(vec![StreamNo(2)]);
    let position = tail(&mut index, &only, 1, upto).unwrap();
    let got = drain(&mut Cursor::open(&place.dirs, position, only), upto);
    assert_eq!(got[0].1, b"quiet 2\n");
    let only = Filter::only(vec![EVENTS]);
    let position = tail(&mut index, &only, 3, upto).unwrap();
    assert_eq!(drain(&mut Cursor::open(&place.dirs, position, only), upto).len(), 3);
}

#[test]
fn since_a_time() {
    let pieces: Vec<_> = (0..20).map(|n| (n % 3 == 0, format!("{n}\n").into_bytes())).collect();
    let place = written(&pieces, 50);
    let mut index = IndexReader::open(&place.dirs);
    let position = since(&mut index, EPOCH + 12 * SECOND - 1).unwrap();
    let mut cursor = Cursor::open(&place.dirs, position, Filter::all());
    let mut text = vec![];
    cursor.next(u64::MAX, &mut text).unwrap().unwrap();
    assert_eq!(text, b"12\n");
    assert_eq!(since(&mut index, Timestamp::EPOCH).unwrap(), Position::default());
    assert_eq!(
        since(&mut index, Timestamp::from_nanos(u64::MAX)).unwrap().record,
        index.len().unwrap()
    );
}

#[test]
fn big_records_come_in_steps_that_end_with_lines() {
    let lines: Vec<u8> = (0..60_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let place = written(&[(false, lines.clone()), (false, b"next\n".to_vec())], 100_000);
    let all = place.all(Filter::all());
    let text: Vec<u8> = all.iter().flat_map(|(_, text)| text.clone()).collect();
    assert_eq!(text.len(), lines.len() + 5);
    assert!(text.starts_with(&lines));
    let mut ends = 0;
    for (chunk, text) in &all {
        assert!(text.len() <= CHUNK && text.ends_with(b"\n"));
        assert_eq!((chunk.record.flags, chunk.record.len as usize), (0, text.len()));
        ends += chunk.record.lines;
    }
    assert_eq!(ends, 60_001);
}

#[test]
fn a_line_longer_than_a_chunk_says_so() {
    let mut text = vec![b'x'; CHUNK + 10];
    text.push(b'\n');
    let place = written(&[(false, text.clone())], 1 << 30);
    let all = place.all(Filter::all());
    let flags: Vec<_> =
        all.iter().map(|(c, t)| (c.record.flags, c.record.lines, t.len())).collect();
    assert_eq!(flags, [(TO_BE_CONTINUED, 0, CHUNK), (CONTINUES, 1, 11)]);
    // A cursor that begins inside the record continues where the other one stopped.
    let mut cursor = place.cursor(Filter::all());
    let mut buffer = vec![];
    cursor.next(u64::MAX, &mut buffer).unwrap();
    let mut other = Cursor::open(&place.dirs, cursor.position(), Filter::all());
    other.next(u64::MAX, &mut buffer).unwrap();
    assert_eq!(buffer, text[CHUNK..]);
}

#[test]
fn the_tail_of_a_giant_line_begins_with_it() {
    let mut text = b"first\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 << 20));
    text.push(b'\n');
    let place = written(&[(false, text), (true, b"other\n".to_vec())], 1 << 30);
    let mut index = IndexReader::open(&place.dirs);
    let upto = index.len().unwrap();
    for (filter, count) in [(Filter::only(vec![StreamNo(1)]), 1), (Filter::all(), 2)] {
        let position = tail(&mut index, &filter, count, upto).unwrap();
        let all = drain(&mut Cursor::open(&place.dirs, position, filter), upto);
        let giant: usize =
            all.iter().filter(|(c, _)| c.record.stream == StreamNo(1)).map(|(_, t)| t.len()).sum();
        assert_eq!(giant, (3 << 20) + 1);
    }
}

#[test]
fn the_tail_of_a_record_whose_beginning_is_gone_is_in_what_is_left() {
    // Two segments, and one record that spans both.
    let place = Place::new();
    let mut sink = place.sink(1, 20);
    sink.append(EPOCH, b"number 1\nnumber 2\nnumber 3\n");
    sink.append(EPOCH, b"number 4\nfive\n");
    let mut ingest = place.ingest();
    while ingest.wake(StreamNo(1), u64::MAX).unwrap().more {}
    std::fs::remove_file(place.dirs.journal.join(file_name("web", 0, LOG))).unwrap();
    let mut index = IndexReader::open(&place.dirs);
    let upto = index.len().unwrap();
    let only = Filter::only(vec![StreamNo(1)]);
    for (count, text) in [(1, "five\n"), (2, "number 4\nfive\n"), (3, "number 4\nfive\n")] {
        let position = tail(&mut index, &only, count, upto).unwrap();
        let all = drain(&mut Cursor::open(&place.dirs, position, only.clone()), upto);
        let shown: Vec<u8> = all.into_iter().flat_map(|(_, text)| text).collect();
        assert_eq!(String::from_utf8(shown).unwrap(), text, "the last {count}");
    }
}

#[test]
fn an_unfinished_line_can_be_read_by_its_range() {
    let place = written(&[(true, b"done\n".to_vec()), (true, b"password: ".to_vec())], 100);
    let ingest = place.ingest();
    assert_eq!(ingest.head().partials, [], "nothing has been read yet");
    let mut text = vec![];
    place.cursor(Filter::all()).read_range(StreamNo(2), 5, 15, &mut text).unwrap();
    assert_eq!(text, b"password: ");
}

#[test]
fn text_that_is_gone_is_counted_to_the_byte() {
    let pieces: Vec<_> =
        (0..10).map(|n| (n % 2 == 1, format!("number {n}\n").into_bytes())).collect();
    let place = written(&pieces, 20);
    // Segments end after at least 20 bytes, so each holds three lines of 9 bytes. The first one is
    // deleted.
    std::fs::remove_file(place.dirs.journal.join(file_name("web", 0, LOG))).unwrap();
    let reported: Vec<_> = place
        .all(Filter::only(vec![StreamNo(1), StreamNo(2)]))
        .into_iter()
        .map(|(chunk, text)| (chunk.lost, String::from_utf8(text).unwrap()))
        .collect();
    let losses: Vec<_> = reported.iter().filter(|(lost, _)| *lost > 0).collect();
    assert_eq!(losses, [&(27, "number 6\n".to_owned())], "not at the lines of another process");
    std::fs::remove_file(place.dirs.journal.join(file_name("web", 27, LOG))).unwrap();
    let web = place.all(Filter::only(vec![StreamNo(1)]));
    assert_eq!(web.len(), 1);
    assert_eq!((web[0].0.lost, web[0].1.len()), (45, 0), "also when nothing follows");
}

proptest! {
    #[test]
    fn a_position_is_read_as_it_is_written(record in any::<u64>(), skip in any::<u32>()) {
        let position = Position { record, skip };
        prop_assert_eq!(position.to_string().parse(), Ok(position));
        prop_assert_eq!(Position::from_bytes(&position.to_bytes()), Some(position));
    }
}

#[test]
fn a_text_that_is_no_position_is_refused() {
    for text in ["", "1", "1.", ".1", "1.2.3", "-1.0", "1.4294967296"] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}
