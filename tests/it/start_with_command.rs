//! `tmo start --until-ready -- COMMAND`: a run for the duration of a command; `tmo start -- COMMAND`: a run of
//! one command.

use crate::harness::{Terminal, World, eventually};

const STACK: &str = "db: echo open; exec sleep 1000\nweb: exec sleep 1000\n";
const TOML: &str =
    "[process.db]\nphase = \"dependency\"\nready = {log = \"open\", timeout = \"20s\"}\n";

#[test]
fn a_command_is_the_only_process_and_gets_its_arguments_unchanged() {
    let world = World::new("web: touch web-ran\n");
    let script = "echo \"<$1> $PS $PORT\"; pwd; exit 7";
    let ran = world.run(["start", "--", "sh", "-c", script, "x", "a b $HOME 'q'"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("sh     | <a b $HOME 'q'> sh {}\n", world.port(0))),
        "{ran:?}"
    );
    assert!(ran.stdout.contains(&format!("sh     | {}\n", world.app().display())), "{ran:?}");
    assert!(!world.app().join("web-ran").exists() && !world.app().join(".overmind.sock").exists());
    world.wait_empty();
    let ran = world.run(["start", "web", "--", "true"]);
    assert!(ran.code == 2 && ran.stderr.contains("the only process"), "{ran:?}");
}

#[test]
fn runs_of_commands_and_of_the_procfile_stand_side_by_side() {
    let world = World::new("web: exec sleep 1000\n");
    let first = world.ok(["start", "-D", "--", "sleep", "1001"]);
    // Commands typed here find the only run.
    assert!(world.ok(["ps"]).contains("\nsleep "));
    world.ok(["restart", "sleep"]);
    assert!(world.ok(["reload"]).contains("sleep: unchanged"));
    world.ok(["start", "-D", "--", "sleep", "1002"]);
    let ran = world.run(["ps"]);
    assert!(ran.code == 1 && ran.stderr.contains("2 commands run in"), "{ran:?}");
    for command in ["`-s ", ".cmd` (sleep 1001)", ".cmd` (sleep 1002)"] {
        assert!(ran.stderr.contains(command), "{ran:?}");
    }
    assert!(world.ok(["ls"]).contains(".cmd\n"));
    world.ok(["start", "-D"]);
    assert!(world.ok(["ps"]).contains("\nweb "));
    assert_eq!(world.ok(["ls"]).matches(" running ").count(), 3);
    world.ok(["quit"]);
    let socket = first.split("-s ").nth(1).unwrap().split('`').next().unwrap();
    world.ok(["quit", "-s", socket]);
    // Behind it, its log is found by its socket, and that of the last one by the directory alone.
    assert!(world.ok(["logs", "-s", socket]).contains("sleep"));
    std::fs::remove_file(world.app().join("Procfile")).unwrap();
    world.ok(["quit"]);
    assert!(world.ok(["logs"]).contains("Started with pid"));
    world.wait_empty();
}

#[test]
fn a_command_is_refused_at_the_socket_of_another_run() {
    let world = World::new("web: exec sleep 1000\n");
    let socket = world.app().join("x.sock");
    let at = ["-s", socket.to_str().unwrap()];
    let refused = |args: &[&str], words: &[&str]| {
        let ran = world.run([&["start"], &at[..], args].concat());
        assert!(ran.code == 1 && ran.stderr.lines().count() == 1, "{args:?}: {ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {ran:?}");
        }
        assert!(ran.stderr.contains("tmo quit -s ") && ran.stderr.contains("beside it"), "{ran:?}");
    };
    world.ok([&["start", "-D"], &at[..]].concat());
    for args in [&["--", "sleep", "1001"][..], &["-D", "--", "sleep", "1001"]] {
        refused(args, &["/app/Procfile, not for sleep 1001"]);
    }
    world.ok([&["quit"], &at[..]].concat());
    world.wait_empty();
    world.ok([&["start", "-D"], &at[..], &["--", "sleep", "1001"]].concat());
    refused(&["--", "sleep", "1002"], &["is for sleep 1001, not for sleep 1002"]);
    refused(&["-f", "Procfile"], &["is for sleep 1001, not for ", "/Procfile: "]);
    // The same one is shown.
    let mut view = world.start([&at[..], &["--", "sleep", "1001"]].concat());
    eventually("it is shown", || view.errors().contains("attached to the run").then_some(()));
    world.ok([&["quit"], &at[..]].concat());
    view.end();
    world.wait_empty();
}

#[test]
fn the_command_runs_once_all_processes_are_ready_and_its_end_stops_them() {
    let world = World::new(STACK);
    world.write("tmo.toml", TOML);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let test = format!("{tmo} ps --json | grep -c '\"ready\": true' >ready; echo out; exit 7");
    let ran = world.run(["start", "--until-ready", "--", "sh", "-c", &test]);
    assert_eq!(ran.code, 7, "{ran:#?}");
    assert!(ran.stdout.contains("| open") && ran.stdout.ends_with("out\n"), "{ran:#?}");
    assert_eq!(std::fs::read_to_string(world.app().join("ready")).unwrap(), "2\n");
    world.wait_empty();
    // Behind it nothing is left that would be in the way.
    assert_eq!(world.run(["start", "--until-ready", "--", "true"]).code, 0);
    world.wait_empty();
    let ran = world.run(["start", "--until-ready", "--", "no-such-program"]);
    assert!(ran.code == 127 && ran.stderr.contains("tmo: no-such-program: "), "{ran:#?}");
    world.wait_empty();
}

#[test]
fn no_command_runs_when_a_process_does_not_become_ready() {
    let world = World::new("db: exec sleep 1000\nweb: exec sleep 1000\n");
    world.write("tmo.toml", &TOML.replace("20s", "200ms"));
    let ran = world.run(["start", "--until-ready", "--", "touch", "begun"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("did not print `open` within 200 ms"), "{ran:#?}");
    assert!(!world.app().join("begun").exists());
    world.wait_empty();
}

#[test]
fn an_existing_run_is_left_alone_and_no_command_runs() {
    let world = World::new(STACK);
    world.ok(["start", "-D"]);
    let ran = world.run(["start", "--until-ready", "--", "true"]);
    assert!(ran.code == 1 && ran.stderr.contains("a run is here already"), "{ran:#?}");
    world.wait_state("web", "running");
    world.ok(["quit"]);
    world.wait_empty();
    let ran = world.run(["start", "--until-ready"]);
    assert!(ran.code == 2 && ran.stderr.contains("COMMAND"), "{ran:#?}");
}

#[test]
fn the_end_of_the_command_does_not_end_a_newer_run() {
    let world = World::new(STACK);
    world.write("Procfile.other", "other: exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let again = format!("{tmo} quit && {tmo} start -D -f Procfile.other >other.out 2>&1; exit 5");
    let ran = world.run(["start", "--until-ready", "--", "sh", "-c", &again]);
    assert_eq!(ran.code, 5, "{ran:#?}");
    let pid = world.wait_state("other", "running");
    assert_eq!(world.state().unwrap()["quitting"], false, "{ran:#?}");
    world.ok(["restart", "other"]);
    assert_ne!(world.wait_state("other", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn start_with_a_directory_ends_only_the_run_of_that_directory() {
    let world = World::new("web: exec sleep 1000\n");
    let other = world.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("Procfile"), "other: exec sleep 1000\n").unwrap();
    world.ok(["start", "-D"]);
    let pid = world.wait_state("web", "running");
    // Begun from here, there, and ended there.
    let ran = world.run(["start", "../other", "--until-ready", "--", "true"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let socket = other.join(".overmind.sock");
    assert!(!socket.exists(), "{ran:?}");
    // The command is run here, and its `tmo` means the run there.
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let test = format!("{tmo} ps --json > seen && {tmo} restart other && {tmo} quit; exit 6");
    let ran = world.run(["start", "../other", "--until-ready", "--", "sh", "-c", &test]);
    assert_eq!(ran.code, 6, "{ran:?}");
    let seen = std::fs::read_to_string(world.app().join("seen")).unwrap();
    assert!(seen.contains("\"other\"") && !seen.contains("\"web\""), "{seen}");
    assert!(!socket.exists(), "{ran:?}");
    let named = format!("`tmo quit -s {}` ends it", socket.display());
    let ran = world.run(["start", "-D", "../other"]);
    assert!(ran.code == 0 && ran.stdout.contains(&named), "{ran:?}");
    let ran = world.run(["start", "-D", "../other"]);
    let named = format!("`tmo quit -s {}`", socket.display());
    assert!(ran.code == 0 && ran.stderr.contains(&named), "{ran:?}");
    let socket = socket.to_str().unwrap();
    world.ok(["quit", "-s", socket]);
    assert_eq!(world.wait_state("web", "running"), pid);
    world.ok(["quit"]);
}

#[test]
fn the_command_finds_a_run_with_a_given_socket() {
    let world = World::new("web: exec sleep 1000\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    for (flags, dir) in
        [(&["-s", "named.sock"][..], "/"), (&["-S", "tcp", "-s", "127.0.0.1:0"], ".")]
    {
        let test = format!("(cd {dir} && {tmo} restart web); echo $? > restarted");
        let start = [&["start"], flags, &["--until-ready", "--", "sh", "-c", &test]].concat();
        let ran = world.run(&start);
        let restarted = std::fs::read_to_string(world.app().join("restarted"));
        assert_eq!(restarted.unwrap(), "0\n", "{ran:?}");
        std::fs::remove_file(world.app().join("restarted")).unwrap();
    }
}

#[test]
fn ctrl_z_suspends_the_start_with_its_command() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.write("command", "touch begun\nread line\necho read $line\nexit 7\n");
    let terminal = Terminal::open(&world, "terminal", 100, 30);
    terminal.tmo("start --until-ready -- sh command");
    eventually("it runs", || world.app().join("begun").exists().then_some(()));
    terminal.keys(["C-z"]);
    terminal.wait("Stopped");
    terminal.line("echo $((40 + 2)) shell; fg");
    terminal.wait("42 shell");
    terminal.wait_for("it goes on", |screen| screen.contains("--until-ready -- sh command\n"));
    terminal.line("me");
    terminal.wait("read me");
    terminal.line("echo $((70 + $?)) code");
    terminal.wait("77 code");
    assert_eq!(world.run(["ps"]).code, 1);
}

#[test]
fn signals_to_the_start_reach_its_command() {
    let world = World::new("web: exec sleep 1000\n");
    world.write("command", "trap 'exit 8' INT TERM\ntouch begun\nwhile :; do sleep 0.1; done\n");
    for signal in [2, 15] {
        let mut start = world.start(["--until-ready", "--", "sh", "command"]);
        eventually("it runs", || world.app().join("begun").exists().then_some(()));
        start.signal(signal);
        assert_eq!(start.code(), 8, "{}", start.errors());
        std::fs::remove_file(world.app().join("begun")).unwrap();
    }
}

#[test]
fn no_command_runs_when_the_run_ends_before_it_is_ready() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nready = { log = \"never\", timeout = \"100s\" }\n");
    let up = || {
        eventually("it runs", || world.app().join("up").exists().then_some(()));
        std::fs::remove_file(world.app().join("up")).unwrap();
    };
    for (args, code) in [(&["--until-ready", "--", "touch", "ran"][..], 130), (&["--wait"], 130)] {
        let mut start = world.start(args);
        up();
        start.signal(2);
        assert_eq!(start.code(), code, "{args:?}: {}", start.errors());
        let mut start = world.start(args);
        up();
        world.ok(["quit"]);
        assert_eq!(start.code(), 1, "{args:?}: {}", start.errors());
        let reported = "tmo: the run ended before all of it was ready\n";
        assert!(start.errors().ends_with(reported), "{args:?}: {}", start.errors());
    }
    // Without anybody's doing: the end of one ends the others.
    world.write("Procfile", "web: sleep 0.2; exit 0\nother: exec sleep 1000\n");
    let ran = world.run(["start", "--until-ready", "--", "touch", "ran"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!world.app().join("ran").exists());
    // Nothing has to be ready: it has done what it was begun for.
    std::fs::remove_file(world.app().join("tmo.toml")).unwrap();
    world.write("Procfile", "build: true\n");
    assert_eq!(world.run(["start", "--wait"]).code, 0);
    world.wait_empty();
}

#[test]
fn a_signal_just_before_readiness_or_detaching_ends_the_run() {
    let world =
        World::new("web: while [ ! -e go ]; do sleep 0.01; done; echo ready; exec sleep 1000\n");
    world.write("tmo.toml", "[process.web]\nready = { log = \"ready\", timeout = \"100s\" }\n");
    for signal in [2, 15] {
        for args in [&["--until-ready", "--", "touch", "ran"][..], &["--wait"]] {
            let mut start = world.start(args);
            world.wait_state("web", "running");
            start.signal(signal);
            world.write("go", "");
            assert_eq!(start.code(), 130, "{signal} {args:?}: {}", start.errors());
            assert!(!world.app().join("ran").exists());
            world.wait_empty();
            std::fs::remove_file(world.app().join("go")).unwrap();
        }
    }
    // Who waits for the command can't be sent away.
    let mut start =
        world.start(["--until-ready", "--", "sh", "-c", "test -e go || exit 3; touch ran"]);
    eventually("it is a view", || (world.state()?["views"] == 1).then_some(()));
    world.ok(["detach"]);
    world.write("go", "");
    assert_eq!(start.code(), 0, "{}", start.errors());
    assert!(!start.errors().contains("detached") && world.app().join("ran").exists());
    std::fs::remove_file(world.app().join("go")).unwrap();
    let mut start = world.start([""; 0]);
    world.wait_state("web", "running");
    start.signal(15);
    // It may be over by then.
    world.run(["detach"]);
    assert_eq!(start.code(), 0);
    world.wait_empty();
}

#[test]
fn a_command_that_stops_itself_suspends_the_start_and_ctrl_c_skips_the_grace_period() {
    let world = World::new("web: trap '' INT; echo up; while :; do sleep 0.1; done\n");
    world.write("command", "touch begun\nkill -STOP $$\ntouch went_on\n");
    let terminal = Terminal::open(&world, "terminal", 150, 30);
    terminal.tmo("start -t 600 --until-ready -- sh command");
    terminal.wait("Stopped");
    terminal.line("echo $((40 + 2)) shell; fg");
    terminal.wait("42 shell");
    eventually("it goes on", || world.app().join("went_on").exists().then_some(()));
    terminal.wait("Ctrl-C kills it now");
    terminal.keys(["C-c"]);
    terminal.line("echo $((70 + $?)) code");
    terminal.wait("70 code");
    assert_eq!(world.run(["ps"]).code, 1);
}

#[test]
fn the_end_of_the_command_does_not_shorten_a_stop_in_progress() {
    let world = World::new(
        "db: trap 'touch asked; sleep 1; touch cleaned; exit 0' INT; while :; do sleep 0.1; done\n\
         web: until [ -e go ]; do sleep 0.05; done; exit 1\n",
    );
    world.write("command", "touch go\nuntil [ -e asked ]; do sleep 0.05; done\nexit 5\n");
    let ran = world.run(["start", "--until-ready", "--", "sh", "command"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let reported =
        "tmo: the run was being stopped before the command had ended; `tmo why` says more\n";
    assert!(ran.stderr.contains(reported), "{ran:?}");
    assert!(world.app().join("cleaned").exists());
    world.wait_empty();
}

#[test]
fn a_command_is_found_beside_a_dead_socket_and_by_the_socket_that_the_user_names() {
    let world = World::new("web: exec sleep 1000\n");
    let socket = world.app().join(".overmind.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    world.ok(["start", "-D", "--", "sleep", "1001"]);
    assert!(world.ok(["ps"]).contains("\nsleep "));
    world.ok(["quit"]);
    // No run of the Procfile has a log here.
    assert!(world.ok(["logs"]).contains("sleep  | Started with pid"));
    std::fs::remove_file(socket).unwrap();
    let named = world.app().join("named.sock");
    let world = world.env("TMO_SOCKET", named.to_str().unwrap());
    world.ok(["start", "-D", "--", "sleep", "1002"]);
    assert!(named.exists());
    assert!(world.ok(["ps"]).contains("\nsleep "));
    world.ok(["quit"]);
    assert!(world.ok(["logs"]).contains("sleep  | Started with pid"));
    world.wait_empty();
}
