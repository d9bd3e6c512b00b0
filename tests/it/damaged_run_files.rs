//! A run whose files, sockets, locks or log were removed, replaced or damaged while it was there.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{World, eventually, procs};
use crate::interrupted_start::{WEB, both_up};
use crate::takeover::{kill_all, kill_both, quiet_run};

pub(crate) const TWO: &str = "web: i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done\n\
                   worker: echo up; exec sleep 1000\n";

fn started() -> (World, [u32; 2]) {
    let world = World::new(TWO);
    world.ok(["start", "-D"]);
    let pids = ["web", "worker"].map(|name| world.wait_state(name, "running").unwrap());
    (world, pids)
}

/// Kill the guardian, then the supervisor; each is gone before the next one is killed.
fn kill_in_turn(world: &World) {
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
fn a_removed_log_directory_is_created_anew() {
    let (world, pids) = started();
    grows(&world);
    std::fs::remove_dir_all(world.journal()).unwrap();
    eventually("there is a log again", || {
        world.run(["logs", "web"]).stdout.contains("| line ").then_some(())
    });
    grows(&world);
    kill_in_turn(&world);
    std::fs::remove_dir_all(world.journal()).unwrap();
    world.ok(["start", "-D"]);
    grows(&world);
    assert_eq!(world.wait_state("web", "running"), Some(pids[0]));
    world.ok(["restart"]);
    world.wait_text("worker", "| up\n");
    world.ok(["quit"]);
}

#[test]
fn a_shim_is_found_after_its_life_file_was_removed() {
    for adopted in [false, true] {
        let (world, pids) = started();
        if adopted {
            kill_in_turn(&world);
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
fn start_suggests_kill_when_the_runtime_directory_of_a_run_was_removed() {
    let (world, _) = started();
    kill_in_turn(&world);
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
fn a_run_without_a_readable_plan_is_not_taken_over_but_its_log_is_read_and_kill_ends_it() {
    let (world, pids) = started();
    world.wait_text("web", "line 3");
    kill_in_turn(&world);
    let path = world.runtime().join("plan.json");
    let mut plan: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // As in the plan of an early version.
    assert!(plan.as_object_mut().unwrap().remove("apps").is_some());
    std::fs::write(&path, plan.to_string()).unwrap();
    for args in [&["start", "-D"][..], &["ps"]] {
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.lines().count() == 1, "{ran:?}");
        assert!(ran.stderr.contains("missing field `apps`"), "{ran:?}");
        assert!(ran.stderr.contains("`tmo kill` ends"), "{ran:?}");
    }
    assert!(pids.iter().all(|pid| procs::alive(*pid)));
    assert!(world.ok(["logs", "web"]).contains("line 3"));
    world.ok(["kill"]);
    world.wait_empty();
    assert!(world.ok(["logs", "web"]).contains("line 3"));
}

#[test]
fn start_leaves_a_run_with_a_damaged_stream_list_alone_and_names_kill() {
    let (world, pids) = started();
    kill_in_turn(&world);
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
fn quit_removes_the_run_though_a_directory_replaces_one_of_its_files() {
    let (world, _) = started();
    let shown = world.runtime().join("shown");
    std::fs::remove_file(&shown).unwrap();
    std::fs::create_dir(&shown).unwrap();
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_impossible_view_position_hides_no_line() {
    let (world, _) = started();
    world.wait_text("web", "line 3");
    std::fs::write(world.runtime().join("shown"), [0x77; 12]).unwrap();
    let view = world.start([""; 0]);
    view.shows("| line 3");
    drop(view);
    world.ok(["quit"]);
}

#[test]
fn quit_and_kill_end_a_process_whose_spec_file_cannot_be_written() {
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

#[test]
fn a_run_whose_socket_was_removed_is_found() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let socket = world.app().join(".overmind.sock");
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(world.field("web", "state"), "running");
    world.ok(["restart", "web"]);
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("./.overmind.sock was gone; it is back\n"), "{ran:?}");
    assert!(ran.stderr.contains("already running here"), "{ran:?}");
    // Also for those who know nothing of another place.
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    world.ok(["quit"]);
    assert!(std::fs::symlink_metadata(&socket).is_err(), "it leads nowhere now");
    world.wait_empty();
    // Nobody to be found.
    world.ok(["start", "-D"]);
    std::fs::remove_file(&socket).unwrap();
    kill_both(&world);
    let mut view = world.start([""; 0]);
    view.shows("a new one goes on with 2 processes");
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(view.interrupt(), 0, "{}", view.log());
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn restart_fails_and_changes_nothing_when_the_spec_file_cannot_be_written() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    let pid = world.field("web", "pid");
    let full = world.runtime().join("p/web.spec.new");
    std::fs::create_dir(&full).unwrap();
    let fails = || {
        let ran = world.run(["restart", "web"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.starts_with("tmo: web: "), "{ran:?}");
    };
    fails();
    assert_eq!(world.field("web", "pid"), pid);
    assert_eq!(world.field("web", "state"), "running");
    std::fs::remove_dir(&full).unwrap();
    world.ok(["stop", "web"]);
    std::fs::create_dir(&full).unwrap();
    fails();
    assert_eq!(world.field("web", "state"), "stopped");
    std::fs::remove_dir(&full).unwrap();
    world.ok(["restart", "web"]);
    world.ok(["restart", "web"]);
    assert_eq!(world.field("web", "state"), "running");
    assert_eq!(view.interrupt(), 0, "{}", view.log());
    world.wait_empty();
}

#[test]
fn a_start_fails_if_a_process_cannot_be_started() {
    let full = "for dir in \"$XDG_RUNTIME_DIR\"/tmo/*/p; do mkdir \"$dir/last.spec.new\"; done";
    let world =
        World::new(&format!("first: {full}\nweb: exec sleep 1000\nlast: exec sleep 1000\n"));
    world.write(
        "tmo.toml",
        "[process.first]\nready = { exit = 0 }\n[process.last]\ndepends_on = [\"first\"]\n",
    );
    for args in [&["start", "-D"][..], &["start", "--wait=30s"], &["start"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(all.contains("last could not be started: /"), "{ran:?}");
        let why = world.run(["why"]).stdout;
        assert!(why.contains("ended because last could not be started: /"), "{why}");
        world.wait_empty();
    }
}

#[test]
fn a_process_that_could_not_be_started_later_has_an_error() {
    let world = World::new("web: exec sleep 1000\nlast: exec sleep 1000\n");
    world.write("tmo.toml", "[process.last]\nautostart = false\n");
    world.ok(["start", "-D"]);
    let full = world.runtime().join("p/last.spec.new");
    std::fs::create_dir(&full).unwrap();
    let ran = world.run(["start", "last"]);
    assert!(ran.code == 1 && ran.stderr.starts_with("tmo: last: /"), "{ran:?}");
    assert_eq!(world.field("last", "state"), "error");
    for args in [&["wait"][..], &["wait", "--for", "exit", "last"]] {
        assert_eq!(world.run(args).code, 1, "{args:?}");
    }
    let ran = world.run(["wait"]);
    assert!(ran.stderr.contains("last could not be started: /"), "{ran:?}");
    let why = world.run(["why", "last"]);
    assert!(why.code == 1 && why.stdout.contains("last.spec"), "{why:?}");
    std::fs::remove_dir(&full).unwrap();
    world.ok(["start", "last"]);
    assert_eq!(world.field("last", "state"), "running");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn start_refuses_a_run_whose_plan_was_removed_and_quit_ends_it() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    std::fs::remove_file(world.runtime().join("plan.json")).unwrap();
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("plan.json: ") && ran.stderr.contains("`tmo quit`"), "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn start_refuses_a_run_with_a_damaged_state_or_plan_and_names_kill() {
    // The last one is sound by itself, but tells of more processes than there are.
    let more = r#""keyed":[["k",{"id":1,"aims":[],"names":[7],"problems":[],"last":false}]]"#;
    for (file, damage) in [
        ("state.json", Some("{")),
        ("state.json", None),
        ("plan.json", Some("{\"version\":99}")),
        ("state.json", Some(more)),
    ] {
        let world = World::new(WEB);
        world.ok(["start", "-D"]);
        let web = world.wait_state("web", "running").unwrap();
        kill_both(&world);
        let path = world.runtime().join(file);
        match damage {
            Some(text) if text == more => {
                let state = std::fs::read_to_string(&path).unwrap();
                assert!(state.contains(r#""keyed":[]"#), "{state}");
                std::fs::write(&path, state.replace(r#""keyed":[]"#, more)).unwrap();
            }
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for args in [&["start"][..], &["start", "-D"]] {
            let ran = world.run(args);
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(ran.stderr.starts_with("tmo: /"), "{ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        }
        assert!(procs::alive(web), "nothing was done to it");
        let shims = [world.shim("web"), world.shim("worker")];
        let way = world.run(["start"]).stderr;
        assert!(way.contains("`tmo kill`"), "{way}");
        world.ok(["kill"]);
        world.wait_empty();
        // One that is just going has no environment any more and is still there.
        let gone = || [web, shims[0], shims[1]].iter().all(|&pid| !procs::alive(pid));
        eventually("they are gone", || gone().then_some(()));
        let mut view = world.start([""; 0]);
        both_up(&view);
        assert_eq!(view.interrupt(), 0);
    }
}

#[test]
fn a_runtime_directory_that_other_users_can_write_to_is_refused() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let base = world.runtime().parent().unwrap().to_owned();
    let mode = |mode| std::fs::set_permissions(&base, std::fs::Permissions::from_mode(mode));
    mode(0o777).unwrap();
    for verb in ["ps", "connect", "quit", "logs", "start"] {
        let ran = world.run([verb]);
        assert_eq!(ran.code, 1, "{verb}: {ran:?}");
        assert!(ran.stderr.contains("is open to other users"), "{verb}: {ran:?}");
    }
    mode(0o700).unwrap();
    world.ok(["quit"]);
}

#[test]
fn restart_stop_and_quit_work_after_the_log_was_deleted() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    std::fs::remove_dir_all(world.journal()).unwrap();
    world.ok(["restart", "web"]);
    world.ok(["stop", "worker"]);
    world.ok(["quit"]);
    assert_eq!(view.code(), 0, "{}", view.log());
    world.wait_empty();
}

/// Never two: who holds a lock that is not there any more is not taken for dead.
#[test]
fn a_run_whose_lock_was_removed_is_not_taken_over() {
    let world = quiet_run();
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

/// Opening a FIFO for reading blocks until a process opens it for writing.
#[test]
fn start_does_not_wait_for_a_fifo_that_replaces_the_state_file() {
    let world = quiet_run();
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
fn a_supervisor_whose_lock_was_replaced_ends_and_leaves_the_run() {
    let world = quiet_run();
    let lock = world.runtime().join("lock");
    let supervisor = world.supervisor();
    let guardian = world.guardian();
    std::fs::remove_file(&lock).unwrap();
    let other = std::fs::File::create(&lock).unwrap();
    assert!(world.run(["restart", "web"]).code == 0, "nobody holds it");
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    // Something happens that it takes notice of.
    procs::kill(supervisor, 15);
    eventually("both let go", || {
        (!procs::alive(supervisor) && !procs::alive(guardian)).then_some(())
    });
    assert!(world.runtime().join("plan.json").exists() && lock.exists());
    drop(other);
    let ran = world.run(["start", "-D"]);
    assert!(ran.stderr.contains("taken over its 2 living processes"), "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}
