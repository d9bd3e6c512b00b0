//! The end of a process ends its whole process tree.

use crate::harness::ports::free_port;
use crate::harness::{World, eventually, procs};
use crate::takeover::kill_all;

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
fn stop_returns_when_the_whole_process_tree_is_gone() {
    let world = world();
    let _view = world.start([""; 0]);
    started(&world);
    world.ok(["stop"]);
    gone(&world);
    assert_eq!(world.field("deaf", "state"), "stopped");
    world.ok(["quit"]);
}

#[test]
fn restart_leaves_no_process_of_the_previous_life() {
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
fn quit_ends_all_process_trees() {
    let world = world();
    let mut view = world.start([""; 0]);
    started(&world);
    world.ok(["quit"]);
    gone(&world);
    assert_eq!(view.code(), 0);
}

#[test]
fn kill_ends_all_process_trees_without_a_grace_period() {
    let world = world().env("TMO_TIMEOUT", "600");
    let mut view = world.start([""; 0]);
    started(&world);
    world.ok(["kill"]);
    gone(&world);
    assert_eq!(view.code(), 0);
}

#[test]
fn a_second_interrupt_skips_the_grace_period() {
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
fn a_users_own_tmux_server_is_spared_and_named() {
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

/// Programs that a user shares, each a copy of perl in a session of its own, with what it does besides.
const SHARED: [(&str, &str, &str); 5] = [
    (
        "ssh",
        // The title takes the place of the environment.
        "$0 = \"ssh: /x/cm [mux]\"; $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", \
         LocalPort => shift, Listen => 1) or die;",
        "",
    ),
    ("emacs-nox", "", "--daemon"),
    ("zellij", "", ""),
    ("dtach", "", ""),
    ("abduco", "", ""),
];

#[track_caller]
fn all_live(shared: &[(&str, u32)]) {
    for (name, pid) in shared {
        assert!(procs::alive(*pid), "{name} was ended");
    }
}

#[test]
fn servers_that_a_user_shares_are_spared_by_each_way_to_end_a_process() {
    let port = free_port();
    // Only the first life starts them.
    let begin = |(name, work, word): &(&str, &str, &str)| {
        format!(
            "./{name} -MPOSIX -MIO::Socket::INET -e 'POSIX::setsid(); {work} open(F, \">{name}.new\"); \
             print F $$; close F; rename(\"{name}.new\", \"{name}.pid\"); sleep 1000' \
             -- {port} {word} </dev/null & "
        )
    };
    let begin: String = SHARED.iter().map(begin).collect();
    let ready = SHARED.map(|(name, ..)| format!("until [ -e {name}.pid ]; do :; done; ")).concat();
    let world = World::new("web: exec sh ./web\n");
    world.write(
        "web",
        &format!("if mkdir begun 2>/dev/null; then {begin}{ready}fi\necho up\nexec sleep 1000\n"),
    );
    for (name, ..) in SHARED {
        assert_eq!(world.shell(&format!("cp \"$(command -v perl)\" {name}")).code, 0);
    }
    world.ok(["start", "-D", "-r", "web"]);
    world.wait_text("web", "| up\n");
    let pid = |name: &str| world.read(&format!("{name}.pid")).parse().unwrap();
    let shared: [(&str, u32); 5] = SHARED.map(|(name, ..)| (name, pid(name)));
    world.ok(["restart", "web"]);
    all_live(&shared);
    let ssh = shared[0].1;
    let named = format!("ssh (pid {ssh}, state S, holds port {port})");
    let log = world.ok(["logs"]);
    assert!(log.contains("Left running on purpose: ") && log.contains(&named), "{log}");
    // A killed shim; its process is started again. Without its parent and its environment, nothing shows
    // where the master of ssh came from.
    let named = format!("dtach (pid {}, state S)", shared[3].1);
    let shim = world.shim("web");
    procs::kill(shim, 9);
    eventually("another shim", || world.pane_part("shim", "web").filter(|pid| *pid != shim));
    world.wait_state("web", "running");
    all_live(&shared);
    let log = world.ok(["logs"]);
    let lost = log.lines().find(|line| line.contains("Left running: "));
    assert!(lost.is_some_and(|line| line.contains(&named)), "{log}");
    // Without a supervisor, and without a plan for another one.
    kill_all(&[world.guardian(), world.supervisor()]);
    std::fs::write(world.runtime().join("plan.json"), "").unwrap();
    let ran = world.run(["kill"]);
    assert!(ran.code == 0 && ran.stderr.contains(&named), "{ran:?}");
    all_live(&shared);
    for (_, pid) in shared {
        procs::kill(pid, 9);
    }
    world.wait_empty();
}

#[test]
fn a_stop_names_what_it_ends_besides_the_group_of_the_process() {
    let world = World::new(
        "web: sleep 2016 & setsid sh -c 'echo $$ >stray.pid; exec sleep 2017' & \
         until [ -s stray.pid ]; do :; done; echo up; exec sleep 1000\n",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "| up\n");
    let stray = world.read("stray.pid");
    world.ok(["stop", "web"]);
    let log = world.ok(["logs"]);
    let named = format!("Left behind and now being ended: sleep (pid {}, state S)\n", stray.trim());
    assert!(log.contains(&named), "{log}");
    world.ok(["quit"]);
}

#[test]
fn a_program_below_a_shell_with_job_control_is_asked_to_stop_once() {
    let world = World::new("web: exec bash -ic 'sh ./serve; echo over'\n").env("TMO_TIMEOUT", "60");
    world.write(
        "serve",
        "exec perl -e '$| = 1; $SIG{INT} = sub { print \"asked\\n\"; $asked = 1 }; print \"up\\n\"; \
         select(undef, undef, undef, 0.1) until $asked; select(undef, undef, undef, 0.3); exit 0'",
    );
    world.ok(["start", "-D"]);
    world.wait_text("web", "| up\n");
    world.ok(["stop", "web"]);
    let log = world.ok(["logs"]);
    assert_eq!(log.matches("| asked\n").count(), 1, "{log}");
    assert!(!log.contains("Killing"), "{log}");
    world.ok(["quit"]);
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
