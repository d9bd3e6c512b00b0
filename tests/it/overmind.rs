//! Overmind's flags, commands and name.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Ran, World, eventually, files, procs};

const LONG: &str = "web: echo $PS on $PORT; exec sleep 1000\nworker: exec sleep 1000\n";

#[test]
fn a_formation_runs_instances_by_name_and_port() {
    let world = World::new(LONG);
    let mut view = world.start(["-m", "web=2,worker=0", "--formation-port-step", "3"]);
    view.shows(&format!("web#1  | web#1 on {}\n", world.port(0)));
    view.shows(&format!("web#2  | web#2 on {}\n", world.port(0) + 3));
    let ps = world.ok(["ps"]);
    assert!(!ps.contains("worker"), "{ps}");
    // The name of the entry means all of its instances.
    let both = || [world.field("web#1", "pid"), world.field("web#2", "pid")];
    let before = both();
    world.ok(["restart", "web"]);
    let after = both();
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} {after:?}");
    world.ok(["stop", "web#2"]);
    assert_eq!(world.field("web#1", "state"), "running");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_process_that_can_die_stops_no_other_and_counts_with_its_code() {
    let world = World::new("seed: echo seeded; exit 4\nweb: exec sleep 1000\n");
    let mut view = world.start(["-c", "seed"]);
    view.shows("seed   | Exited with code 4\n");
    world.wait_state("web", "running");
    assert_eq!(world.field("seed", "state"), "exited");
    assert_eq!(view.interrupt(), 4, "the highest of all");
}

#[test]
fn a_run_with_any_can_die_outlives_all_its_processes() {
    let world = World::new("a: exit 1\nb: true\n");
    let mut view = world.start(["--any-can-die"]);
    view.shows("a      | Exited with code 1\n");
    view.shows("b      | Exited with code 0\n");
    assert_eq!(world.ok(["ps"]).matches("exited").count(), 2);
    world.run(["restart", "b"]);
    assert_eq!(view.interrupt(), 1);
}

#[test]
fn auto_restart_restarts_a_process_until_it_is_stopped() {
    let world = World::new("web: echo $$ >>lives; [ -e stay ] || exit 1; exec sleep 1000\n");
    let mut view = world.start(["-r", "all"]);
    view.shows("web    | Restarting in 1 s (ended 2 times in a row)\n");
    assert_eq!(world.read("lives").lines().count(), 2, "at once the first time");
    assert_eq!(world.field("web", "state"), "restarting");
    // Who asks for it need not wait.
    world.write("stay", "");
    world.ok(["restart", "web"]);
    let pid = world.wait_state("web", "running").unwrap();
    eventually("the third life writes", || {
        (world.read("lives").lines().count() == 3).then_some(())
    });
    procs::kill(pid, 9);
    view.shows("web    | Killed by signal 9 (SIGKILL)\n");
    let next = eventually("the next one", || {
        world.wait_state("web", "running").filter(|next| *next != pid)
    });
    world.ok(["stop", "web"]);
    assert!(!procs::alive(next));
    assert_eq!(world.field("web", "state"), "stopped");
    assert_eq!(view.interrupt(), 0, "its last life was stopped");
}

#[test]
fn a_pending_restart_survives_a_kill_of_the_supervisor() {
    let world = World::new("web: [ -e stay ] || exit 1; exec sleep 1000\n");
    let mut view = world.start(["-r", "web"]);
    view.shows("web    | Restarting in 1 s (ended 2 times in a row)\n");
    world.write("stay", "");
    procs::kill(world.supervisor(), 9);
    world.wait_state("web", "running");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_process_is_stopped_by_its_configured_signal() {
    let world = World::new(
        "web: trap 'echo terminated; exit 0' TERM; trap 'echo interrupted; exit 0' INT; \
         echo up; while :; do sleep 0.05; done\n",
    );
    let mut view = world.start(["-i", "web=TERM"]);
    view.shows("| up\n");
    assert_eq!(view.interrupt(), 0);
    assert!(view.log().contains("| terminated\n"), "{}", view.log());
}

#[test]
fn killing_is_logged_before_the_exit_it_causes() {
    const LIVES: usize = 6;
    let world = World::new("web: trap '' INT; echo up; while :; do sleep 0.05; done\n");
    let mut view = world.start(["-t", "0"]);
    for life in 1..=LIVES {
        eventually("it is up", || (view.log().matches("| up\n").count() == life).then_some(()));
        world.ok(["restart", "web"]);
    }
    world.ok(["kill"]);
    view.end();
    let log = view.log();
    let said: Vec<_> =
        log.lines().filter(|l| l.contains("Killing") || l.contains("Killed")).collect();
    assert!(said.len() >= 2 * LIVES, "{log}");
    for pair in said.chunks(2) {
        assert_eq!(pair, ["web    | Killing...", "web    | Killed by signal 9 (SIGKILL)"], "{log}");
    }
}

#[test]
fn wrong_names_are_reported_and_wrong_values_refused() {
    let world = World::new(LONG);
    let ran = world.run(["start", "-D", "-l", "web", "-x", "wbe"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("--ignored-processes names `wbe`"), "{ran:?}");
    assert!(ran.stderr.contains("did you mean `web`?"), "{ran:?}");
    world.ok(["quit"]);
    for (args, why) in [
        (["-b", "256"], "Invalid xterm color code: 256"),
        (["-m", "web"], "Invalid formation format"),
        (["-m", "web=many"], "Invalid number of processes: many"),
        (["-m", "web=11"], "You can spawn only 10 instances of the same process"),
        (["-i", "web"], "Invalid stop-signals format"),
        (["-i", "web=HUP"], "Invalid signal: HUP"),
        (["-x", "web,worker"], "No processes to run"),
    ] {
        let ran = world.run(["start"].into_iter().chain(args));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("tmo: {why}")), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn start_with_names_starts_only_those_processes() {
    let world = World::new(LONG);
    world.ok(["start", "-D", "web"]);
    let ran = world.run(["connect", "worker"]);
    assert!(
        ran.stderr.contains("left out of the start of this run; `tmo start worker`"),
        "{ran:?}"
    );
    // In the run that is there.
    world.ok(["start", "worker"]);
    assert_eq!(world.field("worker", "state"), "running");
    let pid = world.supervisor();
    world.ok(["start", "--if-needed"]);
    assert_eq!(world.supervisor(), pid);
    let ran = world.run(["start", "wrker"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("did you mean worker?"), "{ran:?}");
    world.ok(["quit"]);
    let ran = world.run(["start", "wbe"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    world.wait_empty();
}

#[test]
fn run_executes_a_command_in_the_environment_of_the_env_files() {
    let world = World::new(LONG);
    world.write(".env", "FROM_FILE=\"a b\"\n");
    let run = |args: &[&str]| world.run(["run"].iter().chain(args));
    assert_eq!(run(&["sh", "-c", "echo $FROM_FILE-$PORT"]).stdout, "a b-\n");
    assert_eq!(run(&["echo", "-l", "--help", "--", "-port"]).stdout, "-l --help -- -port\n");
    assert_eq!(run(&["sh", "-c", "exit 9"]).code, 9);
    let killed = world.shell(&format!("{} run sh -c 'kill -TERM $$'", env!("CARGO_BIN_EXE_tmo")));
    assert_eq!(killed.code, 143, "{killed:?}");
    for (args, code, why) in [
        (&["nosuch"][..], 127, "tmo: exec: \"nosuch\": executable file not found in $PATH\n"),
        (&["./Procfile"], 126, "tmo: exec: \"./Procfile\": permission denied\n"),
        (&[], 2, "tmo: Specify a command to run"),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.starts_with(why), "{ran:?}");
    }
    for alias in ["exec", "e"] {
        assert_eq!(world.run([alias, "echo", "x"]).stdout, "x\n");
    }
}

#[test]
fn connect_print_shows_the_tmux_command_in_control_mode_too() {
    let world = World::new(LONG).env("OVERMIND_CONTROL_MODE", "1");
    world.ok(["start", "-D"]);
    let by_variable = world.ok(["connect", "--print"]);
    let by_flag = world.ok(["connect", "--print", "-c", "worker"]);
    let without = world.ok(["connect", "--print", "--control-mode=false"]);
    for shown in [&by_variable, &by_flag] {
        assert!(shown.contains("tmux -CC -N -L tmo-"), "{shown}");
    }
    assert!(!without.contains("-CC"), "{without}");
    assert_ne!(by_variable, by_flag);
    // It is a command that can be typed: without a terminal tmux refuses it.
    let ran = world.shell(&format!("{without} </dev/null"));
    assert!(ran.stderr.contains("not a terminal"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn a_link_named_overmind_uses_overminds_name_and_version() {
    let more = ["a", "b", "c", "sixth"].map(|name| format!("{name}: exec sleep 1000\n")).concat();
    let world = World::new(&format!("{LONG}{more}"));
    let link = world.path().join("overmind");
    symlink(env!("CARGO_BIN_EXE_tmo"), &link).unwrap();
    let run = |args: &[&str]| {
        let mut command: Command = world.command(&link);
        Ran::of(&command.args(args).output().unwrap())
    };
    assert!(run(&["--version"]).stdout.starts_with("Overmind version 2.5.1"));
    for usage in [&[][..], &["-h"], &["--help"]] {
        let help = run(usage).stdout;
        assert!(help.contains("Usage: overmind [") && !help.contains("Usage: tmo"), "{help}");
    }
    let ran = run(&["ps"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("overmind: dial unix ./.overmind.sock: connect: "), "{ran:?}");
    assert!(!ran.stderr.contains("tmo"), "{ran:?}");
    for unknown in [&["nosuch"][..], &["help", "nosuch"]] {
        let ran = run(unknown);
        assert_eq!((ran.code, ran.stderr.as_str()), (3, "No help topic for 'nosuch'\n"), "{ran:?}");
    }
    let help = run(&["help", "start"]).stdout;
    assert!(help.contains("overmind start -D") && !help.contains("tmo start"), "{help}");
    let said = run(&["start", "-D"]).stdout;
    assert!(said.contains("`overmind quit`"), "{said}");
    assert_eq!(run(&["status"]).stdout.matches("running").count(), 6);
    if !world.is_native() {
        let log = world.ok(["logs"]);
        assert!(log.starts_with("system | Tmux socket name: "), "{log}");
    }
    assert_eq!(world.field("sixth", "color"), 42, "overmind's colours");
    world.write("Procfile", &format!("{LONG}{more}# changed\n"));
    for reload in [run(&["reload"]), world.run(["reload"])] {
        assert!(reload.code == 0 && !reload.stdout.contains("color"), "{reload:?}");
    }
    assert_eq!(world.field("sixth", "color"), 42);
    let again = run(&["start", "--if-needed"]);
    assert!(again.code == 0 && !again.stderr.contains("colors"), "{again:?}");
    assert_eq!(run(&["q"]).code, 0);
    world.wait_empty();
}

/// Whether the real overmind can be had.
fn overmind_is_here(world: &World) -> bool {
    let found = world.shell("command -v overmind && overmind --version").stdout;
    let here = found.contains("Overmind version");
    if !here {
        eprintln!("skipped: overmind is not on PATH");
    }
    here
}

/// Each as client of the other, where overmind can be had; the bytes they exchange stand in
/// `crates/server/tests/control/` in any case.
#[test]
fn overmind_and_tmo_work_as_each_others_clients() {
    let world = World::new(LONG);
    if !overmind_is_here(&world) {
        return;
    }
    let overmind = |args: &[&str]| Ran::of(&world.command("overmind").args(args).output().unwrap());

    world.ok(["start", "-D"]);
    let status = overmind(&["status"]);
    assert_eq!((status.code, status.stdout.matches("running").count()), (0, 2), "{status:?}");
    let before = world.field("web", "pid");
    assert_eq!(overmind(&["restart", "web"]).code, 0);
    eventually("another life", || (world.field("web", "pid") != before).then_some(()));
    assert_eq!(overmind(&["stop", "w*"]).code, 0);
    eventually("both are stopped", || {
        (overmind(&["status"]).stdout.matches("dead").count() == 2).then_some(())
    });
    assert_eq!(overmind(&["quit"]).code, 0);
    world.wait_empty();

    assert_eq!(overmind(&["start", "-D"]).code, 0);
    let ps = || world.run(["ps"]).stdout;
    // It says `running` of what has no pid yet, and does not stop that.
    let begun =
        |ps: &str| !ps.lines().any(|line| line.split_ascii_whitespace().nth(1) == Some("0"));
    let running = |count| {
        nudge_tmux(&world);
        let ps = ps();
        (ps.matches("running").count() == count && begun(&ps)).then_some(())
    };
    eventually("tmo sees what overmind runs", || running(2));
    let shown = world.ok(["connect", "--print", "worker"]);
    assert!(shown.contains("tmux -L overmind-app-") && shown.contains("app:worker"), "{shown}");
    assert_eq!(world.run(["stop", "worker"]).code, 0);
    eventually("it stops", || running(1));
    assert_eq!(world.run(["restart", "worker"]).code, 0);
    eventually("it is started again", || running(2));
    assert_eq!(world.run(["quit"]).code, 0);
    eventually("it ends", || {
        nudge_tmux(&world);
        (!world.app().join(".overmind.sock").exists()).then_some(())
    });
    world.wait_empty();
    remove_tmux_sockets(&world);
}

/// Have tmux look which of its processes have ended: where libutempter makes it lose the signal of
/// that, overmind waits for ever.
fn nudge_tmux(world: &World) {
    let is_tmux = |args: &[String]| args.first().is_some_and(|name| name == "tmux");
    for process in world.living().into_iter().filter(|process| is_tmux(&process.args)) {
        procs::kill(process.pid, nix::libc::SIGCHLD);
    }
}

/// The socket of overmind's tmux server stays where tmux had it.
fn remove_tmux_sockets(world: &World) {
    for socket in files(&world.path().join("tmux")) {
        std::fs::remove_file(socket).unwrap();
    }
}

/// What a program shows of a Procfile from its start to Ctrl-C, by process, without what differs in
/// each run and what is said otherwise on purpose.
fn shown_by(program: &str, procfile: &str, args: &[&str]) -> Vec<String> {
    let world = World::new(procfile).env("CLICOLOR_FORCE", "1");
    let log = world.app().join("shown");
    let mut command = world.command(program);
    command.arg("start").args(args).stdout(File::create(&log).unwrap());
    let mut run = command.spawn().unwrap();
    eventually("all are up", || {
        let log = world.read("shown");
        let begun = log.matches("up\n").count() == 3 && log.matches("Started with").count() == 3;
        begun.then_some(())
    });
    procs::kill(run.id(), nix::libc::SIGINT);
    eventually("it ends", || {
        nudge_tmux(&world);
        run.try_wait().unwrap()
    });
    world.wait_empty();
    remove_tmux_sockets(&world);
    let pid = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains("...");
    let known = |word: &str| match word {
        word if pid(word) => "PID".to_owned(),
        word if word.contains("-app-") => "SOCKET".to_owned(),
        word => word.to_owned(),
    };
    // A title is for a terminal.
    let log = world.read("shown").replace("\x1b]0;app | overmind\x07", "");
    let log = log.replace("Ended by signal 2 (SIGINT)", "Exited with code 0");
    let words = |line: &str| line.split(' ').map(known).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = log.lines().map(words).collect();
    // Those of each process in their order; who was when depends on who was faster.
    lines.sort_by_key(|line| line.split(" | ").next().map(str::to_owned));
    lines
}

#[test]
fn the_view_equals_the_real_overminds_byte_for_byte() {
    if !overmind_is_here(&World::new(LONG)) {
        return;
    }
    let procfile = "web: printf '\\033[31mred\\033[0m\\tx \\r\\n\\n'; echo $PS on $PORT; echo up; \
                    exec sleep 1000\na-long-name: echo up; exec sleep 1000\n";
    for args in [&["-m", "web=2"][..], &["-m", "web=2", "-b", "9,200", "-p", "7000"]] {
        let tmo = shown_by(env!("CARGO_BIN_EXE_tmo"), procfile, args);
        assert_eq!(tmo, shown_by("overmind", procfile, args));
    }
}
