//! The examples of `docs/SUPERVISION.md` and `docs/COMING_FROM.md` work as described.

use pretty_assertions::assert_eq;
use serde_json::Value;
use tmo::cli::verbs::command;

use crate::harness::ports::free_port;
use crate::harness::{World, eventually, procs};

const SUPERVISION: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SUPERVISION.md"));
const COMING_FROM: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/COMING_FROM.md"));

/// The blocks of TOML of a text.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// The `number`th example below a heading, in a world of its own with a port of its own.
fn example(heading: &str, number: usize) -> World {
    let (_, rest) = SUPERVISION.split_once(&format!("\n## {heading}\n")).unwrap();
    let block = blocks(rest.split("\n## ").next().unwrap())[number];
    alone(&block.replace("8000", &free_port().to_string()))
}

fn alone(toml: &str) -> World {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write("tmo.toml", toml);
    world
}

/// Process and event, in their order.
fn story(world: &World) -> Vec<String> {
    let line = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let name = event["name"].as_str().unwrap_or("system");
        format!("{name} {}", event["event"].as_str().unwrap())
    };
    world.ok(["events", "--json"]).lines().map(line).collect()
}

#[track_caller]
fn assert_order(world: &World, events: &[&str]) {
    let story = story(world);
    let place =
        |event: &&str| story.iter().position(|reported| reported == event).unwrap_or(usize::MAX);
    let places: Vec<usize> = events.iter().map(place).collect();
    assert!(places.is_sorted() && !places.contains(&usize::MAX), "{events:?} in {story:#?}");
}

#[test]
fn every_example_block_is_valid_and_every_command_exists() {
    assert!(blocks(SUPERVISION).len() >= 9 && blocks(COMING_FROM).len() >= 3);
    for block in [blocks(SUPERVISION), blocks(COMING_FROM)].concat() {
        let world = alone(block);
        // Some say something of all processes only.
        world.write("Procfile", "other: exec true\n");
        let ran = world.run(["config"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{block}");
    }
    let command = command();
    let verb = regex::Regex::new(r"`tmo ([a-z]+)").unwrap();
    for text in [SUPERVISION, COMING_FROM] {
        for found in verb.captures_iter(text) {
            assert!(command.find_subcommand(&found[1]).is_some(), "{}", &found[0]);
        }
    }
}

#[test]
fn processes_start_in_dependency_order_and_stop_in_reverse() {
    let world = example("Order", 0);
    world.ok(["start", "-D"]);
    world.ok(["wait", "--for", "ready", "--timeout", "30s"]);
    world.ok(["quit"]);
    let up = ["db ready", "migrate start", "migrate exit", "web start"];
    let down = ["web exit", "sweep start", "sweep exit", "db exit"];
    assert_order(&world, &[up, down].concat());
}

#[test]
fn all_checks_make_a_process_ready() {
    let world = example("Ready", 0);
    world.ok(["start", "-D"]);
    world.ok(["wait", "--for", "ready", "--timeout", "30s"]);
    assert_eq!(world.field("web", "ready"), true);
    assert_eq!(world.field("setup", "ready"), true);
    assert_eq!(world.field("setup", "state"), "exited");
    world.ok(["quit"]);
}

#[test]
fn a_dependency_that_is_not_ready_in_time_ends_the_start() {
    let world = example("Ready", 1);
    let mut view = world.start([] as [&str; 0]);
    assert_eq!(view.code(), 1);
    let log = view.log();
    assert!(log.contains("The start failed: db is not ready: did not listen on port "));
    assert!(log.contains(" within 300 ms") && !log.contains("web | Started"), "{log}");
}

#[test]
fn a_process_that_fails_its_liveness_check_is_restarted() {
    let world = example("Live", 0);
    world.ok(["start", "-D"]);
    eventually("it has begun", || world.app().join("alive").exists().then_some(()));
    std::fs::remove_file(world.app().join("alive")).unwrap();
    eventually("it was restarted", || (world.field("worker", "lives") == 2).then_some(()));
    world.wait_state("worker", "running");
    assert!(story(&world).contains(&"worker unhealthy".to_owned()));
    world.ok(["quit"]);
}

#[test]
fn a_process_that_may_end_stops_no_other_process() {
    let world = example("Ends", 0);
    let mut view = world.start([] as [&str; 0]);
    world.wait_state("once", "exited");
    world.wait_state("web", "running");
    assert_eq!(world.run(["crashes"]).stdout, "", "it is a success");
    world.ok(["quit"]);
    assert_eq!(view.code(), 0);
}

#[test]
fn a_process_that_keeps_failing_is_broken_until_it_is_started_by_hand() {
    let world = example("Restart", 0);
    world.ok(["start", "-D"]);
    world.wait_state("worker", "broken");
    assert_eq!(world.field("worker", "lives"), 3);
    let reason = world.field("worker", "reason");
    assert!(reason.as_str().unwrap().starts_with("broken: "), "{reason}");
    world.run(["restart", "worker"]);
    eventually("it is tried again", || (world.field("worker", "lives") == 6).then_some(()));
    world.wait_state("worker", "broken");
    assert_eq!(world.field("web", "state"), "running");
    world.run(["quit"]);
}

#[test]
fn a_failure_pattern_in_its_output_breaks_a_process() {
    let world = example("What it prints", 0);
    world.ok(["start", "-D"]);
    world.wait_state("web", "broken");
    assert_eq!(world.field("api", "state"), "running");
    assert!(world.field("web", "reason").as_str().unwrap().contains("EADDRINUSE"));
    world.run(["quit"]);
}

#[test]
fn the_stop_command_comes_before_the_signal() {
    let world = example("Stop", 0);
    world.ok(["start", "-D"]);
    eventually("its trap is set", || {
        world.tree("web").iter().any(|process| process.args[0] == "sleep").then_some(())
    });
    world.ok(["stop", "web"]);
    assert_eq!(world.read("stopped"), "drained\n");
    assert!(world.ok(["logs", "web"]).contains("bye"));
    assert_eq!(world.field("web", "state"), "stopped");
    world.ok(["quit"]);
}

#[test]
fn a_waiting_process_keeps_waiting_after_the_supervisor_is_killed() {
    let world = example("When the supervisor is killed", 0);
    let mut view = world.start([] as [&str; 0]);
    world.wait_state("db", "running");
    let killed = world.supervisor();
    procs::kill(killed, 9);
    eventually("another one is there", || world.part("supervise").filter(|now| *now != killed));
    assert_eq!(world.field("web", "state"), "pending");
    world.write("go", "");
    world.wait_state("web", "running");
    assert_eq!(world.field("db", "lives"), 1);
    world.ok(["quit"]);
    assert_eq!(view.code(), 0);
}
