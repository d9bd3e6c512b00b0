//! Effects of a decision happen exactly once despite kills: crash reports, hooks, stop commands, failures.

use serde_json::Value;

use crate::harness::{World, eventually, files, procs};

fn world(procfile: &str, toml: &str) -> World {
    let world = World::new(procfile);
    world.write("tmo.toml", toml);
    world
}

/// Kill the supervisor; its guardian starts another one.
fn kill_supervisor(world: &World) {
    let old = world.supervisor();
    procs::kill(old, 9);
    eventually("it is gone", || (!procs::alive(old)).then_some(()));
}

fn wait_file(world: &World, name: &str) {
    eventually(&format!("{name} is written"), || (!world.read(name).is_empty()).then_some(()));
}

/// What tmo said of `name` under this word.
fn said(world: &World, event: &str, name: &str) -> Vec<Value> {
    let text = world.run(["events", "--json"]).stdout;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event && line["name"] == name).collect()
}

#[test]
fn a_crash_is_reported_once_across_kills_of_the_supervisor() {
    let toml = "[defaults]\non_exit = \"ignore\"\n[hooks]\non_crash = \"echo x >>told\"\n";
    let world = world("web: sleep 0.1; exit 3\nkeep: exec sleep 1000\n", toml);
    world.ok(["start", "-D"]);
    world.wait_state("web", "exited");
    for _ in 0..4 {
        kill_supervisor(&world);
        world.wait_state("keep", "running");
    }
    wait_file(&world, "told");
    kill_supervisor(&world);
    world.wait_state("keep", "running");
    let reports = files(&world.journal().join("crash-reports"));
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(said(&world, "crash-report", "web").len(), 1);
    let crashed = |word: &Value| word["text"].as_str().is_some_and(|text| text.contains("crashed"));
    let words = said(&world, "crash", "web");
    assert_eq!(words.iter().filter(|word| crashed(word)).count(), 1, "{words:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn stop_after_ends_the_run_though_the_supervisor_was_killed_during_the_hook() {
    let hook = "echo x >>begun; until [ -e go ]; do sleep 0.05; done; exit 5";
    let toml = format!("[hooks]\nmain_started = \"{hook}\"\nstop_after = \"main_started\"\n");
    let world = world("web: exec sleep 1000\n", &toml);
    let mut view = world.start([""; 0]);
    wait_file(&world, "begun");
    kill_supervisor(&world);
    eventually("it is run again", || (world.read("begun") == "x\nx\n").then_some(()));
    world.write("go", "");
    assert_eq!(view.code(), 5, "{}", view.log());
    world.wait_empty();
}

#[test]
fn a_stop_signal_and_a_stop_command_are_not_repeated_after_a_takeover() {
    let web = "trap 'echo x >>got' TERM; echo up; until [ -e go ]; do sleep 0.05; done";
    let stop = "stop = { command = \"echo x >>drained\", signal = \"TERM\", timeout = \"60s\" }";
    let toml = format!("[process.web]\non_exit = \"ignore\"\n{stop}\n");
    let world = world(&format!("web: {web}\nkeep: exec sleep 1000\n"), &toml);
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    let mut stop = world.tmo(["stop", "web"]).spawn().unwrap();
    wait_file(&world, "got");
    for _ in 0..2 {
        kill_supervisor(&world);
        world.wait_state("web", "stopping");
    }
    world.write("go", "");
    assert!(stop.wait().unwrap().success());
    assert_eq!((world.read("drained"), world.read("got")), ("x\n".to_owned(), "x\n".to_owned()));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_failure_pattern_printed_during_takeovers_breaks_the_process() {
    let fatal = "[[process.web.failure]]\npattern = \"FATAL\"\n";
    let toml = format!("[defaults]\non_exit = \"ignore\"\n{fatal}");
    for round in 0..4_u32 {
        let web = "until [ -e go ]; do sleep 0.05; done; echo FATAL; exec sleep 1000";
        let world = world(&format!("web: {web}\n"), &toml);
        world.ok(["start", "-D"]);
        kill_supervisor(&world);
        world.write("go", "");
        // Each next one is killed a little later in what it does.
        for _ in 0..round {
            let next = eventually("another one", || world.part("supervise"));
            procs::kill(next, 9);
            eventually("it is gone", || (!procs::alive(next)).then_some(()));
        }
        world.wait_state("web", "broken");
        assert_eq!(world.field("web", "lives"), 1);
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn the_restart_count_contains_only_lives_that_started() {
    let toml = "[defaults]\non_exit = \"ignore\"\n\
        [process.web]\ndepends_on = { db = \"completed\" }\n";
    let world = world("db: exit 1\nweb: exec sleep 1000\nkeep: exec sleep 1000\n", toml);
    world.run(["start", "-D"]);
    world.wait_state("web", "skipped");
    for _ in 0..3 {
        world.run(["restart", "web"]);
        world.wait_state("web", "skipped");
    }
    let restarts = |name: &str| {
        let table = world.ok(["ps"]);
        let row = table.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        row.split_ascii_whitespace().nth(5).map(str::to_owned)
    };
    assert_eq!(restarts("web").as_deref(), Some("0"), "{}", world.ok(["ps"]));
    assert_eq!(restarts("db").as_deref(), Some("3"), "{}", world.ok(["ps"]));
    kill_supervisor(&world);
    world.wait_state("keep", "running");
    assert_eq!(restarts("db").as_deref(), Some("3"), "who takes over counts on");
    world.run(["quit"]);
    world.wait_empty();
}
