//! Moments and circumstances in which a run could be lost, doubled or left half done.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::harness::{View, World, eventually, pause, procs};

const WEB: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";

/// Kill the supervisor that is there now, as soon as there is one.
fn strike(world: &World, after: Duration) {
    let pid = eventually("a supervisor", || world.part("supervise"));
    pause(after);
    procs::kill(pid, 9);
}

fn both_up(view: &View<'_>) {
    view.shows("web    | up\n");
    view.shows("worker | up\n");
}

#[test]
fn a_supervisor_killed_while_it_starts_is_not_noticed() {
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
fn a_supervisor_killed_while_it_starts_in_the_background_is_not_noticed() {
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
fn a_supervisor_killed_while_it_ends_still_ends() {
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

/// The world with a script in the place of tmux, given the real one.
fn with_tmux(world: World, script: impl FnOnce(&str) -> String) -> World {
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let real = world.shell("command -v tmux").stdout;
    let script = format!("#!/bin/sh\n{}", script(real.trim()));
    std::fs::write(bin.join("tmux"), script).unwrap();
    std::fs::set_permissions(bin.join("tmux"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", &path)
}

/// A world in which the supervisor is killed when it calls tmux with this word; the call itself is
/// made, so much later.
fn struck_at(word: &str, delay: &str) -> World {
    let world = World::new(WEB);
    let dir = world.path().display().to_string();
    with_tmux(world, |real| {
        format!(
            "cd {dir}\ncase \"$*\" in *{word}*)\n\
             if mkdir struck 2>/dev/null; then\n\
               kill -9 $PPID; sleep {delay}; {real} \"$@\"; code=$?; mkdir called; exit $code\n\
             fi\n\
             # The one that comes next finds what this one has made just before.\n\
             case {delay} in 0.1) until [ -e called ]; do sleep 0.01; done;; esac;;\n\
             esac\ncd /\nexec {real} \"$@\"\n"
        )
    })
}

#[test]
fn a_supervisor_killed_while_it_calls_tmux_is_not_noticed() {
    for (word, delay) in [
        ("new-session", "0"),
        ("new-session", "0.1"),
        ("new-session", "0.5"),
        ("display-message", "0"),
        ("kill-server", "0"),
        ("kill-server", "0.5"),
    ] {
        let world = struck_at(word, delay);
        let mut view = world.start([""; 0]);
        both_up(&view);
        let called = || world.path().join("called").exists().then_some(());
        if word != "kill-server" {
            eventually("tmux was called", called);
        }
        assert_eq!(view.interrupt(), 0, "{word} {delay}: {}", view.log());
        eventually("tmux was called", called);
        let log = view.log();
        for line in ["web    | up\n", "worker | up\n"] {
            assert_eq!(log.matches(line).count(), 1, "{word} {delay}: {log}");
        }
        assert!(!log.contains("Can't"), "{word} {delay}: {log}");
        world.wait_empty();
    }
}

#[test]
fn a_shim_that_cannot_start_is_told_and_hangs_nothing() {
    // An upgrade may take the program away under a run.
    let world = World::new(WEB);
    let copy = world.path().join("tmo");
    std::fs::copy(env!("CARGO_BIN_EXE_tmo"), &copy).unwrap();
    let world = with_tmux(world, |real| {
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
fn one_process_that_cannot_be_opened_ends_the_start() {
    let name = "x".repeat(250);
    let world = World::new(&format!("web: echo up; exec sleep 1000\n{name}: exec sleep 1000\n"));
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 1, "{}", view.log());
    assert!(view.log().contains("Can't open its window: "), "{}", view.log());
    world.wait_empty();
}

#[test]
fn what_cannot_be_told_to_stop_is_stopped_all_the_same() {
    for verb in ["quit", "kill"] {
        let world = World::new(WEB);
        let mut view = world.start([""; 0]);
        both_up(&view);
        // Nothing can be written under this name any more, as on a full disk.
        std::fs::create_dir(world.runtime().join("p/web.spec.new")).unwrap();
        world.ok([verb]);
        assert_eq!(view.code(), 0, "{verb}: {}", view.log());
        world.wait_empty();
    }
}
