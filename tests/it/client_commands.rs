//! Commands that query or control a run: `wait`, `signal`, `send`, `screen`, `ps`, `events`, `ls`.

use std::process::Stdio;

use serde_json::Value;

use crate::harness::ports::free_port;
use crate::harness::{Terminal, World, eventually, procs};

/// On a busy machine, the time may be over before the run has answered.
#[track_caller]
fn times_out(world: &World, args: &[&str], said: &str) {
    eventually(&format!("{args:?} says {said}"), || {
        let ran = world.run(args);
        assert_eq!(ran.code, 124, "{ran:?}");
        (ran.stderr == said).then_some(())
    });
}

#[test]
fn wait_returns_when_its_condition_is_met_or_impossible() {
    let world = World::new(
        "migrate: until [ -e go ]; do sleep 0.05; done; echo migrated; exit 4\n\
         web: until [ -e go ]; do sleep 0.05; done; echo listening on $PORT; exec sleep 1000\n",
    );
    world.ok(["start", "-D", "-c", "migrate"]);
    assert_eq!(world.run(["wait"]).code, 0);
    times_out(
        &world,
        &["wait", "web", "--for", "log", "listening on [0-9]+$", "--timeout", "1"],
        "tmo: web has not said `listening on [0-9]+$` after 1 s\n",
    );
    let waits = ["wait", "migrate", "--for", "exit", "--timeout", "1"];
    times_out(&world, &waits, "tmo: migrate is running after 1 s\n");
    let mut log = world.tmo(["wait", "web", "--for", "log", "^listening"]).spawn().unwrap();
    let mut exit = world.tmo(["wait", "migrate", "--for", "exit"]).spawn().unwrap();
    let mut other = world.tmo(["wait", "migrate", "--for", "log", "never"]).spawn().unwrap();
    world.write("go", "");
    for (child, code) in [(&mut log, 0), (&mut exit, 4), (&mut other, 1)] {
        let status = eventually("it returns", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(code));
    }
    // It was said before it was asked for.
    assert_eq!(world.run(["wait", "web", "--for", "log", "listening"]).code, 0);
    let ran = world.run(["wait", "migrate"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (1, "tmo: migrate has ended (code 4); `tmo why migrate` tells more\n")
    );
    world.ok(["stop", "web"]);
    assert_eq!(world.run(["wait", "web", "--for", "exit"]).code, 130);
    let ran = world.run(["wait", "nosuch"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    // The name may stand behind what is waited for.
    assert_eq!(world.run(["wait", "--for", "exit", "web"]).code, 130);
    assert_eq!(world.run(["wait", "--for", "log", "listening", "web"]).code, 0);
    assert_eq!(world.run(["wait", "--for", "sun"]).code, 2);
    world.ok(["quit"]);
    assert_eq!(world.run(["wait", "web"]).code, 1);
}

#[test]
fn wait_for_port_returns_when_the_port_is_open() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D", "-p", &port]);
    assert_eq!(world.run(["wait", "web", "--for", "port", "--timeout", "20s"]).code, 0);
    let address = listener.local_addr().unwrap();
    drop(listener);
    // A program that another test is just starting has the listener until its `exec`.
    eventually("the port is closed", || std::net::TcpStream::connect(address).err());
    let said = format!("tmo: web is not listening on {port} (connection refused) after 1 s\n");
    times_out(&world, &["wait", "--for", "port", "--timeout", "1"], &said);
    world.ok(["quit"]);
}

#[test]
fn start_wait_shows_the_log_until_all_processes_run_and_listen() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let world = World::new(
        "web: echo up; exec sleep 1000\nonce: true\n\
         late: until [ -e go ]; do sleep 0.05; done; exit 7\n",
    );
    let ran = world.run(["start", "--any-can-die", "-p", &port, "--wait=web"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("web    | Started with pid "), "{ran:?}");
    let last = ran.stdout.lines().last().unwrap();
    assert!(last.starts_with("Daemonized. `tmo logs -n 100 -f` shows the log"), "{ran:?}");
    assert_eq!(world.field("web", "state"), "running");
    // It is there already.
    assert_eq!(world.run(["start", "--if-needed", "--wait"]).code, 0);
    drop(listener);
    let said = format!("tmo: web is not listening on {port} (connection refused) after 1 s\n");
    times_out(&world, &["start", "--if-needed", "--wait=web,1"], &said);
    world.ok(["quit"]);
    // Those that may end are told of, and the rest goes on.
    let mut waiting = world.tmo(["start", "--any-can-die", "-p", &port, "--wait=late"]);
    let mut waiting = waiting.spawn().unwrap();
    world.wait_state("web", "running");
    world.write("go", "");
    let status = eventually("it returns", || waiting.try_wait().unwrap());
    assert_eq!(status.code(), Some(7));
    assert_eq!(world.field("web", "state"), "running");
    world.ok(["quit"]);
    // Where the end of one is the end of all, its code is that of the start.
    let ran = world.run(["start", "-c", "once", "-p", &port, "--wait=web,60s"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stdout.contains("late exited with code 7"), "{ran:?}");
    for (wait, code) in [("nosuch", 2), ("5x", 2)] {
        assert_eq!(world.run(["start", &format!("--wait={wait}")]).code, code);
    }
    world.wait_empty();
}

#[test]
fn signals_reach_the_process_group() {
    let world = World::new(
        "web: trap 'echo got it' USR1; (trap 'echo child too; exit' USR1; touch up; \
         while :; do sleep 0.05; done) & while :; do sleep 0.05; done\nworker: exec sleep 1000\n",
    );
    let mut view = world.start([""; 0]);
    eventually("it is there", || world.app().join("up").exists().then_some(()));
    world.wait_state("web", "running");
    world.ok(["signal", "usr1", "web"]);
    view.shows("web    | Sent signal USR1\n");
    view.shows("web    | got it\n");
    view.shows("web    | child too\n");
    world.ok(["stop", "worker"]);
    let ran = world.run(["signal", "HUP", "worker"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "tmo: worker does not run\n"));
    world.ok(["signal", "WINCH"]);
    let ran = world.run(["signal", "NOPE", "web"]);
    assert!(ran.code == 2 && ran.stderr.contains("unknown signal `NOPE`"), "{ran:?}");
    assert_eq!(world.run(["signal", "HUP", "nosuch"]).code, 2);
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn send_types_into_a_terminal_and_screen_reads_it() {
    let world = World::new("web: while IFS= read -r x; do echo \"<$x>\"; done\nworker: echo up\n");
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    let odd = "; -n 'q' \"d\" \\ $HOME #{pane_id} %1 äöü Enter";
    world.ok(["send", "web", odd, "--enter"]);
    let shown = |line: &str| {
        eventually(line, || world.ok(["screen", "web"]).lines().any(|l| l == line).then_some(()));
    };
    shown(&format!("<{odd}>"));
    world.ok(["send", "web", "one\ntwo\n"]);
    shown("<one>");
    shown("<two>");
    let mut piped = world.tmo(["send", "web", "-", "--enter"]);
    piped.stdin(std::fs::File::open("/etc/hostname").unwrap());
    assert!(piped.status().unwrap().success());
    let long = "long".repeat(900);
    world.ok(["send", "web", &long, "--enter"]);
    eventually("all of it", || {
        let log = world.ok(["logs", "web", "--no-prefix"]);
        log.contains(&format!("<{long}>")).then_some(())
    });
    world.ok(["send", "web", "printf \x1b", "--enter"]);
    assert!(!world.ok(["screen", "web"]).contains('\x1b'));
    eventually("it has ended", || (world.field("worker", "state") == "exited").then_some(()));
    let ran = world.run(["send", "worker", "x"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "tmo: worker does not run\n"));
    assert!(world.ok(["screen", "worker"]).starts_with("up\n"), "its last screen");
    assert_eq!(world.run(["screen", "nosuch"]).code, 2);
    world.ok(["quit"]);
}

#[test]
fn ps_wide_shows_cpu_and_memory_of_each_process_tree() {
    let world = World::new(
        "web: setsid -f sh -c 'touch up; exec sleep 1000'; while :; do :; done\nworker: exit 3\n",
    );
    world.ok(["start", "-D", "--any-can-die"]);
    eventually("its daemon", || world.app().join("up").exists().then_some(()));
    eventually("the worker has ended", || {
        (world.field("worker", "state") == "exited").then_some(())
    });
    let rows = || -> Vec<Vec<String>> {
        let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect();
        world.ok(["ps", "--wide"]).lines().map(words).collect()
    };
    let rows =
        eventually("it has used some time", || Some(rows()).filter(|rows| rows[1][7] != "0:00.00"));
    let head = "PROCESS PID STATUS READY EXIT RESTARTS PORT CPU MEMORY SINCE ADDRESS NOTE";
    assert_eq!(rows[0].join(" "), head);
    assert_eq!((rows[1][0].as_str(), rows[1][2].as_str()), ("web", "running"), "{rows:?}");
    assert_eq!(rows[1][1], world.field("web", "pid").to_string());
    assert!(rows[1][8].ends_with("iB"), "{rows:?}");
    assert_eq!(rows[2][..3], ["worker", "-", "exited"].map(str::to_owned), "{rows:?}");
    assert_eq!(rows[2][4..7], ["3", "0", "-"].map(str::to_owned), "{rows:?}");
    assert_eq!(rows[2][7..9], ["-", "-"].map(str::to_owned), "{rows:?}");
    assert!(rows[2].join(" ").ends_with(" `tmo why worker` explains it"), "{rows:?}");
    world.ok(["quit"]);
}

#[test]
fn events_lists_starts_stops_and_exits() {
    let world = World::new("web: echo a line; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    world.ok(["restart", "web"]);
    let events = world.ok(["events", "--json"]);
    let events: Vec<Value> = events.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    let of_web: Vec<&str> = kinds.into_iter().filter(|kind| *kind != "begin").collect();
    assert_eq!(of_web[..4], ["start", "command", "interrupting", "exit"], "{events:?}");
    assert!(of_web[4..].contains(&"start"), "{events:?}");
    let text = world.ok(["events"]);
    assert!(text.contains("web    | Interrupting...\n") && !text.contains("a line"), "{text}");
    world.ok(["quit"]);
}

#[test]
fn ls_lists_the_runs_of_a_user() {
    let world = World::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    assert_eq!(world.ok(["ls"]).lines().count(), 1);
    world.ok(["start", "-D", "-w", "shop"]);
    world.wait_state("worker", "running");
    world.ok(["stop", "web"]);
    let elsewhere = world.tmo(["ls", "--json"]).current_dir("/").output().unwrap();
    let runs: Value = serde_json::from_slice(&elsewhere.stdout).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    assert_eq!((&runs[0]["title"], &runs[0]["state"]), (&"shop".into(), &"running".into()));
    assert_eq!((&runs[0]["running"], &runs[0]["processes"]), (&1.into(), &2.into()));
    let supervisor = world.supervisor();
    crate::takeover::kill_both(&world);
    eventually("it is gone", || (!procs::alive(supervisor)).then_some(()));
    let table = world.ok(["ls"]);
    assert!(table.contains("shop   abandoned"), "{table}");
    world.ok(["ps"]);
    assert!(world.ok(["ls"]).contains("shop   running"));
    world.ok(["quit"]);
}

#[test]
fn wait_returns_an_exit_or_line_that_comes_with_the_end_of_the_run() {
    for (command, code) in [("exit 7", 7), ("exit 0", 0)] {
        let world =
            World::new(&format!("job: while test ! -e go; do sleep 0.05; done; {command}\n"));
        world.ok(["start", "-D"]);
        world.wait_state("job", "running");
        let waits = |args: &[&str]| world.tmo(args).stderr(Stdio::piped()).spawn().unwrap();
        let waits = [
            (waits(&["wait", "job", "--for", "exit"]), code),
            (waits(&["wait", "--for", "exit"]), code),
            (waits(&["wait", "job", "--for", "log", "never"]), 1),
        ];
        // Each is connected, and so hears of the end.
        let all = || waits.iter().all(|(child, _)| procs::has_socket(child.id())).then_some(());
        eventually("all wait", all);
        world.write("go", "");
        for (wait, code) in waits {
            let ran = wait.wait_with_output().unwrap();
            assert_eq!(ran.status.code(), Some(code), "{command}: {ran:?}");
        }
        world.wait_empty();
    }
    // Ended from elsewhere, each has the exit code that its process had.
    let world = World::new("web: trap 'exit 5' INT; while :; do sleep 0.05; done\n");
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let wait = world.tmo(["wait", "web", "--for", "exit"]).spawn().unwrap();
    eventually("it waits", || procs::has_socket(wait.id()).then_some(()));
    world.ok(["quit"]);
    assert_eq!(wait.wait_with_output().unwrap().status.code(), Some(5));
}

#[test]
fn wait_stable_is_not_met_by_a_process_that_dies_at_once() {
    let world =
        World::new("web: while test ! -e go; do sleep 0.05; done; exit 3\ndb: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["wait", "web", "--stable", "100ms"]);
    let mut wait = world.view_into("wait", ["wait", "db", "--stable", "1h"]);
    eventually("it waits", || procs::has_socket(wait.child.id()).then_some(()));
    world.write("go", "");
    assert_eq!(wait.end().code(), Some(1));
    let said = wait.errors();
    // The run may end before the first answer.
    assert!(said.contains("the run is over: ") || said.contains("nothing runs here"), "{said}");
    world.wait_empty();
}

#[test]
fn ps_shows_readiness_and_why_a_process_waits() {
    let world = World::new("migrate: exit 0\nbad: exit 3\nlate: true\nweb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.bad]\non_exit = \"ignore\"\n[process.web]\nready = { log = \"never\" }\n\
         [process.late]\ndepends_on = { bad = \"completed\" }\n\
         [process.migrate]\non_exit = \"ignore\"\n",
    );
    world.run(["start", "-D"]);
    world.wait_state("late", "skipped");
    let table = world.ok(["ps"]);
    let row = |name: &str| {
        table.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
    };
    assert!(row("PROCESS").starts_with("PROCESS"), "{table}");
    assert!(!row("migrate").contains("dead") && row("bad").contains('3'), "{table}");
    assert!(row("late").contains("skipped") && row("late").contains("bad"), "{table}");
    assert!(row("web").contains("never"), "what it lacks: {table}");
    world.ok(["quit"]);
}

#[test]
fn commands_of_other_tools_get_a_suggestion() {
    let world = World::new("web: exec sleep 1000\n");
    for (typed, right) in [
        (&["up"][..], "tmo start"),
        (&["down"], "tmo quit"),
        (&["attach", "web"], "tmo connect"),
        (&["tail", "web"], "tmo logs"),
        (&["kill", "web"], "tmo stop web"),
        (&["ps", "web"], "tmo ps"),
        (&["reload", "web"], "tmo restart web"),
        (&["stats"], "tmo top"),
        (&["start", "--dry-run"], "tmo check"),
        (&["start", "-d"], "tmo start -D"),
        (&["info"], "tmo ps"),
        (&["sheriff", "ps"], "tmo fleet --fleet=FILE.json"),
        (&["deputy", "--port", "8000"], "tmo web --token-file"),
    ] {
        let ran = world.run(typed);
        assert_eq!(ran.code, 2, "{typed:?}: {ran:?}");
        assert!(ran.stderr.contains(right), "{typed:?}: {ran:?}");
    }
}

#[test]
fn flags_of_other_tools_that_mean_the_same_work() {
    let world = World::new("web: echo a line; exec sleep 1000\nworker: exec sleep 1000\n");
    assert!(world.ok(["version"]).starts_with("tmo "));
    world.ok(["start", "--detach", "--only", "web"]);
    world.wait_text("web", "a line");
    let ps = world.ok(["ps"]);
    assert!(!ps.contains("\nworker"), "{ps}");
    let has_time = |line: &str| line.matches(':').count() >= 2;
    for command in ["logs", "events"] {
        for flag in ["-t", "-T", "--timestamps"] {
            let text = world.ok([command, flag]);
            assert!(!text.is_empty() && text.lines().all(has_time), "{command} {flag}: {text}");
        }
    }
    world.ok(["quit"]);
}

#[test]
fn crashes_of_an_unknown_process_is_a_usage_error() {
    let world = World::new("web: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    for args in [&["crashes", "wbe"][..], &["crashes", "show", "wbe"]] {
        let ran = world.run(args);
        assert!(ran.code == 2 && ran.stderr.contains("web"), "{ran:?}");
    }
    let ran = world.run(["crashes", "web"]);
    assert_eq!((ran.code, &ran.stderr[..]), (0, "tmo: there is no crash report of web\n"));
    view.interrupt();
}

#[test]
fn the_notes_of_ps_are_wrapped_at_words_on_a_narrow_terminal() {
    let world = World::new("db: exit 1\nweb: exec sleep 1000\nother: exec sleep 1000\n");
    let toml =
        "[process.db]\non_exit = \"ignore\"\n[process.web]\ndepends_on = { db = \"completed\" }\n";
    world.write("tmo.toml", toml);
    world.run(["start", "-D"]);
    world.wait_state("web", "skipped");
    let row = |text: &str| text.lines().find(|line| line.starts_with("web ")).unwrap().to_owned();
    let whole = row(&world.ok(["ps"]));
    assert!(whole.ends_with("`tmo start web` starts it"), "{whole}");
    for (name, columns) in [("column", 110), ("below", 80)] {
        let terminal = Terminal::open(&world, name, columns, 24);
        terminal.tmo("ps");
        terminal.wait_for("the table is there", |screen| {
            screen.contains("other ") && screen.trim_end().ends_with("ready>")
        });
        let screen = terminal.screen();
        let lines: Vec<_> = screen.lines().skip_while(|line| !line.starts_with("web ")).collect();
        let own = lines.iter().take_while(|line| !line.starts_with("other ")).copied();
        let shown: Vec<_> = own.flat_map(str::split_whitespace).collect();
        assert_eq!(shown, whole.split_whitespace().collect::<Vec<_>>(), "{screen}");
        let indent = if columns == 110 { world.ok(["ps"]).find("NOTE").unwrap() } else { 4 };
        let next = lines[1];
        assert_eq!(next.len() - next.trim_start().len(), indent, "{screen}");
    }
    world.ok(["quit"]);
}

#[test]
fn a_restart_says_that_the_files_have_changed() {
    let world = World::new("web: exec sleep 1000\nother: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    assert_eq!(world.run(["restart", "web"]).stderr, "");
    world.write("Procfile", "web: exec sleep 2000\nother: exec sleep 1000\n");
    let ran = world.run(["restart", "web"]);
    assert!(
        ran.stderr
            .contains("the settings of web have changed since the run read them; `tmo reload`"),
        "{ran:?}"
    );
    assert_eq!(world.run(["restart", "other"]).stderr, "", "nothing was changed of that one");
    world.ok(["reload"]);
    assert_eq!(world.run(["restart", "web"]).stderr, "");
    world.ok(["quit"]);
}

#[test]
fn on_a_terminal_commands_say_what_they_did_and_the_log_where_the_run_begins() {
    let world = World::new("web: echo up; exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.wait_text("web", "up");
    world.ok(["quit"]);
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 90, 30);
    terminal.tmo("restart web");
    terminal.wait("web: restarted");
    terminal.tmo("logs web --all-runs");
    terminal.wait("── run of 20");
    terminal.tmo("quit");
    terminal.wait("the run has ended");
    assert!(
        !world.ok(["logs", "web", "--all-runs"]).contains("run of"),
        "a pipe gets the lines alone"
    );
    terminal.close();
}
