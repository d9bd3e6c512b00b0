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

/// A world in which the supervisor is killed when it calls tmux with this word; the call itself is
/// made, so much later.
fn struck_at(word: &str, delay: &str) -> World {
    let world = World::new(WEB);
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let real = world.shell("command -v tmux").stdout;
    let script = format!(
        "#!/bin/sh\ncd {0}\ncase \"$*\" in *{word}*)\n\
         if mkdir struck 2>/dev/null; then\n\
           kill -9 $PPID; sleep {delay}; {1} \"$@\"; code=$?; mkdir called; exit $code\n\
         fi\n\
         # The one that comes next finds what this one has made just before.\n\
         case {delay} in 0.1) until [ -e called ]; do sleep 0.01; done;; esac;;\n\
         esac\ncd /\nexec {1} \"$@\"\n",
        world.path().display(),
        real.trim()
    );
    std::fs::write(bin.join("tmux"), script).unwrap();
    std::fs::set_permissions(bin.join("tmux"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    world.env("PATH", &path)
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
