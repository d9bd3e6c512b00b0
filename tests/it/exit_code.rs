//! The exit code of `tmo start`, and the message that explains it.

use crate::harness::{World, eventually, procs};

/// `test` answers SIGINT with this shell code, `seed` ends with success once `go` is there.
fn seed_and_test(answer: &str) -> World {
    World::new(&format!(
        "seed: until [ -e go ]; do sleep 0.05; done\n\
         test: trap '{answer}' INT; touch up; while :; do sleep 0.05; done\n"
    ))
}

fn wait_up(world: &World) {
    eventually("both run", || world.app().join("up").exists().then_some(()));
    world.wait_state("seed", "running");
}

const INTERRUPTED: &str = "system | test was interrupted by the end of seed (exit 2); \
                           `tmo start --exit-code-from seed` returns the code of seed\n";

#[test]
fn a_process_interrupted_by_the_end_of_another_counts_with_its_failure() {
    let world = seed_and_test("exit 2");
    let mut view = world.start([""; 0]);
    wait_up(&world);
    world.write("go", "");
    assert_eq!(view.code(), 2);
    let log = view.log();
    assert!(log.contains("system | seed exited with code 0 after "), "{log}");
    assert!(log.ends_with(INTERRUPTED), "{log}");
}

#[test]
fn death_by_the_stop_signal_is_not_a_failure() {
    for answer in ["exit 0", "exit 130", "trap - INT; kill -INT $$"] {
        let world = seed_and_test(answer);
        let mut view = world.start([""; 0]);
        wait_up(&world);
        world.write("go", "");
        assert_eq!(view.code(), 0, "{answer}: {}", view.log());
        assert!(!view.log().contains("interrupted by"), "{}", view.log());
    }
}

#[test]
fn a_requested_end_is_not_a_failure_whatever_the_processes_return() {
    for ending in ["interrupt", "quit", "terminate", "stop", "kill"] {
        let world = seed_and_test("exit 2");
        let mut view = world.start([""; 0]);
        wait_up(&world);
        match ending {
            "interrupt" => view.signal(nix::libc::SIGINT),
            "terminate" => view.signal(nix::libc::SIGTERM),
            "stop" => {
                world.ok(["stop", "test"]);
                assert_eq!(world.field("test", "exit")["code"], 2);
                world.write("go", "");
            }
            verb => drop(world.ok([verb])),
        }
        assert_eq!(view.code(), 0, "{ending}: {}", view.log());
    }
}

#[test]
fn the_exit_code_of_a_failure_is_not_hidden_by_processes_stopped_for_it() {
    let world = World::new(
        "seed: until [ -e go ]; do sleep 0.05; done; exit 3\n\
         test: trap 'exit 9' INT; touch up; while :; do sleep 0.05; done\n",
    );
    let mut view = world.start([""; 0]);
    wait_up(&world);
    world.write("go", "");
    assert_eq!(view.code(), 3);
    assert!(!view.log().contains("interrupted by"), "{}", view.log());
}

#[test]
fn a_process_that_ended_before_the_stop_request_counts_with_its_code() {
    let wait = "until [ -e go ]; do sleep 0.05; done";
    let world = World::new(&format!("web: exec sleep 1000\ntest: {wait}; exit 4\n"));
    let mut view = world.start(["-c", "test"]);
    world.wait_state("web", "running");
    let test = world.wait_state("test", "running").unwrap();
    // Nobody hears of its end before the request to stop everything.
    let supervisor = world.supervisor();
    procs::kill(supervisor, nix::libc::SIGSTOP);
    world.write("go", "");
    eventually("it has ended", || {
        let info = tmo::sys::info(test);
        info.is_none_or(|info| info.state == 'Z').then_some(())
    });
    procs::kill(supervisor, nix::libc::SIGTERM);
    procs::kill(supervisor, nix::libc::SIGCONT);
    assert_eq!(view.code(), 4);
    assert!(view.log().contains("system | exiting with code 4, from test\n"), "{}", view.log());
}

#[test]
fn the_exit_code_survives_the_death_of_the_supervisor() {
    let world = seed_and_test("touch asked; until [ -e end ]; do sleep 0.05; done; exit 2");
    let mut view = world.start([""; 0]);
    wait_up(&world);
    world.write("go", "");
    eventually("it was asked", || world.app().join("asked").exists().then_some(()));
    let old = world.supervisor();
    procs::kill(old, 9);
    eventually("another supervisor", || world.part("supervise").filter(|new| *new != old));
    world.write("end", "");
    assert_eq!(view.code(), 2, "{}", view.log());
    assert!(view.log().ends_with(INTERRUPTED), "{}", view.log());
}

#[test]
fn exit_code_from_returns_the_code_of_that_process_however_it_ended() {
    for (ending, code) in [("person", 2), ("other", 2), ("itself", 5)] {
        let world = World::new(
            "seed: until [ -e go ]; do sleep 0.05; done; exit 9\n\
             test: trap 'exit 2' INT; touch up; until [ -e own ]; do sleep 0.05; done; exit 5\n",
        );
        let mut view = world.start(["--exit-code-from", "test"]);
        wait_up(&world);
        match ending {
            "person" => view.signal(nix::libc::SIGINT),
            "other" => world.write("go", ""),
            _ => world.write("own", ""),
        }
        assert_eq!(view.code(), code, "{ending}: {}", view.log());
    }
}

#[test]
fn start_with_exit_code_from_returns_the_code_of_the_named_process() {
    for (code, how) in [(3, "exit 3"), (0, "exit 0")] {
        let world = World::new(&format!(
            "web: trap 'exit 9' INT; while :; do sleep 0.1; done\ntests: sleep 0.1; {how}\n"
        ));
        let ran = world.run(["start", "--any-can-die", "--exit-code-from", "tests"]);
        assert_eq!(ran.code, code, "{ran:#?}");
        world.wait_empty();
        let ran = world.run(["start", "--exit-code-from", "tset"]);
        assert!(ran.code == 2 && ran.stderr.contains("tests"), "{ran:#?}");
    }
}
