//! Messages of `tmo start` to a person, typed lines, and attaching to a run.

use crate::harness::{Ran, Terminal, World, eventually, procs};

/// A process that takes no notice of SIGINT.
const STUBBORN: &str = "web: trap '' INT; touch up; while :; do sleep 0.05; done\n";

fn up(world: &World) {
    eventually("it is up", || world.app().join("up").exists().then_some(()));
    world.wait_state("web", "running");
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_line_typed_at_the_view_gets_one_hint_and_is_not_run_by_the_shell() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "typed", 120, 30);
    terminal.tmo("start");
    up(&world);
    terminal.line("touch one");
    terminal.wait("`tmo send web 'touch one' --enter` types that");
    terminal.line("touch two");
    terminal.line("touch three");
    terminal.keys(["C-c"]);
    terminal.wait("Ended by signal 2");
    terminal.line("touch four");
    eventually("the shell is back", || world.app().join("four").exists().then_some(()));
    for file in ["one", "two", "three"] {
        assert!(!world.app().join(file).exists(), "{file}: {}", terminal.history());
    }
    assert_eq!(count(&terminal.history(), "--enter"), 1, "{}", terminal.history());
}

#[test]
fn the_commands_in_messages_of_a_view_reach_its_run_and_no_other() {
    let world = World::new("read: while IFS= read -r line; do echo \"got <$line>\"; done\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "beside", 200, 30);
    terminal.tmo("start -s '../it s.sock'");
    terminal.wait("Started with pid");
    terminal.line("rs");
    terminal.wait("types that");
    let screen = terminal.screen();
    let (_, answer) = screen.split_once("in another one, `").unwrap();
    let (command, _) = answer.split_once("` types that").unwrap();
    assert_eq!(command, "tmo send read rs --enter -s '../it s.sock'");
    assert!(screen.contains("`tmo connect read -s '../it s.sock'` opens"), "{screen}");
    let script = format!("tmo() {{ {} \"$@\"; }}; {command}", env!("CARGO_BIN_EXE_tmo"));
    let ran = world.shell(&script);
    assert_eq!(ran.code, 0, "{ran:?}");
    terminal.wait("| got <rs>");
    let log = world.ok(["logs", "read"]);
    assert!(!log.contains("got <rs>"), "typed into the other run: {log}");
    let socket = ["-s", "../it s.sock"];
    let refused = world.run([&["start"][..], &socket].concat());
    assert!(refused.stderr.contains("`tmo quit -s '../it s.sock'` ends it"), "{refused:?}");
    world.ok([&["detach"][..], &socket].concat());
    terminal.wait(
        "detached; `tmo start -s '../it s.sock'` shows what follows, `tmo quit -s '../it s.sock'` ends it",
    );
    world.ok([&["quit"][..], &socket].concat());
    world.ok(["quit"]);
}

#[test]
fn the_commands_in_messages_name_the_socket_unless_it_is_the_usual_one() {
    let world = World::new("read: exec sleep 1000\nweb: exit 3\n");
    let daemon = ["start", "-D", "--any-can-die"];
    let told = |flags: &str, socket: &str| {
        format!(
            "`tmo logs -n 100 -f{flags}` shows the log, `tmo quit{flags}` ends it (socket {socket})"
        )
    };
    let began = world.ok([&daemon[..], &["-s", ".overmind.sock"]].concat());
    assert!(began.contains(&told("", ".overmind.sock")), "{began}");
    let began = world.ok([&daemon[..], &["-s", "../s2.sock"]].concat());
    assert!(began.contains(&told(" -s ../s2.sock", "../s2.sock")), "{began}");
    let mut by_variable = world.tmo(daemon);
    let began = Ran::of(&by_variable.env("TMO_SOCKET", "../s3.sock").output().unwrap()).stdout;
    assert!(began.contains(&told(" -s ../s3.sock", "../s3.sock")), "{began}");
    let refused = world.run(["start", "-D", "-s", "../s2.sock"]);
    let shown = "`tmo connect -s ../s2.sock` and `tmo echo -s ../s2.sock` show it, \
                 `tmo restart -s ../s2.sock` restarts, `tmo quit -s ../s2.sock` ends it";
    assert!(refused.stderr.contains(shown), "{refused:?}");
    for (socket, next) in [
        (".overmind.sock", "$ tmo logs web -n 100\n"),
        ("../s2.sock", "$ tmo logs web -n 100 -s ../s2.sock\n"),
    ] {
        assert_eq!(world.run(["wait", "web", "--for", "exit", "-s", socket]).code, 3);
        let why = world.run(["why", "web", "-s", socket]).stdout;
        assert!(why.contains(next), "{why}");
        let answer = world.run(["why", "web", "--json", "-s", socket]).stdout;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let next = next.trim_start_matches("$ ").trim_end();
        assert_eq!(answer["causes"][0]["next"], next);
    }
    for socket in ["../s3.sock", "../s2.sock", ".overmind.sock"] {
        world.ok(["quit", "-s", socket]);
    }
}

#[test]
fn the_suggested_send_command_quotes_any_typed_line() {
    let world = World::new("web: stty -echo; while read -r line; do echo \"got <$line>\"; done\n");
    let tmo = env!("CARGO_BIN_EXE_tmo");
    for text in ["-h", "--enter", "-rf it's", "=ls", "~ #1 $HOME `id`"] {
        let terminal = Terminal::open(&world, "answered", 200, 30);
        terminal.tmo("start");
        terminal.wait("Started with pid");
        terminal.line(text);
        terminal.wait("types that");
        let screen = terminal.screen();
        let (_, answer) = screen.split_once("in another one, `").unwrap();
        let (command, _) = answer.split_once("` types that").unwrap();
        let script = format!("tmo() {{ {tmo} \"$@\"; }}; {command}");
        let ran = world.command("sh").args(["-c", &script]).output().unwrap();
        assert!(ran.status.success(), "{command}: {ran:?}");
        terminal.wait(&format!("| got <{text}>"));
        terminal.keys(["C-c"]);
        world.wait_state_gone();
        terminal.close();
    }
}

#[test]
fn text_typed_after_the_stop_has_begun_is_left_to_the_shell() {
    for by_key in [true, false] {
        let world = World::new(STUBBORN);
        let terminal = Terminal::open(&world, "after", 120, 30);
        terminal.tmo("start -t 1");
        up(&world);
        let quit = (!by_key).then(|| world.tmo(["quit"]).spawn().unwrap());
        if by_key {
            terminal.keys(["C-c"]);
        }
        terminal.wait("Interrupting...");
        terminal.line("touch after");
        eventually("the shell has it", || world.app().join("after").exists().then_some(()));
        assert!(quit.is_none_or(|mut quit| quit.wait().unwrap().success()));
    }
}

#[test]
fn a_view_in_the_background_reads_nothing_and_is_not_stopped() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "back", 120, 40);
    terminal.line(&format!("{} start &", env!("CARGO_BIN_EXE_tmo")));
    up(&world);
    terminal.line("touch background");
    eventually("the shell has it", || world.app().join("background").exists().then_some(()));
    terminal.line("fg");
    terminal.wait("start\n");
    terminal.line("touch foreground");
    terminal.wait("--enter` types that");
    terminal.keys(["C-z"]);
    // Before that, the view reads what is typed.
    terminal.wait("Stopped");
    terminal.line("touch stopped");
    eventually("the shell has it", || world.app().join("stopped").exists().then_some(()));
    terminal.line("bg");
    terminal.line("touch again");
    eventually("the shell has it", || world.app().join("again").exists().then_some(()));
    assert!(!world.app().join("foreground").exists());
    world.ok(["quit"]);
    terminal.wait("Ended by signal 2");
}

#[test]
fn a_pager_after_the_view_keeps_the_terminal() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "pager", 120, 30);
    terminal.line(&format!("{} start | cat", env!("CARGO_BIN_EXE_tmo")));
    up(&world);
    terminal.line("touch later");
    world.ok(["quit"]);
    eventually("the shell has it", || world.app().join("later").exists().then_some(()));
    assert!(!terminal.history().contains("--enter"), "{}", terminal.history());
}

#[test]
fn redirected_standard_input_is_left_unread() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.write("input", "touch wrong\n");
    let line = format!("({} start >log 2>&1; cat) <input", env!("CARGO_BIN_EXE_tmo"));
    let shell = std::thread::scope(|scope| {
        let shell = scope.spawn(|| world.shell(&line));
        up(&world);
        world.ok(["quit"]);
        shell.join().unwrap()
    });
    assert_eq!(shell.stdout, "touch wrong\n");
}

#[test]
fn a_slow_stop_reports_once_the_process_and_the_deadline() {
    let world = World::new(STUBBORN);
    let mut view = world.start(["-t", "4"]);
    up(&world);
    let pid = world.wait_state("web", "running").unwrap();
    view.signal(2);
    view.shows("still runs");
    let reported = format!(
        "system | web (pid {pid}) still runs; SIGKILL in 3 s, Ctrl-C again or `tmo kill` kills it now\n"
    );
    assert!(view.log().contains(&reported), "{}", view.log());
    // Another supervisor does not repeat it.
    procs::kill(world.supervisor(), 9);
    assert_eq!(view.code(), 0);
    assert_eq!(count(&view.log(), "still runs"), 1, "{}", view.log());
    assert!(view.log().contains("web    | Killing...\n"), "{}", view.log());
}

#[test]
fn a_quick_stop_reports_no_delay() {
    for (procfile, grace) in [("web: touch up; exec sleep 1000\n", "5"), (STUBBORN, "1")] {
        let world = World::new(procfile);
        let mut view = world.start(["-t", grace]);
        up(&world);
        assert_eq!(view.interrupt(), 0);
        assert!(!view.log().contains("still runs"), "{}", view.log());
    }
}

#[test]
fn a_command_that_waits_for_a_slow_stop_reports_it_too() {
    let world = World::new(STUBBORN);
    world.ok(["start", "-D", "-t", "4"]);
    up(&world);
    let pid = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "stop", 120, 30);
    terminal.tmo("stop web");
    let explained = format!("stopping: web (pid {pid}) still runs; SIGKILL in ");
    terminal.wait(&explained);
    world.wait_state("web", "stopped");
    // Into a pipe too, once.
    world.ok(["start", "web"]);
    let pid = world.wait_state("web", "running").unwrap();
    let ran = world.run(["stop", "web"]);
    let explained = format!("tmo: stopping: web (pid {pid}) still runs; SIGKILL in ");
    assert_eq!((ran.code, ran.stderr.matches(&explained).count()), (0, 1), "{ran:?}");
    world.ok(["quit"]);
    let log = world.ok(["logs"]);
    assert!(log.contains("SIGKILL in 3 s, `tmo stop web` kills it now"), "{log}");
}

#[test]
fn a_run_whose_processes_have_all_ended_explains_how_to_end_it() {
    let world = World::new("one: exit 0\ntwo: until [ -e go ]; do sleep 0.05; done; exit 3\n");
    let mut view = world.start(["--any-can-die"]);
    world.wait_state("one", "exited");
    world.wait_state("two", "running");
    assert!(!view.log().contains("have ended"), "{}", view.log());
    world.write("go", "");
    view.shows(
        "system | All processes have ended; Ctrl-C or `tmo quit` ends tmo, \
         `tmo restart NAME` starts one again\n",
    );
    assert_eq!(view.interrupt(), 3);
}

#[test]
fn processes_stopped_by_hand_are_not_reported_as_ended() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    up(&world);
    world.ok(["stop"]);
    world.ok(["quit"]);
    assert!(!world.ok(["logs"]).contains("have ended"));
}

#[test]
fn an_attached_view_explains_ctrl_c_and_detach() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    up(&world);
    let mut view = world.start([""; 0]);
    let reported = ": Ctrl-C leaves it, `tmo quit` ends it\n";
    eventually("it says so", || {
        let errors = view.errors();
        (errors.starts_with("tmo: attached to the run, ") && errors.ends_with(reported))
            .then_some(())
    });
    eventually("it is a view", || (world.state()?["views"] == 1).then_some(()));
    world.ok(["detach"]);
    assert_eq!(view.code(), 0);
    world.ok(["quit"]);
}

#[test]
fn start_with_another_procfile_does_not_attach_to_the_run() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.write("Procfile.b", "other: exec sleep 1000\n");
    world.ok(["start", "-D", "-f", "Procfile", "-t", "7"]);
    up(&world);
    for args in [
        &["start", "-f", "Procfile.b"][..],
        &["start", "-D", "-f", "Procfile.b"],
        &["start", "--if-needed", "-f", "Procfile.b"],
        &["start", "-f", "Procfile.b", "web"],
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let reported = "/app/Procfile.b: `tmo quit` ends it; -s SOCKET starts";
        assert!(ran.stderr.contains("/app/Procfile, not for"), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(reported), "{args:?}: {ran:?}");
    }
    assert_eq!(world.run(["start", "--if-needed", "-f", "./Procfile", "-t", "7"]).stderr, "");
    assert_eq!(world.run(["start", "--if-needed"]).stderr, "");
    let ran = world.run(["start", "--if-needed", "--exit-code-from", "web"]);
    assert!(ran.stderr.contains("already up, so ignored: --exit-code-from;"), "{ran:?}");
    let ran = world.run(["start", "--if-needed", "-m", "web=2", "-t", "8"]);
    let reported = "tmo: a run is already up, so ignored: --formation, --timeout; to apply \
                    that, end it with `tmo quit` and start again\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (0, reported));
    world.ok(["quit"]);
}

#[test]
fn a_background_start_with_a_skipped_process_reports_what_runs() {
    let until = format!("until {} ps | grep -q 'mail .*exited'", env!("CARGO_BIN_EXE_tmo"));
    let world = World::new(&format!(
        "db: touch up; exec sleep 1000\nmail: exit 4\njob: {until}; do sleep 0.1; done; exit 3\n\
         api: exec sleep 1000\n"
    ));
    world.write(
        "tmo.toml",
        "[process.job]\non_exit = \"ignore\"\n[process.mail]\non_exit = \"ignore\"\n\
         [process.api]\ndepends_on = { job = \"completed\" }\n",
    );
    let ran = world.run(["start", "-D"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("tmo: api: skipped: job ended with code 3"), "{ran:?}");
    let reported = "tmo: mail has ended (code 4); `tmo why mail` tells more\n\
                    tmo: db goes on in the background; `tmo quit` ends the run\n";
    assert!(ran.stderr.ends_with(reported), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn start_if_needed_takes_a_run_over_and_returns() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    up(&world);
    let pid = world.wait_state("web", "running");
    let (guardian, supervisor) = (world.guardian(), world.supervisor());
    procs::kill(guardian, 9);
    procs::kill(supervisor, 9);
    let gone = || (!procs::alive(guardian) && !procs::alive(supervisor)).then_some(());
    eventually("both are gone", gone);
    let ran = world.run(["start", "--if-needed"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("taken over its 1 living process"), "{ran:?}");
    assert_eq!(world.wait_state("web", "running"), pid);
    assert_eq!(world.run(["start", "--if-needed"]).stderr, "");
    world.ok(["quit"]);
}

#[test]
fn start_waits_for_a_stopping_run_and_begins_another() {
    let slow = "trap 'touch asked; while [ -e slow ]; do sleep 0.05; done; exit 0' INT";
    let world = World::new(&format!("web: {slow}; touch up; while :; do sleep 0.1; done\n"));
    let file = |name: &str| world.app().join(name);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let starts: [(&[&str], bool); 8] = [
        (&["--if-needed", "-D"], false),
        (&["--if-needed", "--wait"], false),
        (&["-D"], false),
        (&["-D", "web"], false),
        (&["--until-ready", "--", tmo, "ps"], false),
        (&["--if-needed", "-D"], true),
        (&["--wait"], true),
        (&["--until-ready", "--", tmo, "ps"], true),
    ];
    for (args, killed) in starts {
        world.ok(["start", "-D", "-t", "60"]);
        up(&world);
        let pid = world.wait_state("web", "running");
        world.write("slow", "");
        let mut quit = world.tmo(["quit"]).spawn().unwrap();
        eventually("it is asked to stop", || file("asked").exists().then_some(()));
        let mut start = world.start(args);
        let waits = "tmo: a run is being stopped here; waiting until it has ended\n";
        eventually("the start waits", || start.errors().contains(waits).then_some(()));
        if killed {
            for part in [world.guardian(), world.supervisor()] {
                procs::kill(part, 9);
            }
            // By it, or by the other command.
            eventually("the start waits", || (count(&start.errors(), waits) == 2).then_some(()));
        }
        std::fs::remove_file(file("up")).unwrap();
        std::fs::remove_file(file("asked")).unwrap();
        std::fs::remove_file(file("slow")).unwrap();
        assert!(quit.wait().unwrap().success(), "{args:?}");
        assert_eq!(start.code(), 0, "{args:?}: {}", start.errors());
        if !args.contains(&"--until-ready") {
            up(&world);
            assert_ne!(world.wait_state("web", "running"), pid, "{args:?}");
            world.ok(["quit"]);
        }
        world.wait_empty();
        let _ = std::fs::remove_file(file("asked"));
        let _ = std::fs::remove_file(file("up"));
    }
}

#[test]
fn a_start_of_one_process_does_not_wait_for_a_start_in_the_background() {
    let world =
        World::new("never: exec sleep 1000\nafter: exec sleep 1000\nopt: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.never]\nready = { log = \"nope\" }\n[process.after]\ndepends_on = [\"never\"]\n\
         [process.opt]\nautostart = false\n",
    );
    let mut first = world.start(["-D"]);
    world.wait_state("never", "running");
    let ran = world.run(["start", "opt"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
    assert_eq!(world.field("after", "state"), "pending");
    world.ok(["quit"]);
    assert_eq!(first.code(), 1, "{}", first.errors());
    world.wait_empty();
}

#[test]
fn start_waits_only_for_the_stopping_run_of_its_project_and_with_a_timeout() {
    let slow = "trap 'touch asked; while [ -e slow ]; do sleep 0.05; done; exit 0' INT";
    let world = World::new(&format!("web: {slow}; touch up; while :; do sleep 0.1; done\n"));
    let below = world.app().join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("Procfile"), "other: exec sleep 1000\n").unwrap();
    world.write("slow", "");
    world.ok(["start", "-D", "-t", "60"]);
    up(&world);
    let mut quit = world.tmo(["quit"]).spawn().unwrap();
    eventually("it is asked to stop", || world.app().join("asked").exists().then_some(()));
    let mut start = world.tmo(["start", "-D", "-s", "../.overmind.sock"]);
    let ran = Ran::of(&start.current_dir(&below).output().unwrap());
    let reported = "has its socket at ../.overmind.sock, where this project's belongs";
    assert!(ran.code == 1 && ran.stderr.contains(reported), "{ran:?}");
    let ran = world.run(["start", "--wait=0.2"]);
    let reported = "tmo: the run that is being stopped has not ended after 200 ms\n";
    assert!(ran.code == 124 && ran.stderr.ends_with(reported), "{ran:?}");
    // Nor behind another start that waits.
    let mut first = world.start(["-D"]);
    eventually("it waits", || first.errors().contains("waiting until").then_some(()));
    let ran = world.run(["start", "--wait=0.2"]);
    let reported = "tmo: another tmo is still starting here after 200 ms\n";
    assert!(ran.code == 124 && ran.stderr.ends_with(reported), "{ran:?}");
    first.signal(15);
    first.end();
    std::fs::remove_file(world.app().join("slow")).unwrap();
    assert!(quit.wait().unwrap().success());
    world.wait_empty();
}

#[test]
fn two_signals_within_an_instant_are_one_stop_request() {
    let world = World::new(
        "web: trap 'sleep 0.5; echo flushed; exit 0' INT; touch up; while :; do sleep 0.1; done\n",
    );
    let mut view = world.start([""; 0]);
    up(&world);
    // As `timeout` sends its signal to the command and then to its process group.
    view.signal(15);
    view.signal(2);
    view.end();
    assert!(view.log().contains("web    | flushed\n"), "{}", view.log());
}

#[test]
fn start_reports_a_replaced_stale_socket() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    drop(std::os::unix::net::UnixListener::bind(world.app().join(".overmind.sock")).unwrap());
    let ran = world.run(["start", "-D"]);
    let reported = "./.overmind.sock was left by an abandoned run; replaced it\n";
    assert!(ran.code == 0 && ran.stderr.contains(reported), "{ran:?}");
    world.ok(["quit"]);
    assert_eq!(world.run(["start", "-D"]).stderr, "");
    world.ok(["quit"]);
}

#[test]
fn the_first_start_explains_how_to_stop_and_later_ones_do_not() {
    let world = World::new("web: touch up; exec sleep 1000\n");
    let reported = "Ctrl-C stops all processes";
    // Nobody reads it there.
    world.ok(["start", "-D"]);
    world.ok(["quit"]);
    for (number, times) in [("first", 1), ("second", 0)] {
        let terminal = Terminal::open(&world, number, 120, 30);
        let _ = std::fs::remove_file(world.app().join("up"));
        terminal.tmo("start");
        up(&world);
        terminal.keys(["C-c"]);
        terminal.wait("Ended by signal 2");
        assert_eq!(count(&terminal.history(), reported), times, "{}", terminal.history());
        world.wait_state_gone();
    }
}

#[test]
fn can_die_overrides_auto_restart_with_a_message() {
    let world =
        World::new("web: touch up; until [ -e go ]; do sleep 0.05; done\ndb: exec sleep 1000\n");
    let mut view = world.start(["-c", "web", "-r", "web"]);
    up(&world);
    let reported = "--can-die and --auto-restart both name `web`: --can-die applies, \
                it is not started again when it ends";
    assert!(view.errors().contains(reported), "{}", view.errors());
    world.write("go", "");
    world.wait_state("web", "exited");
    assert_eq!(world.field("web", "lives"), 1);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn backend_flags_accept_tmux() {
    for flag in [&["--overmind"][..], &["--backend", "tmux"], &["--backend=tmux"]] {
        let world = World::new("web: touch up; exec sleep 1000\n");
        let started = world.run([&["start", "-D"][..], flag].concat());
        assert_eq!(started.code, 0, "{started:?}");
        world.ok(["quit"]);
    }
    let world = World::new("web: true\n");
    let refused = world.run(["start", "--backend", "screen"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn main_processes_that_never_started_are_not_reported_as_stopped() {
    let world = World::new("db: exit 3\nweb: exec sleep 1000\n");
    world.write("tmo.toml", "[process.db]\nphase = \"dependency\"\nready = { port = 1 }\n");
    let mut view = world.start([""; 0]);
    assert_eq!(view.code(), 3, "{}", view.log());
    assert!(!view.log().contains("All main processes are stopped"), "{}", view.log());
}
