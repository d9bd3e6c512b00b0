use std::fs;

use pretty_assertions::assert_eq;

use super::{EPOCH, NAMES, Place, SECOND, drain, expected, marker, records, streams};
use crate::ingest::{Ingest, IngestProgress, ReachedMarker};
use crate::model::request::Partial;
use crate::model::{LifeId, ProcName, StreamNo};
use crate::protocol::marker::Marker;
use crate::read::cursor::{Chunk, Cursor, Filter, Position};
use crate::record::{CONTINUES, EVENTS, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::segment::{LOG, file_name};
use crate::streams::Streams;
use crate::write::append::Appender;
use crate::write::expected_markers::Expected;
use crate::write::split::Lost;

fn wake(ingest: &mut Ingest, stream: u16) -> IngestProgress {
    ingest.wake(StreamNo(stream), u64::MAX).unwrap()
}

#[test]
fn a_life_from_start_to_end() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let mut ingest = place.ingest();
    for (seq, kind) in [(1, Kind::Start), (2, Kind::Exit), (3, Kind::End)] {
        ingest.expect(StreamNo(1), expected(seq, kind));
    }
    sink.append(EPOCH, &marker(1, 0));
    sink.append(EPOCH + 1, b"one\r\ntwo\r\nthr");
    let progress = wake(&mut ingest, 1);
    assert_eq!(
        progress.markers,
        [ReachedMarker { stream: StreamNo(1), seq: 1, kind: Kind::Start }]
    );
    assert_eq!(progress.records, 2);
    let end = sink.end();
    assert_eq!(ingest.head().partials, [Partial { stream: StreamNo(1), start: end - 3, end }]);
    sink.append(EPOCH + 2, b"ee\r\n% ");
    wake(&mut ingest, 1);
    sink.append(EPOCH + 3, &marker(2, 5));
    sink.append(EPOCH + 4, b"exit\n");
    sink.append(EPOCH + 5, &marker(3, 0));
    let progress = wake(&mut ingest, 1);
    assert_eq!(progress.markers.len(), 2);
    assert_eq!(ingest.head().partials, []);
    assert_eq!(wake(&mut ingest, 1), IngestProgress::default());
    let reported: Vec<_> = place
        .all(Filter::all())
        .into_iter()
        .map(|(chunk, text)| {
            (chunk.record.kind, chunk.record.time.nanos_since(EPOCH), chunk.record.flags, text)
        })
        .collect();
    let text = |time, flags, text: &[u8]| (Kind::Text, time, flags, text.to_vec());
    assert_eq!(
        reported,
        [
            (Kind::Start, 0, 0, vec![]),
            text(1, 0, b"one\r\ntwo\r\n"),
            text(2, 0, b"three\r\n"),
            text(2, UNFINISHED, b"% "),
            (Kind::Exit, 4, 0, vec![]),
            (Kind::End, 5, 0, vec![]),
        ]
    );
    assert_eq!(ingest.last_marker(StreamNo(1)).unwrap().seq, 3);
    assert_eq!(place.ingest().last_marker(StreamNo(1)).unwrap().kind, Kind::End);
}

#[test]
fn a_marker_is_told_also_where_no_index_can_be_written() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let mut ingest = place.ingest();
    // As with full disks: the index can't be created in either directory.
    for dir in [Some(&place.dirs.journal), place.dirs.spill.as_ref()].into_iter().flatten() {
        fs::create_dir_all(dir.join(file_name("@index", 0, ""))).unwrap();
    }
    ingest.expect(StreamNo(1), expected(1, Kind::Exit));
    sink.append(EPOCH, b"last words\n");
    sink.append(EPOCH, &marker(1, 0));
    let progress = wake(&mut ingest, 1);
    assert_eq!(progress.markers, [ReachedMarker { stream: StreamNo(1), seq: 1, kind: Kind::Exit }]);
    assert!(progress.unindexed);
    assert_eq!(wake(&mut ingest, 1), IngestProgress::default());
}

#[test]
fn a_marker_announced_late_is_asked_for() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let mut ingest = place.ingest();
    sink.append(EPOCH, b"text\n");
    sink.append(EPOCH, &marker(1, 0));
    sink.append(EPOCH, b"more\n");
    let progress = wake(&mut ingest, 1);
    assert_eq!((progress.ask, progress.records), (vec![StreamNo(1)], 1));
    ingest.expect(StreamNo(1), expected(1, Kind::Start));
    let progress = wake(&mut ingest, 1);
    assert_eq!((progress.ask, progress.markers.len(), progress.records), (vec![], 1, 2));
    // A marker that is never announced is asked for once, then treated as text.
    sink.append(EPOCH, &marker(5, 0));
    sink.append(EPOCH, b"visible\n");
    assert_eq!(wake(&mut ingest, 1).ask, [StreamNo(1)]);
    let progress = wake(&mut ingest, 1);
    assert_eq!((progress.ask, progress.records), (vec![], 1));
    let reported = place.text(1).len() + marker(1, 0).len();
    assert_eq!(reported as u64, sink.end());
}

#[test]
fn a_marker_that_cannot_come_is_recorded_at_the_end() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let mut ingest = place.ingest();
    ingest.expect(StreamNo(1), expected(1, Kind::Exit));
    sink.append(EPOCH, b"last words\x1b");
    wake(&mut ingest, 1);
    ingest.unmark(StreamNo(1), 1, Lost::Here);
    let progress = wake(&mut ingest, 1);
    assert_eq!(progress.markers, [ReachedMarker { stream: StreamNo(1), seq: 1, kind: Kind::Exit }]);
    let all = place.all(Filter::all());
    assert_eq!(all[0].1, b"last words\x1b", "what was held back is output then");
    assert_eq!(all[0].0.record.flags, UNFINISHED);
    assert_eq!(all[1].0.record.offset, 11);
}

#[test]
fn a_marker_that_was_lost_tears_neither_a_line_nor_the_next_marker() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let mut ingest = place.ingest();
    ingest.expect(StreamNo(1), expected(1, Kind::End));
    ingest.expect(StreamNo(1), expected(2, Kind::Start));
    let (line, start) = (b"one\nline\n", marker(2, 0));
    for (lost, cut) in [(1, 6), (2, 0)] {
        sink.append(EPOCH, &line[..cut]);
        sink.append(EPOCH, if lost == 2 { &start[..5] } else { b"" });
        wake(&mut ingest, 1);
        ingest.unmark(StreamNo(1), lost, Lost::Before);
        let progress = wake(&mut ingest, 1);
        assert_eq!(progress.markers.len(), 1, "{progress:?}");
        sink.append(EPOCH, if lost == 2 { &start[5..] } else { &line[cut..] });
    }
    wake(&mut ingest, 1);
    let reported: Vec<_> =
        place.all(Filter::all()).into_iter().map(|(c, text)| (c.record.kind, text)).collect();
    let text = |text: &[u8]| (Kind::Text, text.to_vec());
    assert_eq!(reported[..3], [text(b"one\n"), (Kind::End, vec![]), text(b"line\n")]);
    assert_eq!(reported[3], (Kind::Start, vec![]));
    // The second one arrives after all.
    assert_eq!(reported[4].0, Kind::End);
    assert_eq!(reported.len(), 5, "{reported:?}");
}

#[test]
fn missing_output_is_a_record_whether_counted_or_not() {
    let place = Place::new();
    place.sink(1, 1 << 20).append(EPOCH, b"a\nhalf");
    let mut ingest = place.ingest();
    wake(&mut ingest, 1);
    ingest.gap(StreamNo(1)).unwrap();
    fs::write(place.dirs.journal.join(file_name("web", 100, LOG)), "b\n").unwrap();
    wake(&mut ingest, 1);
    let reported: Vec<_> = records(&place.all(Filter::all()))
        .iter()
        .map(|r| (r.kind, r.offset, r.len, r.flags))
        .collect();
    assert_eq!(
        reported,
        [
            (Kind::Text, 0, 2, 0),
            (Kind::Text, 2, 4, UNFINISHED),
            (Kind::Gap, 6, 0, 0),
            (Kind::Gap, 6, 94, 0),
            (Kind::Text, 100, 2, 0),
        ]
    );
}

#[test]
fn events_stand_among_the_output_and_a_lost_one_is_skipped() {
    let place = Place::new();
    let mut ingest = place.ingest();
    assert_eq!(ingest.event(EPOCH, br#"{"a":1}"#).unwrap(), 0);
    place.sink(1, 1 << 20).append(EPOCH - 5, b"out\n");
    wake(&mut ingest, 1);
    drop(ingest);
    // The event was written but not its record: the supervisor died in between.
    Appender::open(&place.dirs, "@events", 4096, false).append(EPOCH, b"{\"lost\":1}\n");
    let mut ingest = place.ingest();
    assert_eq!(ingest.event(EPOCH + 1, br#"{"b":2}"#).unwrap(), 2);
    let reported: Vec<_> = place
        .all(Filter::all())
        .into_iter()
        .map(|(chunk, text)| (chunk.record.kind, chunk.record.time, text))
        .collect();
    assert_eq!(
        reported,
        [
            (Kind::Event, EPOCH, b"{\"a\":1}\n".to_vec()),
            (Kind::Text, EPOCH, b"out\n".to_vec()),
            (Kind::Event, EPOCH + 1, b"{\"b\":2}\n".to_vec()),
        ],
        "times never fall"
    );
    assert_eq!(place.all(Filter::only(vec![EVENTS])).len(), 2);
}

#[test]
fn a_request_to_a_life_stands_behind_its_start_however_late_that_arrives() {
    let place = Place::new();
    let mut ingest = place.ingest();
    ingest.expect(StreamNo(1), expected(1, Kind::Start));
    ingest.expect(StreamNo(1), expected(2, Kind::Exit));
    let first = Some(LifeId::FIRST);
    ingest.event_after_start((StreamNo(1), first), EPOCH, br#"{"stop":1}"#).unwrap();
    ingest.event_after_start((StreamNo(2), first), EPOCH, br#"{"stop":2}"#).unwrap();
    let output = [&marker(1, 0)[..], b"out\n", &marker(2, 0)].concat();
    place.sink(1, 1 << 20).append(EPOCH, &output);
    wake(&mut ingest, 1);
    ingest.event_after_start((StreamNo(1), first), EPOCH, br#"{"stop":3}"#).unwrap();
    let all = place.all(Filter::all());
    let events = all.iter().filter(|(chunk, _)| chunk.record.kind == Kind::Event);
    let kinds: Vec<_> = records(&all).iter().map(|record| record.kind).collect();
    let (event, start, text) = (Kind::Event, Kind::Start, Kind::Text);
    assert_eq!(kinds, [event, start, event, text, Kind::Exit, event]);
    let texts: Vec<_> = events.map(|(_, text)| text.trim_ascii_end()).collect();
    assert_eq!(texts, [&br#"{"stop":2}"#[..], br#"{"stop":1}"#, br#"{"stop":3}"#]);
}

#[test]
fn a_request_to_a_life_does_not_wait_for_the_start_of_the_next() {
    let place = Place::new();
    let mut ingest = place.ingest();
    let mut sink = place.sink(1, 1 << 20);
    for (life, seq, kind) in [(1, 1, Kind::Start), (1, 2, Kind::Exit), (2, 3, Kind::Start)] {
        let (bytes, expected) = marker_of(life, seq, kind);
        ingest.expect(StreamNo(1), expected);
        sink.append(EPOCH, &bytes);
        if seq == 1 {
            wake(&mut ingest, 1);
        }
    }
    // The next life is announced already.
    ingest.event_after_start((StreamNo(1), Some(LifeId::FIRST)), EPOCH, br#"{"kill":1}"#).unwrap();
    while wake(&mut ingest, 1).more {}
    let kinds: Vec<_> =
        records(&place.all(Filter::all())).iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Start, Kind::Event, Kind::Exit, Kind::Start]);
}

#[test]
fn a_drawing_is_one_line_however_it_arrives_and_across_supervisors() {
    let output = b"one\nhalf\x1b[?1049h\x1b[2Ja\nb\nc\x1b[?1049lafter\n";
    let shown = "one\nhalffull screen: tmo connect web\nafter\n";
    for cut in 1..output.len() {
        let place = Place::new();
        let mut sink = place.sink(1, 16);
        for part in [&output[..cut], &output[cut..]] {
            sink.append(EPOCH, part);
            // Another supervisor each time.
            wake(&mut place.ingest(), 1);
        }
        let all = place.all(Filter::only(vec![StreamNo(1)]));
        let texts: Vec<u8> = all.iter().flat_map(|(_, text)| text.clone()).collect();
        assert_eq!(String::from_utf8_lossy(&texts), shown, "cut at {cut}");
        let mut cursor = place.cursor(Filter::only(vec![StreamNo(1)])).with_drawings();
        let (mut raw, mut text) = (vec![], vec![]);
        while cursor.next(u64::MAX, &mut text).unwrap().is_some() {
            raw.extend_from_slice(&text);
        }
        assert_eq!(raw, output, "nothing is lost: cut at {cut}");
    }
}

#[test]
fn a_life_that_ends_in_the_alternate_screen_leaves_it() {
    let place = Place::new();
    let mut ingest = place.ingest();
    ingest.expect(StreamNo(1), expected(1, Kind::Exit));
    let output = [&b"\x1b[?1049hdrawn\n"[..], &marker(1, 0), b"line\n"].concat();
    place.sink(1, 1 << 20).append(EPOCH, &output);
    wake(&mut ingest, 1);
    let all = place.all(Filter::only(vec![StreamNo(1)]));
    let texts: Vec<_> = all.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect();
    assert_eq!(texts, ["full screen: tmo connect web\n", "", "line\n"]);
}

#[test]
fn a_backlog_is_merged_by_its_times() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 300), place.sink(2, 1 << 20));
    let mut wanted = vec![];
    for number in 0..200u64 {
        let line = format!("{number}\n").into_bytes();
        let sink = if number % 7 < 3 { &mut web } else { &mut db };
        sink.append(EPOCH + number * SECOND, &line);
        wanted.extend_from_slice(&line);
    }
    let mut ingest = place.ingest();
    let mut calls = 0;
    while ingest.catch_up(100).unwrap().more {
        calls += 1;
    }
    assert!(calls > 3, "the budget is kept");
    let got: Vec<u8> = place.all(Filter::all()).into_iter().flat_map(|(_, text)| text).collect();
    assert_eq!(String::from_utf8(got).unwrap(), String::from_utf8(wanted).unwrap());
}

#[test]
fn a_stream_that_asks_does_not_keep_the_others_from_catching_up() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 300), place.sink(2, 300));
    web.append(EPOCH, &marker(4, 0));
    db.append(EPOCH + SECOND, b"db\n");
    let progress = place.ingest().catch_up(u64::MAX).unwrap();
    assert_eq!((progress.ask, progress.records), (vec![StreamNo(1)], 1));
}

#[test]
fn a_long_line_goes_on_behind_a_crash() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 30);
    sink.append(EPOCH, &vec![b'x'; (1 << 20) + 5]);
    wake(&mut place.ingest(), 1);
    sink.append(EPOCH, b"rest\n");
    wake(&mut place.ingest(), 1);
    let all = records(&place.all(Filter::all()));
    let flags: Vec<_> = all.iter().map(|record| (record.flags, record.lines)).collect();
    assert_eq!(flags.first(), Some(&(TO_BE_CONTINUED, 0)));
    assert_eq!(flags.last(), Some(&(CONTINUES, 1)));
    assert_eq!(place.text(1).len(), (1 << 20) + 10);
}

#[test]
fn an_offset_of_which_the_index_speaks_is_never_used_again() {
    let place = Place::new();
    place.sink(1, 100).append(EPOCH, b"spilled, say\n");
    wake(&mut place.ingest(), 1);
    fs::remove_file(place.dirs.journal.join(file_name("web", 0, LOG))).unwrap();
    place.ingest().reserve().unwrap();
    let mut sink = place.sink(1, 100);
    assert_eq!(sink.end(), 13);
    sink.append(EPOCH, b"new\n");
    wake(&mut place.ingest(), 1);
    let all = place.all(Filter::all());
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].0.lost, all[0].1.as_slice()), (13, &b"new\n"[..]));
}

#[test]
fn a_reader_alone_sees_what_a_supervisor_would_have_written() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 50), place.sink(2, 50));
    web.append(EPOCH, b"indexed\n");
    wake(&mut place.ingest(), 1);
    for number in 0..50 {
        web.append(EPOCH + 2 * number * SECOND, format!("web {number}\n").as_bytes());
        db.append(EPOCH + (2 * number + 1) * SECOND, format!("db {number}\n").as_bytes());
    }
    web.append(EPOCH + 500 * SECOND, b"partly");
    let before = fs::read_dir(&place.dirs.journal).unwrap().count();
    let mut memory = Ingest::in_memory(&place.dirs, &streams(), false).unwrap();
    memory.catch_up(u64::MAX).unwrap();
    let head = memory.head();
    assert_eq!(head.partials.len(), 1);
    let mut cursor = Cursor::over(memory.into_index(), Position::default(), Filter::all());
    let alone = drain(&mut cursor, head.records);
    assert_eq!(fs::read_dir(&place.dirs.journal).unwrap().count(), before, "it writes nothing");
    place.ingest().catch_up(u64::MAX).unwrap();
    assert_eq!(alone, place.all(Filter::all()));
    assert_eq!(alone.len(), 101);
}

#[test]
fn a_new_segment_is_told() {
    let place = Place::new();
    let mut sink = place.sink(1, 4);
    let mut ingest = place.ingest();
    sink.append(EPOCH, b"one\n");
    assert!(!wake(&mut ingest, 1).rotated);
    sink.append(EPOCH, b"two\n");
    let dir = place.dirs.journal.clone().into();
    let policy = crate::model::plan::LogPolicy { dir, per_process: 1, total: 0, max_age_ms: 0 };
    sink.append(EPOCH, b"three\n");
    assert_eq!(
        ingest.delete_old_output(&policy).unwrap().segments,
        1,
        "the second has no record yet"
    );
    assert!(wake(&mut ingest, 1).rotated);
    assert_eq!(ingest.delete_old_output(&policy).unwrap().segments, 1);
    assert_eq!(place.raw(1), b"", "the beginning is gone");
    assert_eq!(place.all(Filter::only(vec![StreamNo(1)])).last().unwrap().1, b"three\n");
}

#[test]
fn what_an_earlier_run_left_unfinished_stands_before_what_comes() {
    let tails = [&b"a line\nits beginn"[..], b"\x1b", b"\x1b]7717;tmo;0000", b"a\n"];
    // In one segment, and with a new segment every few bytes.
    for (tail, limit) in tails.into_iter().flat_map(|tail| [(tail, 4096), (tail, 5)]) {
        let place = Place::new();
        let mut sink = place.sink(1, limit);
        tail.chunks(5).for_each(|piece| sink.append(EPOCH, piece));
        Ingest::conclude(&place.dirs, &streams()).unwrap();
        assert_eq!(place.text(1), tail, "{}", tail.escape_ascii());
        let mut sink = place.sink(1, 4096);
        sink.append(EPOCH + SECOND, b"[31mthe next run\n");
        place.ingest().wake(StreamNo(1), u64::MAX).unwrap();
        let next = place.all(Filter::only(vec![StreamNo(1)])).pop().unwrap();
        assert_eq!(next.1, b"[31mthe next run\n", "{}", tail.escape_ascii());
    }
}

/// A journal whose process 1 has standard error apart, as stream 3, and the writer of that.
fn split(place: &Place) -> (Ingest, Appender) {
    let mut list = Streams::open(&place.dirs).unwrap();
    assert_eq!(list.number_of_stderr(&ProcName::new(NAMES[0]).unwrap(), 2).unwrap(), StreamNo(3));
    list.save().unwrap();
    let slug = list.slug(StreamNo(3)).unwrap();
    let stderr = Appender::open(&place.dirs, &slug, 1 << 20, true);
    let all = [streams(), vec![(StreamNo(3), slug)]].concat();
    (Ingest::open(&place.dirs, &all, 4096).unwrap(), stderr)
}

/// Kind, life and text of the records of the process.
fn of_process(place: &Place) -> Vec<(Kind, u16, u32, String)> {
    let chunks = place.all(Filter::only(vec![StreamNo(1), StreamNo(3)])).into_iter();
    let brief = |(chunk, text): (Chunk, Vec<u8>)| {
        let Record { kind, stream, life, .. } = chunk.record;
        (kind, stream.0, life.map_or(0, LifeId::number), String::from_utf8(text).unwrap())
    };
    chunks.map(brief).collect()
}

fn marker_of(life: u32, seq: u64, kind: Kind) -> (Vec<u8>, Expected) {
    let nonce = 0xfeed_0000_0000 * u64::from(life);
    let expected = Expected { seq, nonce, kind, value: 0, life: LifeId::nth(life) };
    (Marker { nonce, seq, skip: 0 }.encode(), expected)
}

#[test]
fn standard_error_is_between_start_and_exit_of_its_life_whatever_arrives_first() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let (mut ingest, mut stderr) = split(&place);
    let (start, expected) = marker_of(1, 1, Kind::Start);
    stderr.append(EPOCH, b"panic");
    ingest.look_at_stderr(StreamNo(1)).unwrap();
    ingest.expect(StreamNo(1), expected);
    // The start is announced but has not been taken yet.
    assert_eq!(wake(&mut ingest, 1), IngestProgress::default());
    sink.append(EPOCH + 1, &[&start[..], b"begins\n"].concat());
    while wake(&mut ingest, 1).more {}
    assert_eq!(ingest.head().partials, [Partial { stream: StreamNo(3), start: 0, end: 5 }]);
    let (exit, expected) = marker_of(1, 2, Kind::Exit);
    ingest.expect(StreamNo(1), expected);
    sink.append(EPOCH + 2, &[b"ends\n", &exit[..]].concat());
    // This has not been looked at, but is there when the exit is found.
    stderr.append(EPOCH + 3, b"ked\nat x.rs");
    while wake(&mut ingest, 1).more {}
    let text = |stream, text: &str| (Kind::Text, stream, 1, text.to_owned());
    let all = [
        (Kind::Start, 1, 1, String::new()),
        text(1, "begins\n"),
        text(1, "ends\n"),
        text(3, "panicked\n"),
        text(3, "at x.rs"),
        (Kind::Exit, 1, 1, String::new()),
    ];
    assert_eq!(of_process(&place), all);
    assert_eq!(ingest.printed(StreamNo(1)), sink.end() + stderr.end());
}

#[test]
fn standard_error_of_the_next_life_is_not_taken_for_that_of_the_one_before() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let (mut ingest, mut stderr) = split(&place);
    let announce = |ingest: &mut Ingest, life, seq, kind| {
        let (bytes, expected) = marker_of(life, seq, kind);
        ingest.expect(StreamNo(1), expected);
        bytes
    };
    let start = announce(&mut ingest, 1, 1, Kind::Start);
    let exit = announce(&mut ingest, 1, 2, Kind::Exit);
    sink.append(EPOCH, &[start, exit].concat());
    while wake(&mut ingest, 1).more {}
    // The end of the first life is taken only when the second one has begun and printed.
    let end = announce(&mut ingest, 1, 3, Kind::End);
    let start = announce(&mut ingest, 2, 4, Kind::Start);
    stderr.append(EPOCH + 1, b"second\n");
    ingest.look_at_stderr(StreamNo(1)).unwrap();
    sink.append(EPOCH + 2, &[end, start].concat());
    while wake(&mut ingest, 1).more {}
    let record = |kind, stream, life, text: &str| (kind, stream, life, text.to_owned());
    let all = [
        record(Kind::Start, 1, 1, ""),
        record(Kind::Exit, 1, 1, ""),
        record(Kind::End, 1, 1, ""),
        record(Kind::Start, 1, 2, ""),
        record(Kind::Text, 3, 2, "second\n"),
    ];
    assert_eq!(of_process(&place), all);
}

#[test]
fn the_backlog_of_several_lives_keeps_each_one_together() {
    let place = Place::new();
    let mut sink = place.sink(1, 1 << 20);
    let (mut ingest, mut stderr) = split(&place);
    let mut expected = vec![];
    let mut now = EPOCH;
    for life in 1..=3 {
        for (seq, kind) in [(1, Kind::Start), (2, Kind::Exit), (3, Kind::End)] {
            let (bytes, announced) = marker_of(life, u64::from(life) * 3 + seq, kind);
            expected.push(announced);
            if kind != Kind::Start {
                sink.append(now, &bytes);
                continue;
            }
            // Taken before the start, which was printed before it; and at the same time as the end.
            now += SECOND;
            stderr.append(now, b"first\n");
            now += 1;
            sink.append(now, &bytes);
            now += SECOND;
            stderr.append(now, b"last\n");
        }
    }
    ingest.look_at_stderr(StreamNo(1)).unwrap();
    for marker in expected {
        ingest.expect(StreamNo(1), marker);
    }
    while ingest.catch_up(40).unwrap().more {}
    let of_life = |life| {
        let record = move |kind, stream, text: &str| (kind, stream, life, text.to_owned());
        [
            record(Kind::Start, 1, ""),
            record(Kind::Text, 3, "first\nlast\n"),
            record(Kind::Exit, 1, ""),
            record(Kind::End, 1, ""),
        ]
    };
    let all: Vec<_> = (1..=3).flat_map(of_life).collect();
    assert_eq!(of_process(&place), all);
}
