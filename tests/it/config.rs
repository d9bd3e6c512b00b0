//! `tmo.toml`, and the commands that check and show it.

use serde_json::Value;

use crate::harness::{World, eventually};

const PROCFILE: &str = "web: exec sleep 1000\nworker: exec sleep 1000\n";

#[test]
fn every_error_is_reported_with_its_place_before_anything_starts() {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", "[process.web]\ncomand = \"x\"\ncwd = \"none\"\n[process.wbe]\n");
    for args in [&["check"][..], &["start", "-D"]] {
        let ran = world.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        for reported in [
            "tmo: ./tmo.toml:2:1: unknown key `comand` of `web`; did you mean `command`?\n",
            "  2 | comand = \"x\"\n    | ^^^^^^\n",
            "./tmo.toml:3:7: can't run in ",
            "./tmo.toml:4:10: `wbe` has no `command`",
        ] {
            assert!(ran.stderr.contains(reported), "{reported}: {ran:?}");
        }
    }
    let ran = world.run(["check", "--json"]);
    let reported: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &reported["ok"]), (1, &Value::Bool(false)));
    let places: Vec<_> =
        reported["errors"].as_array().unwrap().iter().map(|e| (&e["line"], &e["column"])).collect();
    assert_eq!(places, [(&2.into(), &1.into()), (&3.into(), &7.into()), (&4.into(), &10.into())]);
    world.wait_empty();
}

#[test]
fn a_tmo_toml_alone_is_enough_to_start() {
    let world = World::new("");
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.write(
        "tmo.toml",
        "[process.one]\ncommand = \"echo $PS $OWN >said; exec sleep 1000\"\ncwd = \".\"\n\
         env.OWN = \"mine\"\n[process.two]\ncommand = \"exec sleep 1000\"\nautostart = false\n",
    );
    let ran = world.run(["check"]);
    assert!(ran.code == 0 && ran.stdout.ends_with("tmo.toml: 2 processes: one, two\n"), "{ran:?}");
    world.ok(["start", "-D"]);
    eventually("it has its variable", || (world.read("said") == "one mine\n").then_some(()));
    assert_eq!(world.field("two", "state"), "stopped");
    world.ok(["quit"]);
}

#[test]
fn config_shows_every_value_with_its_source() {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", "[process.web]\non_exit = \"restart\"\nstop.timeout = \"2s\"\n");
    let text = world.ok(["config", "web", "-i", "web=TERM"]);
    let line = |key: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("on_exit"), ["on_exit", "restart", "./tmo.toml:2"]);
    assert_eq!(line("stop.timeout"), ["stop.timeout", "2s", "./tmo.toml:3"]);
    assert_eq!(line("stop.signal"), ["stop.signal", "TERM", "--stop-signals"]);
    assert!(!text.contains("worker"), "{text}");
    let reported: Value = serde_json::from_str(&world.ok(["config", "--json"])).unwrap();
    let worker = &reported["processes"][1];
    assert_eq!(worker["name"], "worker");
    let of = |key: &str| {
        let all = worker["settings"].as_array().unwrap();
        all.iter().find(|row| row["key"] == key).unwrap()["from"].clone()
    };
    assert_eq!((of("command"), of("on_exit")), ("./Procfile:2".into(), "default".into()));
    assert_eq!(world.run(["config", "wbe"]).code, 2);
}

#[test]
fn init_writes_a_valid_tmo_toml_and_overwrites_none() {
    let world = World::new(PROCFILE);
    world.ok(["init", "--with-flags"]);
    assert!(world.read("tmo.toml").contains("[process.worker]"));
    world.ok(["check"]);
    world.write("tmo.toml", "# mine\n");
    let ran = world.run(["init"]);
    assert!(ran.code == 1 && ran.stderr.contains("is there already; --force"), "{ran:?}");
    assert_eq!(world.read("tmo.toml"), "# mine\n");
    world.ok(["init", "--force"]);
    world.ok(["check"]);
    let schema: Value = serde_json::from_str(&world.ok(["schema"])).unwrap();
    assert_eq!(schema["properties"]["process"]["type"], "object");
}

#[test]
fn init_reports_a_schema_file_that_it_cannot_write() {
    let world = World::new(PROCFILE);
    let mut shell = world.command("sh");
    // Large enough for tmo.toml alone.
    let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" init";
    let ran = shell.args(["-c", limited, env!("CARGO_BIN_EXE_tmo")]).output().unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(1) && error.contains("tmo.schema.json: "), "{ran:?}");
}

#[test]
fn config_prints_words_and_names_unambiguously() {
    let world = World::new("web: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.web]\ndisplay = \"The shop\"\ngroups = [\"front\"]\n\
         [process.list]\ncommand = [\"sh\", \"-c\", \"echo a; sleep 1000\"]\n",
    );
    let text = world.ok(["config", "list"]);
    assert!(text.contains("  command       sh -c 'echo a; sleep 1000'  ./tmo.toml:5\n"), "{text}");
    world.ok(["start", "-D"]);
    let table = world.ok(["ps"]);
    assert!(table.contains("(The shop)\n"), "{table}");
    let ran = world.run(["restart", "@nosuch"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (2, "tmo: Unknown process name: @nosuch; there are @front\n")
    );
    world.ok(["quit"]);
}

#[test]
fn config_prints_readiness_with_the_keys_of_tmo_toml() {
    let world = World::new("api: exec sleep 1000\n");
    world.write("tmo.toml", "[process.api]\nready = { http = \"http://127.0.0.1:1/x\" }\n");
    let text = world.ok(["config", "api"]);
    assert!(text.contains("http = \"http://127.0.0.1:1/x\""), "{text}");
    assert!(!text.contains("every_ms\":"), "{text}");
}
