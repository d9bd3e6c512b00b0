//! The control socket: its access, its path, and concurrent commands.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{World, eventually, procs};
use crate::takeover::{QUIET, quiet_run};

const TWO: &str = "web: echo up; exec sleep 1000\nworker: echo up; exec sleep 1000\n";
const DEAF: &str = "web: trap '' INT TERM; echo up; while :; do sleep 1000; done\n";

pub(crate) fn socket(world: &World) -> PathBuf {
    world.app().join(".overmind.sock")
}

pub(crate) fn background(procfile: &str) -> World {
    let world = World::new(procfile);
    world.ok(["start", "-D"]);
    world
}

/// Send this; the stream that answers.
fn send(socket: &Path, text: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Send this and nothing more; what comes back until the end.
pub(crate) fn talk(socket: &Path, text: &str) -> String {
    let mut stream = send(socket, text);
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_at_the_socket_path_is_not_touched() {
    let world = World::new(TWO);
    world.write(".overmind.sock", "precious");
    for args in [&["start"][..], &["start", "-D"]] {
        let ran = world.run(args);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("./.overmind.sock is in the way"), "{ran:?}");
        assert!(ran.stderr.contains("it is a file"), "{ran:?}");
    }
    assert_eq!(world.read(".overmind.sock"), "precious");
    // What stands there does not hinder another socket.
    world.ok(["start", "-D", "-s", "other.sock"]);
    world.ok(["quit", "-s", "other.sock"]);
    std::fs::remove_file(socket(&world)).unwrap();
}

/// As much of an overmind as a client can see.
struct Overmind {
    asked: Arc<Mutex<Vec<String>>>,
    socket: PathBuf,
}

impl Overmind {
    fn listen(socket: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                // It passes over what it does not know.
                while let Some(Ok(line)) = lines.next() {
                    heard.lock().unwrap().push(line.trim_end().to_owned());
                    if line == "status" {
                        let table = "PROCESS   PID       STATUS\nweb       123       running\n";
                        (&stream).write_all(table.as_bytes()).unwrap();
                        break;
                    }
                }
            }
        });
        Self { asked, socket }
    }

    #[track_caller]
    fn heard(&self, line: &str) {
        let heard = || self.asked.lock().unwrap().iter().any(|l| l == line).then_some(());
        eventually(&format!("overmind hears {line:?}"), heard);
    }
}

impl Drop for Overmind {
    fn drop(&mut self) {
        std::fs::remove_file(&self.socket).unwrap();
    }
}

#[test]
fn a_running_overmind_is_not_disturbed_and_gets_commands_as_from_its_client() {
    let world = World::new(TWO);
    let overmind = Overmind::listen(socket(&world));
    let ran = world.run(["start"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("overmind, listens on ./.overmind.sock"), "{ran:?}");
    let table = world.ok(["ps"]);
    assert_eq!(table, "PROCESS   PID       STATUS\nweb       123       running\n");
    world.ok(["stop", "web"]);
    overmind.heard("stop web");
    world.ok(["restart"]);
    overmind.heard("restart");
    world.ok(["quit"]);
    overmind.heard("quit");
    world.ok(["kill"]);
    overmind.heard("kill");
}

#[test]
fn a_project_with_a_long_path_has_a_socket() {
    let world = World::new(TWO);
    let deep = world.app().join("d".repeat(150)).join("e".repeat(150));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("Procfile"), TWO).unwrap();
    let run = |args: &[&str]| {
        let output = world.tmo(args).current_dir(&deep).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, said) = run(&["start", "-D"]);
    assert_eq!(code, 0, "{said}");
    assert!(deep.join(".overmind.sock").symlink_metadata().is_ok());
    let (_, table, _) = run(&["ps"]);
    assert_eq!(table.matches("running").count(), 2, "{table}");
    let (code, _, said) = run(&["restart", "web"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = run(&["quit"]);
    assert_eq!(code, 0, "{said}");
    assert!(deep.join(".overmind.sock").symlink_metadata().is_err());
    world.wait_empty();
}

#[test]
fn two_sockets_give_a_project_two_runs() {
    let world = background(TWO);
    world.ok(["start", "-D", "-s", "other.sock"]);
    let pid = |args: &[&str]| {
        let state: serde_json::Value = serde_json::from_str(&world.ok(args)).unwrap();
        state["processes"][0]["pid"].as_u64().unwrap()
    };
    let (one, other) = (pid(&["ps", "--json"]), pid(&["ps", "--json", "-s", "other.sock"]));
    assert_ne!(one, other);
    let ran = world.run(["start", "-s", "other.sock", "-D"]);
    assert!(ran.stderr.contains("already running"), "{ran:?}");
    world.ok(["quit"]);
    assert!(procs::alive(u32::try_from(other).unwrap()));
    assert_eq!(pid(&["ps", "--json", "-s", "./other.sock"]), other);
    world.ok(["quit", "--socket", "other.sock"]);
    world.wait_empty();
}

#[test]
fn commands_in_a_subdirectory_find_the_run() {
    let world = background(TWO);
    let below = world.app().join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    let ran = world.tmo(["ps"]).current_dir(&below).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap().matches("running").count(), 2);
    let quit = world.tmo(["quit"]).current_dir(&below).status().unwrap();
    assert!(quit.success());
    world.wait_empty();
}

#[test]
fn ps_as_json_is_the_state_of_the_api() {
    let world = background(TWO);
    let mut state = world.state().unwrap();
    let tmux = state.as_object_mut().unwrap().remove("tmux");
    assert_eq!(tmux.is_none(), world.is_native());
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&state),
        "api backend headless_since host journal origin pid processes procfile quitting root run runtime socket started \
         title version views"
    );
    assert_eq!(state["api"], 1);
    assert_eq!(state["title"], "app");
    assert_eq!(state["root"], world.app().display().to_string());
    assert_eq!(state["socket"], socket(&world).display().to_string());
    assert!(tmux.is_none_or(|tmux| keys(&tmux) == "program session socket"));
    let processes = state["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 2);
    assert_eq!(
        keys(&processes[0]),
        "color command exit last_pid lives name output_bytes pane pid port ready since state"
    );
    for (process, (name, port)) in
        processes.iter().zip([("web", world.port(0)), ("worker", world.port(1))])
    {
        assert_eq!(process["name"], name);
        assert_eq!(process["port"], port);
        assert_eq!(process["state"], "running");
        assert_eq!(process["exit"], serde_json::Value::Null);
        assert!(procs::alive(u32::try_from(process["pid"].as_u64().unwrap()).unwrap()));
    }
    world.ok(["stop", "web"]);
    assert_eq!(world.field("web", "exit")["signal"], 2);
    world.ok(["quit"]);
    let ran = world.run(["ps", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_eq!(ran.stderr, "tmo: nothing runs here, `tmo start` starts a run\n");
}

#[test]
fn commands_of_overminds_client_are_executed() {
    let world = background(TWO);
    let web = world.wait_state("web", "running").unwrap();
    let worker = world.wait_state("worker", "running").unwrap();
    let table = talk(&socket(&world), "status\n");
    let row = |name: &str, pid: u32, word: &str| format!("{name:<10}{pid:<10}{word}\n");
    let head = "PROCESS   PID       STATUS\n".to_owned();
    let rows = [head.clone(), row("web", web, "running"), row("worker", worker, "running")];
    assert_eq!(table, rows.concat());
    assert_eq!(talk(&socket(&world), "restart web\n"), "");
    let again = eventually("web runs again", || {
        let pid = world.field("web", "pid").as_u64()?;
        (pid != u64::from(web)).then(|| u32::try_from(pid).unwrap())
    });
    assert_eq!(talk(&socket(&world), "stop w*b\n"), "");
    world.wait_state("web", "stopped");
    let rows = [head, row("web", again, "dead"), row("worker", worker, "running")];
    assert_eq!(talk(&socket(&world), "nonsense\n\nstatus"), rows.concat());
    let state = world.state().unwrap();
    let at = match state["tmux"]["socket"].as_str() {
        Some(socket) => format!("{socket} app:worker\n"),
        None => "\n".to_owned(),
    };
    assert_eq!(talk(&socket(&world), "get-connection worker\n"), at);
    assert_eq!(talk(&socket(&world), "get-connection nosuch\n"), "\n");
    assert_eq!(talk(&socket(&world), "quit"), "");
    world.wait_empty();
}

#[test]
fn overminds_echo_shows_new_lines_only() {
    let world = background("web: echo before; read go; echo after; exec sleep 1000\n");
    eventually("it has begun", || world.ok(["logs"]).contains("before").then_some(()));
    let mut lines = BufReader::new(send(&socket(&world), "echo\n")).lines();
    let opened = "\x1b[1;38;5;7msystem\x1b[0m | \x1b[1mEcho #1 opened\x1b[0m";
    assert_eq!(lines.next().unwrap().unwrap(), opened);
    world.type_into("web", "go");
    let after = "\x1b[1;38;5;2mweb   \x1b[0m | after";
    assert!(lines.any(|line| line.unwrap().trim_end() == after));
    world.ok(["quit"]);
    assert!(lines.all(|line| line.is_ok()), "it ends with the run");
}

#[test]
fn the_api_is_plain_http() {
    let world = background(TWO);
    let ask = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let mut answer = String::new();
        send(&socket(&world), &request).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: u32 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        (status, json)
    };
    let (status, state) = ask("GET", "/api/state", "");
    assert_eq!((status, &state["processes"][1]["name"]), (200, &"worker".into()));
    let (status, process) = ask("GET", "/api/processes/web", "");
    assert_eq!((status, &process["state"]), (200, &"running".into()));
    let (status, outcome) = ask("POST", "/api/stop", r#"{"names":["web"]}"#);
    assert_eq!((status, &outcome["ok"]), (200, &true.into()), "{outcome}");
    assert_eq!(world.field("web", "state"), "stopped");
    let (status, outcome) = ask("POST", "/api/processes/web/start", "");
    assert_eq!((status, &outcome["ok"]), (200, &true.into()), "{outcome}");
    let (status, outcome) = ask("POST", "/api/restart", r#"{"names":["wbe"]}"#);
    assert_eq!((status, &outcome["unknown"]["nearest"]), (404, &"web".into()), "{outcome}");
    let (status, outcome) = ask("POST", "/api/stop", r#"{"name":["web"]}"#);
    assert_eq!(status, 400, "a misspelt key is not all: {outcome}");
    assert_eq!(ask("GET", "/api/nosuch", "").0, 404);
    let (_, problem) = ask("GET", "/api/statu", "");
    let nearest = "there is no `/api/statu` here; did you mean `/api/state`?";
    assert!(problem.to_string().contains(nearest), "{problem}");
    assert_eq!(ask("DELETE", "/api/state", "").0, 405);
    for _ in 0..2 {
        // Asked again by the same key it is not done again.
        let (status, _) = ask("POST", "/api/restart?key=once", r#"{"names":["web"]}"#);
        assert_eq!(status, 200);
        assert_eq!(world.field("web", "lives"), 3);
    }
    let (status, outcome) = ask("POST", "/api/quit", "");
    assert_eq!((status, &outcome["ok"]), (200, &true.into()), "{outcome}");
    world.wait_empty();
}

#[test]
fn curl_can_use_the_api_over_the_socket() {
    let world = background(TWO);
    let output = world
        .command("curl")
        .args(["-sS", "--unix-socket", ".overmind.sock", "http://x/api/state"])
        .output()
        .unwrap();
    let state: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(state["title"], "app");
    world.ok(["quit"]);
}

#[test]
fn other_users_can_neither_read_the_files_nor_use_the_socket() {
    let world = background(TWO);
    world.ok(["restart", "web"]);
    let found = socket(&world).symlink_metadata().unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(mode(&socket(&world)), 0o600);
    for dir in [world.runtime(), world.runtime().join("p"), world.journal()] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
        }
    }
    world.ok(["quit"]);
}

#[test]
fn a_second_quit_skips_the_grace_period() {
    let world = World::new(DEAF);
    let mut view = world.start(["-t", "60"]);
    view.shows("web    | up\n");
    let mut first = world.tmo(["quit"]).spawn().unwrap();
    world.wait_state("web", "stopping");
    let refused = world.run(["restart", "web"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("being stopped"), "{refused:?}");
    // One that comes at once would count as the same.
    view.shows("web (pid ");
    world.ok(["quit"]);
    assert_eq!(eventually("the first returns", || first.try_wait().unwrap()).code(), Some(0));
    assert_eq!(view.code(), 0);
    let again = world.run(["quit"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("nothing runs here"), "{again:?}");
    world.wait_empty();
}

/// Takes a second to stop.
const SLOW: &str =
    "web: trap 'sleep 1; echo bye; exit 0' INT TERM; echo up; while :; do sleep 0.1; done\n";

#[test]
fn two_concurrent_restarts_start_one_new_life() {
    let world = background(SLOW);
    world.wait_text("web", "| up\n");
    let restart =
        "POST /api/processes/web/restart HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let asking: Vec<_> = (0..2).map(|_| send(&socket(&world), restart)).collect();
    for mut stream in asking {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    world.ok(["quit"]);
    let log = world.ok(["logs"]);
    assert_eq!(log.matches("| bye\n").count(), 2, "{log}");
    assert!(!log.contains("Killing"), "{log}");
}

#[test]
fn quit_during_a_stop_after_a_crash_keeps_the_grace_period() {
    let world =
        World::new(&format!("{SLOW}api: while [ ! -e crash ]; do sleep 0.1; done; exit 3\n"));
    let mut view = world.start([""; 0]);
    view.shows("web    | up\n");
    world.write("crash", "");
    view.shows("web    | Interrupting...\n");
    world.ok(["quit"]);
    assert_eq!(view.code(), 3);
    let log = view.log();
    assert!(log.contains("web    | bye\n") && !log.contains("Killing"), "{log}");
}

#[test]
fn kill_sends_sigkill_without_a_stop_signal() {
    let world = World::new(&format!("{DEAF}worker: exec sleep 1000\n"));
    let mut view = world.start(["-t", "60"]);
    view.shows("web    | up\n");
    let pids = [world.wait_state("web", "running"), world.wait_state("worker", "running")];
    world.ok(["kill"]);
    assert!(pids.into_iter().flatten().all(|pid| !procs::alive(pid)));
    assert_eq!(view.code(), 0);
    assert!(!view.log().contains("Interrupting"), "{}", view.log());
    world.wait_empty();
}

#[test]
fn five_concurrent_starts_make_one_run() {
    let world = World::new(TWO);
    let starts: Vec<_> = (0..5).map(|i| world.start_into(&format!("log{i}"), [""; 0])).collect();
    let mut starts = starts;
    let refused = eventually("four give up", || {
        let mut refused = vec![];
        for (i, view) in starts.iter_mut().enumerate() {
            if let Some(status) = view.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(1), "{}", view.errors());
                assert!(view.errors().contains("already running"), "{}", view.errors());
                refused.push(i);
            }
        }
        (refused.len() == 4).then_some(refused)
    });
    let one = (0..5).find(|i| !refused.contains(i)).unwrap();
    starts[one].shows("web    | up\n");
    world.wait_state("web", "running");
    world.wait_state("worker", "running");
    assert_eq!(world.state().unwrap()["views"], 1);
    let count = |verb: &str| {
        let living = world.living();
        living.iter().filter(|p| p.args.get(1).is_some_and(|a| a == verb)).count()
    };
    assert_eq!([count("guard"), count("supervise"), count("shim")], [1, 1, 2]);
    assert_eq!(starts[one].interrupt(), 0);
    assert_eq!(starts[one].log().matches("web    | up\n").count(), 1);
    world.wait_empty();
}

#[test]
fn a_start_right_after_a_quit_is_a_new_run() {
    let world = World::new(TWO);
    for _ in 0..5 {
        world.ok(["start", "-D"]);
        let run = world.state().unwrap()["run"].clone();
        let mut quit = world.tmo(["quit"]).spawn().unwrap();
        eventually("it ends", || {
            let state = world.state();
            (state.is_none_or(|s| s["quitting"] == true || s["run"] != run)).then_some(())
        });
        let ran = world.run(["start", "-D"]);
        if ran.code == 0 {
            assert_ne!(world.state().unwrap()["run"], run);
            world.ok(["quit"]);
        } else {
            assert!(ran.stderr.contains("already running"), "{ran:?}");
        }
        assert_eq!(eventually("quit returns", || quit.try_wait().unwrap()).code(), Some(0));
        world.wait_empty();
    }
}

#[test]
fn a_failed_background_start_reports_the_reason() {
    let world = World::new("web: exec sleep 1000\n");
    for (args, said) in [
        (&["-H", "nosuchshell"][..], "can't find the shell `nosuchshell`"),
        (&["-f", "Nosuch"], "Nosuch"),
        (&["-l", "nosuch"], "No processes to run"),
        (&["-s", "nosuchdir/x.sock"], "no such file or directory"),
    ] {
        let ran = world.run(["start", "-D"].iter().chain(args));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
        assert_eq!(ran.stdout, "");
        world.wait_empty();
    }
    std::fs::create_dir(world.app().join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/sh", world.app().join("bin/sh")).unwrap();
    let args = ["start", "-D", "--backend", "tmux"];
    let ran = world.tmo(args).env("PATH", world.app().join("bin")).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("Can't find tmux"), "{said}");
}

#[test]
fn a_run_whose_socket_was_replaced_by_a_file_is_reached() {
    let world = background(TWO);
    let socket = socket(&world);
    let kinds: [&dyn Fn(); 2] = [&|| std::fs::write(&socket, "mine").unwrap(), &|| {
        nix::unistd::mkfifo(&socket, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }];
    for make in kinds {
        std::fs::remove_file(&socket).unwrap();
        make();
        assert!(world.ok(["ps"]).contains("running"));
    }
    world.ok(["quit"]);
    world.wait_empty();
    std::fs::remove_file(&socket).unwrap();
}

/// Passes requests for the state on to the socket of a run; all others get no answer.
fn only_state(at: &Path, run: PathBuf) {
    let listener = UnixListener::bind(at).unwrap();
    std::thread::spawn(move || {
        let mut held = vec![];
        for mut client in listener.incoming().flatten() {
            let mut head = [0; 8192];
            let len = client.read(&mut head).unwrap_or(0);
            if !head[..len].starts_with(b"GET /api/state") {
                held.push(client);
                continue;
            }
            let mut server = UnixStream::connect(&run).unwrap();
            server.write_all(&head[..len]).unwrap();
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
}

#[test]
fn no_command_waits_forever_for_a_listener_that_only_reports_its_state() {
    let world = background(TWO);
    only_state(&world.app().join("near.sock"), socket(&world));
    // Or commands would go by this one, as the run is known.
    std::fs::remove_file(world.runtime().join("spare.sock")).unwrap();
    for args in [&["screen", "web"][..], &["send", "web", "x"], &["detach"]] {
        let ran = world.run([args, &["-s", "near.sock"]].concat());
        assert!(ran.code != 0 && ran.stderr.contains("does not answer"), "{args:?}: {ran:?}");
    }
    std::fs::remove_file(world.app().join("near.sock")).unwrap();
    world.ok(["quit"]);
}

#[test]
fn a_listener_that_is_neither_tmo_nor_overmind_is_rejected() {
    let world = World::new(QUIET);
    let socket = world.app().join(".overmind.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"220 ready\r\n");
        }
    });
    for command in [&["ps"][..], &["stop", "web"], &["quit"], &["start"]] {
        let ran = world.run(command);
        assert_eq!(ran.code, 1, "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("overmind"), "{command:?}: {ran:?}");
    }
    std::fs::remove_file(&socket).unwrap();
}

#[test]
fn a_killed_client_command_leaves_the_run_unchanged() {
    let world = quiet_run();
    let mut stop = world.tmo(["restart"]).spawn().unwrap();
    stop.kill().unwrap();
    // It may have come to its end before.
    let ended = stop.wait().unwrap();
    assert!(ended.signal() == Some(9) || ended.success(), "{ended:?}");
    for name in ["web", "worker"] {
        world.wait_state(name, "running");
    }
    world.ok(["quit"]);
}
