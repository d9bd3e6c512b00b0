//! Bugs of overmind 2.5.1 that tmo does not have, a test for each; `docs/OVERMIND.md` lists them by
//! these names. The comment above a test says what overmind does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use crate::connect::TALK;
use crate::control_socket::{background, mode, socket};
use crate::harness::{Terminal, World, eventually, files, procs};
use crate::numbered_lines::{COUNT, complete, numbers};
use crate::takeover::kill_both;
use crate::view::{DEAF, counted, counting};

const TWO: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";

/// What a process writes just before it ends may be lost.
#[test]
fn output_before_an_exit_is_in_the_log() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let line = |name: &str| {
        format!("{name}: trap 'echo bye; exit' INT; echo up; while :; do sleep 0.05; done\n")
    };
    let world = World::new(&names.map(line).concat());
    let mut view = world.start([""; 0]);
    for name in names {
        view.shows(&format!("{name}      | up\n"));
    }
    assert_eq!(view.interrupt(), 0);
    assert_eq!(view.log().matches("| bye\n").count(), 6, "{}", view.log());
    let world = World::new("a: seq 1 20000\nb: seq 1 20000\n");
    let mut view = world.start(["--any-can-die"]);
    for name in ["a", "b"] {
        view.shows(&format!("{name}      | Exited with code 0\n"));
    }
    view.interrupt();
    for name in ["a", "b"] {
        let log = view.log();
        let said = log.lines().filter_map(|l| l.strip_prefix(&format!("{name}      | ")));
        let reported: Vec<u32> = said.filter_map(|number| number.parse().ok()).collect();
        assert_eq!(reported, (1..=20_000).collect::<Vec<_>>());
    }
}

/// `echo` starts empty; a quiet stack shows nothing.
#[test]
fn echo_begins_with_the_last_lines() {
    let world = background("web: echo one; echo two; echo three; exec sleep 1000\n");
    world.wait_text("web", "three");
    let mut echo = world.tmo(["echo", "-n", "2", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(echo.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(shown.next().unwrap(), "web    | two");
    assert_eq!(shown.next().unwrap(), "web    | three");
    world.ok(["quit"]);
    assert!(shown.all(|line| line.starts_with("web    | ")));
    assert!(echo.wait().unwrap().success());
}

/// An `echo` that comes or goes under heavy output can stop the log for ever.
#[test]
fn echo_clients_under_load_do_not_stop_the_log() {
    let noise = "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    let world = World::new(&format!("web: {COUNT}\na: {noise}\nb: {noise}\n"));
    let mut view = world.start(["-l", "web,a,b"]);
    counted(&world, "log", 1);
    for _ in 0..4 {
        let spoken: Vec<_> = (0..8)
            .map(|number| {
                let mut client = UnixStream::connect(socket(&world)).unwrap();
                client.write_all(b"echo\n").unwrap();
                if number % 2 == 0 {
                    // Some read a little, some nothing.
                    client.read_exact(&mut [0; 100]).unwrap();
                }
                client
            })
            .collect();
        drop(spoken);
    }
    let seen = *numbers(&view.log(), "web").last().unwrap();
    counted(&world, "log", seen + 20);
    assert_eq!(view.interrupt(), 0);
    complete(&numbers(&view.log(), "web"));
}

/// Colours and the title of the terminal are written into pipes and files, `NO_COLOR` or not.
#[test]
fn no_color_and_files_disable_escape_sequences() {
    let world = World::new("web: echo up; exec sleep 1000\n").env("NO_COLOR", "1");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | up");
    assert!(!terminal.colours().contains("\x1b[1"), "{:?}", terminal.colours());
    terminal.keys(["C-c"]);
    terminal.wait("Interrupting");
    world.wait_state_gone();
    // A file is no terminal, whatever the variables say.
    let world = World::new("web: echo up\n");
    let mut view = world.start([""; 0]);
    view.code();
    assert!(!view.log().contains('\x1b'), "{:?}", view.log());
}

/// Where tmux loses SIGCHLD, a death is not noticed in a quarter of the cases.
#[test]
fn death_of_a_process_is_always_noticed() {
    let line = |number: usize| format!("p{number}: until [ -e go ]; do sleep 0.2; done; exit 3\n");
    let world = World::new(&(0..20).map(line).collect::<String>());
    let mut view = world.start(["--any-can-die"]);
    for number in 0..20 {
        world.wait_state(&format!("p{number}"), "running");
    }
    world.write("go", "");
    for number in 0..20 {
        world.wait_state(&format!("p{number}"), "exited");
    }
    assert_eq!(view.interrupt(), 3);
}

/// Such a death then makes the end wait for ever.
#[test]
fn quit_ends_a_run_whose_deaths_tmux_missed() {
    for _ in 0..5 {
        let world = background("web: exec sleep 1000\ncrash: until [ -e go ]; do :; done\n");
        world.write("go", "");
        world.run(["quit"]);
        world.wait_empty();
    }
}

/// A death by a signal is told as `Exited with code 0`, and gives exit code 0.
#[test]
fn death_by_a_signal_is_reported_as_such() {
    for (name, code) in [("SEGV", 139), ("KILL", 137), ("ABRT", 134)] {
        let world = World::new(&format!("web: kill -{name} $$\n"));
        let mut view = world.start([""; 0]);
        assert_eq!(view.code(), code, "{}", view.log());
        let reported = format!("web    | Killed by signal {} (SIG{name})\n", code - 128);
        assert!(view.log().contains(&reported), "{}", view.log());
    }
}

/// `stop` of a process that takes no notice waits for ever.
#[test]
fn stop_kills_a_process_that_ignores_signals() {
    let world = World::new(DEAF);
    let mut view = world.start(["-t", "0.3"]);
    view.shows("| up\n");
    let pid = world.wait_state("web", "running").unwrap();
    world.ok(["stop", "web"]);
    assert!(!procs::alive(pid));
    view.shows("web    | Killing...\n");
    assert_eq!(view.interrupt(), 0);
}

/// So does `restart`.
#[test]
fn restart_kills_a_process_that_ignores_signals() {
    let world = World::new(DEAF);
    let mut view = world.start(["-t", "0.3"]);
    view.shows("| up\n");
    let pid = world.wait_state("web", "running").unwrap();
    world.ok(["restart", "web"]);
    assert!(!procs::alive(pid));
    assert_eq!(view.interrupt(), 0);
}

/// Without any pause, a process that can't begin is restarted five times a second, for ever.
#[test]
fn a_crash_loop_is_restarted_with_back_off() {
    let world = World::new("web: exit 1\n");
    let mut view = world.start(["-r", "all"]);
    view.shows("Restarting in 1 s (ended 2 times in a row)\n");
    view.shows("Restarting in 2 s (ended 3 times in a row)\n");
    assert_eq!(view.interrupt(), 1);
}

/// Where the user's shell does not become the command, its pid is taken for the process.
#[test]
fn a_process_is_stopped_correctly_in_every_shell() {
    for shell in ["/bin/sh", "/bin/dash", "/bin/bash"] {
        if !std::path::Path::new(shell).exists() {
            continue;
        }
        let world = World::new(
            "web: trap 'sleep 0.1; echo cleaned up; exit 7' INT; echo up; \
             while :; do sleep 0.05; done\n",
        )
        .env("SHELL", shell);
        let mut view = world.start([""; 0]);
        view.shows("| up\n");
        // A person asked for the end: no failure, whatever it answers.
        assert_eq!(view.interrupt(), 0, "{shell}");
        let log = view.log();
        let (cleaned, reported) = (log.find("cleaned up"), log.find("Exited with code 7"));
        assert!(cleaned.is_some() && cleaned < reported, "{shell}: {log}");
    }
}

/// Each end of overmind sleeps for a second. (How long ours takes is measured by the bench; here
/// it is enough that nobody waits for a clock.)
#[test]
fn a_stop_takes_no_fixed_second() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    view.shows("| up\n");
    view.interrupt();
    world.wait_empty();
    let source = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/crates/engine/src/teardown.rs"
    ));
    assert!(!source.unwrap().contains("sleep("), "an end waits for events only");
}

/// Each start that is refused leaves a directory in the directory for temporary files.
#[test]
fn a_failed_start_leaves_nothing() {
    let world = World::new("web: exec sleep 1000\n");
    let temporary = world.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let world = world.env("TMPDIR", temporary.to_str().unwrap());
    for args in [&["start", "-l", "nosuch"][..], &["start", "-m", "web"], &["start", "-f", "none"]]
    {
        assert_ne!(world.run(args).code, 0);
    }
    assert_eq!(files(&temporary), Vec::<std::path::PathBuf>::new());
    assert_eq!(files(&world.path().join("run")), Vec::<std::path::PathBuf>::new());
}

/// A process that has ended keeps its pid in overmind, and a later stop goes to whoever has that.
#[test]
fn a_reused_pid_is_never_signalled() {
    let world = World::new("seed: exit 0\nweb: exec sleep 1000\n");
    let mut view = world.start(["-c", "seed"]);
    view.shows("seed   | Exited with code 0\n");
    world.wait_state("seed", "exited");
    assert!(world.field("seed", "pid").is_null(), "it has none any more");
    world.ok(["stop", "seed"]);
    assert!(!view.log().contains("seed   | Interrupting"), "{}", view.log());
    assert_eq!(view.interrupt(), 0);
}

/// `restart web` does not mean web#1 and web#2.
#[test]
fn restart_of_an_entry_restarts_all_instances() {
    let world = World::new("web: echo $PS; exec sleep 1000\n");
    world.ok(["start", "-D", "-m", "web=2"]);
    for word in ["web", "web.2", "web#*"] {
        let before = world.field("web#2", "lives").as_u64();
        world.ok(["restart", word]);
        assert!(world.field("web#2", "lives").as_u64() > before, "{word}");
    }
    assert_eq!(world.field("web#1", "lives"), 3);
    world.ok(["quit"]);
}

/// At Ctrl-C `run` dies at once and leaves the command cleaning up behind the prompt.
#[test]
fn ctrl_c_reaches_the_command_of_run() {
    let world = World::new(TWO);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo(
        "run sh -c \"trap 'sleep 0.3; echo clean; exit 5' INT; echo up; while :; do sleep 0.05; done\"; \
         echo code $?",
    );
    terminal.wait("\nup\n");
    terminal.keys(["C-c"]);
    terminal.wait("code 5");
    let screen = terminal.screen();
    assert!(screen.find("clean\n") < screen.find("code 5"), "{screen}");
}

/// A command that a signal has killed gives 255.
#[test]
fn run_returns_143_for_a_command_killed_by_sigterm() {
    let world = World::new(TWO);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let ran = world.shell(&format!("{tmo} run sh -c 'kill -TERM $$'; echo $?"));
    assert_eq!(ran.stdout, "143\n", "{ran:?}");
}

/// A flag or a value that is wrong gives exit code 0.
#[test]
fn an_unknown_flag_is_refused() {
    let world = World::new(TWO);
    for args in [&["start", "--nosuch"][..], &["start", "-p", "x"], &["restart", "-z"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.starts_with("tmo: ") && ran.stdout.is_empty(), "{ran:?}");
    }
    world.wait_empty();
}

/// `--formation-port-step 0` crashes.
#[test]
fn a_port_step_of_zero_is_accepted() {
    let world = World::new("web: echo $PS $PORT; exec sleep 1000\n");
    let mut view = world.start(["-m", "web=2", "--formation-port-step", "0"]);
    view.shows(&format!("web#1  | web#1 {}\n", world.port(0)));
    view.shows(&format!("web#2  | web#2 {}\n", world.port(0)));
    assert_eq!(view.interrupt(), 0);
}

/// A line that is no entry is dropped without a word.
#[test]
fn an_invalid_procfile_line_is_reported() {
    let world = World::new("web: exec sleep 1000\nbad name: x\nworker:exec sleep 1000\n");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("./Procfile:2: not of the form `name: command`"), "{ran:?}");
    assert_eq!(world.field("worker", "state"), "running", "a blank is not needed");
    world.ok(["quit"]);
}

/// A name with two blanks behind it runs nothing, ends, and so stops everything.
#[test]
fn a_procfile_entry_without_command_is_reported() {
    let world = World::new("web: exec sleep 1000\nempty:   \n");
    let ran = world.run(["start", "-D"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("./Procfile:2: `empty` has no command"), "{ran:?}");
    assert_eq!(world.ok(["ps"]).lines().count(), 2);
    world.ok(["quit"]);
}

/// A value that ends in an escaped quote loses its end.
#[test]
fn an_escaped_quote_in_an_env_file_is_read() {
    let world = World::new(TWO);
    world.write(".env", "SAID=\"say \\\"hi\\\"\"\n");
    assert_eq!(world.ok(["run", "sh", "-c", "echo \"$SAID\""]), "say \"hi\"\n");
}

/// The control socket is open to whom the umask lets in.
#[test]
fn the_socket_is_private_to_the_user() {
    let world = World::new(TWO);
    let ran = world.shell(&format!("umask 0; {} start -D", env!("CARGO_BIN_EXE_tmo")));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(mode(&socket(&world)), 0o600);
    world.ok(["quit"]);
}

/// No process is told the ports of the others.
#[test]
fn ports_of_other_processes_are_in_the_environment() {
    let world = background("web: env; exec sleep 1000\nthe-db: exec sleep 1000\n");
    world.wait_text("web", &format!("OVERMIND_PROCESS_the_db_PORT={}\n", world.port(1)));
    world.ok(["quit"]);
}

/// No process is told where its supervisor listens.
#[test]
fn processes_know_the_socket_of_their_run() {
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let world = background(&format!(
        "web: cd /; {tmo} stop worker; exec sleep 1000\nworker: exec sleep 1000\n"
    ));
    world.wait_state("worker", "stopped");
    for name in ["TMO_SOCKET", "OVERMIND_SOCKET"] {
        let value = format!("{name}={}", socket(&world).display());
        let pid = world.wait_state("web", "running").unwrap();
        assert!(procs::environment(pid).contains(&value), "{value}");
    }
    world.ok(["quit"]);
}

/// Overmind shows a partial line only once its newline comes.
#[test]
fn a_prompt_without_newline_is_shown() {
    let world =
        World::new("web: printf 'name? '; read name; echo \"hello $name\"; exec sleep 1000\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | name?");
    world.type_into("web", "you");
    terminal.wait("web    | hello you");
    let screen = terminal.screen();
    assert!(screen.contains("web    | name? you\n"), "{screen}");
    assert_eq!(screen.matches("| name?").count(), 1, "{screen}");
    terminal.keys(["C-c"]);
    world.wait_state_gone();
}

/// One reader that does not read blocks overmind's log, and then the processes.
#[test]
fn a_stalled_echo_delays_nothing() {
    let world = World::new(&format!(
        "web: {COUNT}\nnoise: yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
    ));
    let mut view = world.start([""; 0]);
    counted(&world, "log", 1);
    let (read, write) = std::io::pipe().unwrap();
    let mut echo = world.tmo(["echo"]).stdout(write).spawn().unwrap();
    // Its pipe is full, then it is stopped.
    eventually("it is held up", || (procs::state(echo.id()) == Some('S')).then_some(()));
    procs::kill(echo.id(), 19);
    let seen = *numbers(&view.log(), "web").last().unwrap();
    counted(&world, "log", seen + 20);
    let ran = world.run(["restart", "noise"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(view.interrupt(), 0);
    complete(&numbers(&view.log(), "web"));
    procs::kill(echo.id(), 18);
    drop(read);
    assert_eq!(eventually("echo ends", || echo.try_wait().unwrap()).code(), Some(0));
}

/// Any stale socket keeps overmind from starting until it is removed by hand.
#[test]
fn a_stale_socket_is_replaced() {
    let world = World::new(TWO);
    drop(UnixListener::bind(socket(&world)).unwrap());
    world.ok(["start", "-D"]);
    assert_eq!(world.ok(["ps"]).matches("running").count(), 2);
    world.ok(["quit"]);
}

/// A terminal that is closed ends all that overmind runs.
#[test]
fn a_closed_terminal_ends_only_the_view() {
    let world = counting();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("start");
    terminal.wait("web    | line 5");
    let web = world.wait_state("web", "running").unwrap();
    let last = *numbers(&terminal.history(), "web").last().unwrap();
    terminal.close();
    eventually("no view is counted", || {
        let state = world.state()?;
        (state["views"] == 0 && state["headless_since"].is_u64()).then_some(())
    });
    assert_eq!(world.wait_state("web", "running"), Some(web));
    let mut view = world.start([""; 0]);
    counted(&world, "log", last + 50);
    assert!(view.errors().contains("attached to the run, "), "{}", view.errors());
    assert_eq!(view.interrupt(), 0);
    world.ok(["quit"]);
    let rest = numbers(&view.log(), "web");
    assert!(rest[0] > last, "{} was seen before {last}", rest[0]);
    assert!(rest.windows(2).all(|pair| pair[1] == pair[0] + 1), "{rest:?}");
}

/// `overmind start | head` leaves processes, tmux server and socket behind.
#[test]
fn a_closed_pipe_ends_the_run() {
    let world = counting();
    let ran = world.shell(&format!("{} start | head -1", env!("CARGO_BIN_EXE_tmo")));
    assert!(ran.stdout.starts_with("system | "), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    world.wait_empty();
}

/// Overmind passes over a name that it does not know.
#[test]
fn an_unknown_name_is_an_error_with_a_suggestion() {
    let world = background(TWO);
    for args in [
        &["restart", "wbe"][..],
        &["stop", "wbe"],
        &["connect", "wbe"],
        &["logs", "wbe"],
        &["echo", "wbe"],
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, 2, "{args:?} {ran:?}");
        assert!(ran.stderr.contains("Unknown process name: wbe; did you mean web?"), "{ran:?}");
        assert_eq!(ran.stdout, "");
    }
    for verb in ["stop", "restart"] {
        let ran = world.run([verb, "all"]);
        let hint = "Unknown process name: all; without a name, the command is about all processes";
        assert!(ran.code == 2 && ran.stderr.contains(hint), "{ran:?}");
    }
    let ran = world.run(["restart", "web", "nothinglikeit"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("web, worker"), "{ran:?}");
    assert_eq!(world.field("web", "lives"), 1, "none of them, if not all");
    world.ok(["quit"]);
}

/// The second `overmind connect` switches the window of the first one.
#[test]
fn two_connects_have_views_of_their_own() {
    let world =
        World::new(&format!("web: echo I am web; {TALK}\nworker: echo I am worker; {TALK}\n"));
    let _view = world.start([""; 0]);
    world.wait_state("worker", "running");
    let one = Terminal::open(&world, "one", 90, 20);
    let two = Terminal::open(&world, "two", 70, 15);
    one.tmo("connect web");
    one.wait("I am web");
    two.tmo("connect worker");
    two.wait("I am worker");
    one.line("first");
    one.wait("heard <first>");
    two.line("second");
    two.wait("heard <second>");
    assert!(!one.screen().contains("second") && !one.screen().contains("worker$"));
    assert!(!two.screen().contains("first"));
    // Leaving one does not move the other.
    one.keys(["C-b", "d"]);
    one.wait("left web; it is ");
    two.line("third");
    two.wait("heard <third>");
    one.close();
    two.close();
    world.ok(["quit"]);
}

/// Overmind shows tmux's banner instead of the last screen.
#[test]
fn connect_shows_the_last_screen_of_a_dead_process() {
    let world = World::new("web: echo my last words; read x; exit 3\nworker: exec sleep 1000\n");
    let view = world.start([""; 0]);
    view.shows("| my last words\n");
    world.ok(["stop", "web"]);
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("my last words");
    terminal.wait("web stopped with signal 2 (SIGINT) at ");
    terminal.wait(" (life 1)");
    // Nothing reads there: what is typed is neither logged nor kept for the next life.
    // (Not through the terminal, where it would arrive some time, perhaps in the next life.)
    world.type_into("web", "nobody hears this");
    world.ok(["restart", "web"]);
    terminal.wait("(life 1)");
    eventually("it says so again", || {
        (terminal.history().matches("my last words").count() == 2).then_some(())
    });
    assert!(!String::from_utf8_lossy(&world.stream("web")).contains("nobody hears"));
    assert!(!terminal.history().contains("nobody hears"));
    terminal.close();
    world.ok(["quit"]);
}

/// `overmind start -D` returns before the socket answers, and 0 even if it fails.
#[test]
fn a_background_start_fails_when_a_process_ends_at_once() {
    for (command, code) in [("exit 3", 3), ("nosuchcommand", 127), ("kill -9 $$", 137)] {
        let world = World::new(&format!("web: {command}\nworker: exec sleep 1000\n"));
        let ran = world.run(["start", "-D"]);
        if ran.code == 0 {
            // On a very busy machine it may have lived for long enough; then the log tells.
            assert!(ran.stdout.contains("Daemonized"), "{ran:?}");
            world.wait_empty();
            let log = world.ok(["logs", "web"]);
            assert!(log.contains("xited with code") || log.contains("illed by signal"), "{log}");
            continue;
        }
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains("web ended with "), "{ran:?}");
        assert!(!ran.stdout.contains("Daemonized"), "{ran:?}");
        world.wait_empty();
    }
}

/// A victim's 130 hides the 3 of the process that was the cause, and nothing names that.
#[test]
fn a_stopped_process_does_not_hide_the_cause_of_the_end() {
    let victims = "a: trap 'exit 130' INT; touch a.up; while :; do sleep 0.05; done\n\
                   b: touch b.up; exec sleep 1000\n";
    let up = "until [ -e a.up ] && [ -e b.up ]; do sleep 0.05; done;";
    for (ending, code, how) in [
        ("echo no such thing; exit 3", 3, "web exited with code 3"),
        ("kill -SEGV $$", 139, "web was killed by signal 11 (SIGSEGV)"),
        ("kill -KILL $$", 137, "web was killed by signal 9 (SIGKILL)"),
        ("exit 0", 0, "web exited with code 0"),
        ("nosuchcommand", 127, "web exited with code 127"),
    ] {
        let world = World::new(&format!("{victims}web: {up} {ending}\n"));
        let mut view = world.start([""; 0]);
        assert_eq!(view.code(), code, "{ending}: {}", view.log());
        let log = view.log();
        let last = log.lines().position(|line| line.starts_with(&format!("system | {how}")));
        let last = last.unwrap_or_else(|| panic!("{how}: {log}"));
        let words: Vec<_> = log.lines().skip(last).collect();
        assert!(words.iter().all(|line| line.starts_with("system | ")), "{log}");
        if code == 3 {
            // Its last line stands right above.
            assert!(words.len() == 1 && log.contains("web    | no such thing\n"), "{log}");
        }
    }
}

/// After a kill -9 overmind leaves all running that it started, and refuses everything.
#[test]
fn the_next_command_takes_over_a_run_without_supervisor() {
    let world = counting();
    world.ok(["start", "-D"]);
    let web = world.wait_state("web", "running");
    let said = "taken over its 1 living process";
    for command in [&["ps"][..], &["stop", "nope"], &["restart", "web"]] {
        kill_both(&world);
        let ran = world.run(command);
        assert_eq!(ran.code, if command[1..] == ["nope"] { 2 } else { 0 }, "{ran:?}");
        assert!(ran.stderr.contains(said), "{command:?}: {ran:?}");
    }
    assert_ne!(world.wait_state("web", "running"), web);
    kill_both(&world);
    let mut view = world.start([""; 0]);
    view.shows("web    | line 5\n");
    assert!(view.errors().contains(said), "{}", view.errors());
    kill_both(&world);
    world.ok(["stop", "web"]);
    kill_both(&world);
    assert_eq!(world.run(["quit"]).code, 0);
    assert_eq!(view.code(), 0);
    world.wait_empty();
}

/// What a process leaves in the background overmind leaves behind without a word.
#[test]
fn orphans_of_a_process_are_ended() {
    let world =
        World::new("web: sleep 2020 & setsid sleep 2021 & until read x <go; do :; done; exit 3\n");
    nix::unistd::mkfifo(&world.app().join("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    let strays = || {
        let found = world.tree("web").into_iter().filter(|p| p.args[0] == "sleep");
        let found: Vec<u32> = found.map(|p| p.pid).collect();
        (found.len() == 2).then_some(found)
    };
    let pids = eventually("two strays", strays);
    world.write("go", "now\n");
    assert_eq!(view.code(), 3);
    let log = view.log();
    assert!(log.contains("Left behind and now being ended: sleep (pid "), "{log}");
    for pid in pids {
        assert!(log.contains(&format!("(pid {pid}, state ")), "{pid} is named: {log}");
        assert!(!procs::alive(pid));
    }
}

#[test]
fn a_missing_or_unusable_command_is_reported_with_127_or_126() {
    for (command, code, reported) in [
        ("nosuchcommand", 127, "web exited with code 127"),
        ("./Procfile", 126, "web exited with code 126"),
    ] {
        let world = World::new(&format!("web: {command}\n"));
        let mut view = world.start([""; 0]);
        assert_eq!(view.code(), code);
        assert!(view.log().contains(&format!("web    | Exited with code {code}\n")));
        assert!(view.log().contains(reported), "{}", view.log());
        let background = world.run(["start", "-D"]);
        let words = &reported["web exited ".len()..];
        if background.code == 0 {
            // The shell was slow to find out: the processes had started by then.
            let why = || world.run(["why"]).stdout.contains(words).then_some(());
            eventually("the end is explained", why);
        } else {
            assert_eq!(background.code, code, "{background:?}");
            assert!(background.stderr.contains(words), "{background:?}");
        }
    }
}
