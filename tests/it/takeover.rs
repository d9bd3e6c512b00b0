//! A new supervisor continues the run of a killed one: processes go on, nothing is lost, reused pids are left
//! alone.

use std::os::unix::process::ExitStatusExt as _;

use crate::harness::{View, World, eventually, procs};
use crate::numbered_lines::{COUNT, complete, numbers};

pub(crate) const QUIET: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";
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

/// Two processes that print one line each, in the background.
pub(crate) fn quiet_run() -> World {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    for name in ["web", "worker"] {
        world.wait_entered(name);
    }
    world
}

#[track_caller]
pub(crate) fn kill_all(pids: &[u32]) {
    for &pid in pids {
        procs::kill(pid, 9);
    }
    eventually("they are gone", || (!pids.iter().any(|&pid| procs::alive(pid))).then_some(()));
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
fn a_killed_supervisor_is_replaced_without_a_visible_effect() {
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
fn twenty_kills_of_the_supervisor_lose_no_line() {
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
fn exit_status_is_known_after_an_exit_without_supervisor() {
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
fn background_start_reports_an_exit_that_happened_without_supervisor() {
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
fn view_ends_with_the_status_of_an_exit_during_a_takeover() {
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
fn view_replaces_guardian_and_supervisor_and_reports_it() {
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
fn many_concurrent_commands_take_over_once() {
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
    assert_eq!(starting.into_iter().map(code).collect::<Vec<_>>(), [Some(0); 4]);
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
fn background_start_takes_over_with_the_old_plan() {
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
    let seen = format!("I see old in {}\n", world.app().display());
    eventually("the new life has printed it", || {
        let log = world.ok(["logs", "worker", "--no-prefix"]);
        (log.matches(&seen).count() == 2).then_some(())
    });
    assert_eq!(world.field("worker", "port"), world.port(0));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn commands_work_after_a_kill_of_the_guardian() {
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
fn restart_happens_once_when_the_supervisor_is_killed_during_it() {
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
fn stop_stays_graceful_when_the_supervisor_is_killed_during_it() {
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
            // Until then its shell has no trap that an interrupt would run.
            eventually("the second life is up", || {
                (view.log().matches("web    | up\n").count() == 2).then_some(())
            });
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
fn echo_and_logs_keep_following_after_a_supervisor_is_killed() {
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
fn a_killed_shim_is_replaced_once_during_takeovers() {
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

/// Another version may be installed at another place while a run is there.
#[test]
fn takeover_works_with_a_new_program_after_the_old_one_was_removed() {
    let world = World::new(QUIET);
    let old = world.path().join("tmo");
    // By another process: what this one writes to, a fork of it may hold open for a moment.
    let copy = format!("cp {} {}", env!("CARGO_BIN_EXE_tmo"), old.display());
    assert_eq!(world.shell(&copy).code, 0);
    let started = world.command(&old).args(["start", "-D"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let web = world.wait_state("web", "running");
    std::fs::remove_file(&old).unwrap();
    // The guardian is its program still.
    let supervisor = world.supervisor();
    kill_all(&[supervisor]);
    eventually("another one answers", || (world.state()?["pid"] != supervisor).then_some(()));
    kill_all(&[world.guardian(), world.supervisor()]);
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.wait_state("web", "running"), web);
    // New windows are those of the program that is there.
    world.close_terminal("worker");
    world.wait_state("worker", "stopped");
    world.ok(["restart", "worker"]);
    world.ok(["quit"]);
    world.wait_empty();
}

/// Numbers may have been given to others since they were written down.
#[test]
fn a_reused_pid_of_a_dead_part_is_never_signalled() {
    let mut world = quiet_run();
    let mut stranger = world.command("setsid").args(["sleep", "1000"]).spawn().unwrap();
    world.spared.push(stranger.id());
    let (runtime, own) = (world.runtime(), stranger.id().to_string());
    for command in [&["start", "-D"][..], &["stop"], &["quit"], &["kill"]] {
        if command[0] != "start" {
            world.ok(["start", "-D"]);
            world.wait_state("web", "running");
        }
        let mut parts = vec![world.guardian(), world.supervisor()];
        parts.extend(world.terminal_server());
        parts.extend([world.shim("web"), world.shim("worker")]);
        kill_all(&parts);
        for name in ["state.json", "p/web.life", "p/worker.life"] {
            let text = std::fs::read_to_string(runtime.join(name)).unwrap();
            std::fs::write(runtime.join(name), renumbered(&text, &own)).unwrap();
        }
        let ran = world.run(command);
        assert!(ran.code <= 1, "{ran:?}");
        assert!(stranger.try_wait().unwrap().is_none(), "{command:?} has hurt it: {ran:?}");
        let _ = world.run(["quit"]);
    }
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    world.spared.clear();
    let _ = world.run(["start", "-D"]);
    let _ = world.run(["quit"]);
    world.wait_empty();
}

/// A record in which every process has this number.
fn renumbered(text: &str, number: &str) -> String {
    let mut fresh = String::new();
    let mut rest = text;
    while let Some(at) = ["\"pid\":", "\"shim\":", "\"last_pid\":"]
        .iter()
        .filter_map(|key| rest.find(key).map(|at| at + key.len()))
        .min()
    {
        let (head, tail) = rest.split_at(at);
        fresh.push_str(head);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap();
        fresh.push_str(if end > 0 { number } else { "" });
        rest = &tail[end..];
    }
    fresh + rest
}

/// Inside a container its processes have other numbers: only what they hold tells of them.
#[test]
fn a_run_in_another_pid_namespace_is_not_started_a_second_time() {
    let world = quiet_run();
    let web = world.field("web", "pid");
    kill_all(&[world.guardian(), world.supervisor()]);
    let path = world.runtime().join("state.json");
    let state = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, state.replace("pid:[", "pid:[9")).unwrap();
    for command in [&["start", "-D"][..], &["stop", "web"], &["quit"]] {
        let ran = world.run(command);
        assert_eq!(ran.code, 1, "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("another pid namespace"), "{command:?}: {ran:?}");
    }
    std::fs::write(&path, state).unwrap();
    world.ok(["start", "-D"]);
    assert_eq!(world.field("web", "pid"), web);
    world.ok(["quit"]);
    world.wait_empty();
}
