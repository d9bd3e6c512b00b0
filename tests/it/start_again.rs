//! A start while the run is up: by a person, in the background, by a script.

use crate::harness::terminal::Terminal;
use crate::harness::{Ran, World, eventually};

const TWO: &str = "web: echo up; exec sleep 1000\ndb: exec sleep 1000\n";

#[test]
fn a_start_starts_what_a_person_has_stopped_and_says_so() {
    let world = World::new(TWO);
    world.ok(["start", "-D"]);
    for start in [&["start", "-D"][..], &["start", "--if-needed"], &["start", "-D", "--wait"]] {
        world.ok(["stop"]);
        let ran = world.run(start);
        assert_eq!(ran.code, 0, "{start:?} {ran:?}");
        assert!(ran.stderr.contains("web, db were stopped: started again"), "{start:?} {ran:?}");
        assert!(!ran.stderr.contains("`tmo start "), "{start:?} {ran:?}");
        world.wait_state("web", "running").unwrap();
        world.wait_state("db", "running").unwrap();
    }
    world.ok(["stop", "db"]);
    let ran = world.run(["start", "--if-needed"]);
    assert_eq!((ran.code, &*ran.stderr), (0, "tmo: db was stopped: started again\n"));
    assert_eq!(world.ok(["start", "--if-needed"]), "");
    let again = world.run(["start", "-D"]);
    assert_eq!((again.code, &*again.stdout), (0, ""), "{again:?}");
    assert!(again.stderr.contains("already running here"), "{again:?}");
    assert_eq!(world.field("web", "lives"), 4);
    world.ok(["quit"]);
}

#[test]
fn what_was_never_asked_for_is_not_started_by_another_start() {
    let world = World::new(TWO);
    world.write("tmo.toml", "[process.db]\nautostart = false\n");
    world.ok(["start", "-D"]);
    world.ok(["start", "-D"]);
    assert_eq!(world.field("db", "lives"), 0);
    world.ok(["quit"]);
}

#[test]
fn a_view_that_has_not_started_the_run_only_leaves_it() {
    let world = World::new(TWO);
    world.ok(["start", "-D"]);
    for signal in [2, 15] {
        let mut view = world.start([""; 0]);
        eventually("it is shown", || (world.state()?["views"] == 1).then_some(()));
        view.signal(signal);
        assert_eq!(view.code(), 0);
        assert!(view.errors().contains("detached; `tmo start` shows what follows"));
        world.wait_state("web", "running").unwrap();
    }
    world.ok(["quit"]);
}

#[test]
fn a_start_on_a_terminal_opens_another_view_that_can_be_left() {
    let world = World::new(TWO);
    let mut first = world.start([""; 0]);
    first.shows("web    | up\n");
    world.ok(["stop", "db"]);
    let terminal = Terminal::open(&world, "a", 120, 24);
    terminal.tmo("start");
    terminal.wait(
        "attached to the run: Ctrl-C leaves it, `tmo quit` ends it; stopped: db (`tmo start db`)",
    );
    terminal.line("r");
    eventually("all are restarted", || (world.field("web", "lives") == 2).then_some(()));
    assert_eq!(world.field("db", "state"), "stopped");
    terminal.keys(["C-d"]);
    terminal.wait("detached; `tmo start` shows what follows");
    terminal.tmo("start");
    terminal.wait("attached to the run");
    terminal.keys(["C-c"]);
    terminal.wait("detached");
    world.wait_state("web", "running").unwrap();
    assert_eq!(first.interrupt(), 0);
}

/// A start in the background as a user types it.
fn typed(world: &World, args: &[&str]) -> Ran {
    Ran::by(&mut world.tmo_as_typed([&["start", "-D"], args].concat()))
}

#[test]
fn a_start_in_the_background_fails_with_what_dies_within_a_second() {
    let world = World::new("web: sleep 0.2; echo no such port >&2; exit 3\ndb: exec sleep 1000\n");
    let ran = typed(&world, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("web ended with code 3 during startup"), "{ran:?}");
    assert!(!ran.stdout.contains("Daemonized"), "{ran:?}");
    world.wait_empty();
    world.write("tmo.toml", "[process.web]\nrestart = \"on-failure\"\n");
    let ran = typed(&world, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("`tmo why web` tells more"), "{ran:?}");
    assert!(ran.stderr.contains("on in the background"), "{ran:?}");
    world.ok(["quit"]);
    world.write("tmo.toml", "[process.web]\non_exit = \"ignore\"\n");
    let ran = typed(&world, &[]);
    assert_eq!(ran.code, 0, "it may end: {ran:?}");
    assert!(ran.stderr.contains("web has ended (code 3)"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn a_start_in_the_background_waits_no_longer_than_for_readiness() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nready = { log = \"up\" }\n");
    let ran = typed(&world, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.field("web", "ready"), true);
    world.ok(["quit"]);
}

#[test]
fn check_names_a_server_that_is_awaited_as_completed() {
    let world = World::new("db: exec sleep 1000\napi: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.db]\nready = { port = true }\n[process.api]\ndepends_on = { db = \"completed\" }\n",
    );
    let ran = world.run(["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("api waits until db has completed, but db is a server"), "{ran:?}");
}
