//! `tmo kill` and `tmo cleanup` end every run, also one with damaged files or without a supervisor; leftovers
//! of killed runs.

use std::path::Path;

use nix::sys::stat::Mode;

use crate::harness::{World, eventually, procs};
use crate::interrupted_start::WEB;
use crate::takeover::{kill_all, kill_both};

/// `web` ignores what it is asked, has a child in a session of its own, and one without its
/// environment, which only its arguments name.
fn stubborn() -> World {
    let world = World::new("");
    let web = "trap '' INT TERM HUP; setsid sleep 2000 & cd unmarked; env -i setsid sleep 2001 &";
    std::fs::create_dir(world.app().join("unmarked")).unwrap();
    let text = format!("web: {web} while :; do sleep 1; done\nworker: exec sleep 1000\n");
    world.write("Procfile", &text);
    world
}

/// The processes without an environment: those whose directory is that of the child.
fn unmarked(world: &World) -> usize {
    let there = world.app().join("unmarked");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|p| std::fs::read_link(p.path().join("cwd")).is_ok_and(|cwd| cwd == there)).count()
}

#[track_caller]
fn spare_nothing(world: &World) {
    world.wait_empty();
    eventually("no child is left", || (unmarked(world) == 0).then_some(()));
    assert!(!world.app().join(".overmind.sock").exists());
}

impl World {
    /// A run of which nobody is left who answers.
    fn abandoned(&self) {
        self.ok(["start", "-D"]);
        self.abandon();
    }

    /// Kill supervisor and guardian of the run that is there.
    fn abandon(&self) {
        self.wait_state("worker", "running");
        eventually("the child is there", || (unmarked(self) > 1).then_some(()));
        for pid in [self.guardian(), self.supervisor()] {
            procs::kill(pid, 9);
            eventually("it is gone", || (!procs::alive(pid)).then_some(()));
        }
    }
}

#[test]
fn kill_ends_a_run_whose_log_was_moved_while_it_had_no_supervisor() {
    let world = stubborn();
    world.abandoned();
    std::fs::rename(world.journal(), world.path().join("moved")).unwrap();
    world.ok(["kill"]);
    spare_nothing(&world);
}

#[test]
fn output_before_kill_is_in_the_log_even_without_supervisor() {
    let world = World::new("");
    let count = "n=0; while :; do n=$((n + 1)); echo line $n; echo $n >>$PS.count; done";
    // tmux is busy with the noise, so some lines are on their way when everything ends.
    world.write("Procfile", &format!("web: {count}\nworker: {count}\nnoise: exec yes\n"));
    world.ok(["start", "-D"]);
    for pid in [world.guardian(), world.supervisor()] {
        procs::kill(pid, 9);
        eventually("it is gone", || (!procs::alive(pid)).then_some(()));
    }
    world.ok(["kill"]);
    for name in ["web", "worker"] {
        let counted = std::fs::read_to_string(world.app().join(format!("{name}.count"))).unwrap();
        let log = world.ok(["logs", "--no-prefix", name]);
        let shown = log.lines().rev().find_map(|line| line.strip_prefix("line ")?.parse().ok());
        let printed = counted.lines().last().map(|count| count.parse::<u64>().unwrap());
        assert!(shown >= printed, "{name}: {shown:?} of {printed:?}");
    }
}

#[test]
fn kill_ends_a_run_with_a_huge_hole_in_its_log() {
    let world = stubborn();
    world.abandoned();
    let stream = world.journal().join("web.00000000000000000000.log");
    let file = std::fs::File::options().write(true).open(stream).unwrap();
    file.set_len(20 << 30).unwrap();
    world.ok(["kill"]);
    spare_nothing(&world);
}

type Spoil<'a> = dyn Fn(&Path) + 'a;

#[test]
fn kill_ends_a_run_with_an_unreadable_plan() {
    let spoilers: [(&str, &Spoil<'_>); 4] = [
        ("garbage", &|plan| std::fs::write(plan, "{").unwrap()),
        ("another version", &|plan| {
            let text = std::fs::read_to_string(plan).unwrap();
            std::fs::write(plan, text.replacen("\"version\":", "\"version\":99", 1)).unwrap();
        }),
        ("a name that no file can have", &|plan| {
            let text = std::fs::read_to_string(plan).unwrap();
            let long = format!("\"{}\"", "w".repeat(250));
            std::fs::write(plan, text.replace("\"worker\"", &long)).unwrap();
        }),
        ("nothing", &|plan| std::fs::remove_file(plan).unwrap()),
    ];
    for (what, spoil) in spoilers {
        let world = stubborn();
        world.abandoned();
        let plan = world.runtime().join("plan.json");
        let before = std::fs::read(&plan).unwrap();
        spoil(&plan);
        assert_ne!(std::fs::read(&plan).unwrap_or_default(), before, "{what}");
        let refused = world.run(["quit"]);
        assert_eq!(refused.code, 1, "{what}: {refused:?}");
        assert!(refused.stderr.contains("`tmo kill` ends"), "{what}: {refused:?}");
        let ran = world.run(["kill"]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        assert!(ran.stderr.contains("without its supervisor"), "{what}: {ran:?}");
        spare_nothing(&world);
        world.ok(["start", "-D"]);
        world.ok(["kill"]);
        spare_nothing(&world);
    }
}

#[test]
fn cleanup_ends_a_run_that_cannot_be_taken_over() {
    let world = stubborn();
    world.abandoned();
    let refused = world.run(["cleanup"]);
    assert!(refused.code == 1 && refused.stderr.contains("`tmo quit` ends them"), "{refused:?}");
    std::fs::write(world.runtime().join("plan.json"), "{").unwrap();
    let reported = world.ok(["cleanup"]);
    assert!(reported.contains("ended "), "{reported}");
    spare_nothing(&world);
}

#[test]
fn kill_ends_a_run_whose_files_are_all_gone() {
    let world = stubborn();
    world.abandoned();
    std::fs::remove_dir_all(world.runtime()).unwrap();
    let ran = world.run(["kill"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    spare_nothing(&world);
}

#[test]
fn each_command_names_what_lives_of_a_run_without_supervisor_until_kill_ends_it() {
    for (files_gone, parts_gone) in [(true, false), (true, true), (false, true)] {
        let web = "trap '' INT TERM HUP; echo up; while :; do sleep 1; done";
        let world = World::new(&format!("web: {web}\nworker: exec sleep 1000\n"));
        world.ok(["start", "-D"]);
        world.wait_text("web", "up");
        let socket = tmux_socket(&world);
        let parts = ["web", "worker"].map(|name| [world.shim(name), world.sink(name)]).concat();
        let parts: Vec<u32> = parts.into_iter().chain(world.terminal_server()).collect();
        kill_both(&world);
        if files_gone {
            std::fs::remove_dir_all(world.runtime()).unwrap();
        }
        if parts_gone {
            kill_all(&parts);
            // No part of tmo knows of it any more.
            let _ = std::fs::remove_file(socket);
        }
        let case = format!("files: {files_gone}, parts: {parts_gone}");
        for args in [&["ls"][..], &["ps"], &["quit"], &["why"], &["stop", "web"], &["cleanup"]] {
            if args == ["cleanup"] && !files_gone {
                continue;
            }
            let ran = world.run(args);
            assert!(ran.stderr.contains(REMAINS), "{case}, {args:?}: {ran:?}");
            assert!(ran.stderr.contains("; `tmo kill` "), "{case}, {args:?}: {ran:?}");
            assert_eq!(ran.code, i32::from(args != ["ls"]), "{case}, {args:?}: {ran:?}");
        }
        let ran = world.run(["kill"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        assert!(!ran.stderr.contains("left running"), "{case}: {ran:?}");
        spare_nothing(&world);
        for args in [["ls"], ["ps"], ["quit"], ["why"], ["cleanup"]] {
            let ran = world.run(args);
            assert!(!ran.stderr.contains(REMAINS), "{case}, {args:?}: {ran:?}");
        }
    }
}

#[test]
fn ls_misses_no_supervisor_that_lives_without_its_files() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    std::fs::remove_dir_all(world.runtime()).unwrap();
    let ran = world.run(["ls"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
    world.ok(["quit"]);
    spare_nothing(&world);
}

/// What a command says of processes that have lost their supervisor.
const REMAINS: &str = ", but processes of a run live: ";

#[test]
fn kill_ends_a_run_whose_supervisor_is_stopped() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    procs::kill(world.supervisor(), 19);
    for (args, words) in [(&["ps"][..], "kill -CONT"), (&["stop", "worker"], "kill -CONT")] {
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.contains(words), "{ran:?}");
    }
    let ran = world.run(["kill"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // It has not waited for an end that does not come.
    assert!(ran.stderr.contains("its supervisor does not answer; ended the run"), "{ran:?}");
    spare_nothing(&world);
}

#[test]
fn kill_ends_no_other_run() {
    let world = stubborn();
    let other = World::new("other: exec sleep 1000\n");
    other.ok(["start", "-D"]);
    let there = other.wait_state("other", "running");
    world.abandoned();
    std::fs::write(world.runtime().join("plan.json"), "{").unwrap();
    let mut nested = world.tmo(["start", "-D", "-s", "near.sock", "-l", "worker"]);
    assert!(nested.status().unwrap().success());
    world.ok(["kill"]);
    assert_eq!(other.wait_state("other", "running"), there);
    let near = world.run(["ps", "-s", "near.sock"]);
    assert!(near.stdout.contains("running"), "{near:?}");
    world.ok(["kill", "-s", "near.sock"]);
    other.ok(["quit"]);
    spare_nothing(&world);
}

#[test]
fn quit_ends_a_run_whose_tmux_server_is_stopped() {
    let world = World::new("web: exec sleep 1000\n");
    for command in ["quit", "kill"] {
        world.ok(["start", "-D"]);
        world.wait_state("web", "running");
        procs::kill(world.tmux_server(), 19);
        let ran = world.run([command]);
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        spare_nothing(&world);
    }
}

/// Put something else in the place of a file.
fn spoil(path: &Path, kind: &str) {
    let _ = std::fs::remove_file(path);
    match kind {
        "directory" => std::fs::create_dir(path).unwrap(),
        "fifo" => nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap(),
        "zero" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        _ => std::fs::File::create(path).unwrap().set_len(20 << 30).unwrap(),
    }
}

#[test]
fn a_damaged_stream_list_hangs_no_command() {
    for kind in ["fifo", "zero", "hole", "directory"] {
        let world = World::new("web: echo up; exec sleep 1000\n");
        world.ok(["start", "-D"]);
        world.wait_text("web", "up");
        let streams = world.journal().join("@streams.json");
        spoil(&streams, kind);
        let limited = |args: &[&str]| {
            let tmo = env!("CARGO_BIN_EXE_tmo");
            let line = format!("ulimit -v 1500000; exec {tmo} {}", args.join(" "));
            let ran = world.shell(&line);
            assert!(ran.code >= 0 && ran.code < 100, "{kind}, {args:?}: {ran:?}");
            assert!(!ran.stderr.contains("memory"), "{kind}, {args:?}: {ran:?}");
            ran
        };
        for args in [&["logs"][..], &["why"], &["events"], &["ps"], &["quit"]] {
            limited(args);
        }
        world.wait_empty();
        spoil_again(&streams, kind);
        for args in [&["logs"][..], &["why"], &["events"]] {
            limited(args);
        }
        // Either it begins, or it says why it can't; nobody stays who does not answer.
        let ran = limited(&["start", "-D"]);
        assert!(ran.code == 0 || ran.stderr.contains("@streams.json"), "{kind}: {ran:?}");
        if ran.code == 0 {
            assert_eq!(limited(&["quit"]).code, 0);
        }
        world.wait_empty();
    }
}

fn spoil_again(path: &Path, kind: &str) {
    let _ = std::fs::remove_dir(path);
    spoil(path, kind);
}

#[test]
fn a_damaged_life_file_or_lock_prevents_neither_restart_nor_quit() {
    for file in ["p/web.life", "lock"] {
        for kind in ["directory", "hole", "fifo", "zero"] {
            for end in ["quit", "kill"] {
                let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
                world.ok(["start", "-D"]);
                world.wait_state("worker", "running");
                spoil(&world.runtime().join(file), kind);
                let what = format!("{file} as {kind}");
                for args in [&["restart", "web"][..], &["ps"], &[end]] {
                    let ran = world.run(args);
                    assert_eq!(ran.code, 0, "{what}, {args:?}: {ran:?}");
                }
                eventually(&what, || world.living().is_empty().then_some(()));
            }
        }
    }
}

/// A run of `stubborn`, with its supervisor or without.
fn running(abandoned: bool) -> World {
    let world = stubborn();
    if abandoned {
        world.abandoned();
    } else {
        world.ok(["start", "-D"]);
        world.wait_state("worker", "running");
    }
    world
}

#[test]
fn a_run_whose_socket_was_replaced_by_a_directory_is_found_and_ended() {
    for abandoned in [false, true] {
        let world = running(abandoned);
        let socket = world.app().join(".overmind.sock");
        std::fs::remove_file(&socket).unwrap();
        std::fs::create_dir(&socket).unwrap();
        let ran = world.run(["ps"]);
        if abandoned {
            assert!(ran.stderr.contains("is in the way: it is a directory; move it"), "{ran:?}");
        } else {
            assert!(ran.stdout.contains("worker"), "{ran:?}");
        }
        world.ok(["kill"]);
        assert!(socket.is_dir(), "it may be somebody's");
        std::fs::remove_dir(&socket).unwrap();
        spare_nothing(&world);
    }
}

#[test]
fn kill_ends_a_run_whose_runtime_directory_lost_its_mode() {
    for abandoned in [false, true] {
        let world = running(abandoned);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        std::fs::set_permissions(world.runtime(), mode).unwrap();
        world.ok(["kill"]);
        spare_nothing(&world);
    }
}

/// The socket of the tmux server of the only run.
fn tmux_socket(world: &World) -> std::path::PathBuf {
    if world.is_native() {
        return world.path().join("no-socket");
    }
    world.tmux(["display-message", "-p", "#{socket_path}"]).trim().into()
}

/// After `kill` has returned, not a while later.
#[track_caller]
fn all_ended(world: &World) {
    let living: Vec<_> = world.living().iter().map(procs::describe).collect();
    assert!(living.is_empty(), "{living:?}");
    assert_eq!(unmarked(world), 0);
}

#[test]
fn start_refuses_beside_living_parts_of_a_run_without_files() {
    for gone in [&["state.json"][..], &["state.json", "plan.json", "p"]] {
        let world = stubborn();
        world.ok(["start", "-D"]);
        let socket = tmux_socket(&world);
        world.abandon();
        let runtime = world.runtime();
        for life in std::fs::read_dir(runtime.join("p")).unwrap().flatten() {
            if life.path().extension().is_some_and(|end| end == "life") {
                std::fs::write(life.path(), "").unwrap();
            }
        }
        for name in gone {
            std::fs::rename(runtime.join(name), world.path().join(name)).unwrap();
        }
        let _ = std::fs::remove_file(&socket);
        std::fs::write(&socket, "").unwrap();
        let parts = || {
            let is_part = |p: &procs::Proc| p.args.first().is_some_and(|arg| arg.ends_with("/tmo"));
            world.living().into_iter().filter(is_part).count()
        };
        let before = parts();
        for args in [&["start", "-D"][..], &["start", "--if-needed", "-D"]] {
            let refused = world.run(args);
            assert_eq!(refused.code, 1, "{gone:?}, {args:?}: {refused:?}");
            assert!(refused.stderr.contains("`tmo kill` ends"), "{gone:?}, {args:?}: {refused:?}");
        }
        assert_eq!(parts(), before, "{gone:?}");
        world.ok(["kill"]);
        all_ended(&world);
        std::fs::remove_file(&socket).unwrap();
        world.ok(["start", "-D"]);
        world.ok(["kill"]);
        all_ended(&world);
    }
}

#[test]
fn kill_ends_processes_that_the_supervisor_has_lost_track_of() {
    let world =
        World::new("web: while :; do echo tick; sleep 0.3; done\nworker: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    let socket = tmux_socket(&world);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    let state = world.runtime().join("state.json");
    let _ = std::fs::remove_file(&socket);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    // In one step: another supervisor may be writing it just now.
    let link = world.path().join("link");
    std::os::unix::fs::symlink(world.path().join("nowhere"), &link).unwrap();
    std::fs::rename(&link, &state).unwrap();
    world.run(["ps"]);
    world.run(["restart", "web"]);
    world.ok(["kill"]);
    all_ended(&world);
}

#[test]
fn kill_returns_after_the_end_of_guardian_and_supervisor() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    procs::kill(world.guardian(), 19);
    world.ok(["kill"]);
    all_ended(&world);
}

#[test]
fn kill_ends_no_run_of_another_mount_namespace_at_the_same_path() {
    let world = stubborn();
    let script = "mount -t tmpfs none \"$1\" && mount -t tmpfs none \"$2\" && cd \"$1\" && \
                  echo 'web: true' >Procfile && \"$3\" kill";
    let inside = |program: &str, script: &str| {
        let mut command = world.command(program);
        command.args(["-m", "sh", "-c", script, "sh"]).arg(world.app());
        command.arg(world.path().join("run")).arg(env!("CARGO_BIN_EXE_tmo")).output()
    };
    // Not everybody may do that.
    if !inside("unshare", "true").is_ok_and(|output| output.status.success()) {
        return;
    }
    world.ok(["start", "-D"]);
    let pid = world.wait_state("worker", "running");
    let killed = inside("unshare", script).unwrap();
    assert_eq!(killed.status.code(), Some(1), "{killed:?}");
    assert_eq!(world.wait_state("worker", "running"), pid);
    world.ok(["kill"]);
}

#[test]
fn kill_removes_the_socket_of_a_tmux_server_that_was_killed_before() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    let socket = tmux_socket(&world);
    let server = world.tmux(["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
    procs::kill(world.guardian(), 19);
    procs::kill(world.supervisor(), 19);
    procs::kill(server, 9);
    world.ok(["kill"]);
    all_ended(&world);
    assert!(!socket.exists(), "{}", socket.display());
}

#[test]
fn kill_ends_all_parts_of_a_run_of_another_session_whose_socket_is_gone() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
    procs::kill(world.guardian(), 19);
    procs::kill(world.supervisor(), 19);
    let session = world.path().join("session");
    std::fs::create_dir(&session).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&session, mode).unwrap();
    let killed = world.tmo(["kill"]).env("XDG_RUNTIME_DIR", &session).output().unwrap();
    assert!(killed.status.success(), "{killed:?}");
    all_ended(&world);
    world.ok(["cleanup"]);
}

#[test]
fn kill_ends_a_run_whose_runtime_directory_is_not_trusted() {
    for (place, other) in [("", false), ("..", true)] {
        for (at, what) in ["file", "fifo", "link", "mode 755"].into_iter().enumerate() {
            // With a supervisor and without one, in turn.
            let abandoned = (at % 2 == 0) != other;
            let world = stubborn();
            world.ok(["start", "-D"]);
            world.wait_state("worker", "running");
            if abandoned {
                world.abandon();
            }
            let path = world.runtime().join(place).canonicalize().unwrap();
            let moved = world.path().join("moved");
            if what == "mode 755" {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&path, mode).unwrap();
            } else {
                std::fs::rename(&path, &moved).unwrap();
            }
            match what {
                "file" => std::fs::write(&path, "").unwrap(),
                "fifo" => nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap(),
                "link" => std::os::unix::fs::symlink(&moved, &path).unwrap(),
                _ => {}
            }
            let ran = world.run(["kill"]);
            let case = format!("{} as {what}, abandoned: {abandoned}", path.display());
            assert_eq!(ran.code, 0, "{case}: {ran:?}");
            assert!(ran.stderr.contains(path.to_str().unwrap()), "{case}: {ran:?}");
            all_ended(&world);
            let again = world.run(["kill"]);
            assert_eq!(again.code, 1, "{case}: {again:?}");
            assert!(again.stderr.contains(path.to_str().unwrap()), "{case}: {again:?}");
            // It stays, whosever it is.
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    }
}

#[test]
fn huge_life_files_do_not_prevent_the_end_of_a_run() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    for name in ["web", "worker"] {
        let life = world.runtime().join(format!("p/{name}.life"));
        std::fs::write(&life, "[{\"a\":".repeat(1000)).unwrap();
        std::fs::File::options().write(true).open(&life).unwrap().set_len(60 << 20).unwrap();
    }
    procs::kill(world.supervisor(), 9);
    world.ok(["kill"]);
    all_ended(&world);
}

#[test]
fn commands_name_the_file_that_replaced_the_socket() {
    let world = stubborn();
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    std::fs::rename(world.runtime().join("spare.sock"), world.path().join("spare")).unwrap();
    let socket = world.app().join(".overmind.sock");
    spoil(&socket, "zero");
    let ran = world.run(["ps"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(".overmind.sock is in the way"), "{ran:?}");
    world.ok(["kill"]);
    std::fs::remove_file(&socket).unwrap();
    all_ended(&world);
}

#[test]
fn leftovers_of_a_killed_run_do_not_block_a_start() {
    let world = World::new(WEB);
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let state = world.state().unwrap();
    kill_both(&world);
    match state["tmux"]["socket"].as_str() {
        Some(tmux) => {
            let mut command = world.command("tmux");
            assert!(command.args(["-L", tmux, "kill-server"]).status().unwrap().success());
        }
        None => world.close_terminal("web"),
    }
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
    // Where the start went on with the old run, the view has only left it.
    world.run(["quit"]);
    world.wait_empty();
}

#[test]
fn cleanup_ends_the_leftovers_of_a_killed_run() {
    let world = World::new("web: trap '' HUP; echo up; while sleep 0.1; do :; done\n");
    let nothing = "nothing is left over here\n";
    assert_eq!(world.ok(["cleanup"]), nothing);
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    world.wait_text("web", "up");
    let ran = world.run(["cleanup"]);
    assert!(ran.code == 1 && ran.stderr.contains("a run is here"), "{ran:?}");
    let (supervisor, tmux) = (world.supervisor(), world.terminal_server());
    kill_all(&[world.guardian(), supervisor]);
    let ran = world.run(["cleanup"]);
    assert!(ran.code == 1 && ran.stderr.contains("`tmo start` goes on with them"), "{ran:?}");
    let parts: Vec<_> = [Some(world.shim("web")), tmux, Some(world.sink("web"))].into();
    kill_all(&parts.into_iter().flatten().collect::<Vec<_>>());
    assert!(procs::alive(web), "it hears no hangup");
    let mut stranger = world.command("sleep").arg("1000").spawn().unwrap();
    let said = world.ok(["cleanup"]);
    assert!(said.starts_with("ended ") && said.contains("removed ./.overmind.sock\n"), "{said}");
    assert!(!procs::alive(web) && procs::alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(!world.app().join(".overmind.sock").exists());
    assert_eq!(world.ok(["cleanup"]), nothing);
    assert!(world.ok(["logs", "web"]).contains("| up\n"), "the log stays");
    world.wait_empty();
}

/// The kernel, short of memory, may take all of tmo's own and leave what ran.
#[test]
fn start_ends_the_leftovers_of_a_completely_killed_run() {
    let world = World::new("web: trap '' HUP; echo up; while sleep 0.1; do :; done\n");
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running").unwrap();
    world.wait_text("web", "up");
    // Who would end it before who would not.
    let mut parts = vec![world.guardian(), world.supervisor(), world.shim("web")];
    parts.extend(world.terminal_server());
    parts.push(world.sink("web"));
    kill_all(&parts);
    assert!(procs::alive(web), "it hears no hangup");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("ended the processes that it left behind"), "{ran:?}");
    assert!(!procs::alive(web));
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
}
