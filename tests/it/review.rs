//! Moments and circumstances in which a run could be lost, duplicated or left half-done.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::process::ExitStatus;
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
fn a_supervisor_killed_while_it_calls_tmux_is_not_noticed() {
    for (word, delay) in [
        ("new-session", ":"),
        ("new-session", "sleep 0.1"),
        ("new-session", "sleep 0.5"),
        ("display-message", ":"),
        ("kill-server", ":"),
        ("kill-server", "sleep 0.5"),
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
fn a_server_that_ends_because_its_starter_was_killed_is_started_again() {
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
fn a_server_that_is_started_after_the_run_is_over_ends_by_itself() {
    let world = struck_at("new-session", "until [ -e late ]; do sleep 0.05; done");
    let mut view = world.start([""; 0]);
    both_up(&view);
    assert_eq!(view.interrupt(), 0, "{}", view.log());
    std::fs::create_dir(world.path().join("late")).unwrap();
    eventually("tmux was called", || world.path().join("called").exists().then_some(()));
    world.wait_empty();
}

#[test]
fn a_shim_that_cannot_start_is_told_and_hangs_nothing() {
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
fn one_process_that_cannot_be_opened_ends_the_start() {
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

#[test]
fn a_run_whose_socket_was_removed_is_found_all_the_same() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let socket = world.app().join(".overmind.sock");
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(world.field("web", "state"), "running");
    world.ok(["restart", "web"]);
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 1, "{ran:?}");
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
    world.wait_empty();
}

#[test]
fn what_cannot_be_told_to_run_goes_on_as_it_is() {
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

/// Kill guardian and supervisor at once, so that neither sees the other die.
fn kill_both(world: &World) {
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 9);
    procs::kill(supervisor, 9);
    eventually("both are gone", || {
        (!procs::alive(guardian) && !procs::alive(supervisor)).then_some(())
    });
}

#[test]
fn a_run_whose_plan_was_removed_is_not_attached_to_but_can_be_ended() {
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
fn what_cannot_be_taken_over_is_told_with_a_way_out() {
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
fn what_is_left_of_a_run_that_is_gone_is_in_nobodys_way() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let tmux = world.state().unwrap()["tmux"]["socket"].as_str().unwrap().to_owned();
    kill_both(&world);
    let mut command = world.command("tmux");
    assert!(command.args(["-L", &tmux, "kill-server"]).status().unwrap().success());
    // At once: the shims may be ending their trees just now.
    let mut view = world.start([""; 0]);
    eventually("a run, or the end of the old one", || {
        (view.log().contains("web    | up\n") || view.child.try_wait().unwrap().is_some())
            .then_some(())
    });
    if view.child.try_wait().unwrap().is_none() {
        view.interrupt();
    }
    assert!(!view.errors().contains("nothing is left"), "{}", view.errors());
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
fn an_interrupt_while_it_starts_leaves_nothing() {
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
fn a_terminal_that_goes_while_it_starts_leaves_a_run_or_nothing() {
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
fn what_others_could_have_put_into_the_runtime_directory_is_not_trusted() {
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
fn a_journal_that_was_deleted_hangs_nothing() {
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

#[test]
fn a_start_killed_before_anything_began_leaves_nothing_for_ever() {
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
fn a_supervisor_that_somebody_has_stopped_holds_up_no_command_for_ever() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    for args in [&["ps"][..], &["restart", "web"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("does not answer"), "{ran:?}");
    }
    procs::kill(supervisor, 18);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn an_interrupt_waits_for_a_supervisor_that_does_not_answer_for_long() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    view.signal(2);
    // By then a command has given it up.
    let ran = world.run(["restart", "web"]);
    assert!(ran.stderr.contains("does not answer"), "{ran:?}");
    procs::kill(supervisor, 18);
    assert_eq!(view.code(), 0, "{}", view.log());
    world.wait_empty();
}

#[test]
fn an_interrupt_at_a_supervisor_that_does_not_answer_says_so() {
    let world = World::new(WEB);
    let mut view = world.start([""; 0]);
    both_up(&view);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    for times in 1..=2 {
        view.signal(2);
        eventually("the view says so", || {
            let log = view.log();
            let said =
                |line: &&str| line.contains("does not answer") && line.contains("`tmo kill`");
            let said: Vec<_> = log.lines().filter(said).collect();
            assert!(said.iter().all(|line| line.starts_with("system | ")), "{log}");
            assert!(said.iter().all(|line| line.contains("`kill -CONT` ")), "{log}");
            let later = |line: &&str| line.contains("does what was asked for when it goes on");
            assert!(said.iter().all(later), "{log}");
            (said.len() == times).then_some(())
        });
    }
    procs::kill(supervisor, 18);
    assert!([0, 1].contains(&view.code()), "{}", view.log());
    world.wait_empty();
}

#[test]
fn what_a_stopped_supervisor_was_asked_for_is_said_to_be_done_later() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    let first = world.wait_state("web", "running");
    let supervisor = world.supervisor();
    procs::kill(supervisor, 19);
    let ran = world.run(["restart", "web"]);
    assert!(ran.stderr.contains("does what was asked for when it goes on"), "{ran:?}");
    let asked = world.run(["ps"]);
    assert!(asked.stderr.contains("does not answer; if somebody"), "{asked:?}");
    procs::kill(supervisor, 18);
    eventually("it does", || {
        let pid = world.field("web", "pid").as_u64().map(|pid| u32::try_from(pid).unwrap());
        (pid.is_some() && pid != first).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_log_that_a_stopped_supervisor_does_not_read_says_where_it_ends() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it is in the log", || world.ok(["logs"]).contains("| up\n").then_some(()));
    let supervisor = world.supervisor();
    let words = format!("the supervisor (pid {supervisor}) is stopped, so the log is shown only");
    let advice = format!("`kill -CONT {supervisor}` goes on");
    procs::kill(supervisor, 19);
    for args in [&["logs", "-n", "1"][..], &["logs", "web"], &["logs", "--since", "3s"]] {
        let ran = world.run(args);
        assert!(ran.code == 0 && ran.stderr.matches(&words).count() == 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with("tmo: ") && ran.stderr.contains(&advice), "{ran:?}");
    }
    for args in [&["logs", "-f"][..], &["logs", "-f", "--raw"], &["echo"]] {
        let mut follows = world.command("timeout");
        let ran =
            follows.args(["--foreground", "-s", "INT", "2", env!("CARGO_BIN_EXE_tmo")]).args(args);
        let ran = crate::harness::Ran::of(&ran.output().unwrap());
        assert_eq!(ran.stderr.matches(&words).count(), 1, "{args:?}: {ran:?}");
    }
    procs::kill(supervisor, 18);
    eventually("it goes on", || world.run(["ps"]).stderr.is_empty().then_some(()));
    let ran = world.run(["logs"]);
    assert_eq!(ran.stderr, "", "{ran:?}");
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_full_device_is_not_taken_for_the_log() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    eventually("it is in the log", || world.ok(["logs"]).contains("| up\n").then_some(()));
    for args in ["logs", "logs --raw", "logs -n 1", "logs --json", "logs --max-bytes 9999"] {
        let ran = world.shell(&format!("{} {args} >/dev/full", env!("CARGO_BIN_EXE_tmo")));
        assert_eq!(ran.code, 1, "{args}: {ran:?}");
        assert_eq!(ran.stderr, "tmo: standard output: no space left on device\n", "{args}");
    }
    world.ok(["quit"]);
}
