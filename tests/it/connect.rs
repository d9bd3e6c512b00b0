//! `tmo connect` in a real terminal.

use crate::api::ask;
use crate::harness::pty::{ABRUPT_ENDS, Pty};
use crate::harness::{Terminal, World, eventually, procs};

/// Answers what is typed.
pub(crate) const TALK: &str = "while read x; do echo \"heard <$x>\"; done";

/// The number of clients attached to the run's tmux.
fn clients(world: &World) -> usize {
    if world.is_native() {
        let living = world.living();
        return living.iter().filter(|p| p.args.get(1).is_some_and(|a| a == "connect")).count();
    }
    world.tmux(["list-clients", "-F", "#{client_session}"]).lines().count()
}

#[test]
fn typed_text_reaches_the_process_and_leaving_does_not_end_it() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    let mut view = world.start([""; 0]);
    view.shows("| ask me\n");
    let pid = world.wait_state("web", "running").unwrap();
    // The terminal is itself a tmux of another server.
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.wait_connected("C-b C-b d");
    terminal.line("hello you");
    terminal.wait("heard <hello you>");
    view.shows("| heard <hello you>\n");
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it is still running");
    terminal.line("echo back $((6 * 7))");
    terminal.wait("back 42");
    eventually("its session is gone too", || own_sessions(&world).is_empty().then_some(()));
    assert_eq!(world.field("web", "pid"), pid);
    assert!(procs::alive(pid));
    terminal.close();
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn connect_works_in_a_terminal_outside_of_tmux() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.line("unset TMUX TMUX_PANE TMUX_TMPDIR");
    terminal.tmo("connect");
    terminal.wait("ask me");
    terminal.wait_connected("C-b d (");
    terminal.line("yes");
    terminal.wait("heard <yes>");
    terminal.close();
    eventually("closing the terminal leaves nothing", || (clients(&world) == 0).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn connect_shows_a_restart_in_the_same_terminal() {
    let world = World::new("web: echo life $$; while read x; do echo \"$$ heard $x\"; done\n");
    let _view = world.start([""; 0]);
    let first = world.wait_state("web", "running").unwrap();
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait(&format!("life {first}"));
    world.ok(["restart", "web"]);
    let second = world.wait_state("web", "running").unwrap();
    terminal.wait("web stopped with signal 2 (SIGINT) at ");
    terminal.wait("web was started again at ");
    terminal.wait(&format!("life {second}"));
    terminal.line("again");
    terminal.wait(&format!("{second} heard again"));
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_read_only_client_shows_the_process_and_sends_nothing() {
    let world = World::new(&format!("web: echo look; {TALK}\n"));
    let view = world.start([""; 0]);
    view.shows("| look\n");
    let pid = world.wait_state("web", "running").unwrap();
    if !world.is_native() {
        // Or tmux takes keys that follow each other so fast for pasted text.
        world.tmux(["set-option", "-g", "assume-paste-time", "0"]);
    }
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect -r web");
    terminal.wait("look");
    terminal.wait_connected("C-b C-b d");
    terminal.keys(["C-c"]);
    terminal.line("typed in vain");
    terminal.keys(["C-b", "d"]);
    // Detached, so all keys before have been dealt with.
    terminal.wait("left web; it is still running");
    assert!(procs::alive(pid));
    terminal.tmo("connect web");
    terminal.line("for real");
    view.shows("| heard <for real>\n");
    assert!(!view.log().contains("in vain"), "{}", view.log());
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn full_screen_programs_work_and_leave_the_screen_clean() {
    let world = World::new("web: seq 1 500 >numbers; less numbers; exec sleep 1000\n");
    let view = world.start([""; 0]);
    view.shows("Started with pid");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("\n:");
    terminal.keys(["G"]);
    terminal.wait("500");
    terminal.keys(["g"]);
    terminal.wait("1\n2\n3\n");
    // Ended in the middle of it: the screen is whole again, the end is told.
    world.ok(["stop", "web"]);
    terminal.wait("web stopped with ");
    assert!(!terminal.screen().contains("\n3\n"), "{}", terminal.screen());
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn ctrl_z_in_a_connected_terminal_stops_nothing() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    let view = world.start([""; 0]);
    view.shows("| ask me\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.keys(["C-z"]);
    terminal.line("still there?");
    terminal.wait("heard <still there?>");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn ctrl_c_in_a_terminal_reaches_only_the_process() {
    let world = World::new(
        "web: trap 'echo caught; exit 0' INT; echo ask me; while :; do read x; done\n\
         worker: exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    view.shows("| ask me\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.keys(["C-c"]);
    view.shows("| ^Ccaught\n");
    // It ended by itself, which ends the run.
    assert_eq!(view.code(), 0);
    terminal.wait("web has ended with code 0; the run is");
    terminal.close();
}

#[test]
fn ctrl_s_in_a_terminal_does_not_delay_the_run() {
    let world =
        World::new("web: echo Ready; while read x; do echo $x >>heard; echo Heard $x; done\n");
    let view = world.start([""; 0]);
    view.shows("| Ready\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("Ready");
    terminal.keys(["C-s"]);
    // Keys arrive in order: who has this line is held back already, in this life and no other.
    terminal.line("nobody");
    eventually("the line was read", || world.read("heard").contains("nobody").then_some(()));
    world.ok(["restart", "web"]);
    eventually("the next life", || (view.log().matches("| Ready\n").count() == 2).then_some(()));
    terminal.line("you");
    view.shows("| Heard you\n");
    assert!(!view.log().contains("Heard nobody"), "{}", view.log());
    terminal.keys(["C-s"]);
    terminal.line("none");
    eventually("the line was read", || world.read("heard").contains("none").then_some(()));
    world.ok(["stop", "web"]);
    assert_eq!(world.field("web", "state"), "stopped");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_terminal_left_in_raw_mode_is_reset_for_the_next_life() {
    let world = World::new(
        "web: if [ -e once ]; then echo Tidy Now; stty -a; echo End; else touch once; \
         stty raw -echo; stty opost olcuc; printf '\\033[?1049h\\033[?25l\\033[2;3r\\016in disorder'; \
         echo; fi; exec sleep 1000\n",
    );
    let view = world.start([""; 0]);
    eventually("disorder", || world.read("log").contains("DISORDER").then_some(()));
    world.ok(["restart", "web"]);
    view.shows("| Tidy Now\n");
    view.shows("| End\n");
    let log = view.log();
    for word in ["-olcuc", " opost", " icanon", " echo ", " isig", " onlcr", " icrnl"] {
        assert!(log.contains(word), "{word}: {log}");
    }
    let terminal = Terminal::open(&world, "a", 100, 30);
    terminal.tmo("connect web");
    terminal.wait("\nTidy Now\n");
    assert_eq!(screen(&world, "web")["is_alternate"], false);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn an_unknown_process_name_gets_the_nearest_one_suggested() {
    let world = World::new("web: exec sleep 1000\n");
    let _view = world.start([""; 0]);
    world.wait_state("web", "running");
    let ran = world.run(["connect", "wbe"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("web"), "{ran:?}");
    // No terminal to attach.
    let ran = world.run(["connect", "web"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("tmo: connect needs a terminal"), "{ran:?}");
    world.ok(["quit"]);
}

#[test]
fn connect_to_a_tmux_that_has_just_ended_starts_no_new_server() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let typed = world.ok(["connect", "--print"]);
    assert!(typed.contains(" -N "), "{typed}");
    world.ok(["kill"]);
    world.wait_empty();
    let ran = world.shell(&typed);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(world.living().is_empty(), "{:?}", world.living());
}

/// The sessions of the run's tmux, without that of the run itself.
pub(crate) fn own_sessions(world: &World) -> Vec<String> {
    if world.is_native() {
        return vec![];
    }
    let listed = world.tmux(["list-sessions", "-F", "#S"]);
    listed.lines().filter(|name| name.starts_with("c-")).map(ToOwned::to_owned).collect()
}

/// The size of a process's pane.
pub(crate) fn size(world: &World, process: &str) -> String {
    if world.is_native() {
        let screen = screen(world, process);
        return format!("{}x{}", screen["columns"], screen["rows"]);
    }
    let listed =
        world.tmux(["list-panes", "-a", "-F", "#{window_name} #{pane_width}x#{pane_height}"]);
    let line = listed.lines().find_map(|line| line.strip_prefix(process)?.strip_prefix(' '));
    line.unwrap_or_default().to_owned()
}

/// What the terminal of a process shows.
fn screen(world: &World, process: &str) -> serde_json::Value {
    ask(world, &format!("GET /api/processes/{process}/screen"), "", "").json()
}

/// The size of a terminal of this size when a client shows it: tmux takes a row for its status line.
fn shown(world: &World, columns: u16, rows: u16) -> String {
    format!("{columns}x{}", if world.is_native() { rows } else { rows - 1 })
}

#[track_caller]
pub(crate) fn wait_size(world: &World, process: &str, wanted: &str) {
    let mut last = String::new();
    let reached = || {
        last = size(world, process);
        (last == wanted).then_some(())
    };
    eventually(&format!("{process} has the size {wanted}"), reached);
}

/// Waits until this many clients are attached.
#[track_caller]
fn wait_clients(world: &World, count: usize) {
    eventually(&format!("{count} clients"), || (clients(world) == count).then_some(()));
}

#[test]
fn a_pane_returns_to_the_size_of_the_run_however_its_last_client_leaves() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let before = size(&world, "web");
    for way in ABRUPT_ENDS {
        let client = Pty::tmo(&world, &["connect", "web"], 61, 17);
        wait_size(&world, "web", &shown(&world, 61, 17));
        client.end(way);
        wait_size(&world, "web", &before);
    }
    let terminal = Terminal::open(&world, "a", 61, 17);
    terminal.tmo("connect web");
    wait_size(&world, "web", &shown(&world, 61, 17));
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web");
    wait_size(&world, "web", &before);
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_pane_size_of_a_run_is_that_of_its_view() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let view = Terminal::open(&world, "view", 100, 30);
    view.tmo("start");
    view.wait("Started with pid");
    let at_first = size(&world, "web");
    let client = Pty::tmo(&world, &["connect", "web"], 61, 17);
    wait_size(&world, "web", &shown(&world, 61, 17));
    // Meanwhile the view gets another size, which the client's terminal does not.
    view.resize(120, 40);
    // One that nobody looks at has the size of the run.
    let of_run = || size(&world, "worker");
    eventually("the run has another size", || (of_run() != at_first).then_some(()));
    let of_run = of_run();
    assert_eq!(size(&world, "web"), shown(&world, 61, 17));
    client.end("SIGKILL");
    wait_size(&world, "web", &of_run);
    world.ok(["quit"]);
    view.close();
}

#[test]
fn the_remaining_of_two_clients_determines_the_pane_size() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("worker", "running");
    let before = size(&world, "web");
    let first = Pty::tmo(&world, &["connect", "web"], 61, 17);
    wait_size(&world, "web", &shown(&world, 61, 17));
    let second = Pty::tmo(&world, &["connect", "web"], 90, 25);
    wait_size(&world, "web", &shown(&world, 90, 25));
    assert_eq!(size(&world, "worker"), before, "nobody looks at that one");
    second.end("closed");
    wait_size(&world, "web", &shown(&world, 61, 17));
    first.end("SIGKILL");
    wait_size(&world, "web", &before);
    world.ok(["quit"]);
}

#[test]
fn a_read_only_client_never_resizes_the_pane() {
    let world =
        World::new("web: trap 'stty size >>sizes' WINCH; echo up; while :; do read x; done\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    let before = size(&world, "web");
    let look = || Pty::tmo(&world, &["connect", "-r", "web"], 40, 10);
    // Alone.
    let alone = look();
    wait_clients(&world, 1);
    alone.end("SIGKILL");
    wait_clients(&world, 0);
    assert_eq!((size(&world, "web"), world.read("sizes")), (before.clone(), String::new()));
    // Before, beside and after a plain one.
    let first = look();
    wait_clients(&world, 1);
    let plain = Pty::tmo(&world, &["connect", "web"], 61, 17);
    wait_size(&world, "web", &shown(&world, 61, 17));
    let second = look();
    wait_clients(&world, 3);
    first.end("closed");
    wait_clients(&world, 2);
    assert_eq!(size(&world, "web"), shown(&world, 61, 17));
    plain.end("SIGTERM");
    wait_size(&world, "web", &before);
    second.end("SIGHUP");
    wait_clients(&world, 0);
    assert_eq!(size(&world, "web"), before);
    let (columns, rows) = before.split_once('x').unwrap();
    let shown = shown(&world, 61, 17);
    let (_, shown_rows) = shown.split_once('x').unwrap();
    let expected = format!("{shown_rows} 61\n{rows} {columns}\n");
    let reported = || (world.read("sizes") == expected).then_some(());
    eventually("the process hears of the plain client's size only", reported);
    world.ok(["quit"]);
}

#[test]
fn clients_that_end_abruptly_leave_no_tmux_session() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let stays = Pty::tmo(&world, &["connect", "web"], 80, 24);
    wait_clients(&world, 1);
    let mine = format!("c-{}", stays.pid());
    for turn in 0..5 {
        for way in ABRUPT_ENDS {
            let args: &[&str] =
                if turn % 2 == 0 { &["connect", "web"] } else { &["connect", "-r"] };
            let client = Pty::tmo(&world, args, 60, 15);
            if way != "SIGKILL at once" {
                wait_clients(&world, 2);
            }
            // tmux takes the session that was used last for that of a client it no longer knows.
            stays.types("x\n");
            client.end(way);
        }
    }
    eventually("only the session of the other client is left", || {
        (own_sessions(&world) == [mine.clone()]).then_some(())
    });
    stays.end("SIGKILL");
    eventually("and then none", || own_sessions(&world).is_empty().then_some(()));
    world.ok(["quit"]);
}

#[test]
fn a_client_switched_to_another_session_leaves_no_tmux_session() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let before = size(&world, "web");
    let client = Pty::tmo(&world, &["connect", "web"], 61, 17);
    wait_size(&world, "web", &shown(&world, 61, 17));
    let terminal = world.tmux(["list-clients", "-F", "#{client_tty}"]);
    world.tmux(["switch-client", "-c", terminal.trim(), "-t", "=app:"]);
    assert_eq!((clients(&world), size(&world, "web")), (1, "61x16".to_owned()));
    client.end("SIGKILL");
    eventually("its own session is gone", || own_sessions(&world).is_empty().then_some(()));
    wait_size(&world, "web", &before);
    world.ok(["quit"]);
}

#[test]
fn connect_waits_for_a_process_that_is_starting() {
    let world = World::new(&format!("db: exec sleep 1000\nweb: echo ask me; {TALK}\n"));
    world.write(
        "tmo.toml",
        "[process.db]\nready = { exec = \"test -e up\", every = \"50ms\" }\n\
         [process.web]\ndepends_on = { db = \"ready\" }\n",
    );
    let terminal = Terminal::open(&world, "a", 100, 20);
    let _view = world.start([""; 0]);
    world.wait_state("db", "running");
    terminal.tmo("connect web --timeout 3s; echo code $?");
    terminal.wait("tmo: web has not started after 3 s: it waits for db (running");
    terminal.wait("code 124");
    terminal.clear();
    terminal.tmo("connect web");
    terminal.wait("tmo: waiting for web: it waits for db (running");
    world.write("up", "");
    terminal.wait("ask me");
    terminal.line("at last");
    terminal.wait("heard <at last>");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn connect_attaches_as_soon_as_a_process_starts() {
    let many: String = (0..30).map(|n| format!("p{n}: exec sleep 1000\n")).collect();
    let world = World::new(&format!("{many}web: echo ask me; {TALK}\n"));
    let terminal = Terminal::open(&world, "a", 90, 20);
    let _view = world.start([""; 0]);
    eventually("the start has begun", || world.app().join(".overmind.sock").exists().then_some(()));
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.close();
    world.ok(["quit"]);
}

/// Presses the keys in a tmux inside the terminal, which shows `tmo connect web`.
fn leave_from_inside(outer: &str, shown: &str, keys: [&str; 3]) {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    std::fs::write(world.path().join("outer.conf"), outer).unwrap();
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 100, 20);
    let config = world.path().join("outer.conf").display().to_string();
    terminal.line(&format!("exec tmux -L outer -f {config} new-session -s outer sh"));
    terminal.wait("[outer]");
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.wait(&format!("to leave: {shown} d"));
    terminal.keys(keys);
    terminal.wait("left web; it is still running");
    terminal.wait("[outer]");
    assert_eq!(clients(&world), 0);
    world.shell("tmux -L outer kill-server");
    terminal.close();
    let dir = format!("tmux/tmux-{}/outer", nix::unistd::getuid());
    // tmux leaves it behind.
    let _ = std::fs::remove_file(world.path().join(dir));
    world.ok(["quit"]);
}

#[test]
fn connect_inside_another_tmux_shows_the_keys_that_work_there() {
    leave_from_inside("", "C-b C-b", ["C-b", "C-b", "d"]);
    leave_from_inside("set -g prefix C-a\n", "C-b", ["C-b", "d", ""]);
}

#[test]
fn connect_shows_how_to_send_a_prefix_shared_with_the_outer_tmux() {
    let outer = "set -g prefix C-a\nbind a send-prefix\nunbind C-b\n";
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    std::fs::write(world.home().join(".tmux.conf"), "set -g prefix C-a\n").unwrap();
    std::fs::write(world.path().join("outer.conf"), outer).unwrap();
    world.ok(["start", "-D"]);
    eventually("the user's configuration is read", || {
        (world.tmux(["show-options", "-gv", "prefix"]) == "C-a\n").then_some(())
    });
    let terminal = Terminal::open(&world, "a", 100, 20);
    let config = world.path().join("outer.conf").display().to_string();
    terminal.line(&format!("exec tmux -L outer -f {config} new-session -s outer sh"));
    terminal.wait("[outer]");
    terminal.tmo("connect web");
    terminal.wait("to leave: C-a a d");
    terminal.keys(["C-a", "a", "d"]);
    terminal.wait("left web; it is still running");
    world.shell("tmux -L outer kill-server");
    terminal.close();
    let dir = format!("tmux/tmux-{}/outer", nix::unistd::getuid());
    // tmux leaves it behind.
    let _ = std::fs::remove_file(world.path().join(dir));
    world.ok(["quit"]);
}

#[test]
fn the_users_own_status_line_stays_and_the_keys_are_shown() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    let own = "set -g status-right 'my own line'\nset -g mouse off\n";
    std::fs::write(world.home().join(".tmux.conf"), own).unwrap();
    world.ok(["start", "-D"]);
    eventually("the user's configuration is read", || {
        (world.tmux(["show-options", "-gqv", "@tmo_own_status"]) == "1\n").then_some(())
    });
    assert_eq!(world.tmux(["show-options", "-gv", "mouse"]), "off\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("to leave: C-b C-b d (not Ctrl-C), menu: C-b C-b m");
    // The message goes, the line stays.
    terminal.wait("my own line");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn connect_shows_its_own_status_line_when_the_configuration_has_none() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    let own = "set -g prefix C-a\nset -g base-index 1\n";
    std::fs::write(world.path().join("own.conf"), own).unwrap();
    let config = world.path().join("own.conf").display().to_string();
    world.ok(["start", "-D", "-F", &config]);
    eventually("the user's configuration is read", || {
        (world.tmux(["show-options", "-gv", "prefix"]) == "C-a\n").then_some(())
    });
    assert_eq!(world.tmux(["show-options", "-gv", "mouse"]), "on\n");
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.tmo("connect web");
    terminal.wait("to leave: C-a d (not Ctrl-C), menu: C-a m");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn leaving_reports_the_state_of_the_process_and_nothing_about_tmux() {
    let world = World::new("web: echo up; exec sleep 1000\nworker: exec sleep 1000\n");
    world.ok(["start", "-D", "-c", "web"]);
    let terminal = Terminal::open(&world, "a", 100, 20);
    terminal.tmo("connect web; echo code $?");
    terminal.wait("up");
    world.ok(["signal", "KILL", "web"]);
    terminal.wait("web was killed by signal 9 (SIGKILL)");
    // The shim shows that before the supervisor hears of it.
    world.wait_state("web", "exited");
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it has ended with signal 9 (SIGKILL)\ncode 0");
    terminal.tmo("connect worker; echo code $?");
    terminal.wait_connected("C-b C-b d");
    world.ok(["quit"]);
    terminal.wait("worker has ended with signal 2 (SIGINT); the run is");
    terminal.wait("code 1");
    let screen = terminal.history();
    assert!(!screen.contains("detached") && !screen.contains("server exited"), "{screen}");
    terminal.close();
}

#[test]
fn connect_in_a_terminal_that_tmux_cannot_use_explains_what_to_do() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 200, 20);
    let tmo = env!("CARGO_BIN_EXE_tmo");
    for (set, says) in [
        ("TERM=xterm-nonsense", "(TERM=xterm-nonsense)"),
        ("TERM=dumb", "(TERM=dumb)"),
        ("env -u TERM", "(TERM is not set)"),
    ] {
        terminal.clear();
        terminal.line(&format!("{set} {tmo} connect web; echo code $?"));
        terminal.wait(&format!("tmo: tmux can't use this terminal {says}: "));
        terminal.wait("try `TERM=xterm-256color tmo connect web`");
        terminal.wait("`tmo screen web`");
        terminal.wait("code 1");
        assert_eq!(own_sessions(&world), [""; 0]);
    }
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn the_c_locale_shows_utf8() {
    let world = World::new(&format!("web: echo grün 界 ↑; {TALK}\n"));
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 20);
    terminal.line(&format!("LC_ALL=C {} connect web", env!("CARGO_BIN_EXE_tmo")));
    terminal.wait("grün 界 ↑");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn a_suspended_client_releases_its_terminal_and_resumes() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 20);
    // With job control.
    terminal.line("bash --norc -i");
    terminal.tmo("connect web");
    terminal.wait("ask me");
    terminal.keys(["C-b", "C-z"]);
    terminal.wait("Stopped");
    terminal.line("echo here $((6 * 7))");
    terminal.wait("here 42");
    terminal.line("fg");
    terminal.wait("to leave: C-b C-b d");
    terminal.line("again");
    terminal.wait("heard <again>");
    terminal.keys(["C-b", "d"]);
    terminal.wait("left web; it is still running");
    terminal.close();
    world.ok(["quit"]);
}

#[test]
fn connect_in_a_pane_of_the_run_explains_the_alternative() {
    let connect = env!("CARGO_BIN_EXE_tmo");
    let world = World::new(&format!(
        "a: until [ -e go ]; do sleep 0.1; done; {connect} connect b; echo \"code $?\"; exec sleep 1000\n\
         b: exec sleep 1000\n"
    ));
    let view = world.start([""; 0]);
    world.wait_state("b", "running");
    world.write("go", "");
    view.shows("a      | code 1\n");
    let log = view.log();
    assert!(log.contains("tmo: this terminal is a pane of the run and can't show b"), "{log}");
    assert!(log.contains("`tmo connect b` in another terminal"), "{log}");
    assert!(!log.contains("no current client"), "{log}");
    drop(log);
    world.ok(["quit"]);
}

#[test]
fn a_terminal_that_was_held_goes_on_when_the_last_viewer_leaves() {
    let world = World::new(&format!("web: echo ask me; {TALK}\n"));
    // While it is held, nothing shows when a key has been read, and keys that are read together would count as pasted.
    world.write("tmux.conf", "set -g assume-paste-time 0\n");
    world.ok(["start", "-D", "-F", "tmux.conf"]);
    world.wait_text("web", "ask me");
    let [one, other] = ["one", "other"].map(|name| Terminal::open(&world, name, 90, 20));
    for terminal in [&one, &other] {
        terminal.tmo("connect web");
        terminal.wait_connected("C-b C-b d");
    }
    one.keys(["C-s"]);
    one.line("held");
    one.keys(["C-b", "d"]);
    one.wait("left web");
    assert!(!world.ok(["logs", "web"]).contains("heard"));
    other.keys(["C-b", "d"]);
    other.wait("left web");
    world.wait_text("web", "heard <held>");
    one.close();
    other.close();
    world.ok(["quit"]);
}
