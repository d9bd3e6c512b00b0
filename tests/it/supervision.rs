//! Order, readiness, restarts and the end of a run by the rules of a `tmo.toml`, whatever is killed
//! and whoever asks meanwhile.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{World, eventually, files, procs};

/// A world with these entries and this `tmo.toml`.
fn world(procfile: &str, toml: &str) -> World {
    let world = World::new(procfile);
    world.write("tmo.toml", toml);
    world
}

/// A shell command that waits for a file and costs little.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.02; done")
}

/// Kill the supervisor; its guardian starts another one.
fn kill_supervisor(world: &World) {
    let old = world.supervisor();
    procs::kill(old, 9);
    eventually("it is gone", || (!procs::alive(old)).then_some(()));
}

/// Kill both, so that nobody supervises before somebody asks.
fn kill_all_of_tmo(world: &World) {
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 9);
    procs::kill(supervisor, 9);
    eventually("both are gone", || {
        (!procs::alive(guardian) && !procs::alive(supervisor)).then_some(())
    });
}

fn reports(world: &World) -> Vec<PathBuf> {
    let mut found = files(&world.journal().join("crash-reports"));
    found.sort();
    found
}

fn report(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn wait_file(world: &World, name: &str) {
    eventually(&format!("{name} is written"), || (!world.read(name).is_empty()).then_some(()));
}

#[test]
fn patterns_are_looked_for_after_the_supervisor_was_killed() {
    let web = format!("web: echo up; {}; echo BOOM; exec sleep 1000\n", until("go"));
    let world = world(
        &format!("{web}api: exec sleep 1000\n"),
        "[process.web]\nready.log = \"up\"\n[[process.web.failure]]\npattern = \"boom\"\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is ready", || (world.field("web", "ready") == true).then_some(()));
    kill_supervisor(&world);
    world.ok(["ps"]);
    world.write("go", "");
    world.wait_state("web", "broken");
    assert_eq!(world.field("api", "state"), "running");
    world.run(["quit"]);
}

#[test]
fn what_was_printed_before_an_end_that_nobody_saw_counts() {
    let job = format!("job: {}; echo done now\n", until("go"));
    let world = world(
        &format!("{job}web: echo $$ >>web.started; exec sleep 1000\n"),
        "[process.job]\nphase = \"dependency\"\nready.log = \"done now\"\n",
    );
    let mut view = world.start::<&str>([]);
    let job = world.wait_state("job", "running").unwrap();
    procs::kill(view.child.id(), 9);
    let _ = view.child.wait();
    kill_all_of_tmo(&world);
    world.write("go", "");
    eventually("the job has ended", || (!procs::alive(job)).then_some(()));
    world.ok(["ps"]);
    world.wait_state("web", "running");
    wait_file(&world, "web.started");
    assert_eq!(world.read("web.started").lines().count(), 1);
    world.ok(["quit"]);
}

#[test]
fn a_stop_command_that_takes_long_does_not_stop_the_next_life() {
    let toml = format!(
        "[process.web]\nstop.command = \"kill $(cat pid); {}; echo x >stopped\"\nstop.timeout = \"20s\"\n",
        until("go")
    );
    let world =
        world("web: echo $$ >pid; echo $$ >>all; exec sleep 1000\napi: exec sleep 1000\n", &toml);
    world.ok(["start", "-D", "--any-can-die"]);
    wait_file(&world, "pid");
    world.ok(["stop", "web"]);
    let mut asked = world.tmo(["restart", "web"]).spawn().unwrap();
    eventually("it is asked for", || {
        let life = world.field("web", "state");
        (life == "starting" || life == "running").then_some(())
    });
    world.write("go", "");
    assert!(asked.wait().unwrap().success());
    wait_file(&world, "stopped");
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(world.field("web", "lives"), 2);
    eventually("two lives", || (world.read("all").lines().count() == 2).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn what_a_probe_has_started_ends_with_it() {
    let world = world(
        "web: exec sleep 1000\n",
        "[process.web]\nready.exec = \"sleep 4321 & echo x >>asked; true\"\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is ready", || (world.field("web", "ready") == true).then_some(()));
    let left: Vec<_> =
        world.living().into_iter().filter(|p| p.args.iter().any(|a| a == "4321")).collect();
    assert!(left.is_empty(), "{left:?}");
    world.ok(["quit"]);
}

#[test]
fn a_probe_that_hangs_dies_with_the_supervisor() {
    let world =
        world("web: exec sleep 1000\n", "[process.web]\nready.exec = \"exec sleep 4321\"\n");
    world.ok(["start", "-D"]);
    let probes = || -> Vec<u32> {
        let living = world.living().into_iter();
        living.filter(|p| p.args.iter().any(|a| a == "4321")).map(|p| p.pid).collect()
    };
    let old = eventually("it is asked", || probes().first().copied());
    kill_supervisor(&world);
    world.ok(["ps"]);
    eventually("only one asks", || {
        let now = probes();
        (now.len() == 1 && now[0] != old).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn what_was_seen_of_it_is_the_cause_only_if_it_ended_by_that() {
    let world = world(
        &format!("web: echo up; {}; echo failing; exit 7\napi: exec sleep 1000\n", until("go")),
        "[process.web]\nlive.exec = \"echo x >asked; false\"\nlive.every = \"50ms\"\n\
         live.failures = 100000\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    wait_file(&world, "asked");
    world.write("go", "");
    world.wait_state("web", "exited");
    let path = eventually("a report", || reports(&world).pop());
    let cause = &report(&path)["tmo"]["cause"];
    assert!(!cause.to_string().contains("liv"), "{cause}");
    assert_eq!(reports(&world).len(), 1);
    world.ok(["quit"]);
}

#[test]
fn supervisors_that_are_killed_while_all_begins_start_nothing_twice() {
    let mut procfile = String::new();
    let mut toml = String::new();
    for n in 0..6 {
        let _ = writeln!(procfile, "p{n}: echo x >>p{n}.started; echo up; exec sleep 1000");
        let _ = writeln!(toml, "[process.p{n}]\nready.log = \"up\"");
        if n > 0 {
            let _ = writeln!(toml, "depends_on = [\"p{}\"]", n - 1);
        }
    }
    let _ = writeln!(procfile, "job: echo x >>job.started");
    toml.push_str("[process.job]\nphase = \"dependency\"\nready.exit = 0\n");
    let world = world(&procfile, &toml);
    let view = world.start::<&str>([]);
    for n in [0, 1, 3] {
        wait_file(&world, &format!("p{n}.started"));
        if let Some(supervisor) = world.part("supervise") {
            procs::kill(supervisor, 9);
        }
    }
    world.wait_state("p5", "running");
    eventually("all are ready", || {
        (0..6).all(|n| world.field(&format!("p{n}"), "ready") == true).then_some(())
    });
    for name in ["job", "p0", "p1", "p2", "p3", "p4", "p5"] {
        assert_eq!(world.read(&format!("{name}.started")), "x\n", "{name}");
    }
    drop(view);
    world.ok(["quit"]);
}

