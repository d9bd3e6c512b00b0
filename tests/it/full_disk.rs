//! The disk of the journal or of the runtime directory is full: what is reported meanwhile and later.

use crate::harness::World;

/// What the scripts below have in common.
const COMMON: &str = "\
    fill() { cat /dev/zero >\"$1/ballast\" 2>/dev/null || :; }\n\
    until_logged() { n=0; until \"$TMO\" logs | grep -q \"$1\"; do \
    n=$((n+1)); [ $n -lt 600 ] || exit 99; sleep 0.05; done; }\n\
    until_spilled() { n=0; until ls \"$XDG_RUNTIME_DIR\"/tmo/*/spill/@index.* >/dev/null 2>&1; do \
    n=$((n+1)); [ $n -lt 600 ] || exit 99; sleep 0.05; done; }\n\
    mount -t tmpfs -o size=256k,mode=700 none \"$DISK\" || exit 77\n";

/// Run this script with a disk of 256 KiB at the directory of this variable; false without the right to mount.
fn on_small_disk(world: &World, variable: &str, script: &str) -> bool {
    let text = format!("DISK=\"${variable}\"\n{COMMON}{script}");
    let ran = world
        .command("unshare")
        .args(["-m", "sh", "-c", &text])
        .env("TMO", env!("CARGO_BIN_EXE_tmo"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    if ran.status.code() == Some(77) || errors.contains("unshare:") {
        eprintln!("SKIPPED: a full disk needs the right to mount (unshare -m)");
        return false;
    }
    assert!(ran.status.success(), "{ran:?}");
    true
}

/// The largest number of lost bytes that a text names.
fn lost(text: &str) -> u64 {
    let mut before = text.split(" bytes of ").filter_map(|part| part.rsplit(' ').next());
    before.by_ref().filter_map(|number| number.parse().ok()).max().unwrap_or(0)
}

#[test]
fn why_knows_how_a_run_ended_whose_journal_was_full() {
    let world = World::new("web: while :; do echo 'a line that takes room'; sleep 0.01; done\n");
    // The last block of the index may have room for the end; in the spill directory it has none.
    let script = "\
        \"$TMO\" start -D && fill \"$DISK\" && until_spilled && \"$TMO\" quit && \
        \"$TMO\" why >after && rm \"$DISK/ballast\" && \"$TMO\" start -D || exit\n\
        for file in \"$DISK\"/tmo/last-run/*; do : >\"$file\"; done\n\
        fill \"$DISK\" && until_spilled && \"$TMO\" quit && \"$TMO\" why >unrecorded\n";
    if !on_small_disk(&world, "XDG_STATE_HOME", script) {
        return;
    }
    let after = world.read("after");
    assert!(after.starts_with("the last run ended as it was asked to"), "{after}");
    let unrecorded = world.read("unrecorded");
    assert!(unrecorded.contains("its end was not recorded"), "{unrecorded}");
}

#[test]
fn ps_and_why_report_a_journal_that_cannot_be_written() {
    let world = World::new(
        "web: until [ -e go ]; do sleep 0.05; done; seq 1 400000; echo flooded; \
         while :; do echo tick; sleep 0.05; done\n",
    );
    let script = "\
        \"$TMO\" start -D && fill \"$DISK\" && touch go && until_logged flooded && \
        until_logged \"can't be written\" && \"$TMO\" ps >ps || exit\n\
        \"$TMO\" why >why; echo $? >code; \"$TMO\" logs | grep lost >during\n\
        \"$TMO\" quit && \"$TMO\" why >after\n";
    if !on_small_disk(&world, "XDG_STATE_HOME", script) {
        return;
    }
    for (place, text) in [("ps", world.read("ps")), ("why", world.read("why"))] {
        let line = text.lines().find(|line| line.contains("he journal can't be written ("));
        assert!(line.is_some_and(|line| line.contains("no space left")), "{place}: {text}");
    }
    assert_eq!(world.read("code"), "1\n");
    let (during, after) = (world.read("during"), world.read("after"));
    assert!(lost(&during) > 0, "{during}");
    assert!(lost(&after) >= lost(&during), "{after} {during}");
}

#[test]
fn a_journal_with_room_again_is_not_reported_as_full() {
    let world = World::new(
        "web: until [ -e go ]; do sleep 0.05; done; seq 1 400000; echo flooded; exec sleep 1000\n",
    );
    let script = "\
        \"$TMO\" start -D && fill \"$DISK\" && touch go && until_logged flooded && \
        until_logged \"can't be written\" && \"$TMO\" ps >during && rm \"$DISK/ballast\" || exit\n\
        \"$TMO\" ps >after; \"$TMO\" why >>after; echo $? >code; \"$TMO\" quit\n";
    if !on_small_disk(&world, "XDG_STATE_HOME", script) {
        return;
    }
    let (during, after) = (world.read("during"), world.read("after"));
    assert!(during.contains("journal can't be written"), "{during}");
    assert!(!after.contains("journal can't be written"), "{after}");
    assert_eq!(world.read("code"), "0\n", "{after}");
}

#[test]
fn a_restart_without_room_for_its_files_is_refused_before_anything_is_touched() {
    let world = World::new("web: exec sleep 1000\n");
    let script = "\
        \"$TMO\" start -D && fill \"$DISK\" || exit\n\
        \"$TMO\" restart web 2>refused; \"$TMO\" ps >during; \"$TMO\" logs >log; rm \"$DISK/ballast\"\n\
        \"$TMO\" restart web && \"$TMO\" ps >after; \"$TMO\" quit\n";
    if !on_small_disk(&world, "XDG_RUNTIME_DIR", script) {
        return;
    }
    let refused = world.read("refused");
    assert!(refused.contains("can't be written: no space left on device\n"), "{refused}");
    let log = world.read("log");
    assert!(!log.contains("Interrupting"), "{log}");
    for text in [world.read("during"), world.read("after")] {
        assert!(text.contains("running") && !text.contains("no space"), "{text}");
    }
}

#[test]
fn a_start_without_room_for_a_process_names_the_full_disk() {
    let world = World::new("web: exec sleep 1000\napi: exec sleep 1000\n");
    let script = "\
        for free in 16 20 24 28 32 36 40 44 48; do\n\
        fill \"$DISK\"; truncate -s $((256-free))k \"$DISK/ballast\"\n\
        \"$TMO\" start -D 2>&1 | grep 'tmo: ' >>refused; \"$TMO\" quit 2>/dev/null; rm \"$DISK/ballast\"\n\
        done; true\n";
    if !on_small_disk(&world, "XDG_RUNTIME_DIR", script) {
        return;
    }
    let refused = world.read("refused");
    assert!(refused.contains("could not be started"), "{refused}");
    for line in refused.lines() {
        assert!(line.to_lowercase().contains("no space left on device"), "{line}");
    }
}

#[test]
fn the_log_is_cleared_although_the_disk_is_full() {
    let world = World::new("web: seq 8000; exec sleep 1000\n");
    let script = "\
        \"$TMO\" start -D && until_logged '| 8000' && fill \"$DISK\" || exit\n\
        \"$TMO\" logs --clear >cleared 2>&1; echo $? >code; \"$TMO\" logs >after; \"$TMO\" quit\n";
    if !on_small_disk(&world, "XDG_STATE_HOME", script) {
        return;
    }
    assert_eq!(world.read("code"), "0\n", "{}", world.read("cleared"));
    let after = world.read("after");
    assert!(!after.contains('\0') && !after.contains("| 8000"), "{after}");
}
