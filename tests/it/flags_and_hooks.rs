//! `[[flag]]` tables, hooks, desktop notifications, and the types of events.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::followed;
use crate::harness::{World, eventually, executable, procs};
use crate::installation;

const TOML: &str = r#"
[process.db]
phase = "dependency"
ready = {log = "open"}
[process.web]
ready = {log = "up"}
[[process.web.flag]]
name = "slow"
pattern = "took \\d+ ms"
target = 1
on_match = "echo $TMO_FLAG $TMO_PROCESS >>flagged"
every = "1h"
[process.bad]
restart = {policy = "on-failure", delay = "1ms", max_failures = 2}
[process.clean]
phase = "cleanup"
[hooks]
on_crash = "cat >>crashes"
dependencies_ready = "echo $TMO_EVENT >>hooks"
main_started = "echo $TMO_EVENT >>hooks"
cleanup = "echo $TMO_EVENT >>hooks"
"#;

const PROCFILE: &str = "db: echo open; exec sleep 1000\n\
    web: echo up; echo took 1 ms; echo nothing; echo it took 22 ms; exec sleep 1000\n\
    bad: exit 3\nclean: exit 4\n";

/// All of them, in the order of the alphabet.
const TYPES: [&str; 18] = [
    "config:reload",
    "flag:matched",
    "lifecycle:cleanup-complete",
    "lifecycle:cleanup-started",
    "lifecycle:dependencies-ready",
    "lifecycle:error",
    "lifecycle:main-started",
    "lifecycle:main-stopped",
    "process:broken",
    "process:crash",
    "process:exit",
    "process:install",
    "process:log",
    "process:ready",
    "process:restart",
    "process:spawn",
    "process:stop",
    "run:command",
];

fn read(world: &World, file: &str) -> String {
    std::fs::read_to_string(world.app().join(file)).unwrap_or_default()
}

#[test]
fn one_run_emits_every_event_type_and_runs_its_hooks() {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", TOML);
    world.ok(["start", "-D"]);
    world.wait_state("bad", "broken");
    eventually("both lines are seen", || {
        let flags: Value = serde_json::from_str(&world.ok(["flags", "--json"])).unwrap();
        (flags[0]["count"] == 2).then_some(())
    });
    let reported = world.ok(["flags"]);
    assert!(reported.contains("web      slow  2      1 exceeded  it took 22 ms"), "{reported}");
    world.ok(["stop", "web"]);
    eventually("the crashes are reported", || {
        (read(&world, "crashes").matches("\"processName\":\"bad\"").count() > 0).then_some(())
    });
    world.ok(["failures", "add", "web", "panic"]);
    installation::add(&world, "app", "exec sleep 1000", installation::install("true", 300));
    world.wait_state("app", "running");
    let uri = format!("/api/events?since=1h&types={}", TYPES.join(","));
    let reported: BTreeSet<_> = followed(&world, &uri).into_iter().map(|(_, kind)| kind).collect();
    assert!(
        TYPES.iter().all(|kind| reported.contains(*kind)),
        "one run has them all: {reported:#?}"
    );
    world.wait_empty();
    assert_eq!(read(&world, "flagged"), "slow web\n", "the second comes too soon");
    let hooks: BTreeSet<_> = read(&world, "hooks").lines().map(str::to_owned).collect();
    let wanted =
        ["lifecycle:cleanup-started", "lifecycle:dependencies-ready", "lifecycle:main-started"];
    assert!(hooks.iter().eq(wanted), "{hooks:?}");
    let log = world.ok(["logs", "--events", "--json"]);
    let kinds: BTreeSet<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|event| event["type"].as_str().map(str::to_owned))
        .collect();
    let wanted = TYPES.into_iter().filter(|kind| *kind != "process:log");
    assert!(kinds.iter().eq(wanted), "and so has the journal: {kinds:#?}");
}

#[test]
fn flags_command_shows_matches_with_context() {
    let world = World::new("web: printf 'a\\nb\\nhit 1\\nc\\nd\\nhit 2\\n'; exec sleep 1000\n");
    let flag =
        "[[process.web.flag]]\nname = \"h\"\npattern = \"hit\"\ncontext_window = 1\ntarget = 5\n";
    world.write("tmo.toml", flag);
    world.ok(["start", "-D"]);
    eventually("both are found", || (count(&world) == 2).then_some(()));
    let reported: Value = serde_json::from_str(&world.ok(["flags", "-C", "--json"])).unwrap();
    let lines = |number: usize, key: &str| reported[0]["matches"][number][key].clone();
    assert_eq!((lines(0, "before"), lines(0, "after")), (json!(["b"]), json!(["c"])));
    assert_eq!((lines(1, "before"), lines(1, "after")), (json!(["d"]), json!([])));
    let reported = world.ok(["flags", "web", "--context", "-n", "1"]);
    let (heading, rest) = reported.split_once("\n\n  #2 at ").unwrap();
    assert_eq!(heading, "web: h: found 2 times, target 5");
    assert!(rest.ends_with(", life 1\n    d\n  > hit 2\n"), "{reported}");
    let strange = world.run(["flags", "-n", "1"]);
    assert!(strange.code != 0 && strange.stderr.contains("--context"), "{strange:#?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn on_match_runs_once_at_a_time_and_then_for_the_newest_match() {
    let world =
        World::new("web: for n in $(seq 50); do echo hit $n; sleep 0.01; done; exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[[process.web.flag]]\nname = 'h'\npattern = 'hit'\nevery = '1ms'\non_match = '\
         echo x >>begun; until [ -e go ]; do sleep 0.05; done; cat >>matched; echo >>matched'\n",
    );
    world.ok(["start", "-D"]);
    eventually("all are found", || (count(&world) == 50).then_some(()));
    eventually("it has begun", || (!read(&world, "begun").is_empty()).then_some(()));
    assert_eq!(read(&world, "begun").lines().count(), 1);
    world.write("go", "");
    eventually("it has run twice", || (read(&world, "matched").lines().count() == 2).then_some(()));
    let last: Value =
        serde_json::from_str(read(&world, "matched").lines().last().unwrap()).unwrap();
    assert!(last.to_string().contains("hit 50"), "{last}");
    world.ok(["restart", "web"]);
    eventually("all are found again", || (count(&world) == 100).then_some(()));
    eventually("its command runs again", || {
        (read(&world, "matched").lines().count() > 2).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn stop_after_ends_the_run_with_the_code_of_the_hook() {
    for (code, hook) in [(0, "true"), (7, "exit 7")] {
        let world = World::new("web: exec sleep 1000\n");
        let toml = format!("[hooks]\nmain_started = \"{hook}\"\nstop_after = \"main_started\"\n");
        world.write("tmo.toml", &toml);
        let ran = world.run(["start"]);
        assert_eq!(ran.code, code, "{ran:#?}");
        world.wait_empty();
    }
}

/// How often the first flag was found.
fn count(world: &World) -> u64 {
    let flags: Value = serde_json::from_str(&world.ok(["flags", "--json"])).unwrap();
    flags[0]["count"].as_u64().unwrap()
}

#[test]
fn a_matching_line_is_counted_once_across_takeovers() {
    const LINES: u64 = 2000;
    let program = format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo no; echo hit $i; done; \
         while ! [ -e open ]; do sleep 0.1; done; printf 'a hit'; \
         while ! [ -e closed ]; do sleep 0.1; done; echo ' more'; exec sleep 1000"
    );
    let world = World::new(&format!("web: {program}\n"));
    world.write("tmo.toml", "[[process.web.flag]]\nname = \"h\"\npattern = \"hit\"\n");
    world.ok(["start", "-D"]);
    for part in 1..=4 {
        let enough = || (count(&world) >= part * LINES / 5).then_some(());
        eventually("a part is counted", enough);
        procs::kill(world.supervisor(), 9);
    }
    let all = |wanted: u64| {
        for _ in 0..2 {
            // A line that has not ended is looked at only after a moment, by each supervisor.
            eventually("all is counted", || (count(&world) >= wanted).then_some(()));
            assert_eq!(count(&world), wanted);
            procs::kill(world.supervisor(), 9);
        }
    };
    all(LINES);
    assert!(world.ok(["flags"]).contains(&format!("hit {LINES}")));
    // A line that has not ended is found, and not once more when it goes on.
    world.write("open", "");
    all(LINES + 1);
    world.write("closed", "");
    eventually("it goes on", || world.ok(["logs", "web"]).contains("a hit more").then_some(()));
    all(LINES + 1);
    world.ok(["quit"]);
}

#[test]
fn matches_of_one_read_are_one_event() {
    let program = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo hit; done >all; \
        echo before >>all; echo last hit >>all; echo behind >>all; cat all; exec sleep 1000";
    let world = World::new(&format!("web: {program}\n"));
    let toml = "[[process.web.flag]]\nname = \"h\"\npattern = \"hit\"\ncontext_window = 1\n";
    world.write("tmo.toml", toml);
    world.ok(["start", "-D"]);
    eventually("all is counted", || (count(&world) == 501).then_some(()));
    world.ok(["quit"]);
    let log = world.ok(["logs", "--events", "--json"]);
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<Value> = events.filter(|event| event["type"] == "flag:matched").collect();
    let counts = found.iter().map(|event| event["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 501);
    assert!(found.len() < 100, "{}", found.len());
    let last = found.last().unwrap();
    assert_eq!((&last["total"], &last["line"]), (&501.into(), &"last hit".into()));
    assert_eq!(last["before"], serde_json::json!(["before"]));
}

/// Something in the place of `notify-send`.
fn with_notifier(world: &World, script: &str) -> std::path::PathBuf {
    let dir = world.path().join("notifier");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("notify-send");
    executable(&file, &format!("#!/bin/sh\n{script}\n"));
    dir
}

const NOTIFY: &str = "[defaults]\non_exit = \"ignore\"\n[process.bad]\nnotify = true\n\
    [[process.web.flag]]\nname = \"odd\"\npattern = \"odd\"\nnotify = true\nevery = \"1h\"\n";

const NOISY: &str = "web: echo 'odd $(touch no) <b>'; echo odd; exec sleep 1000\nbad: exit 3\n\
    quiet: exit 4\n";

/// Start it with this directory before all others in the path.
fn start_with(world: &World, dir: &std::path::Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut start = world.tmo(["start", "-D"]);
    start.env("PATH", format!("{}:{path}", dir.display()));
    assert!(start.status().unwrap().success());
}

#[test]
fn crashes_and_matches_are_sent_to_the_desktop_notifier() {
    let world = World::new(NOISY);
    world.write("tmo.toml", NOTIFY);
    let dir = with_notifier(&world, "printf '%s|' \"$@\" >>told; echo >>told");
    start_with(&world, &dir);
    let reported = || Some(read(&world, "told")).filter(|reported| reported.lines().count() >= 2);
    let reported = eventually("both are told", reported);
    assert!(reported.contains("--app-name=tmo|--|web: odd|odd"), "{reported}");
    assert!(reported.contains("--|bad has crashed|"), "{reported}");
    world.ok(["quit"]);
    assert_eq!(read(&world, "told").lines().count(), 2, "the second match comes too soon");
    assert!(!world.app().join("no").exists());
    assert!(!world.ok(["logs"]).contains("on the desktop"));
}

/// The first of several failures in a row, however soon the next ones follow, and the end.
#[test]
fn failures_in_a_row_are_sent_to_the_desktop_notifier_once() {
    let world = World::new("bad: exit 3\nlate: sleep 3; exit 4\nweb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.bad]\nnotify = true\n\
         restart = { policy = \"always\", delay = \"10ms\", max_failures = 0 }\n\
         [process.late]\nnotify = true\n\
         restart = { policy = \"always\", delay = \"10ms\", max_failures = 2 }\n",
    );
    let dir = with_notifier(&world, "printf '%s|' \"$@\" >>told; echo >>told");
    start_with(&world, &dir);
    world.wait_state("late", "broken");
    let is_told = |words: &str| read(&world, "told").contains(words).then_some(());
    let broken = "--|late crashed 2 times in a row, and is not started again|";
    eventually("the last failure is told", || is_told(broken));
    world.ok(["quit"]);
    let told = read(&world, "told");
    let count = |text: &str| told.matches(text).count();
    assert_eq!(
        [count("--|bad "), count("--|late has crashed|"), count(broken)],
        [1, 1, 1],
        "{told}"
    );
}

#[test]
fn a_failing_notifier_is_reported_once() {
    let world = World::new(NOISY);
    world.write("tmo.toml", NOTIFY);
    let dir = with_notifier(&world, "echo >>asked; exit 7");
    start_with(&world, &dir);
    let asked = || (read(&world, "asked").lines().count() >= 2).then_some(());
    eventually("both are asked for", asked);
    let said = || Some(world.ok(["logs"])).filter(|log| log.contains("on the desktop"));
    let log = eventually("it is said", said);
    assert!(log.contains("notify-send failed: exit status: 7"), "{log}");
    world.ok(["quit"]);
    assert_eq!(world.ok(["logs"]).matches("on the desktop").count(), 1);
}
