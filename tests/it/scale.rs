//! `tmo scale`: more and fewer instances during a run.

use std::process::Stdio;

use crate::harness::{World, eventually, procs};

const PROCFILE: &str = "web: echo web on $PORT; exec sleep 1000\n\
    job: echo $PS on $PORT; while IFS= read -r x; do echo \"$PS got $x\"; done\n";

fn table(world: &World) -> Vec<String> {
    let table = world.ok(["ps"]);
    let cells = |line: &str| {
        let mut words = line.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.nth(1).unwrap())
    };
    table.lines().skip(1).map(cells).collect()
}

#[test]
fn scaled_instances_appear_in_all_views() {
    let world = World::new(PROCFILE);
    let mut view = world.start(["-p", "6000"]);
    view.shows("job    | job on 6100\n");
    let echo = world.path().join("echo");
    let out = std::fs::File::create(&echo).unwrap();
    let mut echoing = world.tmo(["echo", "job"]).stdout(out).spawn().unwrap();
    // It is known to be there when it is told of a line.
    eventually("the echo", || {
        world.type_into("job", "hello");
        std::fs::read_to_string(&echo).unwrap().contains("job got hello").then_some(())
    });
    world.ok(["scale", "job=3"]);
    assert_eq!(table(&world), ["web running", "job running", "job#2 running", "job#3 running"]);
    view.shows("job#2  | job#2 on 6110\n");
    view.shows("job#3  | job#3 on 6120\n");
    eventually("the echo has it", || {
        std::fs::read_to_string(&echo).unwrap().contains("job#3  | job#3 on 6120\n").then_some(())
    });
    let reported = world.ok(["logs", "job#2", "--json"]);
    assert!(
        reported.contains("\"name\":\"job#2\"") && reported.contains("job#2 on 6110"),
        "{reported}"
    );
    assert_eq!(world.ok(["logs", "job", "--no-prefix", "--grep", " on 61"]).lines().count(), 3);
    let pid = world.wait_state("job#3", "running").unwrap();
    world.ok(["scale", "job=1", "web=2"]);
    assert!(!procs::alive(pid));
    assert_eq!(table(&world), ["web running", "web#2 running", "job running"]);
    eventually("their windows are gone", || {
        let terminals = world.terminals();
        terminals.iter().all(|name| !name.starts_with("job#")).then_some(())
    });
    assert_eq!(world.run(["restart", "job#2"]).code, 2);
    // The same as before, with the same number and the same log.
    world.ok(["scale", "job=2"]);
    assert_eq!(world.field("job#2", "port"), 6110);
    eventually("its new life has printed its line", || {
        let lines = world.ok(["logs", "job#2", "--no-prefix", "--grep", "on"]).lines().count();
        (lines == 2).then_some(())
    });
    world.ok(["scale", "job=0"]);
    assert_eq!(table(&world), ["web running", "web#2 running", "job stopped"]);
    assert_eq!(view.interrupt(), 0);
    assert!(echoing.wait().unwrap().success());
    world.wait_empty();
}

#[test]
fn scaled_instances_survive_a_takeover() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "--any-can-die", "-p", "6000"]);
    world.ok(["scale", "job=3"]);
    world.ok(["scale", "job=2"]);
    let pid = world.wait_state("job#2", "running").unwrap();
    crate::takeover::kill_both(&world);
    world.type_into("job#2", "while nobody watched");
    assert_eq!(world.wait_state("job#2", "running"), Some(pid), "it goes on");
    assert_eq!(table(&world), ["web running", "job running", "job#2 running"]);
    eventually("its line", || {
        world.ok(["logs", "job#2"]).contains("job#2 got while nobody watched\n").then_some(())
    });
    world.ok(["scale", "job=4"]);
    assert_eq!(world.field("job#4", "port"), 6130);
    world.ok(["quit"]);
    // Another run begins as the Procfile says, and the log has all of it.
    world.ok(["start", "-D", "--any-can-die", "-p", "6000"]);
    assert_eq!(table(&world), ["web running", "job running"]);
    assert!(world.ok(["logs", "--all-runs", "job#4"]).contains("job#4 on 6130\n"));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn scale_reports_impossible_counts() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "--any-can-die", "-p", "6000"]);
    for (counts, code, reported) in [
        ("jbo=2", 2, "Unknown process name: jbo; did you mean job?"),
        ("web=11", 1, "web#11 would have port 6100, which is that of job"),
        ("job", 2, "say how many, as in job=3"),
        ("job=many", 2, "`many` is not a number up to 65535"),
    ] {
        let ran = world.run(["scale", counts]);
        assert!(ran.code == code && ran.stderr.contains(reported), "{ran:?}");
    }
    assert_eq!(table(&world), ["web running", "job running"]);
    let asked =
        r#"curl -s --unix-socket .overmind.sock http://x/api/scale -d '{"counts":{"job":2}}'"#;
    let ran = world.shell(asked);
    assert!(ran.stdout.contains(r#""ok":true"#) && ran.stdout.contains("job#2"), "{ran:?}");
    world.ok(["quit"]);
    assert_eq!(world.run(["scale", "job=2"]).code, 1, "nothing runs");
}

#[test]
fn the_last_of_concurrent_scales_wins() {
    const ROUNDS: usize = 15;
    let world = World::new("web: exec sleep 1000\njob: exec sleep 1000\n");
    world.ok(["start", "-D", "--any-can-die", "-t", "0.2"]);
    for round in 0..ROUNDS {
        let asked = ["job=4", "job=2", "job=1", ["job=0", "job=3"][round % 2]];
        let ask = |counts| world.tmo(["scale", counts]).stderr(Stdio::piped()).spawn().unwrap();
        let mut all: Vec<_> = asked.map(ask).into();
        all.push(ask("job=3"));
        for child in all {
            let reported = child.wait_with_output().unwrap();
            let reported = String::from_utf8_lossy(&reported.stderr);
            // Each window that was opened has been one for as long as it was wanted.
            let fine = |part: &str| part.ends_with(": it was stopped meanwhile");
            assert!(reported.is_empty() || reported.trim_end().split("; ").all(fine), "{reported}");
        }
    }
    world.ok(["scale", "job=3"]);
    assert_eq!(table(&world), ["web running", "job running", "job#2 running", "job#3 running"]);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn scale_beyond_the_limits_is_refused_at_once() {
    let world = World::new(PROCFILE);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("ulimit -n 1000; {tmo} start -D --any-can-die -N"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = world.run(["scale", "job=65535"]);
    assert!(ran.code == 1 && ran.stderr.contains("raise `ulimit -n`"), "{ran:?}");
    assert_eq!(table(&world), ["web running", "job running"]);
    world.ok(["quit"]);
    world.wait_empty();
}
