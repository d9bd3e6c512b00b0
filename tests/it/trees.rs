//! The end of whole process trees: everything that a process has started ends with it.

use crate::harness::{World, eventually, procs};

/// What processes leave around themselves. Each command says `up` when all of it is there.
const KINDS: &[(&str, &str)] = &[
    ("double", "( ( sleep 2001 & ) & ); echo up; exec sleep 1000"),
    ("session", "setsid sh -c 'sleep 2002 & exec sleep 2003' & echo up; exec sleep 1000"),
    ("nohup", "nohup sleep 2004 >/dev/null 2>&1 & echo up; exec sleep 1000"),
    ("deaf", "trap '' TERM INT HUP; sleep 2005 & echo up; while :; do sleep 2006; done"),
    ("deafstray", "setsid sh -c \"trap '' TERM INT HUP; sleep 2007; :\" & echo up; sleep 1000; :"),
    ("jobs", "sleep 2008 & sleep 2009 & echo up; wait"),
    // The leader ends at once on the signal, its group does not hear of it.
    ("headless", "sh -c \"trap '' INT; sleep 2010; :\" & echo up; exec sleep 1000"),
    // No mark in its environment by which it could be found.
    (
        "bare",
        "setsid env -i sh -c 'echo $$ >bare.pid; exec sleep 2011' & \
              until [ -s bare.pid ]; do :; done; echo up; exec sleep 1000",
    ),
    ("stopped", "sleep 2012 & kill -STOP $!; echo up; exec sleep 1000"),
    ("pipes", "sleep 2013 | sleep 2014 | sleep 2015 & echo up; cat | cat"),
];

fn world() -> World {
    let lines: Vec<String> =
        KINDS.iter().map(|(name, command)| format!("{name}: {command}\n")).collect();
    World::new(&lines.concat()).env("TMO_TIMEOUT", "0.7")
}

fn started(world: &World) {
    for (name, _) in KINDS {
        world.wait_text(name, "| up\n");
        assert!(!world.tree(name).is_empty(), "{name}");
    }
}

#[track_caller]
fn gone(world: &World) {
    for (name, _) in KINDS {
        let left = world.tree(name);
        assert!(left.is_empty(), "{name} left {left:?}");
    }
    let bare: u32 = world.read("bare.pid").trim().parse().unwrap();
    assert!(!procs::alive(bare), "what has no mark is found too");
}

#[test]
fn stop_is_done_when_the_whole_tree_is_gone() {
    let world = world();
    let _view = world.start([""; 0]);
    started(&world);
    world.ok(["stop"]);
    gone(&world);
    assert_eq!(world.field("deaf", "state"), "stopped");
    world.ok(["quit"]);
}

#[test]
fn restart_leaves_nothing_of_the_life_before() {
    let world = world();
    let _view = world.start([""; 0]);
    started(&world);
    let before: Vec<u32> =
        KINDS.iter().flat_map(|(name, _)| world.tree(name)).map(|p| p.pid).collect();
    let bare = world.read("bare.pid");
    std::fs::remove_file(world.app().join("bare.pid")).unwrap();
    world.ok(["restart"]);
    for pid in before {
        assert!(!procs::alive(pid), "{pid} lives on");
    }
    assert!(!procs::alive(bare.trim().parse().unwrap()));
    world.ok(["quit"]);
    gone(&world);
}

#[test]
fn quit_ends_all_trees() {
    let world = world();
    let mut view = world.start([""; 0]);
    started(&world);
    world.ok(["quit"]);
    gone(&world);
    assert_eq!(view.code(), 0);
}

#[test]
fn kill_ends_all_trees_without_waiting_for_anybody() {
    let world = world().env("TMO_TIMEOUT", "600");
    let mut view = world.start([""; 0]);
    started(&world);
    world.ok(["kill"]);
    gone(&world);
    assert_eq!(view.code(), 0);
}

#[test]
fn a_second_interrupt_does_not_wait_for_the_grace() {
    let world = World::new("deaf: trap '' INT TERM; echo up; while :; do sleep 1000; done\n")
        .env("TMO_TIMEOUT", "600");
    let mut view = world.start([""; 0]);
    view.shows("| up\n");
    view.signal(2);
    view.shows("Interrupting...");
    assert_eq!(view.press_until_over(2).code(), Some(0));
    assert!(view.log().contains("Killing...\n"), "{}", view.log());
}

#[test]
fn a_tmux_server_of_ones_own_is_spared_and_named() {
    let world = World::new(
        "web: tmux -L own -f /dev/null new-session -d 'sleep 1000'; echo up; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "| up\n");
    let own = |args: &[&str]| {
        let output = world.command("tmux").args(["-L", "own"]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let server: u32 = own(&["display-message", "-p", "#{pid}"]).parse().unwrap();
    let inside: u32 = own(&["display-message", "-p", "#{pane_pid}"]).parse().unwrap();
    world.ok(["restart", "web"]);
    world.ok(["quit"]);
    assert!(procs::alive(server) && procs::alive(inside), "it is somebody's own");
    let log = world.ok(["logs"]);
    let named = format!("Left running on purpose: tmux (pid {server}, state ");
    assert_eq!(log.matches("Left running on purpose").count(), 1, "named once: {log}");
    assert!(log.contains(&named), "{log}");
    own(&["kill-server"]);
    world.wait_empty();
    std::fs::remove_dir_all(world.path().join("tmux")).unwrap();
}

#[test]
fn a_process_that_stops_itself_is_continued() {
    let world = World::new(
        "web: sh -c 'kill -TSTP 0; echo again'; kill -TSTP $$; echo on; \
                            exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| again\n");
    view.shows("| on\n");
    let pid = world.wait_state("web", "running").unwrap();
    procs::kill(pid, 20);
    eventually("it goes on", || procs::state(pid).filter(|s| *s == 'S').map(drop));
    assert_eq!(view.interrupt(), 0);
}
