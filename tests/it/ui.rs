//! `tmo ui`, in a real terminal.

use nix::libc::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};

use crate::harness::procs;
use crate::harness::{Terminal, World, eventually};
use crate::web_server::WebServer;

/// Nothing of the interface is left in the terminal: no alternate screen, no mouse reports, a cursor.
#[track_caller]
fn is_given_back(terminal: &Terminal<'_>) {
    eventually("the terminal is as it was", || {
        let modes =
            terminal.ask("#{alternate_on} #{mouse_any_flag} #{mouse_sgr_flag} #{cursor_flag}");
        // Until the shell has its prompt, Enter may still be the carriage return of raw mode.
        let prompt = terminal.screen().trim_end().ends_with("ready>");
        (modes == "0 0 0 1" && prompt).then_some(())
    });
    terminal.line("stty -a | grep -c -e '-icanon' -e '-echo '; echo checked");
    terminal.wait("\n0\nchecked");
}

/// The interface itself.
fn ui_of(world: &World) -> u32 {
    eventually("the interface runs", || {
        let all = world.living();
        let is_it = |p: &&procs::Proc| p.args.get(1).is_some_and(|verb| verb == "ui");
        all.iter().find(is_it).map(|p| p.pid)
    })
}

const SHOP: &str = "\
web: i=0; while :; do i=$((i+1)); echo GET /users $i; sleep 0.3; done
worker: echo job 1; echo 'Error: connect ECONNREFUSED 127.0.0.1:5432' >&2; [ -e fixed ] || exit 1; echo well; exec sleep 1000
console: printf 'pry> '; read answer; echo \"you said $answer\"; exec sleep 1000
";

fn shop() -> World {
    let world = World::new(SHOP);
    world.write("tmo.toml", "[process.worker]\non_exit = \"ignore\"\n");
    world.ok(["start", "-D"]);
    world.wait_state("worker", "exited");
    world.wait_text("web", "users 3\n");
    world
}

#[test]
fn a_dead_process_is_explained_restarted_and_its_error_copied() {
    let world = shop();
    // No program of the project is executed for that.
    std::fs::create_dir(world.app().join("bin")).unwrap();
    world.write("bin/tmux", "#!/bin/sh\ntouch ran\nexit 1\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.app().join("bin/tmux"), mode).unwrap();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.line("export PATH=./bin:$PATH");
    terminal.tmo("ui");
    terminal.wait("worker    exit 1");
    terminal.wait("GET /users");
    // Down to the worker, and why.
    terminal.keys(["j", "j", "d"]);
    terminal.wait("nothing listens on port 5432");
    terminal.keys(["q"]);
    // The error itself, and a copy of it, which reaches the tmux around it.
    terminal.typed("/ECONNREF");
    // The event of the crash names it too, but only the output counts.
    terminal.wait("1 of 1");
    terminal.keys(["Enter", "y"]);
    terminal.wait("copied the line to tmux's buffer");
    let copied = world.command("tmux").args(["-L", "test-a", "show-buffer"]).output().unwrap();
    assert_eq!(copied.stdout, b"Error: connect ECONNREFUSED 127.0.0.1:5432");
    assert!(!world.app().join("ran").exists());
    std::fs::write(world.app().join("fixed"), "").unwrap();
    terminal.keys(["r"]);
    terminal.wait("worker restarted");
    world.wait_state("worker", "running");
    terminal.wait("worker    running");
    // A line for the debugger, and its answer.
    terminal.keys(["3", "i"]);
    terminal.wait("lines to console:");
    terminal.line("42 q");
    terminal.wait("you said 42 q");
    // The prompt stays for the next line.
    terminal.wait("lines to console:");
    terminal.keys(["Escape"]);
    terminal.wait_for("the prompt is closed", |screen| !screen.contains("lines to console"));
    terminal.keys(["G"]);
    terminal.keys(["q"]);
    terminal.wait("the run goes on");
    is_given_back(&terminal);
    world.wait_state("web", "running");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_address_of_a_process_is_opened_in_the_browser() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let (bin, called) = (world.path().join("bin"), world.path().join("called"));
    std::fs::create_dir(&bin).unwrap();
    for name in ["xdg-open", "open"] {
        let script = format!("#!/bin/sh\necho \"$@\" >>'{}'\n", called.display());
        std::fs::write(bin.join(name), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).unwrap();
    }
    world.ok(["start", "-D", "--title", "Shop"]);
    let terminal = Terminal::open(&world, "a", 120, 24);
    terminal.line(&format!("export PATH={}:$PATH", bin.display()));
    terminal.tmo("ui");
    terminal.wait("worker");
    terminal.keys(["j", "O"]);
    terminal.wait("no web server shows this run; `tmo web` in another terminal starts one");
    let server = WebServer::start(&world);
    terminal.keys(["O"]);
    let opened = eventually("the browser is opened", || {
        std::fs::read_to_string(&called).ok().filter(|called| called.ends_with('\n'))
    });
    let (_, rest) = server.link.rsplit_once(':').unwrap();
    let url = format!("http://web.shop.localhost:{}", rest.split('/').next().unwrap());
    assert_eq!(opened, format!("{url}\n"));
    terminal.wait(&url);
    terminal.keys(["k"]);
    terminal.keys(["j"]);
    terminal.wait("O browser");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    server.end();
    world.ok(["quit"]);
}

#[test]
fn the_esc_key_works_while_lines_come() {
    let world = World::new("web: while :; do echo line; sleep 0.01; done\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("line");
    terminal.keys(["?"]);
    terminal.wait("Moving");
    terminal.keys(["Escape"]);
    terminal.wait_for("the help is closed", |screen| !screen.contains("Moving"));
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_scrolled_view_stays_while_thousands_of_lines_come() {
    let world = World::new("web: seq 1 3000; read x; seq 3001 60000; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "3000\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui web");
    terminal.wait("3000");
    terminal.keys(["PPage"]);
    terminal.wait("2960");
    let body = |screen: &str| {
        let lines = screen.lines().skip(1).take(22);
        lines
            .map(|line| {
                line.split('│').nth(1).unwrap_or("").trim_end_matches(['░', '█', ' ']).to_owned()
            })
            .collect::<Vec<_>>()
    };
    // Also what is in the same record as the last line on the screen.
    terminal.wait("+21 below (G)");
    let before = body(&terminal.screen());
    world.type_into("web", "go\n");
    world.wait_text("web", "60000\n");
    terminal.wait_for("the lines below are counted", |screen| {
        screen.contains("below (G)") && screen.contains("+570")
    });
    assert_eq!(body(&terminal.screen()), before);
    // The first line, and the last again.
    terminal.keys(["g"]);
    terminal.wait_for("the beginning", |screen| body(screen).iter().any(|line| line.trim() == "1"));
    terminal.keys(["G"]);
    terminal.wait("60000");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_filter_shows_only_what_matches_also_of_what_comes() {
    let world = World::new("web: seq 1 2000; while read x; do echo said $x; done\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "2000\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("2000");
    terminal.typed("/7 ?7$|said");
    terminal.wait("20 of 20");
    terminal.keys(["Tab"]);
    terminal.wait("only matching lines");
    terminal.keys(["Enter"]);
    // Lines that do not match are not counted.
    terminal.resize(80, 12);
    terminal.keys(["Home"]);
    terminal.wait("+10 below");
    terminal.resize(80, 24);
    terminal.keys(["G"]);
    terminal.wait("1877");
    assert!(!terminal.screen().contains("1878"));
    world.type_into("web", "nothing\nhello\n");
    terminal.wait("said hello");
    terminal.keys(["Y"]);
    terminal.wait("copied the command");
    let copied = world.command("tmux").args(["-L", "test-a", "show-buffer"]).output().unwrap();
    let command = String::from_utf8(copied.stdout).unwrap();
    let printed = world.shell(&command.replacen("tmo", env!("CARGO_BIN_EXE_tmo"), 1)).stdout;
    assert!(printed.contains("1877") && !printed.contains("1878"), "{command}: {printed}");
    terminal.keys(["Escape"]);
    terminal.wait("1999");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_process_gets_the_terminal_and_gives_it_back() {
    let world = shop();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui console");
    terminal.wait("console");
    terminal.keys(["c"]);
    terminal.wait_connected("");
    terminal.line("from inside");
    terminal.wait("you said from inside");
    terminal.keys(["C-b", "d"]);
    terminal.wait("? keys");
    terminal.wait("you said from inside");
    // The plain log on the normal screen, and back.
    terminal.keys(["p"]);
    terminal.wait("p goes back");
    assert_eq!(terminal.ask("#{alternate_on}"), "0");
    terminal.wait("you said from inside");
    terminal.keys(["p"]);
    terminal.wait("? keys");
    terminal.keys(["C-c"]);
    terminal.wait("the run goes on");
    is_given_back(&terminal);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn every_end_gives_the_terminal_back() {
    let world = shop();
    let terminal = Terminal::open(&world, "a", 80, 24);
    let ends = [(SIGTERM, "130"), (SIGHUP, "129"), (SIGINT, "130"), (SIGQUIT, "130")];
    for ((signal, code), plain) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
        terminal.tmo("ui; echo it was $?");
        terminal.wait("GET /users");
        terminal.wait("? keys");
        if plain {
            terminal.keys(["p"]);
            terminal.wait("p goes back");
        }
        procs::kill(ui_of(&world), signal);
        terminal.wait(&format!("it was {code}"));
        is_given_back(&terminal);
        terminal.clear();
    }
    // A terminal that is closed ends it.
    let other = Terminal::open(&world, "b", 80, 24);
    other.tmo("ui");
    other.wait("? keys");
    let pid = ui_of(&world);
    other.close();
    eventually("the interface ends with its terminal", || (!procs::alive(pid)).then_some(()));
    // Suspended, it leaves the terminal to the shell, and takes it again in the foreground.
    terminal.line("set -m");
    terminal.tmo("ui");
    terminal.wait("? keys");
    terminal.keys(["C-z"]);
    terminal.wait("Stopped");
    assert_eq!(terminal.ask("#{alternate_on}"), "0");
    terminal.line("fg");
    terminal.wait("? keys");
    // A stop that comes from outside.
    let pid = ui_of(&world);
    procs::kill(pid, SIGCONT);
    terminal.keys(["?"]);
    terminal.wait("Moving");
    terminal.keys(["q", "Q"]);
    terminal.wait("the run goes on");
    is_given_back(&terminal);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_interface_outlives_supervisor_and_guardian() {
    let world = shop();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("? keys");
    let first = world.supervisor();
    procs::kill(first, SIGKILL);
    eventually("a new supervisor", || (world.part("supervise")? != first).then_some(()));
    terminal.keys(["j", "r"]);
    terminal.wait("web restarted");
    let (second, web) = (world.supervisor(), world.field("web", "pid"));
    procs::kill(world.guardian(), SIGKILL);
    procs::kill(second, SIGKILL);
    // The interface itself starts the next ones, and its screen stays whole.
    eventually("new ones", || (world.part("supervise")? != second).then_some(()));
    terminal.keys(["r"]);
    // The message about the first restart may still be on the screen.
    eventually("web has another pid", || {
        let now = world.field("web", "pid");
        (now.is_u64() && now != web).then_some(())
    });
    terminal.wait("GET /users");
    assert!(!terminal.screen().contains("tmo:"), "{}", terminal.screen());
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn keys_work_while_no_supervisor_answers() {
    let world = shop();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("? keys");
    // While the runtime directory is locked, nobody can start another supervisor.
    let directory = std::fs::File::open(world.runtime()).unwrap();
    rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive).unwrap();
    procs::kill(world.guardian(), SIGKILL);
    procs::kill(world.supervisor(), SIGKILL);
    terminal.wait("supervisor away");
    terminal.keys(["?"]);
    terminal.wait("Moving");
    terminal.keys(["q", "j", "r"]);
    terminal.wait("restarting");
    drop(directory);
    terminal.wait("web restarted");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn what_one_interface_does_another_shows() {
    let world = shop();
    let (one, other) = (Terminal::open(&world, "a", 80, 24), Terminal::open(&world, "b", 60, 12));
    one.tmo("ui");
    other.tmo("ui");
    one.wait("? keys");
    other.wait("running");
    one.keys(["j", "s"]);
    one.wait("stop web? s, y or Enter: yes");
    one.keys(["s"]);
    one.wait("web stopped; S starts it again");
    other.wait("web       stopped");
    other.keys(["j", "S"]);
    other.wait("web started");
    one.wait("web       running");
    // The end of the run, asked for in one, is shown in both.
    one.typed(":stop-all");
    one.keys(["Enter"]);
    one.wait("leave running");
    one.keys(["s"]);
    one.wait("the run is over");
    is_given_back(&one);
    other.wait("the run is over");
    other.keys(["q"]);
    is_given_back(&other);
    one.close();
    other.close();
    world.wait_empty();
}

#[test]
fn without_a_run_the_last_log_is_shown() {
    let world = shop();
    world.ok(["quit"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("no run");
    terminal.wait("GET /users");
    // In which states the run has left its processes.
    terminal.wait("web       stopped");
    terminal.wait("worker    exit 1");
    terminal.keys(["j", "r"]);
    terminal.wait("nothing runs here; `tmo start` starts the processes");
    terminal.typed("/ECONN");
    // The run may have ended before the report of the crash, which repeats the line.
    terminal.wait_for("the matches are counted", |screen| {
        screen.contains("2 of 2") || screen.contains("1 of 1")
    });
    terminal.keys(["Enter", "q"]);
    is_given_back(&terminal);
    terminal.line("clear; TERM=dumb");
    terminal.tmo("ui");
    terminal.wait("can't draw on this terminal (TERM=dumb)");
    let ran = world.run(["ui"]);
    assert!(ran.code == 1 && ran.stderr.contains("needs a terminal"), "{ran:?}");
    terminal.close();
}

#[test]
fn it_begins_where_it_was_asked_to() {
    let world = World::new("web: seq 1 500; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "500\n");
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui --grep '^4.2$'");
    terminal.wait("only /^4.2$/");
    terminal.wait("492");
    assert!(!terminal.screen().contains("493"), "{}", terminal.screen());
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.clear();
    terminal.tmo("ui web --at 1h");
    terminal.wait("Started with pid");
    terminal.wait("below (G)");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    terminal.clear();
    terminal.tmo("ui --at noon");
    terminal.wait("`noon` is not a valid time");
    terminal.clear();
    terminal.tmo("ui --grep 'a('; echo it was $?");
    terminal.wait("unclosed group");
    terminal.wait("it was 2");
    let keys = world.ok(["ui", "--keys"]);
    assert!(keys.contains("Moving\n") && keys.contains("compare"), "{keys}");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_run_that_begins_later_is_found_by_the_next_key() {
    let world = shop();
    world.ok(["quit"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("no run");
    world.ok(["start", "-D"]);
    terminal.keys(["k"]);
    terminal.wait("● web       running");
    terminal.wait("follow");
    world.ok(["quit"]);
    terminal.wait("the run is over");
    terminal.keys(["q"]);
    is_given_back(&terminal);
    terminal.close();
}

#[test]
fn any_size_is_drawn() {
    let world = shop();
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("ui");
    terminal.wait("? keys");
    for number in 0..60 {
        terminal.resize(20 + number * 3, 5 + number % 30);
    }
    terminal.resize(40, 10);
    terminal
        .wait_for("the list", |screen| screen.contains("● web") && screen.lines().count() <= 10);
    terminal.keys(["Tab"]);
    terminal.wait("GET /users");
    terminal.resize(19, 4);
    terminal.wait("too small");
    terminal.resize(80, 24);
    terminal.wait("worker    exit 1");
    terminal.keys(["Q"]);
    terminal.wait("the run goes on");
    is_given_back(&terminal);
    terminal.close();
    world.ok(["quit"]);
}
