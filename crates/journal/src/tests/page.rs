use proptest::prelude::*;

use super::cursor::{filters, pieces, written};
use super::{EPOCH, Place, SECOND};
use crate::model::StreamNo;
use crate::model::plan::LogPolicy;
use crate::model::terminal::line::plain_text;
use crate::read::cursor::{Filter, Position};
use crate::read::index::IndexReader;
use crate::read::stream::StreamReader;
use crate::read::words::entry_words;
use crate::record::{CONTINUES, Kind, TO_BE_CONTINUED};
use crate::search::lines::{Lines, Split};
use crate::search::page::{PageStep, Pager, Want};
use crate::search::pattern::Pattern;
use crate::search::select::Kept;
use crate::segment::LOG;
use crate::write::retention::delete_old_output;

/// The address and text of an entry.
type Simple = (Position, Vec<u8>);

fn pager(place: &Place, filter: &Filter) -> Pager {
    Pager::new(IndexReader::open(&place.dirs), filter.clone())
}

fn simple(step: &PageStep) -> Vec<Simple> {
    step.entries.iter().map(|kept| (kept.entry().position, kept.entry().text.to_vec())).collect()
}

/// All entries, as the cursor finds them: also the empty lines that a cleared screen has replaced.
fn model(place: &Place, filter: &Filter, pattern: Option<&Pattern>) -> Vec<Simple> {
    let (mut all, mut scratch) = (vec![], vec![]);
    for (chunk, text) in place.all(filter.clone()) {
        let mut skip = chunk.skip;
        let whole = chunk.record.kind != Kind::Text;
        let lines =
            if whole { vec![&text[..]] } else { text.split_inclusive(|b| *b == b'\n').collect() };
        for line in lines {
            let position = Position { record: chunk.position, skip };
            skip += u32::try_from(line.len()).unwrap();
            let mut takes = |line: &[u8]| pattern.is_none_or(|p| p.takes(line, &mut scratch));
            let wanted = if whole {
                let words = entry_words(&chunk.record, line).map(|(_, words)| words);
                pattern.is_none()
                    || words.is_some_and(|words| words.lines().any(|l| takes(l.as_bytes())))
            } else {
                takes(line)
            };
            if wanted {
                all.push((position, line.to_vec()));
            }
        }
    }
    all
}

/// Everything from a position on, step by step.
fn all_down(pager: &mut Pager, from: Position, want: &Want) -> Vec<Simple> {
    let (mut all, mut at) = (vec![], from);
    loop {
        let step = pager.down(at, u64::MAX, want).unwrap();
        assert!(step.end || step.reached > at, "{step:?}");
        all.extend(simple(&step));
        if step.end {
            return all;
        }
        at = step.reached;
    }
}

/// Everything before a position, step by step.
fn all_up(pager: &mut Pager, before: Position, want: &Want) -> Vec<Simple> {
    let (mut all, mut at) = (vec![], before);
    loop {
        let step = pager.up(at, Position::default(), want).unwrap();
        assert!(step.end || step.reached < at, "{step:?}");
        all.splice(0..0, simple(&step));
        if step.end {
            return all;
        }
        at = step.reached;
    }
}

const END: Position = Position { record: u64::MAX, skip: 0 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn pages_in_both_directions_are_the_entries_of_the_journal(
        pieces in pieces(),
        filter in filters(),
        pattern in prop::option::of(prop_oneof![Just("[a-m]"), Just("^.{4,9}$"), Just("x")]),
        invert: bool,
        entries in 1usize..20,
        bytes in prop_oneof![Just(usize::MAX), 1usize..60],
        budget in prop_oneof![Just(u64::MAX), 1u64..400],
        place_of in any::<prop::sample::Index>(),
    ) {
        let place = written(&pieces, 200);
        let pattern = pattern.map(|text| Pattern::new(text, false, invert).unwrap());
        let all = model(&place, &filter, pattern.as_ref());
        let want = Want { entries, bytes, budget, pattern };
        let mut pager = pager(&place, &filter).with_replaced();
        prop_assert_eq!(&all_down(&mut pager, Position::default(), &want), &all);
        prop_assert_eq!(&all_up(&mut pager, END, &want), &all);
        // From an entry in the middle.
        let at = place_of.index(all.len() + 1);
        let position = all.get(at).map_or(END, |(position, _)| *position);
        prop_assert_eq!(&all_up(&mut pager, position, &want)[..], &all[..at]);
        prop_assert_eq!(&all_down(&mut pager, position, &want)[..], &all[at..]);
        // One page.
        if bytes == usize::MAX && budget == u64::MAX {
            let up = pager.up(position, Position::default(), &want).unwrap();
            prop_assert_eq!(&simple(&up)[..], &all[at.saturating_sub(entries)..at]);
            let down = pager.down(position, u64::MAX, &want).unwrap();
            prop_assert_eq!(&simple(&down)[..], &all[at..all.len().min(at + entries)]);
        }
    }

    #[test]
    fn a_floor_ends_the_way_up(pieces in pieces(), at in any::<prop::sample::Index>()) {
        let place = written(&pieces, 200);
        let all = model(&place, &Filter::all(), None);
        prop_assume!(!all.is_empty());
        let at = at.index(all.len());
        let mut pager = pager(&place, &Filter::all()).with_replaced();
        let step = pager.up(END, all[at].0, &Want::entries(usize::MAX)).unwrap();
        prop_assert!(step.end);
        prop_assert_eq!(&simple(&step)[..], &all[at..]);
    }
}

#[test]
fn a_line_over_a_mebibyte_comes_in_the_same_parts_both_ways() {
    let place = Place::new();
    let (mut web, mut db) = (place.sink(1, 1 << 20), place.sink(2, 1 << 20));
    let mut ingest = place.ingest();
    for at in 0..5 {
        web.append(EPOCH + at * SECOND, &vec![b'x'; 600 << 10]);
        db.append(EPOCH + at * SECOND, b"between\n");
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
        ingest.wake(StreamNo(2), u64::MAX).unwrap();
    }
    web.append(EPOCH + 9 * SECOND, b"end\n");
    ingest.wake(StreamNo(1), u64::MAX).unwrap();
    let mut pager = pager(&place, &Filter::only(vec![StreamNo(1)]));
    let down = pager.down(Position::default(), u64::MAX, &Want::entries(99)).unwrap();
    let parts: Vec<_> = down.entries.iter().map(|kept| kept.entry().record.flags).collect();
    assert_eq!(parts, [TO_BE_CONTINUED, CONTINUES | TO_BE_CONTINUED, CONTINUES]);
    let length: usize = down.entries.iter().map(|kept| kept.entry().text.len()).sum();
    assert_eq!(length, 5 * (600 << 10) + 4);
    for entries in [1, 99] {
        let want = Want::entries(entries);
        assert_eq!(all_up(&mut pager, END, &want), simple(&down));
        assert_eq!(all_down(&mut pager, Position::default(), &want), simple(&down));
    }
}

#[test]
fn the_first_line_that_retention_has_kept_reports_the_loss_both_ways() {
    let place = Place::new();
    let mut web = place.sink(1, 100);
    let mut ingest = place.ingest();
    for number in 0..100 {
        web.append(EPOCH + number, format!("line number {number}\n").as_bytes());
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
    }
    let dir = place.dirs.journal.clone().into();
    let policy = LogPolicy { dir, per_process: 500, total: 0, max_age_ms: 0 };
    delete_old_output(&place.dirs, &policy, |_| None).unwrap();
    let mut reader = StreamReader::open(&place.dirs, "web");
    let start = reader.start().unwrap();
    let mut pager = pager(&place, &Filter::only(vec![StreamNo(1)]));
    let want = Want::entries(7);
    let (down, up) =
        (all_down(&mut pager, Position::default(), &want), all_up(&mut pager, END, &want));
    assert_eq!(down, up);
    assert!(down.len() > 5 && down.len() < 60, "{}", down.len());
    let text: usize = down.iter().map(|(_, text)| text.len()).sum();
    assert_eq!(start + text as u64, reader.end().unwrap());
    let first = pager.down(down[0].0, u64::MAX, &Want::entries(2)).unwrap();
    let lost: Vec<_> = first.entries.iter().map(|kept| kept.entry().lost).collect();
    assert_eq!(lost, [start, 0]);
}

#[test]
fn a_step_over_a_hole_in_the_text_ends_when_its_budget_is_used_up() {
    let place = Place::new();
    let (mut web, mut ingest) = (place.sink(1, 200), place.ingest());
    for time in 0..300 {
        web.append(EPOCH + time, b"a line of output\n");
        ingest.wake(StreamNo(1), u64::MAX).unwrap();
    }
    let records = ingest.head().records;
    let mut logs: Vec<_> = std::fs::read_dir(&place.dirs.journal).unwrap().flatten().collect();
    logs.retain(|file| file.file_name().to_str().unwrap().starts_with("web."));
    logs.retain(|file| file.file_name().to_str().unwrap().ends_with(LOG));
    logs.sort_by_key(std::fs::DirEntry::file_name);
    assert!(logs.len() > 5, "{logs:?}");
    for hole in &logs[1..logs.len() - 1] {
        std::fs::remove_file(hole.path()).unwrap();
    }
    let pattern = Some(Pattern::new("nowhere", false, false).unwrap());
    let want = Want { budget: 64 << 10, pattern, ..Want::entries(1) };
    let mut pager = pager(&place, &Filter::all());
    let down = pager.down(Position::default(), records, &want).unwrap();
    assert!(!down.end && down.reached.record > 10, "{down:?}");
    let up = pager.up(END, Position::default(), &want).unwrap();
    assert!(!up.end && up.reached.record < records - 10, "{up:?}");
}

#[test]
fn empty_lines_that_a_cleared_screen_replaces_are_in_no_page() {
    let clear = "\x1b[1;1H\x1b[0J";
    let blank = "\n".repeat(27);
    let pieces: Vec<_> = [
        format!("one\n\ntwo\n{blank}"),
        format!("\n\n{clear}  VITE\n\n\x1b[2J\x1b[3Jthree\n\n"),
        "four\n\n\n\x1b[1Afive\n\n".to_owned(),
    ]
    .map(|text| (false, text.into_bytes()))
    .into();
    let place = written(&pieces, 1 << 20);
    let filter = Filter::only(vec![StreamNo(1)]);
    let end = Position { record: IndexReader::open(&place.dirs).len().unwrap(), skip: 0 };
    let shown = ["one", "", "two", "  VITE", "three", "", "four", "", "five"];
    let read = |entries: Vec<Kept>| -> Vec<String> {
        entries.iter().map(|kept| plain_text(kept.entry().text)).collect()
    };
    for most in [1, 3, 100] {
        let (mut up, mut at) = (vec![], end);
        loop {
            let step =
                pager(&place, &filter).up(at, Position::default(), &Want::entries(most)).unwrap();
            at = step.reached;
            up.splice(0..0, read(step.entries));
            if step.end {
                break;
            }
        }
        assert_eq!(up, shown, "upwards by {most}");
    }
    let down = pager(&place, &filter).down(Position::default(), end.record, &Want::entries(100));
    assert_eq!(read(down.unwrap().entries), shown);
    let (mut lines, mut found) = (Lines::new(place.cursor(filter), Split::Lines), vec![]);
    while let Some(entry) = lines.next(end.record).unwrap() {
        found.push(plain_text(entry.text));
    }
    assert_eq!(found, shown);
}
