//! Surroundings that do not belong to the run: locks and signals of the caller, other sessions of the user,
//! windows and listeners of others, removed files.

use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;

use crate::harness::{World, eventually, procs};

const QUIET: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";

fn background() -> World {
    let world = World::new(QUIET);
    world.ok(["start", "-D"]);
    for name in ["web", "worker"] {
        world.wait_state(name, "running");
    }
    world
}

#[track_caller]
fn kill_all(pids: &[u32]) {
    for &pid in pids {
        procs::kill(pid, 9);
    }
    eventually("they are gone", || (!pids.iter().any(|&pid| procs::alive(pid))).then_some(()));
}

#[test]
fn a_lock_that_the_caller_holds_is_not_held_by_the_run() {
    let world = World::new(QUIET);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("exec 9>caller; flock 9; {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.shell("flock -n caller true").code, 0);
    world.ok(["quit"]);
}

#[test]
fn a_caller_that_ignores_the_ends_of_children_changes_nothing() {
    let world = World::new(QUIET);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("trap '' CHLD; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let supervisor = world.supervisor();
    kill_all(&[supervisor]);
    eventually("another one answers", || (world.state()?["pid"] != supervisor).then_some(()));
    world.ok(["restart"]);
    world.ok(["quit"]);
}

#[test]
fn a_caller_that_blocks_every_signal_changes_nothing() {
    const BLOCKED: &str = "import os, signal, sys; \
                           signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); \
                           os.execv(sys.argv[1], sys.argv[1:])";
    let world = World::new("web: grep SigBlk /proc/self/status; exec sleep 1000\n");
    let args = ["-c", BLOCKED, env!("CARGO_BIN_EXE_tmo"), "start", "-D"];
    assert!(world.command("python3").args(args).status().unwrap().success());
    let supervisor = world.supervisor();
    kill_all(&[supervisor]);
    eventually("another one answers", || (world.state()?["pid"] != supervisor).then_some(()));
    world.ok(["restart"]);
    world.wait_text("web", "0000000000000000");
    world.ok(["quit"]);
    world.wait_empty();
}

/// What tmo makes for itself it must be able to use; root always is.
#[test]
fn a_caller_whose_umask_takes_everything_away_keeps_it_for_its_processes_only() {
    let world = World::new("web: umask; exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("umask 0777; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_text("web", "0777");
    let modes = world.shell(&format!("find {} ! -perm -u+rw", world.runtime().display()));
    assert_eq!(modes.stdout, "", "{modes:?}");
    world.ok(["restart"]);
    world.ok(["quit"]);
}

/// A terminal of another login has another runtime directory, or none.
#[test]
fn another_session_of_the_user_finds_the_run() {
    let world = background();
    let elsewhere = world.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let run = |args: &[&str]| {
        let mut command = world.tmo(args);
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", &elsewhere);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["ps"]).0, 0);
    assert_eq!(run(&["restart", "nope"]).0, 2);
    let web = world.field("web", "pid");
    assert_eq!(run(&["restart", "web"]), (0, String::new()));
    assert_ne!(world.field("web", "pid"), web, "it has been restarted when the command returns");
    let (code, said) = run(&["start", "-D"]);
    assert!(code == 1 && said.contains("already running"), "{said}");
    assert_eq!(run(&["quit"]), (0, String::new()));
    world.wait_empty();
}

#[test]
fn a_project_that_was_moved_is_found_where_it_is() {
    let world = background();
    let (app, moved) = (world.app(), world.path().join("moved"));
    std::fs::rename(&app, &moved).unwrap();
    let run = |args: &[&str]| world.tmo(args).current_dir(&moved).output().unwrap();
    assert_eq!(run(&["stop", "web"]).status.code(), Some(0));
    let json = run(&["ps", "--json"]).stdout;
    let state: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(state["processes"][0]["state"], "stopped");
    assert_eq!(run(&["quit"]).status.code(), Some(0));
    // Its supervisor knew only the place where it was.
    std::fs::remove_file(moved.join(".overmind.sock")).unwrap_or_default();
    std::fs::rename(&moved, &app).unwrap();
    world.wait_empty();
}

/// A new life could not enter its directory, and with it the whole run would end.
#[test]
fn nobody_is_stopped_to_be_started_in_a_directory_that_is_gone() {
    let world = background();
    let (app, moved) = (world.app(), world.path().join("moved"));
    std::fs::rename(&app, &moved).unwrap();
    let run = |args: &[&str]| {
        let output = world.tmo(args).current_dir(&moved).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let state = || -> serde_json::Value {
        let json = world.tmo(["ps", "--json"]).current_dir(&moved).output().unwrap().stdout;
        serde_json::from_slice(&json).unwrap()
    };
    let pids = || [0, 1].map(|n| state()["processes"][n]["pid"].clone());
    let before = pids();
    for args in [&["restart", "web"][..], &["restart"], &["scale", "web=2"]] {
        let (code, said) = run(args);
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{args:?}: {said}");
        for part in ["web can't be started", app.to_str().unwrap(), "`tmo quit`", "`tmo start`"] {
            assert!(said.contains(part), "{args:?}: {said}");
        }
        assert_eq!(pids(), before, "{args:?}");
    }
    // overmind's protocol has no answers.
    let mut overmind = UnixStream::connect(moved.join(".overmind.sock")).unwrap();
    overmind.write_all(b"restart web\n").unwrap();
    eventually("the log tells of it", || {
        let log = world.tmo(["logs", "--events"]).current_dir(&moved).output().unwrap().stdout;
        String::from_utf8_lossy(&log).contains("web can't be started").then_some(())
    });
    assert_eq!(pids(), before);
    assert_eq!(run(&["start", "web"]), (Some(0), String::new()), "it runs already");
    assert_eq!(run(&["stop", "worker"]).0, Some(0));
    for verb in ["start", "restart"] {
        let (code, said) = run(&[verb, "worker"]);
        assert!(code == Some(1) && said.contains("worker can't be started"), "{verb}: {said}");
    }
    std::fs::rename(&moved, &app).unwrap();
    world.ok(["restart", "worker"]);
    world.wait_state("worker", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

/// Somebody's shell in a window that they called as a process is called: never taken for it.
#[test]
fn a_window_of_the_users_with_the_name_of_a_process_is_let_be() {
    let world = background();
    world.tmux(["kill-window", "-t", "web"]);
    world.wait_state("web", "stopped");
    let own = "#{pane_id} #{pane_pid}";
    let made = world.tmux(["new-window", "-d", "-P", "-F", own, "-n", "web", "sleep 1000"]);
    let user: u32 = made.trim().split_once(' ').unwrap().1.parse().unwrap();
    world.ok(["restart", "web"]);
    world.wait_text("web", "up");
    assert!(procs::alive(user));
    let names = world.tmux(["list-windows", "-F", "#{window_name}"]);
    assert_eq!(names.lines().filter(|name| *name == "web").count(), 2, "{names}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn what_a_run_has_left_is_cleaned_up_without_a_start() {
    let world = World::new("web: trap '' HUP; echo up; while sleep 0.1; do :; done\n");
    let nothing = "nothing is left over here\n";
    assert_eq!(world.ok(["cleanup"]), nothing);
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    world.wait_text("web", "up");
    let ran = world.run(["cleanup"]);
    assert!(ran.code == 1 && ran.stderr.contains("a run is here"), "{ran:?}");
    let (supervisor, tmux) = (world.supervisor(), world.tmux_server());
    kill_all(&[world.guardian(), supervisor]);
    let ran = world.run(["cleanup"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo start` goes on with them"), "{ran:?}");
    kill_all(&[world.shim("web"), tmux, world.sink("web")]);
    assert!(procs::alive(web), "it hears no hangup");
    let mut stranger = world.command("sleep").arg("1000").spawn().unwrap();
    let said = world.ok(["cleanup"]);
    assert!(said.starts_with("ended ") && said.contains("removed ./.overmind.sock\n"), "{said}");
    assert!(!procs::alive(web) && procs::alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(!world.app().join(".overmind.sock").exists());
    assert_eq!(world.ok(["cleanup"]), nothing);
    assert!(world.ok(["logs", "web"]).contains("| up\n"), "the log stays");
    world.wait_empty();
}

/// The kernel, short of memory, may take all of tmo's own and leave what ran.
#[test]
fn what_a_run_has_left_that_was_killed_altogether_is_ended_by_the_next_start() {
    let world = World::new("web: trap '' HUP; echo up; while sleep 0.1; do :; done\n");
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    world.wait_text("web", "up");
    // Who would end it before who would not.
    let (supervisor, tmux) = (world.supervisor(), world.tmux_server());
    kill_all(&[world.guardian(), supervisor, world.shim("web"), tmux, world.sink("web")]);
    assert!(procs::alive(web), "it hears no hangup");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("ended what it had left"), "{ran:?}");
    assert!(!procs::alive(web));
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn who_is_neither_tmo_nor_overmind_is_not_taken_for_one() {
    let world = World::new(QUIET);
    let socket = world.app().join(".overmind.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"220 ready\r\n");
        }
    });
    for command in [&["ps"][..], &["stop", "web"], &["quit"], &["start"]] {
        let ran = world.run(command);
        assert_eq!(ran.code, 1, "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("overmind"), "{command:?}: {ran:?}");
    }
    std::fs::remove_file(&socket).unwrap();
}

/// Never two: who holds a lock that is not there any more is not taken for dead.
#[test]
fn a_run_whose_lock_was_removed_is_not_taken_over() {
    let world = background();
    let (web, supervisor) = (world.field("web", "pid"), world.supervisor());
    procs::kill(supervisor, 19);
    eventually("it stands", || (procs::state(supervisor) == Some('T')).then_some(()));
    std::fs::remove_file(world.runtime().join("lock")).unwrap();
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
    std::fs::remove_file(world.runtime().join("spare.sock")).unwrap();
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("(pid {supervisor})")), "{ran:?}");
    procs::kill(supervisor, 18);
    kill_all(&[world.guardian(), supervisor]);
    world.ok(["start", "-D"]);
    assert_eq!(world.field("web", "pid"), web);
    world.ok(["quit"]);
    world.wait_empty();
}

/// Whoever opens a pipe that nobody writes to may wait for ever.
#[test]
fn a_pipe_in_the_place_of_the_state_is_not_waited_for() {
    let world = background();
    let web = world.field("web", "pid");
    kill_all(&[world.guardian(), world.supervisor()]);
    let (state, kept) = (world.runtime().join("state.json"), world.path().join("kept"));
    std::fs::rename(&state, &kept).unwrap();
    nix::unistd::mkfifo(&state, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("state.json"), "{ran:?}");
    std::fs::rename(&kept, &state).unwrap();
    world.ok(["start", "-D"]);
    assert_eq!(world.field("web", "pid"), web);
    world.ok(["quit"]);
    world.wait_empty();
}

/// One that another run has taken the place of ends, and leaves alone what is there now.
#[test]
fn a_supervisor_whose_lock_was_replaced_lets_go() {
    let world = background();
    let lock = world.runtime().join("lock");
    let supervisor = world.supervisor();
    let guardian = world.guardian();
    std::fs::remove_file(&lock).unwrap();
    std::fs::write(&lock, "").unwrap();
    // Something happens that it takes notice of.
    procs::kill(supervisor, 15);
    eventually("both let go", || {
        (!procs::alive(supervisor) && !procs::alive(guardian)).then_some(())
    });
    assert!(world.runtime().join("plan.json").exists() && lock.exists());
    let ran = world.run(["start", "-D"]);
    assert!(ran.stderr.contains("taken over its 2 living processes"), "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

/// Another version may be installed at another place while a run is there.
#[test]
fn a_run_whose_program_is_gone_is_gone_on_with_by_another() {
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
    world.tmux(["kill-window", "-t", "worker"]);
    world.wait_state("worker", "stopped");
    world.ok(["restart", "worker"]);
    world.ok(["quit"]);
    world.wait_empty();
}

/// Numbers may have been given to others since they were written down.
#[test]
fn whoever_has_the_number_of_a_dead_part_by_now_is_let_be() {
    let mut world = background();
    let mut stranger = world.command("setsid").args(["sleep", "1000"]).spawn().unwrap();
    world.spared.push(stranger.id());
    let (runtime, own) = (world.runtime(), stranger.id().to_string());
    let parts = [
        world.guardian(),
        world.supervisor(),
        world.tmux_server(),
        world.shim("web"),
        world.shim("worker"),
    ];
    for command in [&["start", "-D"][..], &["stop"], &["quit"], &["kill"]] {
        if command[0] != "start" {
            world.ok(["start", "-D"]);
            world.wait_state("web", "running");
        }
        let parts = if command[0] == "start" {
            parts
        } else {
            let shims = [world.shim("web"), world.shim("worker")];
            [world.guardian(), world.supervisor(), world.tmux_server(), shims[0], shims[1]]
        };
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
fn what_lives_in_another_pid_namespace_is_not_begun_a_second_time() {
    let world = background();
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

#[test]
fn a_client_command_that_is_killed_hurts_nobody() {
    let world = background();
    let mut stop = world.tmo(["restart"]).spawn().unwrap();
    stop.kill().unwrap();
    // It may have come to its end before.
    let ended = stop.wait().unwrap();
    assert!(ended.signal() == Some(9) || ended.success(), "{ended:?}");
    for name in ["web", "worker"] {
        world.wait_state(name, "running");
    }
    world.ok(["quit"]);
}
