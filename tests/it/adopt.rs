//! Guardian and supervisor may be killed at any moment: the processes continue and nothing is lost.

use std::os::unix::process::ExitStatusExt as _;

use crate::harness::{View, World, eventually, procs};
use crate::lines::{COUNT, complete, numbers};

const QUIET: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";
/// Prints on and ends with 7 once there is a file `go`.
const SEVEN: &str = "web: echo up; until [ -e go ]; do sleep 0.05; done; echo last; exit 7\n";

fn counting() -> World {
    World::new(&format!("web: {COUNT}\n"))
}

#[track_caller]
fn counted(view: &View<'_>, number: u64) {
    eventually(&format!("it counts to {number}"), || {
        numbers(&view.log(), "web").last().is_some_and(|&n| n >= number).then_some(())
    });
}

/// Count on from where it is now.
#[track_caller]
fn counts_on(view: &View<'_>) {
    let seen = numbers(&view.log(), "web").last().copied().unwrap_or(0);
    counted(view, seen + 5);
}

/// Kill guardian and supervisor at once, so that neither sees the other die.
#[track_caller]
pub(crate) fn kill_both(world: &World) {
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 9);
    procs::kill(supervisor, 9);
    eventually("both are gone", || {
        (!procs::alive(guardian) && !procs::alive(supervisor)).then_some(())
    });
}

/// Wait until another supervisor than this one answers.
#[track_caller]
fn another_than(world: &World, supervisor: u32) -> u32 {
    eventually("another supervisor answers", || {
        let pid = u32::try_from(world.state()?["pid"].as_u64()?).unwrap();
        (pid != supervisor).then_some(pid)
    })
}

#[test]
fn a_killed_supervisor_is_replaced_and_nobody_notices() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&view, 3);
    let web = world.wait_state("web", "running");
    let mut supervisor = world.supervisor();
    for _ in 0..3 {
        procs::kill(supervisor, 9);
        supervisor = another_than(&world, supervisor);
        counts_on(&view);
        assert_eq!(world.wait_state("web", "running"), web);
    }
    assert_eq!(world.state().unwrap()["views"], 1);
    assert_eq!(view.interrupt(), 0);
    complete(&numbers(&view.log(), "web"));
    let said = "The supervisor was killed; a new one goes on with 1 process";
    assert_eq!(view.log().matches(said).count(), 3, "{}", view.log());
    assert_eq!(view.errors(), "");
}

#[test]
fn twenty_kills_in_a_row_lose_nothing() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&view, 3);
    let web = world.wait_state("web", "running");
    let mut last = 0;
    for _ in 0..20 {
        // Whatever it is just doing, also still starting.
        let pid = eventually("a supervisor", || world.part("supervise").filter(|&pid| pid != last));
        procs::kill(pid, 9);
        eventually("it is gone", || (!procs::alive(pid)).then_some(()));
        last = pid;
    }
    counts_on(&view);
    assert_eq!(world.wait_state("web", "running"), web);
    assert_eq!(view.interrupt(), 0);
    complete(&numbers(&view.log(), "web"));
    world.wait_empty();
}

#[test]
fn an_exit_that_no_supervisor_saw_is_known_with_its_status() {
    let world = World::new(SEVEN);
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    view.signal(9);
    view.end();
    let web = world.wait_state("web", "running").unwrap();
    kill_both(&world);
    world.write("go", "");
    eventually("web ends", || (!procs::alive(web)).then_some(()));
    let mut again = world.start_into("log2", [""; 0]);
    assert_eq!(again.code(), 7, "{} {}", again.log(), again.errors());
    let log = again.log();
    assert!(log.contains("web    | last\n"), "{log}");
    assert!(log.contains("system | web exited with code 7"), "{log}");
    assert!(again.errors().contains("taken over"), "{}", again.errors());
    let logs = world.ok(["logs", "web"]);
    assert_eq!(logs.matches("web    | last\n").count(), 1, "{logs}");
    assert!(logs.contains("xited with code 7"), "{logs}");
    world.wait_empty();
}

#[test]
fn an_exit_that_no_supervisor_saw_is_told_by_a_start_in_the_background() {
    let world = World::new(SEVEN);
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    kill_both(&world);
    world.write("go", "");
    eventually("web ends", || (!procs::alive(web)).then_some(()));
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains("web ended with code 7"), "{ran:?}");
    assert!(!ran.stdout.contains("Daemonized"), "{ran:?}");
    world.wait_empty();
}

#[test]
fn an_exit_while_the_supervisor_is_replaced_ends_the_view_with_its_status() {
    for _ in 0..3 {
        let world = World::new(SEVEN);
        let mut view = world.start([""; 0]);
        view.shows("web    | up\n");
        procs::kill(world.supervisor(), 9);
        world.write("go", "");
        assert_eq!(view.code(), 7, "{} {}", view.log(), view.errors());
        assert_eq!(view.log().matches("web    | last\n").count(), 1, "{}", view.log());
        world.wait_empty();
    }
}

#[test]
fn a_view_replaces_guardian_and_supervisor_and_says_so() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&view, 3);
    let web = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    kill_both(&world);
    // Before anything else is asked, which would take over as well.
    view.shows("Supervisor and guardian were killed; new ones go on with 1 process");
    another_than(&world, supervisor);
    counts_on(&view);
    assert_eq!(world.wait_state("web", "running"), web);
    // The new ones hold as well as the old ones.
    kill_both(&world);
    counts_on(&view);
    another_than(&world, 0);
    assert_eq!(view.interrupt(), 0);
    complete(&numbers(&view.log(), "web"));
    world.wait_empty();
}

#[test]
fn many_commands_at_once_take_over_once() {
    let world = counting();
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    kill_both(&world);
    let all = |args: &[&str]| -> Vec<_> {
        let spawn = || world.tmo(args).stdout(std::process::Stdio::piped()).spawn().unwrap();
        (0..4).map(|_| spawn()).collect()
    };
    let mut following = all(&["logs", "-f"]);
    let [looking, starting, wrong] = [&["ps"][..], &["start", "-D"], &["stop", "nope"]].map(all);
    let code = |child: std::process::Child| child.wait_with_output().unwrap().status.code();
    assert_eq!(looking.into_iter().map(code).collect::<Vec<_>>(), [Some(0); 4]);
    // One of the starts may have been the one that took over.
    let codes: Vec<_> = starting.into_iter().map(code).collect();
    assert!(codes.iter().filter(|code| **code != Some(1)).all(|code| *code == Some(0)));
    assert!(codes.iter().filter(|code| **code == Some(0)).count() <= 1, "{codes:?}");
    assert_eq!(wrong.into_iter().map(code).collect::<Vec<_>>(), [Some(2); 4]);
    for child in &mut following {
        // It has found the run when it shows something.
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    }
    another_than(&world, 0);
    assert_eq!(world.wait_state("web", "running"), web);
    world.ok(["quit"]);
    assert_eq!(following.into_iter().map(code).collect::<Vec<_>>(), [Some(0); 4]);
    world.wait_empty();
}

#[test]
fn a_start_in_the_background_takes_over_too_and_by_the_old_plan() {
    let worker = "worker: echo \"I see $SEEN in $PWD\"; exec sleep 1000\n";
    let world = World::new(&format!("{worker}web: echo up; exec sleep 1000\n"));
    std::fs::create_dir(world.app().join("sub")).unwrap();
    let started = world.tmo(["start", "-D"]).env("SEEN", "old").status().unwrap();
    assert!(started.success());
    let pids = [world.wait_state("worker", "running"), world.wait_state("web", "running")];
    kill_both(&world);
    // Another directory, another environment, another Procfile by now.
    world.write("Procfile", "other: sleep 1000\n");
    let socket = world.app().join(".overmind.sock");
    let mut again = world.tmo(["start", "-D", "-p", "7000", "-s"]);
    again.arg(socket).current_dir(world.app().join("sub")).env("SEEN", "new");
    let output = again.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("taken over its 2 living processes"), "{said}");
    assert_eq!([world.wait_state("worker", "running"), world.wait_state("web", "running")], pids);
    world.ok(["restart", "worker"]);
    let lines = world.ok(["logs", "worker", "-n", "1", "--no-prefix"]);
    assert_eq!(lines.trim_end(), format!("I see old in {}", world.app().display()));
    assert_eq!(world.field("worker", "port"), 5000);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_killed_guardian_changes_nothing() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&view, 3);
    let (web, supervisor) = (world.wait_state("web", "running"), world.supervisor());
    procs::kill(world.guardian(), 9);
    world.ok(["restart", "web"]);
    assert_ne!(world.wait_state("web", "running"), web);
    assert_eq!(world.supervisor(), supervisor);
    let second = world.run(["start"]);
    assert!(second.stderr.contains("already running"), "{second:?}");
    assert_eq!(view.interrupt(), 0);
    world.wait_empty();
}

#[test]
fn a_restart_is_done_once_though_the_supervisor_is_killed_during_it() {
    let slow = "web: trap 'touch asked; until [ -e go ]; do sleep 0.05; done; exit 0' INT; \
                echo life >> lives; echo up; while :; do sleep 0.05; done\n";
    let world = World::new(slow);
    let mut view = world.start(["-t", "60"]);
    view.shows("web    | up\n");
    let mut restart = world.tmo(["restart", "web"]).spawn().unwrap();
    eventually("it is asked to stop", || world.app().join("asked").exists().then_some(()));
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    another_than(&world, supervisor);
    assert!(restart.try_wait().unwrap().is_none(), "it was not done yet");
    world.write("go", "");
    let status = eventually("the restart returns", || restart.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    world.wait_state("web", "running").unwrap();
    assert_eq!(world.field("web", "lives"), 2);
    eventually("the second life", || (world.read("lives") == "life\nlife\n").then_some(()));
    assert!(!view.log().contains("Killing"), "{}", view.log());
    std::fs::remove_file(world.app().join("asked")).unwrap();
    assert_eq!(view.interrupt(), 0);
    assert_eq!(world.read("lives"), "life\nlife\n");
}

#[test]
fn a_stop_stays_graceful_though_the_supervisor_is_killed_during_it() {
    let slow = "web: trap 'touch asked; until [ -e go ]; do sleep 0.05; done; echo bye; exit 0' \
                INT; echo up; while :; do sleep 0.05; done\nworker: exec sleep 1000\n";
    let world = World::new(slow);
    let mut view = world.start(["-t", "60"]);
    view.shows("web    | up\n");
    for verb in ["stop", "quit"] {
        let mut command = world.tmo([verb]).spawn().unwrap();
        eventually("it is asked to stop", || world.app().join("asked").exists().then_some(()));
        for _ in 0..2 {
            let supervisor = world.supervisor();
            procs::kill(supervisor, 9);
            another_than(&world, supervisor);
        }
        assert!(command.try_wait().unwrap().is_none(), "it was not done yet");
        world.write("go", "");
        let status = eventually("the command returns", || command.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{verb} {:?}", status.signal());
        view.shows("web    | bye\n");
        assert!(!view.log().contains("Killing"), "{verb}: {}", view.log());
        if verb == "stop" {
            assert_eq!(world.field("web", "state"), "stopped");
            for file in ["asked", "go"] {
                std::fs::remove_file(world.app().join(file)).unwrap();
            }
            world.ok(["restart", "web"]);
        }
    }
    assert_eq!(view.code(), 0);
    world.wait_empty();
}

#[test]
fn an_interrupt_of_the_view_is_not_lost_with_the_supervisor() {
    let world = World::new(QUIET);
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    world.wait_state("worker", "running");
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    let open = procs::descriptors(view.child.id());
    view.signal(2);
    // It asks over a connection of its own; no answer can come.
    eventually("the view asks", || (procs::descriptors(view.child.id()) > open).then_some(()));
    procs::kill(supervisor, 9);
    assert_eq!(view.code(), 0);
    world.wait_empty();
}

#[test]
fn echo_and_logs_follow_over_a_killed_supervisor() {
    let world = counting();
    let mut view = world.start([""; 0]);
    counted(&view, 3);
    let out = std::fs::File::create(world.app().join("followed")).unwrap();
    let mut logs = world.tmo(["logs", "-f", "web"]).stdout(out).spawn().unwrap();
    let follows = |number: u64| {
        eventually("logs -f counts on", || {
            let seen = numbers(&world.read("followed"), "web");
            seen.last().is_some_and(|&n| n >= number).then_some(())
        });
    };
    follows(5);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    another_than(&world, supervisor);
    follows(*numbers(&view.log(), "web").last().unwrap() + 5);
    assert_eq!(view.interrupt(), 0);
    let status = eventually("logs -f ends", || logs.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    complete(&numbers(&world.read("followed"), "web"));
}

/// The dead supervisor knew that the shim was killed and had asked tmux for another one. The next
/// supervisor must not take the same death for the end of the shim that it awaits.
#[test]
fn a_killed_shim_is_replaced_once_whoever_is_killed_meanwhile() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D", "--auto-restart", "web"]);
    world.wait_state("web", "running");
    let server = world.tmux_server();
    let saved = world.runtime().join("state.json");
    procs::kill(server, 19);
    procs::kill(world.shim("web"), 9);
    eventually("another pane is asked for", || {
        std::fs::read_to_string(&saved).ok()?.contains("\"pane\":\"opening\"").then_some(())
    });
    let before = world.supervisor();
    kill_both(&world);
    let mut took_over = world.tmo(["start", "-D"]).spawn().unwrap();
    another_than(&world, before);
    procs::kill(server, 18);
    took_over.wait().unwrap();
    world.wait_state("web", "running");
    // Panes are opened one after the other, so whatever was asked for before has been done then.
    world.ok(["scale", "web=2"]);
    world.wait_state("web#2", "running");
    assert_eq!(world.field("web", "state"), "running", "{}", world.ok(["logs"]));
    let log = world.ok(["logs"]);
    assert_eq!(log.matches("web    | up\n").count(), 2, "{log}");
    assert!(!log.contains("window was closed"), "{log}");
    world.ok(["quit"]);
    world.wait_empty();
}
