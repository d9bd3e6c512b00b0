//! The format, torn files, and files that were changed by others.

#![expect(clippy::disallowed_methods, reason = "tests read what was written")]

use proptest::prelude::*;

use super::{LifeEntry, LifeEvent, LifeReader, LifeWriter, Lines};
use crate::model::time::Timestamp;
use crate::model::{Exit, LifeId};

#[test]
fn the_format_is_frozen() {
    let golden = [
        r#"{"seq":1,"at":5,"event":"up","pid":7,"start_time":99,"pane":"%3","tty":"/dev/pts/1","version":"0.1.0"}"#,
        r#"{"seq":2,"at":5,"event":"start","life":1,"pid":8,"start_time":100,"nonce":"00000000deadbeef"}"#,
        r#"{"seq":3,"at":5,"event":"exit","life":1,"exit":{"code":3},"user_us":1,"system_us":2,"max_rss_kib":3}"#,
        r#"{"seq":4,"at":5,"event":"leftovers","life":1,"members":[{"pid":9,"name":"sleep","state":"S"}]}"#,
        r#"{"seq":5,"at":5,"event":"end","life":1}"#,
        r#"{"seq":6,"at":5,"event":"unmarked","of":5}"#,
        r#"{"seq":7,"at":5,"event":"down"}"#,
    ];
    for line in golden {
        let entry: LifeEntry = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
    }
}

#[test]
fn a_file_that_was_emptied_is_read_from_its_new_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.life");
    let mut writer = LifeWriter::open(&path).unwrap();
    let mut reader = LifeReader::new(&path);
    for _ in 0..9 {
        writer.append(Timestamp::from_nanos(1), LifeEvent::Down {}).unwrap();
    }
    assert_eq!(reader.poll().unwrap().len(), 9);
    assert!(!writer.is_spoiled());
    std::fs::File::create(&path).unwrap();
    assert!(writer.is_spoiled());
    writer.append(Timestamp::from_nanos(1), LifeEvent::Hangup {}).unwrap();
    let found: Vec<u64> = reader.poll().unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(found, [10]);
}

#[test]
fn what_somebody_blew_up_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.life");
    let mut writer = LifeWriter::open(&path).unwrap();
    writer.append(Timestamp::from_nanos(1), LifeEvent::Down {}).unwrap();
    let mut reader = LifeReader::new(&path);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(reader.poll().unwrap().len(), 1);
    // A file of this size is replaced, and its reader continues with the new one.
    let mut writer = LifeWriter::open(&path).unwrap();
    assert_eq!(writer.append(Timestamp::from_nanos(1), LifeEvent::Down {}).unwrap(), 1);
    assert_eq!(reader.poll().unwrap().len(), 1);
}

#[test]
fn a_line_that_lacks_only_its_end_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.life");
    let mut writer = LifeWriter::open(&path).unwrap();
    for at in 1..=2 {
        writer.append(Timestamp::from_nanos(at), LifeEvent::Hangup {}).unwrap();
    }
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 1]).unwrap();
    let mut writer = LifeWriter::open(&path).unwrap();
    assert_eq!(writer.append(Timestamp::from_nanos(3), LifeEvent::Down {}).unwrap(), 2);
    let found = LifeReader::new(&path).poll().unwrap();
    let found: Vec<_> = found.into_iter().map(|entry| (entry.seq, entry.event)).collect();
    assert_eq!(found, [(1, LifeEvent::Hangup {}), (2, LifeEvent::Down {})]);
}

#[test]
fn no_number_is_given_twice_whatever_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.life");
    let line = |seq: u64| format!("{{\"seq\":{seq},\"at\":0,\"event\":\"down\"}}\n");
    std::fs::write(&path, line(9) + &line(2)).unwrap();
    assert_eq!(
        LifeWriter::open(&path)
            .unwrap()
            .append(Timestamp::from_nanos(1), LifeEvent::Down {})
            .unwrap(),
        10
    );
    std::fs::write(&path, line(u64::MAX)).unwrap();
    let mut writer = LifeWriter::open(&path).unwrap();
    assert_eq!(writer.append(Timestamp::from_nanos(1), LifeEvent::Down {}).unwrap(), u64::MAX);
}

#[test]
fn a_torn_line_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.life");
    let mut reader = LifeReader::new(&path);
    assert!(reader.poll().unwrap().is_empty(), "no file yet");
    let mut writer = LifeWriter::open(&path).unwrap();
    writer.append(Timestamp::from_nanos(1), LifeEvent::Down {}).unwrap();
    drop(writer);
    std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"{\"seq\":2,\"at"].concat())
        .unwrap();
    assert_eq!(reader.poll().unwrap().len(), 1);
    let mut writer = LifeWriter::open(&path).unwrap();
    let exit = Exit::Signal(9);
    let (life, error) = (LifeId::FIRST, None);
    let event = LifeEvent::Exit { life, exit, error, user_us: 0, system_us: 0, max_rss_kib: 0 };
    assert_eq!(writer.append(Timestamp::from_nanos(2), event.clone()).unwrap(), 2);
    assert_eq!(
        reader.poll().unwrap(),
        [LifeEntry { seq: 2, at: Timestamp::from_nanos(2), key: 0, event }]
    );
    assert!(reader.poll().unwrap().is_empty());
}

/// A line of a life file, possibly damaged, and the entry that it contains.
fn line() -> impl Strategy<Value = (Vec<u8>, Option<LifeEntry>)> {
    let event = prop_oneof![
        any::<u32>().prop_map(|life| LifeEvent::Killing { life: LifeId::nth(life) }),
        any::<String>().prop_map(|message| LifeEvent::Trouble { message }),
        any::<(u64, bool)>().prop_map(|(of, gone)| LifeEvent::Unmarked { of, gone }),
        (any::<u32>(), any::<u32>(), "[0-9a-f]{16}").prop_map(|(life, pid, nonce)| {
            LifeEvent::Start { life: LifeId::nth(life), pid, start_time: 1, nonce }
        }),
    ];
    let entry = (any::<u64>(), any::<u64>(), event);
    let whole = entry.prop_map(|(seq, at, event)| {
        let entry = LifeEntry { seq, at: Timestamp::from_nanos(at), key: 0, event };
        (serde_json::to_vec(&entry).unwrap(), Some(entry))
    });
    let damaged = whole.clone().prop_flat_map(|(line, _)| {
        (0..line.len()).prop_map(move |cut| (line[..cut].to_vec(), None))
    });
    prop_oneof![3 => whole, 1 => damaged]
}

proptest! {
    #[test]
    fn cuts_change_nothing_and_damage_costs_its_own_line(
        lines in prop::collection::vec(line(), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text: Vec<u8> = lines.iter().flat_map(|(line, _)| [line, &b"\n"[..]].concat()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut reader = Lines::default();
        let found = cuts.windows(2).flat_map(|pair| reader.feed(&text[pair[0]..pair[1]]));
        let expected: Vec<LifeEntry> = lines.iter().filter_map(|(_, entry)| entry.clone()).collect();
        prop_assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}
