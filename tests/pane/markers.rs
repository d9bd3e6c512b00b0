//! Markers in the output, whatever the terminal modes are.

use pretty_assertions::assert_eq;
use tmo::protocol::life::LifeEvent;
use tmo::protocol::marker::{Marker, MarkerStart, of_one_life};
use tmo::protocol::spec::Want;

use crate::harness::Pane;

/// The markers in some output, each with where it begins and where the text goes on behind it.
fn markers(bytes: &[u8]) -> Vec<(Marker, usize, usize)> {
    let mut found = vec![];
    for at in 0..bytes.len() {
        if let MarkerStart::Whole(marker, length) = Marker::parse_start(&bytes[at..]) {
            found.push((marker, at, at + length + marker.skip as usize));
        }
    }
    found
}

/// The output once it has `count` markers and what belongs to them.
#[track_caller]
fn with_markers(pane: &Pane, count: usize) -> Vec<u8> {
    pane.screen.wait_until(&format!("{count} markers"), |bytes| {
        let found = markers(bytes);
        found.len() >= count && found.iter().all(|&(_, _, behind)| behind <= bytes.len())
    })
}

/// The sequence numbers of the events that have markers.
fn marked(pane: &Pane) -> Vec<u64> {
    pane.seen.iter().filter(|entry| entry.event.marked()).map(|entry| entry.seq).collect()
}

fn nonce(pane: &Pane) -> u64 {
    let mut nonces = pane.seen.iter().filter_map(|entry| {
        let LifeEvent::Start { nonce, .. } = &entry.event else { return None };
        u64::from_str_radix(nonce, 16).ok()
    });
    nonces.next().unwrap()
}

#[test]
fn output_is_between_its_start_and_end_markers() {
    let mut pane = Pane::open("seq 1 20000");
    pane.start(1);
    pane.end();
    let bytes = with_markers(&pane, 3);
    let found = markers(&bytes);
    let numbers: Vec<u64> = found.iter().map(|(marker, ..)| marker.seq).collect();
    assert_eq!(numbers, marked(&pane));
    assert!(found.iter().all(|(marker, ..)| of_one_life(marker.nonce, nonce(&pane))));
    let lines: Vec<String> = (1..=20000).map(|n| format!("{n}\r\n")).collect();
    let expected = lines.concat();
    assert!(&bytes[found[0].2..found[1].1] == expected.as_bytes(), "not what was printed");
    assert_eq!(found[0].1, 0, "nothing before");
    assert_eq!(found[1].2, found[2].1, "nothing between exit and end");
    assert_eq!(found[2].2, bytes.len(), "the note is counted exactly");
    let note = String::from_utf8_lossy(&bytes[found[2].1..]).into_owned();
    assert!(note.contains("web exited with code 0 at "), "{note}");
    assert!(note.len() < 2000);
}

#[test]
fn every_life_has_its_own_nonce() {
    let mut pane = Pane::open("exit 0");
    pane.start(1);
    pane.end();
    pane.start(2);
    pane.end();
    let found = markers(&with_markers(&pane, 6));
    let alike = |one: usize, other: usize| of_one_life(found[one].0.nonce, found[other].0.nonce);
    assert!(alike(0, 2) && alike(3, 5) && !alike(0, 3));
    // Who knows those of the start does not know those that follow.
    assert_ne!(found[0].0.nonce, found[1].0.nonce);
    assert_ne!(found[1].0.nonce, found[2].0.nonce);
}

#[test]
fn unusual_terminal_modes_do_not_damage_a_marker() {
    let modes = "stty raw -echo -opost olcuc tostop ocrnl onlret ixon";
    for end in ["exit 0", "exec sleep 1000"] {
        let mut pane = Pane::open(&format!("{modes}; echo done > done; {end}"));
        let pid = pane.start(1);
        crate::harness::eventually("modes set", || pane.exists("done").then_some(()));
        if end.contains("sleep") {
            has_become(pid, "sleep");
        }
        pane.set(|spec| spec.want = Want::Stop);
        pane.end();
        let bytes = with_markers(&pane, 3);
        let found = markers(&bytes);
        let numbers: Vec<u64> = found.iter().map(|(marker, ..)| marker.seq).collect();
        assert_eq!(numbers, marked(&pane));
        assert_eq!(found[2].2, bytes.len());
    }
}

/// Wait until a shell has become this program: one that gets a signal just then loses it.
fn has_become(pid: u32, program: &str) {
    let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    crate::harness::eventually(program, || (name().trim() == program).then_some(()));
}

#[test]
fn ctrl_s_delays_neither_the_end_nor_the_marker() {
    let mut pane = Pane::open("echo ready; read x; exec yes");
    let pid = pane.start(1);
    pane.screen.wait_for("ready");
    pane.type_in("go\n\x13");
    has_become(pid, "yes");
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    let found = markers(&with_markers(&pane, 3));
    let numbers: Vec<u64> = found.iter().map(|(marker, ..)| marker.seq).collect();
    assert_eq!(numbers, marked(&pane));
    assert!(!pane.words().contains(&"unmarked".to_owned()));
}

#[test]
fn output_stopped_by_tcflow_is_resumed() {
    let stop = "import termios; termios.tcflow(1, termios.TCOOFF); open(\"off\", \"w\")";
    let mut pane = Pane::open(&format!("python3 -c '{stop}'; exec sleep 1000"));
    let pid = pane.start(1);
    crate::harness::eventually("off", || pane.exists("off").then_some(()));
    has_become(pid, "sleep");
    pane.set(|spec| spec.want = Want::Stop);
    pane.end();
    with_markers(&pane, 3);
}

#[test]
fn an_unread_terminal_delays_nothing() {
    let fill = r#"
import os, signal, time
os.set_blocking(1, False)
refused = 0
while refused < 50:
    try:
        os.write(1, b"y")
        refused = 0
    except BlockingIOError:
        refused += 1
        time.sleep(0.005)
open("full", "w")
signal.pause()
"#;
    let mut pane = Pane::open_with(&format!("exec python3 -c '{fill}'"), false);
    pane.start(1);
    crate::harness::eventually("full", || pane.exists("full").then_some(()));
    pane.set(|spec| spec.want = Want::Stop);
    let exit = pane.exit().seq;
    pane.expect("unmarked", |event| *event == LifeEvent::Unmarked { of: exit, gone: false });
    pane.end();
    // Read again, it goes on as if nothing had been.
    pane.read_on();
    pane.spec.command = "echo again".into();
    pane.start(2);
    pane.end();
    let text = pane.screen.wait_for("again\r\n");
    let again = memchr::memmem::rfind(&text, b"again\r\n").unwrap();
    let whole = markers(&text).iter().any(|&(_, _, behind)| behind == again);
    assert!(whole, "a torn marker swallows the next one: {}", text[again - 200..].escape_ascii());
    pane.finish();
}
