//! What `-l`, `-x` or the names of a start leave out: it is no part of the run until it is started by its name or
//! group.

use crate::harness::{World, eventually, procs};
use crate::takeover::kill_both;

const PROCFILE: &str = "w: echo up; exec sleep 1000\n\
    x: echo up; exec sleep 1000\n\
    y: echo up; exec sleep 1000\n\
    z: echo up; exec sleep 1000\n";
const TOML: &str = "[process]\nx = {groups = [\"front\"], depends_on = [\"y\"]}\n\
    w = {groups = [\"front\"], depends_on = [\"z\"]}\n";

fn world() -> World {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", TOML);
    world
}

/// The names of the table and their states, and the lines after it.
fn table(world: &World) -> (String, String) {
    let table = world.ok(["ps"]);
    let is_row = |line: &&str| ["w ", "x ", "y ", "z "].iter().any(|name| line.starts_with(name));
    let cell = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {}", words[0], words[2])
    };
    let rows: Vec<_> = table.lines().filter(is_row).map(cell).collect();
    let rest: Vec<_> = table.lines().skip(1).filter(|line| !is_row(line)).collect();
    (rows.join(", "), rest.join("\n"))
}

fn is(rows: &str, rest: &str) -> (String, String) {
    (rows.to_owned(), rest.to_owned())
}

#[test]
fn what_was_left_out_is_in_no_all_and_starts_by_name_with_what_it_needs() {
    let world = world();
    world.ok(["start", "-D", "-l", "w"]);
    let rest = "left out of the start: x, y, z (`tmo start x`)";
    assert_eq!(table(&world), is("w running", rest));
    for words in ["start *", "restart", "stop", "start w,*", "reload", "restart @front"] {
        world.ok(words.split(' '));
        assert_eq!(table(&world).1, rest, "{words}");
        let ran = world.run(["restart", "x"]);
        assert!(ran.stderr.contains("`tmo start x` starts it"), "{words}: {ran:?}");
    }
    // The table of overmind has a row for each that is part of the run.
    assert_eq!(world.state().unwrap()["processes"].as_array().unwrap().len(), 1);
    let listed = world.state().unwrap()["left_out"].clone();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"x".into(), &"left-out".into()));
    world.ok(["start", "x"]);
    let rest = "left out of the start: z (`tmo start z`)";
    assert_eq!(table(&world), is("w running, x running, y running", rest));
    assert_eq!(world.ok(["reload"]), "w: unchanged\nx: unchanged\ny: unchanged\n");
    world.ok(["stop", "x"]);
    assert_eq!(table(&world), is("w running, x stopped, y running", rest));
    world.ok(["restart", "x", "y"]);
    let toml = TOML.replace("depends_on = [\"y\"]", "env = {A = \"1\"}");
    world.write("tmo.toml", &toml);
    let ran = world.ok(["reload"]);
    assert!(ran.contains("x: restarted (environment: A changed)\n"), "{ran}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_group_is_started_with_those_that_were_left_out_whatever_supervisor_is_there() {
    let world = world();
    world.ok(["start", "-D", "-x", "@front"]);
    assert_eq!(table(&world).0, "y running, z running");
    for words in ["restart @front", "logs @front", "connect @front", "why @front", "echo @front"] {
        let ran = world.run(words.split(' '));
        let text =
            "tmo: @front was left out of the start of this run; `tmo start @front` starts it\n";
        assert_eq!((ran.code, &*ran.stderr), (2, text), "{words}");
    }
    kill_both(&world);
    world.ok(["start", "@front"]);
    assert_eq!(table(&world), is("w running, x running, y running, z running", ""));
    let pid = world.wait_state("x", "running").unwrap();
    kill_both(&world);
    assert_eq!(world.ok(["reload"]).matches("unchanged").count(), 4);
    assert_eq!(world.wait_state("x", "running"), Some(pid));
    let ran = world.run(["connect", "@front"]);
    assert!(ran.stderr.contains("@front means several processes (w, x); name one"), "{ran:?}");
    assert_eq!(world.ok(["logs", "@front"]).matches("| up\n").count(), 2);
    world.ok(["quit"]);
    world.wait_empty();
    // The groups of the last run are known without a supervisor.
    assert_eq!(world.ok(["logs", "@front"]).matches("| up\n").count(), 2);
    assert!(!world.run(["why", "@front"]).stderr.contains("unknown"));
    world.ok(["start", "-D", "-x", "z"]);
    let ran = world.run(["start", "zz"]);
    assert!(ran.stderr.contains("Unknown process name: zz; did you mean z?"), "{ran:?}");
    world.ok(["quit"]);
    std::fs::remove_dir_all(world.journal()).unwrap();
    world.ok(["start", "-D", "-x", "z"]);
    world.ok(["quit"]);
    for verb in ["logs", "why"] {
        let ran = world.run([verb, "z"]);
        let text = "z was left out of the start of the last run; `tmo start z` starts it";
        assert!(ran.code == 2 && ran.stderr.contains(text), "{verb}: {ran:?}");
    }
}

#[test]
fn a_run_that_is_done_ends_whatever_was_left_out() {
    let world = World::new("a: true\nb: exec sleep 1000\n");
    world
        .write("tmo.toml", "[process]\na.ready = {exit = 0}\nb.depends_on = {a = \"completed\"}\n");
    world.ok(["start", "-x", "b"]);
    world.wait_empty();
}

#[test]
fn the_supervisor_may_be_killed_while_what_was_left_out_is_started() {
    let world = world();
    world.ok(["start", "-D", "z"]);
    for name in ["y", "x", "w"] {
        let mut start = world.tmo(["start", name]).spawn().unwrap();
        let supervisor = world.supervisor();
        procs::kill(supervisor, 9);
        eventually("the start is done", || {
            start.try_wait().unwrap().map(|code| assert!(code.success()))
        });
        world.wait_state(name, "running");
    }
    assert_eq!(table(&world), is("w running, x running, y running, z running", ""));
    world.ok(["quit"]);
    world.wait_empty();
}
