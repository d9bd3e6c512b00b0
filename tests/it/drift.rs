//! What has changed since a run has read it: the marks of `tmo ps`, and `tmo restart --drifted`.

use serde_json::Value;

use crate::harness::{World, executable};

/// What `tmo ps --json` says of each process that has changed.
fn drift(world: &World) -> Vec<(String, Vec<String>)> {
    let state: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    let words = |process: &Value| {
        let drift = process["drift"].as_array()?;
        let words = drift.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        Some((process["name"].as_str().unwrap().to_owned(), words))
    };
    state["processes"].as_array().unwrap().iter().filter_map(words).collect()
}

fn lives(world: &World) -> Vec<u64> {
    let state: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    let processes = state["processes"].as_array().unwrap();
    processes.iter().map(|process| process["lives"].as_u64().unwrap()).collect()
}

#[test]
fn ps_marks_what_has_changed_until_it_is_restarted_and_shows_no_value() {
    let world = World::new("web: exec sleep 1000\napi: ./server\n");
    let sleep = world.shell("command -v sleep").stdout.trim().to_owned();
    // By another process: no file that is open for writing can be executed.
    let copy = |to: &str| assert_eq!(world.shell(&format!("cp '{sleep}' {to}")).code, 0);
    copy("program");
    executable(&world.app().join("server"), "#!/bin/sh\nexec ./program 1000\n");
    world.write("tmo.toml", "[process.web]\nenv = { SECRET = \"first\" }\n");
    world.ok(["start", "-D"]);
    assert!(drift(&world).is_empty() && !world.ok(["ps"]).contains('*'));
    // One of them.
    world.write("tmo.toml", "[process.web]\nenv = { SECRET = \"second\" }\n");
    assert_eq!(drift(&world), [("web".to_owned(), vec!["environment: SECRET".to_owned()])]);
    let table = world.ok(["ps"]);
    assert!(table.contains("\nweb*  ") && table.contains("\napi   "), "{table}");
    let told = "* changed since it was started: web (environment: SECRET); `tmo restart --drifted` applies it\n";
    assert!(table.ends_with(told) && !table.contains("second"), "{table}");
    let restarted = world.ok(["restart", "--drifted"]);
    assert_eq!((restarted.as_str(), lives(&world)), ("web: environment: SECRET\n", vec![2, 1]));
    assert!(drift(&world).is_empty());
    // A program that was replaced.
    copy("program.new");
    std::fs::rename(world.app().join("program.new"), world.app().join("program")).unwrap();
    let found = drift(&world);
    assert!(found.len() == 1 && found[0].1[0].starts_with("program: /"), "{found:?}");
    assert!(found[0].0 == "api" && found[0].1[0].ends_with("/app/program"), "{found:?}");
    world.ok(["restart", "--drifted"]);
    assert_eq!((drift(&world), lives(&world)), (vec![], vec![2, 2]));
    assert_eq!(world.ok(["restart", "--drifted"]), "nothing has changed\n");
    // All of them, by the same words, and one that is new.
    world.write(".env", "B=1\n");
    world.write("Procfile", "web: exec sleep 1000\napi: ./server\nnew: exec sleep 1000\n");
    let table = world.ok(["ps"]);
    assert!(table.contains("started: web, api (environment: B); `tmo restart"), "{table}");
    assert!(table.ends_with("not in this run yet: new; `tmo reload` starts it\n"), "{table}");
    world.ok(["restart", "--drifted"]);
    assert_eq!((drift(&world), lives(&world)), (vec![], vec![3, 3, 1]));
    world.ok(["quit"]);
}

#[test]
fn ps_works_while_the_configuration_can_t_be_read() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.write("tmo.toml", "[process.web]\nport = \"x\"\n");
    let table = world.ok(["ps"]);
    assert!(table.contains("\nweb  "), "{table}");
    let last = table.lines().last().unwrap();
    assert!(
        last.starts_with("the configuration can't be read: ")
            && last.contains("tmo.toml:2")
            && !last.contains("\\n"),
        "{last}"
    );
    let state: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    assert!(state["drift_unknown"].as_str().unwrap().contains("tmo.toml:2"), "{state}");
    let ran = world.run(["restart", "--drifted"]);
    assert!(ran.code == 1 && ran.stderr.contains("tmo.toml:2"), "{ran:?}");
    assert_eq!(lives(&world), [1]);
    world.ok(["quit"]);
}

#[test]
fn a_script_that_was_edited_marks_its_process() {
    let world = World::new("job: exec sh ./job.sh\n");
    world.write("job.sh", "sleep 1000\n");
    world.ok(["start", "-D"]);
    assert!(drift(&world).is_empty());
    let edited = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let script = std::fs::File::options().append(true).open(world.app().join("job.sh")).unwrap();
    script.set_modified(edited).unwrap();
    let found = drift(&world);
    assert!(found.len() == 1 && found[0].1[0].ends_with("/app/job.sh"), "{found:?}");
    world.ok(["quit"]);
}
