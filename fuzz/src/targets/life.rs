//! Life files.

use tmo::journal::write::expected_markers::Markers;
use tmo::model::ids::Member;
use tmo::model::time::Timestamp;
use tmo::model::{Exit, LifeId};
use tmo::protocol::life::{LifeEntry, LifeEvent, LifeReader, LifeWriter, Lines};

use super::input::Input;

/// Cuts change nothing, a line that is none costs only itself, and whoever goes on with a file,
/// whatever is in it, is understood.
pub(crate) fn check(data: &[u8]) {
    let (first, text) = data.split_first().unwrap_or((&0, &[]));
    cuts_change_nothing(*first, text);
    going_on(*first, text);
    every_event_comes_back(&mut Input::new(data));
}

/// The lines that are whole, one by one.
fn plain(text: &[u8]) -> Vec<LifeEntry> {
    let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let lines = text[..end].split(|b| *b == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn cuts_change_nothing(width: u8, text: &[u8]) {
    let expected = plain(text);
    let mut lines = Lines::default();
    let found = text.chunks(usize::from(width % 64) + 1).flat_map(|piece| lines.feed(piece));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let mut markers = Markers::default();
    for entry in &expected {
        let marker = markers.expected(entry);
        assert_eq!(marker.is_some(), entry.event.marked());
        assert!(marker.is_none_or(|marker| marker.seq == entry.seq));
    }
}

fn going_on(shape: u8, text: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("life");
    std::fs::write(&path, text).unwrap();
    let mut reader = LifeReader::new(&path);
    let before = reader.poll().unwrap();
    assert_eq!(before, plain(text));
    let mut writer = LifeWriter::open(&path).unwrap();
    let last = before.iter().map(|entry| entry.seq).max().unwrap_or(0);
    assert_eq!(writer.last(), last);
    let event = LifeEvent::Killing { life: LifeId::nth(shape.into()) };
    for number in 1..=2 {
        assert_eq!(
            writer.append(Timestamp::from_nanos(number), event.clone()).unwrap(),
            last.saturating_add(number)
        );
    }
    let entry = |number| LifeEntry {
        seq: last.saturating_add(number),
        at: Timestamp::from_nanos(number),
        key: 0,
        event: event.clone(),
    };
    assert_eq!(reader.poll().unwrap(), [entry(1), entry(2)], "what was torn is no entry");
    assert!(reader.poll().unwrap().is_empty());
}

fn every_event_comes_back(input: &mut Input<'_>) {
    let (seq, at, event) = (input.number(), input.number(), event(input));
    let entry = LifeEntry { seq, at: Timestamp::from_nanos(at), event, key: input.u32() };
    let line = serde_json::to_vec(&entry).unwrap();
    assert!(!line.contains(&b'\n'));
    let mut lines = Lines::default();
    assert_eq!(lines.feed(&line), []);
    assert_eq!(lines.feed(b"\n"), [entry]);
}

fn event(input: &mut Input<'_>) -> LifeEvent {
    let (life, pid) = (LifeId::nth(input.u32()), input.u32());
    match input.byte() % 12 {
        0 => LifeEvent::Up {
            pid,
            start_time: life.number().into(),
            pane: text(input),
            tty: text(input),
            version: text(input),
        },
        1 => LifeEvent::Start { life, pid, start_time: input.number(), nonce: text(input) },
        2 => LifeEvent::Hangup {},
        3 => LifeEvent::Stopping { life, signal: pid.cast_signed() },
        4 => LifeEvent::Exit {
            life,
            exit: if input.yes() { Exit::Code(input.byte()) } else { Exit::Signal(input.byte()) },
            error: input.yes().then(|| text(input)),
            user_us: input.number(),
            system_us: input.number(),
            max_rss_kib: input.number(),
        },
        5 => LifeEvent::Leftovers { life, members: members(input) },
        6 => LifeEvent::End { life, spared: members(input) },
        7 => LifeEvent::Stuck { life, members: members(input) },
        8 => LifeEvent::Unmarked { of: life.number().into(), gone: life.number() % 2 == 1 },
        9 => LifeEvent::Down {},
        10 => LifeEvent::Skipped { life },
        _ => LifeEvent::Trouble { message: text(input) },
    }
}

fn members(input: &mut Input<'_>) -> Vec<Member> {
    let member = |input: &mut Input<'_>| Member {
        pid: input.u32(),
        name: text(input),
        state: char::from(input.byte()),
        owner: None,
        ports: vec![],
    };
    (0..input.byte() % 4).map(|_| member(input)).collect()
}

fn text(input: &mut Input<'_>) -> String {
    String::from_utf8_lossy(input.bytes()).into_owned()
}
