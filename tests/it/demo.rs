//! `tmo demo`.

use std::path::Path;

use pretty_assertions::assert_eq;

use crate::harness::{World, eventually};

#[test]
fn the_demo_is_written_runs_and_leaves_nothing_running() {
    let world = World::new("");
    world.ok(["demo", "-D"]);
    let dir = world.app().join("output/demo");
    let socket = dir.join(".overmind.sock");
    let socket = socket.to_str().unwrap();
    let states = || world.ok(["ps", "--json", "--socket", socket]);
    eventually("one has failed, and the web server is ready", || {
        let listed: serde_json::Value = serde_json::from_str(&states()).unwrap();
        let state = |name: &str| {
            let all = listed["processes"].as_array().unwrap();
            all.iter().find(|process| process["name"] == name).unwrap().clone()
        };
        (state("api")["state"] == "exited" && state("web")["ready"] == true).then_some(())
    });
    let why = world.run(["why", "api", "--socket", socket]).stdout;
    assert!(why.contains("EADDRINUSE"), "{why}");
    world.ok(["quit", "--socket", socket]);
    world.wait_empty();
}

#[test]
fn the_demo_replaces_only_what_is_its_own() {
    let world = World::new("web: exec sleep 1000\n");
    let (own, taken) = (world.app().join("own"), world.app());
    let demo = |dir: &Path| world.run(["demo", "--dir", dir.to_str().unwrap(), "--print-config"]);
    assert_eq!(demo(&own).code, 0);
    std::fs::write(own.join("bin/web"), "echo changed\n").unwrap();
    assert_eq!(demo(&own).code, 0);
    assert!(!std::fs::read_to_string(own.join("bin/web")).unwrap().contains("changed"));
    let refused = demo(&taken);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("not from `tmo demo`"), "{}", refused.stderr);
    assert_eq!(world.read("Procfile"), "web: exec sleep 1000\n");
    // Other files stay unchanged, even if a link leads to them.
    std::fs::remove_file(own.join("Procfile")).unwrap();
    std::os::unix::fs::symlink(taken.join("Procfile"), own.join("Procfile")).unwrap();
    assert_eq!(demo(&own).code, 0);
    assert_eq!(world.read("Procfile"), "web: exec sleep 1000\n");
}
