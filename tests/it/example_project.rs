//! `examples/microservices`: it starts in order and leaves nothing.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::harness::{World, eventually};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/microservices");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if !entry.file_type().unwrap().is_dir() {
            std::fs::copy(entry.path(), to).unwrap();
        } else if entry.file_name() != "tmp" {
            copy(&entry.path(), &to);
        }
    }
}

/// The example with ports of its own, the first of which is the database's.
fn stack() -> (World, u16) {
    let world = World::new("").env("STANDINS", "1");
    copy(Path::new(HERE), &world.app());
    let first = world.port(0);
    world.write("tmo.toml", &world.read("tmo.toml").replace("5300", &(first + 3).to_string()));
    (world.env("TMO_PORT_STEP", "1"), first)
}

/// What happened, in its order: process and event.
fn story(world: &World) -> Vec<String> {
    let events = world.ok(["events", "--json"]);
    let line = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let name = event["name"].as_str().unwrap_or("system");
        format!("{name} {}", event["event"].as_str().unwrap())
    };
    events.lines().map(line).collect()
}

#[track_caller]
fn assert_order(story: &[String], events: &[&str]) {
    let place =
        |event: &&str| story.iter().position(|reported| reported == event).unwrap_or(usize::MAX);
    let places: Vec<usize> = events.iter().map(place).collect();
    assert!(places.is_sorted() && !places.contains(&usize::MAX), "{events:?} in {story:#?}");
}

#[test]
fn microservices_example_starts_in_order_and_leaves_nothing() {
    let (world, first) = stack();
    let mut view = world.start([] as [&str; 0]);
    view.shows("Listening at");
    world.ok(["wait", "--for", "ready", "--timeout", "60s"]);
    let api = first + 3;
    let asked = world.shell(&format!("curl -fsS 127.0.0.1:{}", first + 5));
    assert_eq!((asked.code, asked.stdout.as_str()), (0, "the api says: hello from the api\n"));
    let job = |name: &str| {
        let asked = world.shell(&format!("curl -fsS -X POST 127.0.0.1:{api}/jobs/{name}"));
        assert_eq!(asked.code, 0, "{asked:?}");
    };
    job("letter");
    view.shows("done: letter");
    assert!(world.read("tmp/uploads/letter") == "letter" && world.app().join("tmp").exists());
    // It dies of the first one, and of the other one without a word.
    job("crash");
    job("first");
    view.shows("done: first");
    // The report waits for what the others have to say.
    let listed = || world.run(["crashes", "worker"]).stdout.contains("ValueError").then_some(());
    eventually("the crash is reported", listed);
    let why: Value = serde_json::from_str(&world.run(["why", "worker", "--json"]).stdout).unwrap();
    assert_eq!(why["causes"][0]["kind"], "exception");
    assert_eq!(why["causes"][0]["place"], "bin/worker.py:16");
    job("hang");
    job("second");
    view.shows("Failed: printed `job queue is stuck`");
    view.shows("done: second");
    world.ok(["restart", "@backend"]);
    world.ok(["wait", "--for", "ready", "--timeout", "60s"]);
    let state = world.ok(["graph", "--live"]);
    assert!(state.contains("migrate   main        exited"), "{state}");
    world.ok(["quit"]);
    assert_eq!(view.code(), 0);
    let story = story(&world);
    for before in ["postgres ready", "redis ready"] {
        assert_order(&story, &[before, "migrate start", "migrate ready", "api start"]);
    }
    assert_order(&story, &["migrate ready", "worker start"]);
    assert_order(&story, &["api ready", "web start", "web ready"]);
    assert_order(&story, &["web exit", "sweep start", "sweep exit", "redis exit"]);
    assert_order(&story, &["sweep exit", "postgres exit"]);
    assert!(world.ok(["logs", "sweep"]).contains("swept: the queue is empty"), "{story:#?}");
    assert!(!world.app().join("tmp").exists(), "{story:#?}");
    world.wait_empty();
}

#[test]
fn microservices_readme_shows_the_start_order() {
    let world = World::new("").with_default_ports();
    copy(Path::new(HERE), &world.app());
    let readme = world.read("README.md");
    let shown = readme.split("$ tmo graph\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(world.ok(["graph"]), shown);
}
