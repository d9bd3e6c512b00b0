//! `GET /metrics`: the metrics of a real run.

use crate::api::ask;
use crate::harness::{World, eventually, procs};

/// The value of a line of it.
fn number(world: &World, line: &str) -> Option<u64> {
    let answer = ask(world, "GET /metrics", "", "");
    assert_eq!(answer.status, 200);
    let value = answer.body.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

#[test]
fn metrics_count_each_event_once_across_a_takeover() {
    let world = World::new("web: printf 'bad\\n'; exec cat\nonce: exit 3\n");
    world.write("tmo.toml", "[[process.web.flag]]\nname = \"bad\"\npattern = \"bad\"\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("once", "exited");
    world.wait_state("web", "running");
    let one = |line: &str| number(&world, line);
    assert_eq!(one("tmo_process_up{process=\"web\"}"), Some(1));
    assert_eq!(one("tmo_process_up{process=\"once\"}"), Some(0));
    assert_eq!(one("tmo_process_crashes_total{process=\"once\"}"), Some(1));
    assert_eq!(one("tmo_process_exits_total{process=\"once\",code=\"3\"}"), Some(1));
    let found = || one("tmo_flag_matches_total{process=\"web\",flag=\"bad\"}").filter(|n| *n == 1);
    eventually("the flag has matched", found);
    world.ok(["restart", "web"]);
    procs::kill(world.supervisor(), 9);
    world.ok(["start", "once"]);
    let crashes = || one("tmo_process_crashes_total{process=\"once\"}").filter(|n| *n == 2);
    eventually("it has crashed again", crashes);
    assert_eq!(one("tmo_process_exits_total{process=\"once\",code=\"3\"}"), Some(2));
    assert_eq!(one("tmo_process_restarts_total{process=\"once\"}"), Some(1));
    assert_eq!(one("tmo_process_restarts_total{process=\"web\"}"), Some(1));
    assert_eq!(one("tmo_process_crashes_total{process=\"web\"}"), Some(0));
    assert!(one("tmo_process_output_bytes_total{process=\"web\"}").is_some_and(|bytes| bytes > 7));
    world.ok(["quit"]);
}
