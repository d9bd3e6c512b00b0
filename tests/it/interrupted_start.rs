//! Starts and ends that are interrupted: the supervisor is killed, tmux hangs or fails, a signal or
//! the end of the terminal comes. Nothing is lost, doubled or left half done.

use std::os::unix::fs::DirBuilderExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use crate::damaged_run_files::TWO;
use crate::harness::{View, World, eventually, pause, procs};

const ONE: &str = "web: exec sleep 1000\n";
pub(crate) const WEB: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";

/// Kill the supervisor that is there now, as soon as there is one.
fn strike(world: &World, after: Duration) {
    let pid = eventually("a supervisor", || world.part("supervise"));
    pause(after);
    procs::kill(pid, 9);
}

pub(crate) fn both_up(view: &View<'_>) {
    view.shows("web    | up\n");
    view.shows("worker | up\n");
}

#[test]
fn a_start_survives_a_kill_of_its_supervisor() {
    for millis in [0, 2, 4, 7, 10, 15, 20, 30, 45, 60] {
        let world = World::new(WEB);
        let mut view = world.start([""; 0]);
        strike(&world, Duration::from_millis(millis));
        both_up(&view);
        assert_eq!(view.interrupt(), 0, "{millis}: {}", view.log());
        assert_eq!(view.log().matches("web    | up\n").count(), 1, "{millis}: {}", view.log());
        world.wait_empty();
    }
}

#[test]
fn a_background_start_survives_a_kill_of_its_supervisor() {
    for millis in [0, 3, 6, 12, 25, 50] {
        let world = World::new(WEB);
        let mut start = world.start(["-D"]);
        strike(&world, Duration::from_millis(millis));
        assert_eq!(start.code(), 0, "{millis}: {}", start.errors());
        assert_eq!(world.field("web", "state"), "running", "{millis}");
        assert_eq!(world.field("worker", "state"), "running", "{millis}");
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn a_stop_completes_after_a_kill_of_its_supervisor() {
    for millis in [0, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40] {
        let world = World::new(WEB);
        let mut view = world.start([""; 0]);
        both_up(&view);
        let supervisor = world.supervisor();
        view.signal(2);
        view.shows("Interrupting...");
        pause(Duration::from_millis(millis));
        procs::kill(supervisor, 9);
        assert_eq!(view.code(), 0, "{millis}: {}", view.log());
        world.wait_empty();
    }
}

/// A world in which the supervisor is killed when it calls tmux with this word; the call itself is
/// made, after something else was done.
fn struck_at(word: &str, delay: &str) -> World {
    let world = World::new(WEB);
    let dir = world.path().display().to_string();
    world.with_tmux(|real| {
        format!(
            "cd {dir}\ncase \"$*\" in *{word}*)\n\
             if mkdir struck 2>/dev/null; then\n\
               (kill -9 $PPID; {delay}; {real} \"$@\"; mkdir called) & wait\n\
             fi\n\
             # The one that comes next finds what this one has made just before.\n\
             case \"{delay}\" in *0.1) until [ -e called ]; do sleep 0.05; done;; esac;;\n\
             esac\ncd /\nexec {real} \"$@\"\n"
        )
    })
}

#[test]
fn a_run_survives_a_kill_of_its_supervisor_during_a_tmux_call() {
    for (word, delay) in [
        ("new-session", ":"),
        ("new-session", "sleep 0.1"),
        ("new-session", "sleep 0.5"),
        ("display-message", ":"),
    ] {
        let world = struck_at(word, delay);
        let mut view = world.start([""; 0]);
        both_up(&view);
        eventually("tmux was called", || world.path().join("called").exists().then_some(()));
        assert_eq!(view.interrupt(), 0, "{word} {delay}: {}", view.log());
        let log = view.log();
        for line in ["web    | up\n", "worker | up\n"] {
            assert_eq!(log.matches(line).count(), 1, "{word} {delay}: {log}");
        }
        assert!(!log.contains("Can't"), "{word} {delay}: {log}");
        world.wait_empty();
    }
}

#[test]
fn a_tmux_server_that_ends_with_its_starter_is_started_again() {
    let world = World::new(WEB);
    let dir = world.path().display().to_string();
    let world = world.with_tmux(|real| {
        format!(
            "case \"$*\" in *new-session*)\n\
             mkdir {dir}/struck 2>/dev/null && kill -9 $PPID && exit\n\
             mkdir {dir}/ended 2>/dev/null && echo 'server exited unexpectedly' >&2 && exit 1\n\
             esac\nexec {real} \"$@\"\n"
        )
    });
    let mut view = world.start([""; 0]);
    both_up(&view);
    assert!(world.path().join("ended").exists());
    assert_eq!(view.interrupt(), 0, "{}", view.log());
    assert!(!view.log().contains("Can't"), "{}", view.log());
    world.wait_empty();
}

#[test]
fn a_tmux_server_started_after_the_end_of_the_run_ends_by_itself() {
    let world = struck_at("new-session", "until [ -e late ]; do sleep 0.05; done");
    let mut view = world.start([""; 0]);
    both_up(&view);
    assert_eq!(view.interrupt(), 0, "{}", view.log());
    std::fs::create_dir(world.path().join("late")).unwrap();
    eventually("tmux was called", || world.path().join("called").exists().then_some(()));
    world.wait_empty();
}

#[test]
fn a_shim_that_cannot_start_is_reported_and_blocks_nothing() {
    // An upgrade may take the program away under a run.
    let world = World::new(WEB);
    let copy = world.path().join("tmo");
    world.copy_program(&copy);
    let world = world.with_tmux(|real| {
        format!(
            "case \"$*\" in *new-session*) rm -f {};; esac\nexec {real} \"$@\"\n",
            copy.display()
        )
    });
    let ran = world.command(&copy).arg("start").output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let words = format!("Can't open its window: {} is not there any more", copy.display());
    assert!(String::from_utf8_lossy(&ran.stdout).contains(&words), "{ran:?}");
    world.wait_empty();
}

#[test]
fn a_window_that_cannot_be_opened_ends_the_start() {
    let world =
        World::new("web: echo up; exec sleep 1000\nworker: exec sleep 1000\n").with_tmux(|real| {
            let refuse = "echo 'no space for new pane' >&2; exit 1";
            format!("case \"$*\" in *worker.spec*) {refuse};; esac\nexec {real} \"$@\"\n")
        });
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 1, "{}", view.log());
    assert!(view.log().contains("Can't open its window: "), "{}", view.log());
    world.wait_empty();
}

/// Signal a start after some time; how it ended, and whether it was to be one without a view.
fn signalled_after(world: &World, millis: u64, signal: i32) -> (ExitStatus, bool) {
    let daemon = !millis.is_multiple_of(4);
    let mut start = world.start(if daemon { &["-D"][..] } else { &[] });
    pause(Duration::from_millis(millis));
    start.signal(signal);
    (start.end(), daemon)
}

fn nothing_is_left(world: &World, millis: u64) {
    eventually(&format!("nothing is left when signalled after {millis} ms"), || {
        world.living().is_empty().then_some(())
    });
}

#[test]
fn an_interrupt_during_a_start_leaves_nothing() {
    for millis in (0..120).step_by(6) {
        let world = World::new(WEB);
        let (end, daemon) = signalled_after(&world, millis, 2);
        if daemon && end.success() {
            world.ok(["quit"]);
        }
        nothing_is_left(&world, millis);
    }
}

#[test]
fn a_kill_during_a_start_lets_no_other_supervisor_go_on_with_the_run() {
    for millis in (0..100).step_by(5) {
        let world = World::new(WEB);
        // The last run has removed its runtime directory.
        world.ok(["start", "-D"]);
        world.ok(["quit"]);
        let mut start = world.start([""; 0]);
        pause(Duration::from_millis(millis));
        let ran = world.run(["kill"]);
        // It may come before there is anything to end.
        if ran.code == 0 {
            start.end();
        } else {
            start.press_until_over(2);
        }
        nothing_is_left(&world, millis);
        let log = world.ok(["logs"]);
        for event in ["was killed; a new one", "Its window was closed"] {
            assert!(!log.contains(event), "after {millis} ms: {ran:?}\n{log}");
        }
    }
}

#[test]
fn a_hangup_during_a_start_leaves_a_run_or_nothing() {
    for millis in (0..120).step_by(6) {
        let world = World::new(WEB);
        let (end, daemon) = signalled_after(&world, millis, 1);
        if end.code().is_some() {
            assert_eq!(end.code(), Some(if daemon { 0 } else { 129 }), "after {millis} ms");
            world.ok(["quit"]);
        }
        nothing_is_left(&world, millis);
    }
}

#[test]
fn the_leftovers_of_a_start_killed_before_its_guardian_are_removed() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let runtime = world.runtime();
    world.ok(["quit"]);
    eventually("the directory is gone", || (!runtime.exists()).then_some(()));
    // What it leaves when it is killed between writing the plan and starting the guardian.
    std::fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
    std::fs::write(runtime.join("plan.json.fresh"), "{}").unwrap();
    std::fs::write(runtime.join("plan.json.fresh.new"), "{").unwrap();
    let mut view = world.start([""; 0]);
    both_up(&view);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn an_interrupt_ends_a_background_start_that_waits_for_tmux() {
    let world = World::new(TWO).with_tmux(|real| {
        format!("case \"$*\" in *new-session*) exec sleep 1000;; esac\nexec {real} \"$@\"\n")
    });
    let mut start = world.tmo(["start", "-D"]).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the run can be asked", || world.state());
    procs::kill(start.id(), 2);
    let status = eventually("the start ends", || start.try_wait().unwrap());
    assert_eq!(status.code(), Some(130));
    world.wait_empty();
}

#[test]
fn a_start_does_not_wait_forever_for_a_shim_that_cannot_write() {
    let world = World::new(TWO).with_tmux(|real| {
        // As on a full disk: nothing that a shim or a sink writes reaches a file.
        format!("case \"$*\" in *new-session*) ulimit -f 0;; esac\nexec {real} \"$@\"\n")
    });
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    world.wait_empty();
    assert!(world.ok(["logs"]).contains("Can't open its window: "), "{ran:?}");
}

#[test]
fn a_start_that_still_reads_its_procfile_ends_at_the_first_signal() {
    for signal in [2, 15] {
        for args in ["start", "start -D"] {
            let world = World::new(ONE);
            let tmo = env!("CARGO_BIN_EXE_tmo");
            // Nobody ever writes what it is to read.
            let line = format!("echo >up; exec {tmo} {args} -f <(exec sleep 1000) 2>err");
            let mut child = world.command("bash").args(["-c", &line]).spawn().unwrap();
            let is_tmo = || procs::args(child.id()).first().is_some_and(|a| a == tmo);
            let waits = || (is_tmo() && procs::state(child.id()) == Some('S')).then_some(());
            eventually("it waits for its Procfile", waits);
            procs::kill(child.id(), signal);
            eventually(&format!("{args} ends at {signal}"), || child.try_wait().unwrap());
            for process in world.living() {
                procs::kill(process.pid, 9);
            }
            world.wait_empty();
            assert!(!world.app().join(".overmind.sock").exists());
        }
    }
}

#[test]
fn a_start_that_waits_for_the_tmux_version_ends_at_the_first_signal() {
    let world = World::new(ONE).with_tmux(|_| "echo >asked; exec sleep 1000\n".to_owned());
    for signal in [2, 15] {
        let mut child = world.tmo(["start", "-D"]).spawn().unwrap();
        eventually("tmux is asked", || world.app().join("asked").exists().then_some(()));
        procs::kill(child.id(), signal);
        eventually(&format!("it ends at {signal}"), || child.try_wait().unwrap());
        for process in world.living() {
            procs::kill(process.pid, 9);
        }
        std::fs::remove_file(world.app().join("asked")).unwrap();
    }
    world.wait_empty();
}
