//! Processes started by checks, hooks and stop commands end with them, even if they have detached.

use crate::harness::{World, eventually, procs};

/// A world with these entries and this `tmo.toml`.
fn world(procfile: &str, toml: &str) -> World {
    let world = World::new(procfile);
    world.write("tmo.toml", toml);
    world
}

/// The living processes with this argument.
fn with(world: &World, argument: &str) -> Vec<u32> {
    let living = world.living().into_iter();
    living.filter(|p| p.args.iter().any(|arg| arg == argument)).map(|p| p.pid).collect()
}

fn wait_lines(world: &World, name: &str, count: usize) {
    eventually(&format!("{name} has {count} lines"), || {
        (world.read(name).lines().count() >= count).then_some(())
    });
}

/// A command that leaves `sleep <seconds>` in a session of its own and says so in a file.
fn leaves(seconds: u32, file: &str) -> String {
    format!("setsid sleep {seconds} >/dev/null 2>&1 & sleep 0.1; echo x >>{file}")
}

#[test]
fn what_has_left_the_session_of_a_check_a_hook_or_a_stop_command_ends_with_it() {
    for end in ["quit", "kill"] {
        let toml = format!(
            "[hooks]\nmain_started = '{}'\n[process.web]\nstop.command = '{}'\n\
             live = {{ exec = '{}', every = '50ms', timeout = '5s', action = 'notify' }}\n",
            leaves(3335, "hooked"),
            leaves(3334, "stopped"),
            leaves(3333, "asked"),
        );
        let world = world("web: exec sleep 1000\n", &toml);
        world.ok(["start", "-D"]);
        wait_lines(&world, "hooked", 1);
        wait_lines(&world, "asked", 4);
        eventually("the hook has left nothing", || with(&world, "3335").is_empty().then_some(()));
        assert!(with(&world, "3333").len() <= 1, "only that of the check that runs");
        world.ok([end]);
        for left in ["3333", "3334", "3335"] {
            assert_eq!(with(&world, left), [0_u32; 0], "{end}: {left}");
        }
        world.wait_empty();
    }
}

#[test]
fn what_a_command_has_started_ends_when_it_takes_too_long() {
    let toml = "[process.web]\nlive = { exec = 'setsid sleep 3333 & echo x >>asked; sleep 3334', \
                every = '20ms', timeout = '300ms', action = 'notify' }\n";
    let world = world("web: exec sleep 1000\n", toml);
    world.ok(["start", "-D"]);
    wait_lines(&world, "asked", 4);
    for part in ["3333", "3334"] {
        eventually("one attempt at most", || (with(&world, part).len() <= 1).then_some(()));
    }
    world.ok(["quit"]);
    for part in ["3333", "3334"] {
        assert_eq!(with(&world, part), [0_u32; 0], "{part}");
    }
}

#[test]
fn what_a_command_has_started_ends_with_the_supervisor() {
    let toml = "[hooks]\nmain_started = 'setsid sleep 3335 & echo x >>hooked; sleep 3336'\n";
    let world = world("web: exec sleep 1000\n", toml);
    world.ok(["start", "-D"]);
    wait_lines(&world, "hooked", 1);
    let old = eventually("both run", || {
        let parts = ["3335", "3336"].map(|part| with(&world, part).first().copied());
        Some([parts[0]?, parts[1]?])
    });
    procs::kill(world.guardian(), 9);
    procs::kill(world.supervisor(), 9);
    eventually("they have ended", || (!old.iter().any(|&pid| procs::alive(pid))).then_some(()));
    world.ok(["kill"]);
    world.wait_empty();
}

/// A tmux server and another run of tmo go on after the hook that has started them.
#[test]
fn what_serves_others_is_spared_when_a_hook_has_started_it() {
    let toml = "[hooks]\nmain_started = 'cd other && tmux -L own -f /dev/null new-session -d \"sleep 3337\" \
                && env -u TMO_SOCKET $TMO start -D; echo $? >>../hooked'\n";
    let world = world("web: exec sleep 1000\n", toml);
    std::fs::create_dir(world.app().join("other")).unwrap();
    world.write("other/Procfile", "inner: exec sleep 3338\n");
    // Another version of tmo may have another name.
    let copy = world.path().join("tmo-dev");
    world.copy_program(&copy);
    let export = format!("export TMO={}", copy.display());
    let started = world.shell(&format!("{export}; exec {} start -D", env!("CARGO_BIN_EXE_tmo")));
    assert_eq!(started.code, 0, "{started:?}");
    wait_lines(&world, "hooked", 1);
    assert_eq!(world.read("hooked"), "0\n");
    eventually("both run", || {
        (with(&world, "3337").len() + with(&world, "3338").len() == 2).then_some(())
    });
    world.ok(["quit"]);
    assert_eq!(with(&world, "3337").len() + with(&world, "3338").len(), 2);
    let other = world.app().join("other");
    assert!(world.tmo(["quit"]).current_dir(&other).status().unwrap().success());
    let ended = world.shell("tmux -L own kill-server && rm -f \"$TMUX_TMPDIR/tmux-$(id -u)/own\"");
    assert_eq!(ended.code, 0, "{ended:?}");
    world.wait_empty();
}

#[test]
fn kill_does_not_wait_for_hooks() {
    let world = world(
        "web: exec sleep 1000\n",
        "[hooks]\nmain_started = 'echo begun >hooked; exec sleep 3339'\n",
    );
    world.ok(["start", "-D"]);
    wait_lines(&world, "hooked", 1);
    world.ok(["kill"]);
    assert_eq!(with(&world, "3339").len(), 0);
    let log = world.ok(["logs"]);
    assert!(
        log.contains("Hooks were killed: 1"),
        "not after the seconds that they have else: {log}"
    );
    world.wait_empty();
}
