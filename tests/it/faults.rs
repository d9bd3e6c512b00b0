//! Parts and files of a run that others remove or damage.

use std::process::Stdio;

use crate::harness::{World, eventually, procs};

const TWO: &str = "web: i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done\n\
                   worker: echo up; exec sleep 1000\n";

fn started() -> (World, [u32; 2]) {
    let world = World::new(TWO);
    world.ok(["start", "-D"]);
    let pids = ["web", "worker"].map(|name| world.wait_state(name, "running").unwrap());
    (world, pids)
}

fn kill_both(world: &World) {
    for pid in [world.guardian(), world.supervisor()] {
        procs::kill(pid, 9);
        eventually("the killed are gone", || (!procs::alive(pid)).then_some(()));
    }
}

fn grows(world: &World) {
    let last = || world.ok(["logs", "web"]).lines().last().map(str::to_owned);
    let before = last();
    eventually("the log grows", || (last() != before).then_some(()));
}

#[test]
fn too_few_descriptors_are_told_and_leave_nothing() {
    for most in [6, 8, 10, 12, 16, 20, 26, 30] {
        let world = World::new(TWO);
        let tmo = env!("CARGO_BIN_EXE_tmo");
        for verb in ["start -D", "ps"] {
            let ran = world.shell(&format!("ulimit -n {most}; exec {tmo} {verb}"));
            assert_eq!(ran.code, 1, "{most} {verb}: {ran:?}");
            assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{most} {verb}: {ran:?}");
            assert!(ran.stderr.starts_with("tmo: "), "{most} {verb}: {ran:?}");
        }
        world.wait_empty();
    }
}

#[test]
fn a_run_has_the_descriptors_that_the_user_may_have() {
    let world = World::new("web: ulimit -Sn; exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("ulimit -Sn 20; exec {tmo} start -D"));
    assert_eq!(ran.code, 0, "{ran:?}");
    world.wait_text("web", "| 20\n");
    world.ok(["quit"]);
}

#[test]
fn an_interrupt_ends_a_start_in_the_background_that_waits_for_tmux() {
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
fn a_shim_that_can_say_nothing_is_not_waited_for_for_ever() {
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
fn a_journal_that_is_removed_is_begun_anew() {
    let (world, pids) = started();
    grows(&world);
    std::fs::remove_dir_all(world.journal()).unwrap();
    eventually("there is a log again", || {
        world.run(["logs", "web"]).stdout.contains("| line ").then_some(())
    });
    grows(&world);
    kill_both(&world);
    std::fs::remove_dir_all(world.journal()).unwrap();
    world.ok(["start", "-D"]);
    grows(&world);
    assert_eq!(world.wait_state("web", "running"), Some(pids[0]));
    world.ok(["restart"]);
    world.wait_text("worker", "| up\n");
    world.ok(["quit"]);
}

#[test]
fn a_shim_whose_life_file_was_removed_is_found() {
    for adopted in [false, true] {
        let (world, pids) = started();
        if adopted {
            kill_both(&world);
        }
        std::fs::remove_file(world.runtime().join("p/web.life")).unwrap();
        if adopted {
            world.ok(["start", "-D"]);
        }
        assert_eq!(world.wait_state("web", "running"), Some(pids[0]));
        world.ok(["restart", "web"]);
        assert_ne!(world.wait_state("web", "running"), Some(pids[0]));
        grows(&world);
        world.ok(["quit"]);
        world.wait_empty();
    }
}

#[test]
fn a_start_names_kill_beside_a_run_whose_runtime_directory_was_removed() {
    let (world, _) = started();
    kill_both(&world);
    std::fs::remove_dir_all(world.runtime()).unwrap();
    let ran = world.run(["start", "-D"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo kill` ends"), "{ran:?}");
    world.ok(["kill"]);
    world.wait_empty();
    world.ok(["start", "-D"]);
    grows(&world);
    world.ok(["quit"]);
}

#[test]
fn a_run_whose_streams_are_not_known_is_left_alone_and_it_is_said_how_to_end_it() {
    let (world, pids) = started();
    kill_both(&world);
    std::fs::write(world.journal().join("@streams.json"), "rubbish").unwrap();
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(pids.iter().all(|pid| procs::alive(*pid)));
    assert!(ran.stderr.contains("`tmo kill`"), "{ran:?}");
    world.ok(["kill"]);
    world.wait_empty();
    assert!(ran.stderr.contains("move the whole directory away"), "{ran:?}");
    std::fs::rename(world.journal(), world.path().join("old")).unwrap();
    world.ok(["start", "-D"]);
    grows(&world);
    world.ok(["quit"]);
}

#[test]
fn a_directory_in_the_place_of_a_file_keeps_nothing_else_from_being_removed() {
    let (world, _) = started();
    let shown = world.runtime().join("shown");
    std::fs::remove_file(&shown).unwrap();
    std::fs::create_dir(&shown).unwrap();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_place_that_no_view_can_have_come_to_hides_nothing() {
    let (world, _) = started();
    world.wait_text("web", "line 3");
    std::fs::write(world.runtime().join("shown"), [0x77; 12]).unwrap();
    let view = world.start([""; 0]);
    view.shows("| line 3");
    drop(view);
    world.ok(["quit"]);
}
