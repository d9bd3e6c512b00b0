//! Killed sinks, shims and panes of a run; the cost of an idle run.

use std::time::Duration;

use crate::harness::{World, eventually, files, pause, procs};
use crate::numbered_lines::complete_but_for_gaps;

#[test]
fn a_killed_sink_is_replaced_and_the_gap_is_reported() {
    let world = World::new(
        "web: i=0; while read x; do i=$((i+1)); echo line $i; done <>lines\n\
         worker: exec sleep 1000\n",
    );
    nix::unistd::mkfifo(&world.app().join("lines"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    world.write("lines", "x\n");
    view.shows("| line 1\n");
    for turn in 1..=3 {
        let sink = world.sink("web");
        procs::kill(sink, 9);
        eventually("another sink", || world.pane_part("sink", "web").filter(|p| *p != sink));
        // A terminal of tmo's own keeps the output for the next one.
        let round = if world.is_native() { 0 } else { turn };
        eventually("it is told", || {
            let reported = "web    | Its pipe was broken: output may be missing here\n";
            (view.log().matches(reported).count() == round).then_some(())
        });
        world.write("lines", "x\n");
        view.shows(&format!("| line {}\n", turn + 1));
    }
    assert_eq!(
        view.log().matches("| ... output may be missing here\n").count(),
        if world.is_native() { 0 } else { 3 },
        "{}",
        view.log()
    );
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_killed_sink_that_the_supervisor_never_saw_is_replaced() {
    let world = World::new("web: while read x; do echo line $x; done\n");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let sink = world.sink("web");
    // As after one that came and went while a supervisor was taking over.
    let lock =
        files(&world.runtime()).into_iter().find(|f| f.to_string_lossy().ends_with("sink-lock"));
    std::fs::write(lock.unwrap(), "999999\n").unwrap();
    procs::kill(sink, 9);
    eventually("another sink", || world.pane_part("sink", "web").filter(|p| *p != sink));
    // A holder that writes the file again may be faster than the supervisor reads it: then nothing is reported.
    if !world.is_native() {
        view.shows("Its pipe was broken: output may be missing here\n");
    }
    world.type_into("web", "two");
    view.shows("| line two\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn output_of_a_slow_sink_is_in_the_log_before_the_exit_when_tmux_is_killed() {
    let world = World::new("web: printf half; read x; echo way; read x\nworker: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    eventually("half a line", || {
        world.tmux(["capture-pane", "-p", "-t", "web"]).contains("half").then_some(())
    });
    let sink = world.sink("web");
    procs::kill(sink, 19);
    world.type_into("web", "go");
    eventually("the rest", || {
        world.tmux(["capture-pane", "-p", "-t", "web"]).contains("way").then_some(())
    });
    procs::kill(world.tmux_server(), 9);
    assert_eq!(view.code(), 1);
    procs::kill(sink, 18);
    eventually("the sink is gone", || (!procs::alive(sink)).then_some(()));
    let log = world.ok(["logs"]);
    let at = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what} is not in it:\n{log}"));
    assert!(at("web    | halfgo\n") < at("web    | way\n"), "{log}");
    let ends = |word: &str| log.find(&format!("web    | {word}"));
    let end = ["Exited", "Ended by", "Killed by"].into_iter().find_map(ends);
    assert!(at("web    | way\n") < end.unwrap(), "{log}");
}

#[test]
fn a_sink_killed_at_its_start_is_replaced() {
    // The first pipe of each pane: a sink that is killed before it could say that it is there.
    let world = World::new("web: echo up; exec sleep 1000\nworker: exec sleep 1000\n");
    let dir = world.path().display().to_string();
    let world = world.with_tmux(|real| {
        format!(
            "case \"$*\" in *new-session*) if mkdir {dir}/once 2>/dev/null; then\n\
               for word; do shift\n\
                 case \"$word\" in \"exec \"*sink*) word='kill -9 $$';; esac\n\
                 set -- \"$@\" \"$word\"\n\
               done\nfi;; esac\nexec {real} \"$@\"\n"
        )
    });
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    world.wait_state("worker", "running");
    assert!(!view.log().contains("broken"), "nothing was to be lost: {}", view.log());
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_pane_piped_elsewhere_by_hand_is_piped_to_its_sink_again() {
    let world = World::new("web: while read x; do echo line $x; done\n");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let other = world.path().join("other");
    world.tmux(["pipe-pane", "-t", "web", &format!("cat >{}", other.display())]);
    view.shows("Its pipe was broken: output may be missing here\n");
    eventually("a sink", || world.pane_part("sink", "web"));
    world.tmux(["send-keys", "-t", "web", "two", "Enter"]);
    view.shows("| line two\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_sink_killed_under_load_costs_no_more_than_a_gap() {
    // The gap may reach to the end of the numbers.
    let world = World::new(
        "web: seq 1 200000; until [ -e go ]; do sleep 0.05; done; echo done; exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| 1000\n");
    procs::kill(world.sink("web"), 9);
    if !world.is_native() {
        view.shows("Its pipe was broken: output may be missing here\n");
    }
    world.write("go", "");
    view.shows("| done\n");
    complete_but_for_gaps(&view.log(), 200_000);
    if world.is_native() {
        assert!(!view.log().contains("missing here"), "nothing is lost");
    }
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn restart_does_not_wait_for_markers_lost_with_a_killed_sink() {
    let world = World::new(
        "web: trap 'touch asked; until [ -e go ]; do sleep 0.05; done; exit 0' INT; \
         echo up; while :; do sleep 0.05; [ -e go ] && echo on; done\n",
    );
    let mut view = world.start(["-t", "60"]);
    view.shows("| up\n");
    let mut restart = world.tmo(["restart", "web"]).spawn().unwrap();
    eventually("it is asked to stop", || world.app().join("asked").exists().then_some(()));
    // Nobody pipes it again before the new life has begun.
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    let sink = world.sink("web");
    procs::kill(sink, 9);
    eventually("the sink is gone", || (!procs::alive(sink)).then_some(()));
    let life = world.runtime().join("p/web.life");
    world.write("go", "");
    eventually("the new life", || {
        let entries = std::fs::read_to_string(&life).unwrap();
        (entries.matches("\"start\"").count() == 2).then_some(())
    });
    procs::kill(supervisor, 18);
    let status = eventually("the restart returns", || restart.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    view.shows("| on\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_killed_shim_ends_its_process_tree() {
    let world = World::new(
        "web: setsid sleep 1000 & sleep 1000 & echo up; exec sleep 1000\n\
         worker: exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| up\n");
    world.wait_state("worker", "running");
    procs::kill(world.shim("web"), 9);
    assert_eq!(view.code(), 137);
    let log = view.log();
    let reported =
        "web    | Its shim was killed; all of its processes that could be found have been ended\n";
    assert!(log.contains(reported), "{log}");
    assert!(world.tree("web").is_empty() && world.tree("worker").is_empty());
}

#[test]
fn a_shim_killed_while_its_process_is_stopped_is_replaced_at_the_next_start() {
    let world = World::new("web: echo life $$; exec sleep 1000\nworker: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    view.shows("| life ");
    world.ok(["stop", "web"]);
    let pid = world.shim("web");
    procs::kill(pid, 9);
    eventually("it is gone", || (!procs::alive(pid)).then_some(()));
    assert_eq!(world.field("web", "state"), "stopped");
    world.wait_state("worker", "running");
    world.ok(["restart", "web"]);
    let pid = world.wait_state("web", "running").unwrap();
    view.shows(&format!("| life {pid}\n"));
    assert!(!view.log().contains("pipe was broken"), "nothing was to be lost: {}", view.log());
    assert_eq!(view.interrupt(), 0);
}

/// How often a process, with all its threads, has gone to sleep or was woken.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: std::fs::DirEntry| -> u64 {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        let lines = status.lines().filter(|l| l.starts_with("voluntary_ctxt_switches"));
        lines.filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    };
    tasks.map(|task| of(task.unwrap())).sum()
}

#[test]
fn no_part_of_an_idle_run_wakes_up() {
    let procfile: String = (1..=20).map(|n| format!("p{n}: echo up; exec sleep 1000\n")).collect();
    let world = World::new(&procfile);
    let mut view = world.start([""; 0]);
    eventually("all are up", || (view.log().matches("| up\n").count() == 20).then_some(()));
    let parts = || -> Vec<(u32, String, u64)> {
        let tmo = |p: &procs::Proc| {
            p.args.get(1).is_some_and(|a| {
                ["supervise", "guard", "shim", "sink", "start"].contains(&a.as_str())
            })
        };
        let parts = world.living().into_iter().filter(tmo);
        parts.map(|p| (p.pid, p.args[1].clone(), switches(p.pid))).collect()
    };
    // Whatever follows a start is over.
    eventually("all have come to rest", || {
        let before = parts();
        pause(Duration::from_millis(300));
        (parts() == before).then_some(())
    });
    let before = parts();
    assert_eq!(before.len(), 43, "supervisor, guardian, view, 20 shims, 20 sinks: {before:?}");
    pause(Duration::from_secs(3));
    pretty_assertions::assert_eq!(parts(), before);
    assert_eq!(view.interrupt(), 0);
}
