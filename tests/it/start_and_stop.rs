//! The main job: start, restart, stop, quit.

use crate::harness::{World, procs};

const TWO: &str =
    "web: echo up on $PORT; exec sleep 1000\nworker: echo I am $PS; exec sleep 1000\n";

#[test]
fn start_shows_all_processes_and_ctrl_c_ends_them() {
    let world = World::new(TWO);
    let mut view = world.start([""; 0]);
    view.shows(&format!("web    | up on {}\n", world.port(0)));
    view.shows("worker | I am worker\n");
    assert_eq!(view.interrupt(), 0);
    let log = view.log();
    assert!(log.contains("web    | Interrupting...\n"), "{log}");
    assert!(!log.contains('\x1b'), "no escapes on a file: {log}");
}

#[test]
fn stop_and_restart_work_by_process_name() {
    let world = World::new(TWO);
    let _view = world.start([""; 0]);
    let web = world.wait_state("web", "running").unwrap();
    let worker = world.wait_state("worker", "running").unwrap();
    world.ok(["stop", "web"]);
    assert!(!procs::alive(web));
    assert_eq!(world.field("web", "state"), "stopped");
    world.ok(["restart", "web", "worker"]);
    let again = world.field("web", "pid").as_u64().unwrap();
    assert!(procs::alive(u32::try_from(again).unwrap()));
    assert!(!procs::alive(worker));
    world.ok(["quit"]);
}

#[test]
fn background_run_is_listed_logged_and_quit() {
    let world = World::new(TWO);
    let said = world.ok(["start", "-D"]);
    assert!(said.contains("Daemonized"), "{said}");
    let table = world.ok(["ps"]);
    assert!(table.starts_with("PROCESS  PID"), "{table}");
    assert_eq!(table.matches("running").count(), 2, "{table}");
    let lines = world.ok(["logs", "worker", "-n", "1"]);
    assert_eq!(lines, "worker | I am worker\n");
    world.ok(["quit"]);
    world.wait_empty();
}
