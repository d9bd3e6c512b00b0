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

#[test]
fn quit_returns_after_the_last_part_of_the_run_has_exited() {
    let world = World::new(TWO);
    for _ in 0..5 {
        world.ok(["start", "-D"]);
        let pids: Vec<u32> = world.living().iter().map(|process| process.pid).collect();
        world.ok(["quit"]);
        let left: Vec<_> = pids.into_iter().filter(|pid| procs::alive(*pid)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // A guardian that is stopped is not waited for without end.
    world.ok(["start", "-D"]);
    let guardian = world.guardian();
    procs::kill(guardian, 19);
    let ran = world.run(["quit"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = format!("(pid {guardian}) has not exited");
    assert!(ran.stderr.contains(&told), "{ran:?}");
    procs::kill(guardian, 18);
    world.wait_empty();
}
