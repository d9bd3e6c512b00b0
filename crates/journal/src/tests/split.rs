use proptest::prelude::*;

use super::{expected, marker};
use crate::format::Summary;
use crate::model::{LifeId, StreamNo};
use crate::protocol::marker::{INTRO, Marker};
use crate::record::{CONTINUES, Kind, Record, TO_BE_CONTINUED, UNFINISHED};
use crate::write::split::{Fed, LONGEST_RECORD, Lost, MarkerTrust, Splitter};

/// The contents of a stream, independent of how it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Line(Vec<u8>),
    Unfinished(Vec<u8>),
    Mark(u32, Kind, Vec<u8>),
    Gap(u64),
}

fn splitter(trust: MarkerTrust) -> Splitter {
    Splitter::new(&Summary { stream: StreamNo(1), ..Summary::default() }, 0, trust)
}

/// Feed everything, as with a wake-up at each cut.
fn feed(splitter: &mut Splitter, bytes: &[u8], cuts: &[usize]) -> Vec<Record> {
    let mut out = vec![];
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut asked = 0;
        loop {
            let position = usize::try_from(splitter.position()).unwrap();
            if position > end {
                break;
            }
            match splitter.feed(&bytes[position..end], false, &mut out) {
                Fed::All => break,
                Fed::Ask => asked += 1,
                Fed::Marker(_) => unreachable!("it does not stop"),
            }
            assert!(asked < 1000, "it asks for ever");
        }
        splitter.flush(&mut out);
    }
    out
}

/// Reassemble the records, and check that they cover everything exactly once.
fn items(records: &[Record], bytes: &[u8], end: u64) -> Vec<Item> {
    let (mut items, mut line, mut at) = (vec![], vec![], 0);
    for record in records {
        assert_eq!(record.offset, at, "records join without holes");
        at = record.end();
        let text = bytes.get(usize::try_from(record.offset).unwrap()..usize::try_from(at).unwrap());
        match record.kind {
            Kind::Text => {
                let text = text.unwrap();
                assert!(u64::from(record.len) <= LONGEST_RECORD && record.len > 0);
                assert_eq!(record.flags & CONTINUES != 0, !line.is_empty());
                let mut lines = 0;
                for part in text.split_inclusive(|b| *b == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        items.push(Item::Line(std::mem::take(&mut line)));
                        lines += 1;
                    }
                }
                assert_eq!(record.lines, lines);
                if record.flags & UNFINISHED != 0 {
                    assert!(!line.is_empty());
                    items.push(Item::Unfinished(std::mem::take(&mut line)));
                }
                assert_eq!(record.flags & TO_BE_CONTINUED != 0, !line.is_empty());
            }
            Kind::Start | Kind::Exit | Kind::End => {
                items.push(Item::Mark(record.seq, record.kind, text.unwrap().to_vec()));
            }
            Kind::Gap => items.push(Item::Gap(record.end() - record.offset)),
            Kind::Event => panic!("no events here"),
        }
    }
    assert_eq!(at, end, "everything before the unfinished line has a record");
    items
}

/// Difficult pieces: markers announced or not, cut off or damaged, within any text.
fn piece() -> impl Strategy<Value = Option<Vec<u8>>> {
    let some = |bytes: &[u8]| Just(Some(bytes.to_vec()));
    prop_oneof![
        3 => Just(None),
        2 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Some),
        2 => some(b"\r\n"),
        2 => some(b"\n"),
        1 => some(b"\0\xff\xfe"),
        1 => some(b"\x1b"),
        1 => some(INTRO),
        1 => (0usize..50).prop_map(|cut| {
            let whole = Marker { nonce: 0xfeed, seq: 99, skip: 3 }.encode();
            Some(whole[..cut.min(whole.len())].to_vec())
        }),
        1 => (any::<u64>(), 0u64..200, 0u32..50)
            .prop_map(|(nonce, seq, skip)| Some(Marker { nonce, seq, skip }.encode())),
    ]
}

/// A stream. `None` stands for the next announced marker, with its skipped bytes.
fn stream(pieces: &[Option<Vec<u8>>]) -> (Vec<u8>, u64) {
    let (mut bytes, mut seq) = (vec![], 0);
    for piece in pieces {
        if let Some(text) = piece {
            bytes.extend_from_slice(text);
        } else {
            seq += 1;
            let skip = u32::try_from(seq % 4).unwrap();
            bytes.extend_from_slice(&marker(seq, skip));
            bytes.extend(std::iter::repeat_n(b'\n', skip as usize));
        }
    }
    (bytes, seq)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn cuts_make_no_difference(
        pieces in prop::collection::vec(piece(), 0..25),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (mut bytes, markers) = stream(&pieces);
        bytes.extend_from_slice(b"settles what was held back\nopen");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let reported = |cuts: &[usize]| {
            let mut splitter = splitter(MarkerTrust::Announced);
            (1..=markers).for_each(|seq| splitter.expect(expected(seq, Kind::Exit)));
            let records = feed(&mut splitter, &bytes, cuts);
            let marks = records.iter().filter(|record| record.kind == Kind::Exit).count();
            (items(&records, &bytes, splitter.indexed()), splitter.partial(), marks)
        };
        let at_once = reported(&[]);
        prop_assert_eq!(at_once.2 as u64, markers, "each announced marker is found");
        prop_assert_eq!(at_once, reported(&cuts));
    }

    #[test]
    fn nothing_is_held_back_when_it_is_closed(pieces in prop::collection::vec(piece(), 0..25)) {
        let (bytes, _) = stream(&pieces);
        let (mut splitter, mut out) = (splitter(MarkerTrust::Announced), vec![]);
        while splitter.feed(&bytes[usize::try_from(splitter.position()).unwrap()..], true, &mut out) == Fed::Ask {}
        prop_assert_eq!(splitter.position(), bytes.len() as u64);
        splitter.gap(bytes.len() as u64 + 10, &mut out);
        let all = items(&out, &bytes, bytes.len() as u64 + 10);
        prop_assert_eq!(all.last(), Some(&Item::Gap(10)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>, all: bool) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut splitter = splitter(if all { MarkerTrust::All } else { MarkerTrust::Announced });
        let records = feed(&mut splitter, &bytes, &cuts);
        items(&records, &bytes, splitter.indexed());
    }
}

#[test]
fn an_old_log_printed_again_is_text() {
    let mut splitter = splitter(MarkerTrust::Announced);
    splitter.expect(expected(1, Kind::Start));
    splitter.expect(expected(2, Kind::Exit));
    let mut bytes = marker(1, 0);
    bytes.extend_from_slice(b"log: ");
    bytes.extend_from_slice(&marker(1, 2));
    bytes.extend_from_slice(b"\nend");
    bytes.extend_from_slice(&marker(2, 0));
    let records = feed(&mut splitter, &bytes, &[]);
    let kinds: Vec<Kind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Start, Kind::Text, Kind::Exit]);
    let text = records[1];
    assert_eq!((text.lines, text.flags, text.life), (1, UNFINISHED, Some(LifeId::FIRST)));
    assert_eq!((records[2].value, records[2].seq), (7, 2));
}

#[test]
fn a_marker_is_asked_for_once_and_found_when_it_was_announced_late() {
    let mut splitter = splitter(MarkerTrust::Announced);
    let mut bytes = b"out\n".to_vec();
    bytes.extend_from_slice(&marker(1, 0));
    let mut out = vec![];
    assert_eq!(splitter.feed(&bytes, false, &mut out), Fed::Ask);
    assert_eq!(splitter.position(), 4);
    splitter.expect(expected(1, Kind::Start));
    assert_eq!(splitter.feed(&bytes[4..], false, &mut out), Fed::All);
    assert_eq!(out.iter().map(|r| r.kind).collect::<Vec<_>>(), [Kind::Text, Kind::Start]);
}

#[test]
fn a_later_marker_proves_that_earlier_ones_never_came() {
    let mut splitter = splitter(MarkerTrust::Announced);
    for (seq, kind) in [(1, Kind::Start), (2, Kind::Exit), (3, Kind::End)] {
        splitter.expect(expected(seq, kind));
    }
    let mut bytes = b"some".to_vec();
    bytes.extend_from_slice(&marker(3, 0));
    let records = feed(&mut splitter, &bytes, &[]);
    let reported: Vec<_> = records.iter().map(|r| (r.kind, r.seq, r.len)).collect();
    let len = u32::try_from(marker(3, 0).len()).unwrap();
    assert_eq!(
        reported,
        [(Kind::Text, 0, 4), (Kind::Start, 1, 0), (Kind::Exit, 2, 0), (Kind::End, 3, len)]
    );
}

#[test]
fn a_marker_given_up_ends_the_line_and_takes_no_bytes() {
    let mut splitter = splitter(MarkerTrust::Announced);
    splitter.expect(expected(1, Kind::Start));
    splitter.expect(expected(2, Kind::Exit));
    splitter.give_up(2, Lost::Here);
    assert!(!splitter.unsettled(), "the one before it may still come");
    splitter.give_up(1, Lost::Here);
    let mut out = feed(&mut splitter, b"a\nb", &[]);
    assert!(splitter.unsettled());
    splitter.settle(&mut out);
    let reported: Vec<_> = out.iter().map(|r| (r.kind, r.offset, r.len, r.flags)).collect();
    assert_eq!(
        reported,
        [
            (Kind::Text, 0, 2, 0),
            (Kind::Text, 2, 1, UNFINISHED),
            (Kind::Start, 3, 0, 0),
            (Kind::Exit, 3, 0, 0)
        ]
    );
    assert_eq!(splitter.partial(), None);
    // They arrive after all: they are neither text nor recorded twice.
    let mut bytes = b"a\nb".to_vec();
    bytes.extend(marker(1, 0));
    bytes.extend(b"more\n");
    bytes.extend(marker(2, 4));
    bytes.extend(b"note");
    let out = feed(&mut splitter, &bytes, &[]);
    let reported: Vec<_> = out.iter().map(|r| (r.kind, r.seq, r.lines)).collect();
    assert_eq!(reported, [(Kind::End, 2, 0), (Kind::Text, 0, 1), (Kind::End, 2, 0)]);
}

#[test]
fn a_marker_lost_before_the_line_that_is_just_printed_leaves_it_whole() {
    let mut splitter = splitter(MarkerTrust::Announced);
    splitter.expect(expected(1, Kind::Exit));
    splitter.give_up(1, Lost::Before);
    let bytes = b"a\nbut\n";
    let mut out = feed(&mut splitter, &bytes[..3], &[]);
    assert!(splitter.unsettled() && !splitter.ends_here());
    splitter.settle(&mut out);
    assert_eq!(splitter.partial(), Some((2, 3)));
    out.extend(feed(&mut splitter, bytes, &[]));
    let reported: Vec<_> = out.iter().map(|r| (r.kind, r.offset, r.len, r.flags)).collect();
    assert_eq!(reported, [(Kind::Text, 0, 2, 0), (Kind::Exit, 2, 0, 0), (Kind::Text, 2, 4, 0)]);
}

#[test]
fn what_a_marker_promised_and_never_brought_costs_no_output() {
    for given_up in [false, true] {
        let mut splitter = splitter(MarkerTrust::Announced);
        splitter.expect(expected(1, Kind::Exit));
        splitter.expect(expected(2, Kind::Start));
        let mut bytes = marker(1, 500);
        bytes.extend_from_slice(b"half of it");
        let half = bytes.len();
        let mut out = feed(&mut splitter, &bytes, &[]);
        assert!(out.is_empty(), "more of it may come");
        if given_up {
            splitter.give_up(1, Lost::Here);
            splitter.settle(&mut out);
            assert_eq!(out[0].end(), half as u64);
        }
        bytes.extend_from_slice(&marker(2, 0));
        bytes.extend_from_slice(b"a line\n");
        out.extend(feed(&mut splitter, &bytes, &[]));
        let reported: Vec<_> = items(&out, &bytes, bytes.len() as u64);
        assert_eq!(reported.len(), 3);
        assert_eq!(reported[2], Item::Line(b"a line\n".to_vec()));
    }
}

#[test]
fn a_giant_line_is_told_in_pieces_as_it_comes() {
    let most = usize::try_from(LONGEST_RECORD).unwrap();
    let mut bytes = b"short\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 2 * most + 10));
    bytes.extend_from_slice(b"\nnext\n");
    let mut seen = None;
    for cuts in [vec![], vec![6], vec![3, 700, most + 2, 2 * most + 7]] {
        let mut splitter = splitter(MarkerTrust::Announced);
        let records = feed(&mut splitter, &bytes, &cuts);
        let lines = items(&records, &bytes, bytes.len() as u64);
        assert_eq!(lines.len(), 3);
        assert!(records.iter().any(|r| r.flags == CONTINUES | TO_BE_CONTINUED));
        let seen = seen.get_or_insert_with(|| lines.clone());
        assert_eq!(*seen, lines);
    }
}

#[test]
fn without_a_life_file_markers_are_known_by_their_form() {
    let mut splitter = splitter(MarkerTrust::All);
    let mut bytes = marker(1, 0);
    bytes.extend_from_slice(b"out\n");
    bytes.extend_from_slice(&marker(2, 4));
    bytes.extend_from_slice(b"\x1b[0mmore\n");
    bytes.extend_from_slice(&Marker { nonce: 9, seq: 3, skip: 1 << 20 }.encode());
    bytes.extend_from_slice(b"visible");
    let records = feed(&mut splitter, &bytes, &[]);
    let reported: Vec<_> = records.iter().map(|r| (r.kind, r.lines)).collect();
    assert_eq!(reported, [(Kind::Start, 0), (Kind::Text, 1), (Kind::End, 0), (Kind::Text, 1)]);
    assert!(splitter.partial().is_some(), "what claims a mebibyte is no marker");
}

#[test]
fn many_that_nobody_announced_are_asked_for_once() {
    let mut splitter = splitter(MarkerTrust::Announced);
    let bytes = marker(1, 0).repeat(1000);
    let mut out = vec![];
    assert_eq!(splitter.feed(&bytes, false, &mut out), Fed::Ask);
    splitter.expect(expected(2, Kind::Start));
    assert_eq!(splitter.feed(&bytes, false, &mut out), Fed::All, "all were there when it asked");
    assert!(out.is_empty());
    assert_eq!(splitter.position(), bytes.len() as u64);
    assert_eq!(splitter.feed(&marker(3, 0), false, &mut out), Fed::Ask, "this one was not");
}

#[test]
fn a_marker_that_claims_too_much_is_none_even_if_announced() {
    let mut splitter = splitter(MarkerTrust::Announced);
    splitter.expect(expected(1, Kind::Exit));
    let mut bytes = marker(1, u32::MAX);
    bytes.extend_from_slice(b"said\n");
    let records = feed(&mut splitter, &bytes, &[]);
    assert_eq!(records.iter().map(|r| (r.kind, r.lines)).collect::<Vec<_>>(), [(Kind::Text, 1)]);
}

#[test]
fn a_gap_of_any_length_takes_few_records() {
    let mut splitter = splitter(MarkerTrust::Announced);
    let mut out = vec![];
    splitter.gap(1 << 60, &mut out);
    assert!(out.len() < 2000);
    assert_eq!(splitter.position(), 1 << 60);
}

#[test]
fn blank_lines_wait_until_something_visible_follows() {
    let mut splitter = splitter(MarkerTrust::Announced);
    let mut bytes = vec![];
    let mut lines_after = |text: &str| {
        bytes.extend_from_slice(text.as_bytes());
        let records = feed(&mut splitter, &bytes, &[]);
        let is_shown = splitter.partial().is_some() && !splitter.ends_blank();
        (records.iter().map(|record| record.lines).collect::<Vec<_>>(), is_shown)
    };
    assert_eq!(lines_after("one\n\n\ntwo\n"), (vec![4], false));
    assert_eq!(lines_after("three\n \r\n"), (vec![1], false));
    for text in ["\n\n\t", "\n", "\x1b[1;", "1H", "\x1b[0J", "\x1b]0;title\x07\n"] {
        assert_eq!(lines_after(text), (vec![], false), "{text:?}");
    }
    assert_eq!(lines_after("  VITE\n\nready"), (vec![7], true));
    assert_eq!(lines_after("\n\n"), (vec![1], false));
    assert_eq!(lines_after("$ "), (vec![1], true));
    let many = lines_after(&"\n".repeat(5000));
    assert_eq!(many, (vec![5000], false), "so many are not held");
    let giant = lines_after(&format!("{}\n", "x".repeat(usize::try_from(LONGEST_RECORD).unwrap())));
    assert_eq!(giant, (vec![0, 1], false), "the end of a long line is no blank line");
}

#[test]
fn blank_lines_come_before_a_marker_that_was_lost_after_them() {
    let mut splitter = splitter(MarkerTrust::Announced);
    splitter.expect(expected(1, Kind::Exit));
    let mut records = feed(&mut splitter, b"one\n\n\n", &[]);
    splitter.give_up(1, Lost::Before);
    splitter.settle(&mut records);
    let kinds: Vec<_> = records.iter().map(|record| (record.kind, record.lines)).collect();
    assert_eq!(kinds, [(Kind::Text, 1), (Kind::Text, 2), (Kind::Exit, 0)]);
}
