//! What provides the terminals: tmux, or tmo itself on a machine without it.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tmo::model::ProcName;
use tmo::protocol::paths::PanePaths;
use tmo::protocol::terminal::{FromClient, Hello, VERSION, WantedScreen};

use crate::api::ask;
use crate::control_socket::{mode, talk};
use crate::harness::pty::Pty;
use crate::harness::{NEVER_FLAKY, Ran, World, eventually, procs};
use crate::host_environment::NOBODY;
use crate::takeover::{QUIET, kill_both};
use crate::web_server::WebServer;

const NO_TMUX: &str =
    "tmo: tmux is not installed: terminals are tmo's own (--backend tmux insists)\n";

/// A world in which nothing but its start chooses the backend.
fn world(procfile: &str) -> World {
    unchosen(World::new(procfile))
}

fn unchosen(mut world: World) -> World {
    world.extra.retain(|(name, _)| name != "TMO_BACKEND");
    world
}

/// The same, on a machine without tmux.
fn without_tmux(procfile: &str) -> World {
    let world = world(procfile);
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["sh", "cat", "chmod", "cp", "env", "setsid", "sleep", "stty"] {
        symlink(which::which(program).unwrap(), bin.join(program)).unwrap();
    }
    world.env("PATH", bin.to_str().unwrap())
}

/// What provides the terminals of the run.
fn backend(world: &World) -> Value {
    world.state().unwrap()["backend"].clone()
}

#[track_caller]
fn begins(world: &World, args: &[&str], stderr: &str) {
    let ran = world.run([&["start", "-D"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, stderr), "{ran:?}");
}

#[track_caller]
fn ends(world: &World) {
    world.ok(["quit"]);
    world.wait_empty();
    let left: Vec<_> = std::fs::read_dir(world.path().join("run/tmo")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_server_has_its_terminals_in_tmux_for_overminds_users() {
    for (more, wanted) in [(&[][..], "native"), (&["--overmind"], "tmux")] {
        let world = world("web: exec sleep 1000\n");
        world.write("tmo.toml", "backend = \"native\"\n");
        let words = [&["server", "--no-ui", "--port", "0"], more].concat();
        let server = WebServer::start_as(&world, world.tmo(words));
        assert_eq!(backend(&world), wanted);
        world.wait_state("web", "running");
        assert!(world.ok(["status"]).contains("web"), "{wanted}");
        server.end();
        world.wait_empty();
    }
}

#[test]
fn a_machine_without_tmux_runs_processes_at_the_first_try() {
    let world = without_tmux("web: echo life $$; exec cat\nworker: exec sleep 1000\n");
    begins(&world, &[], NO_TMUX);
    assert_eq!(backend(&world), "native");
    let pid = world.wait_state("web", "running").unwrap();
    assert!(world.ok(["ps"]).contains("worker"));
    world.wait_text("web", &format!("life {pid}"));
    eventually("its screen", || {
        world.ok(["screen", "web"]).starts_with(&format!("life {pid}\n")).then_some(())
    });
    world.ok(["send", "web", "hello", "--enter"]);
    // The terminal echoes the line and cat repeats it.
    eventually("both", || {
        (world.ok(["logs", "web", "--no-prefix"]).matches("hello\n").count() == 2).then_some(())
    });
    world.ok(["restart", "web"]);
    let next = world.wait_state("web", "running").unwrap();
    assert_ne!(next, pid);
    world.wait_text("web", &format!("life {next}"));
    let connected = Pty::tmo(&world, &["connect", "web"], 80, 24);
    connected.types("typed\r");
    world.wait_text("web", "typed");
    connected.end("closed");
    assert_eq!(world.wait_state("web", "running"), Some(next));
    ends(&world);
}

#[test]
fn the_log_of_a_run_without_tmux_names_no_tmux_server() {
    let world = without_tmux("web: exec sleep 1000\n");
    let mut view = world.start([""; 0]);
    view.shows("Listening at ./.overmind.sock\n");
    assert_eq!(view.errors(), NO_TMUX);
    world.wait_state("web", "running");
    assert_eq!(view.interrupt(), 0);
    assert!(!view.log().to_lowercase().contains("tmux"), "{}", view.log());
}

#[test]
fn a_tmux_that_can_not_be_used_is_reported_and_not_needed() {
    for (script, why) in [
        ("echo tmux 2.8", "tmux 2.8 is too old (3.0 is needed)"),
        ("echo 'no libevent' >&2; exit 127", "TMUX -V failed: no libevent"),
    ] {
        let world = unchosen(World::new("web: exec sleep 1000\n").with_tmux(|_| script.to_owned()));
        let tmux = world.path().join("bin/tmux").display().to_string();
        let why = why.replace("TMUX", &tmux);
        begins(
            &world,
            &[],
            &format!("tmo: {why}: terminals are tmo's own (--backend tmux insists)\n"),
        );
        assert_eq!(backend(&world), "native");
        ends(&world);
    }
}

#[test]
fn a_tmux_in_the_project_is_not_run() {
    let world = without_tmux("web: exec sleep 1000\n");
    let planted = world.app().join("tmux");
    world.write("text", "#!/bin/sh\necho tmux 3.4; echo ran >>ran\n");
    assert_eq!(world.shell("cp text tmux && chmod +x tmux").code, 0);
    let path = format!("{}:{}", world.app().display(), world.path().join("bin").display());
    let world = world.env("PATH", &path);
    let why = "as it lies in the project or is named by a relative entry of PATH";
    let notice = format!(
        "tmo: {} is not run, {why}: terminals are tmo's own (--backend tmux insists)\n",
        planted.display()
    );
    begins(&world, &[], &notice);
    assert_eq!((backend(&world), world.read("ran")), ("native".into(), String::new()));
    ends(&world);
}

#[test]
fn a_start_that_insists_on_tmux_fails_without_it() {
    let world = without_tmux("web: exec sleep 1000\n");
    let refused = |ran: &Ran| {
        let words = "tmo: Can't find tmux. Did you forget to install it?\n";
        assert_eq!((ran.code, ran.stderr.as_str()), (1, words), "{ran:?}");
    };
    refused(&world.run(["start", "-D", "--backend", "tmux"]));
    refused(&world.run(["start", "-D", "--overmind"]));
    world.write("tmo.toml", "backend = \"tmux\"\n");
    refused(&world.run(["start", "-D"]));
    world.write("tmo.toml", "");
    let link = world.path().join("overmind");
    symlink(env!("CARGO_BIN_EXE_tmo"), &link).unwrap();
    let ran = Ran::of(&world.command(&link).args(["start", "-D"]).output().unwrap());
    let words = "overmind: Can't find tmux. Did you forget to install it?\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (1, words), "{ran:?}");
    let world = world.env("TMO_BACKEND", "tmux");
    refused(&world.run(["start", "-D"]));
    assert!(world.living().is_empty());
    // What is chosen there says nothing about tmux.
    begins(&world, &["--backend", "native"], "");
    ends(&world);
}

#[test]
fn flag_variable_and_file_choose_in_this_order_and_config_names_the_source() {
    let mut world = world("web: exec sleep 1000\n");
    let chosen = |world: &World, flags: &[&str]| {
        let of = |verb: &[&str]| -> Value {
            serde_json::from_str(&world.ok([verb, flags].concat())).unwrap()
        };
        let resolved = of(&["start", "--print-config"])["backend"].clone();
        let config = of(&["config", "--json"])["backend"].clone();
        (resolved, config["value"].clone(), config["from"].clone())
    };
    let all = |a: &str, b: &str, c: &str| (Value::from(a), Value::from(b), Value::from(c));
    assert_eq!(chosen(&world, &[]), all("tmux", "auto", "default"));
    world.write("tmo.toml", "backend = \"native\"\n");
    assert_eq!(chosen(&world, &[]), all("native", "native", "./tmo.toml:1"));
    assert!(world.ok(["config"]).starts_with("backend  native  ./tmo.toml:1\nweb\n"));
    world = world.env("OVERMIND_BACKEND", "tmux");
    assert_eq!(chosen(&world, &[]), all("tmux", "tmux", "OVERMIND_BACKEND"));
    world = world.env("TMO_BACKEND", "native");
    assert_eq!(chosen(&world, &[]), all("native", "native", "TMO_BACKEND"));
    let flag = ["--backend", "tmux"];
    assert_eq!(chosen(&world, &flag), all("tmux", "tmux", "--backend"));
    let ran = world.env("TMO_BACKEND", "screen").run(["start", "-D"]);
    let words = "tmo: TMO_BACKEND=screen is not auto, tmux or native\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (1, words));
}

#[test]
fn a_run_keeps_its_terminals_over_a_reload_and_a_takeover() {
    let world = world(QUIET);
    world.write("tmo.toml", "backend = \"native\"\n");
    begins(&world, &[], "");
    let pid = world.wait_state("web", "running");
    world.write("tmo.toml", "backend = \"tmux\"\n[process.worker]\nenv = { A = \"b\" }\n");
    let ran = world.run(["reload"]);
    let later = "tmo: changed, but in force from the next start only: backend\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (0, later), "{ran:?}");
    assert!(ran.stdout.contains("worker: restarted (environment: A changed)"), "{ran:?}");
    kill_both(&world);
    world.ok(["restart", "worker"]);
    assert_eq!((backend(&world), world.wait_state("web", "running")), ("native".into(), pid));
    let ran = world.run(["start", "-D", "--backend", "tmux"]);
    assert!(ran.stderr.contains("a run is already up, so ignored: --backend; "), "{ran:?}");
    let ran = world.run(["start", "-D", "--backend", "auto"]);
    assert!(!ran.stderr.contains("ignored"), "{ran:?}");
    ends(&world);
    begins(&world, &[], "");
    assert_eq!(backend(&world), "tmux");
    ends(&world);
}

#[test]
fn clients_learn_the_backend_and_get_no_tmux_address_without_tmux() {
    let world = without_tmux(QUIET);
    begins(&world, &[], NO_TMUX);
    for path in ["state", "status"] {
        let body = ask(&world, &format!("GET /api/{path}"), "", "").json();
        assert_eq!((&body["backend"], body.get("tmux")), (&"native".into(), None), "{body}");
    }
    let json: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    assert_eq!((&json["backend"], json.get("tmux")), (&"native".into(), None));
    let socket = world.app().join(".overmind.sock");
    for command in ["get-connection\n", "get-connection web\n"] {
        assert_eq!(talk(&socket, command), "\n");
    }
    world.wait_state("web", "running");
    let refused = |args: &[&str], why: &str| {
        let ran = world.run([&["connect", "web"], args].concat());
        let words = format!("tmo: the terminal of web is tmo's own, not in tmux: {why}\n");
        assert_eq!((ran.code, ran.stderr), (1, words));
    };
    refused(&["--print"], "no tmux command shows it");
    let why = "control mode (--control-mode, TMO_CONTROL_MODE) needs tmux";
    refused(&["--control-mode"], why);
    ends(&world);
}

#[test]
fn doctor_names_the_backend_of_a_start() {
    let world = without_tmux(QUIET).env("TMO_NO_PORT", "1");
    let line = |ran: &Ran, begins: &str| {
        let line = ran.stdout.lines().find(|line| line.starts_with(begins));
        line.unwrap_or_else(|| panic!("no {begins:?}: {ran:#?}")).to_owned()
    };
    let ran = world.run(["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:#?}");
    assert_eq!(line(&ran, "ok    backend"), "ok    backend: native, as tmux is not installed");
    line(&ran, "ok    terminals: output is ");
    assert!(line(&ran, "ok    terminals: ").len() > 20);
    assert!(ran.stdout.contains(" in use, 2 needed\n"), "{ran:#?}");
    let ran = world.run(["doctor", "--backend", "tmux"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert_eq!(line(&ran, "ok    backend"), "ok    backend: tmux, as --backend says so");
    line(&ran, "FAIL  tmux: Can't find tmux. Did you forget to install it?; install tmux ");
    let ran = world.run(["doctor", "-H", "./odd"]);
    assert!(ran.code == 1 && ran.stdout.contains("FAIL  shell: "), "{ran:#?}");
    let world = self::world(QUIET).env("TMO_NO_PORT", "1");
    let ran = world.run(["doctor"]);
    assert_eq!(line(&ran, "ok    backend"), "ok    backend: tmux, as it is installed");
    line(&ran, "ok    tmux: ");
    world.write("tmo.toml", "backend = \"native\"\n");
    let ran = world.run(["doctor"]);
    assert_eq!(line(&ran, "ok    backend"), "ok    backend: native, as ./tmo.toml:1 says so");
    assert!(ran.code == 0 && !ran.stdout.contains("tmux: "), "{ran:#?}");
}

/// The variables of a process that describe its terminal.
fn of_terminal(world: &World) -> Vec<String> {
    let ours = ["TERM", "COLORTERM", "TMUX", "TMUX_PANE", "TERM_PROGRAM", "TERM_PROGRAM_VERSION"];
    let printed = eventually("its variables", || {
        let text = world.read("variables");
        text.ends_with("END=1\n").then_some(text)
    });
    let is_ours = |line: &&str| line.split('=').next().is_some_and(|name| ours.contains(&name));
    let mut lines: Vec<_> = printed.lines().filter(is_ours).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_environment_without_tmux_describes_the_terminal_and_no_outer_tmux() {
    let procfile = "web: (env; echo END=1) >variables; exec sleep 1000\n";
    let world = without_tmux(procfile)
        .env("TMUX", "/outer,1,0")
        .env("TMUX_PANE", "%7")
        .env("TERM", "screen")
        .env("TERM_PROGRAM", "tmux")
        .env("COLORTERM", "no");
    let version = concat!("TERM_PROGRAM_VERSION=", env!("CARGO_PKG_VERSION"));
    begins(&world, &[], NO_TMUX);
    let usual = ["COLORTERM=truecolor", "TERM=xterm-256color", "TERM_PROGRAM=tmo", version];
    assert_eq!(of_terminal(&world), usual);
    ends(&world);
    // Of the variables for the terminal, an env file decides only about its colours, as in tmux.
    std::fs::remove_file(world.app().join("variables")).unwrap();
    world.write(".env", "TERM=dumb\nCOLORTERM=24bit\nTERM_PROGRAM=x\nTMUX=y\n");
    begins(&world, &[], NO_TMUX);
    let changed = ["COLORTERM=24bit", "TERM=xterm-256color", "TERM_PROGRAM=tmo", version];
    assert_eq!(of_terminal(&world), changed);
    ends(&world);
}

/// What the processes of these tests have: tmo's own terminals, and `web` none.
const PIPES: &str = "backend = \"native\"\n[process.web]\npty = false\n";

#[test]
fn a_process_without_pty_has_pipes_and_keeps_the_order_of_its_output() {
    let world = world(
        "web: for fd in 0 1 2; do [ -t $fd ] || echo no $fd; done; cat; echo err >&2; echo out; \
         echo life $$; exec sleep 1000\nworker: exec sleep 1000\n",
    );
    world.write("tmo.toml", PIPES);
    begins(&world, &[], "");
    let lines = |pid: u32| format!("no 0\nno 1\nno 2\nerr\nout\nlife {pid}\n");
    let first = world.wait_state("web", "running").unwrap();
    world.wait_text("web", &format!("life {first}\n"));
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), lines(first));
    let refused = |args: &[&str], why: &str| {
        let ran = world.run(args);
        assert!(ran.code == 1 && ran.stderr.contains(why), "{ran:?}");
    };
    refused(&["send", "web", "x"], "web has no terminal (`pty = false`)");
    refused(&["screen", "web"], "web has no terminal (`pty = false`)");
    refused(&["connect", "web"], "`tmo logs web -f` shows its output");
    assert_eq!(world.field("web", "no_terminal"), true);
    assert_eq!(world.field("worker", "no_terminal"), Value::Null);
    world.ok(["restart", "web"]);
    let second = world.wait_state("web", "running").unwrap();
    world.wait_text("web", &format!("life {second}\n"));
    assert_eq!(world.ok(["logs", "web", "--no-prefix"]), lines(first) + &lines(second));
    assert!(!procs::alive(first));
    world.ok(["stop", "web"]);
    assert!(!procs::alive(second));
    ends(&world);
}

#[test]
fn output_of_a_process_without_pty_survives_kills_of_its_sink_and_of_the_supervisor() {
    let world = world(
        "web: n=0; until [ -e stop ]; do seq $((n + 1)) $((n + 1000)); n=$((n + 1000)); done; \
         echo all done; exec sleep 1000\n",
    );
    world.write("tmo.toml", PIPES);
    begins(&world, &[], "");
    world.kill_sinks_in_a_row("web", 3);
    kill_both(&world);
    world.write("stop", "");
    world.ok(["ps"]);
    world.wait_text("web", "all done\n");
    let text = world.ok(["logs", "web", "--no-prefix"]);
    let last = text.lines().count() - 1;
    assert_eq!(last % 1000, 0);
    let mut expected: String = (1..=last).map(|n| format!("{n}\n")).collect();
    expected += "all done\n";
    assert!(text == expected, "{NEVER_FLAKY} {} bytes of {}", text.len(), expected.len());
    ends(&world);
}

#[test]
fn a_process_without_pty_is_refused_in_tmux() {
    let world = world(QUIET);
    world.write("tmo.toml", "[process.web]\npty = false\n");
    let ran = world.run(["start", "-D", "--backend", "tmux"]);
    let words = "tmo: ./tmo.toml:2: `pty = false` is not possible in tmux; write `backend = \"native\"` at the \
                 top of tmo.toml, or start with --backend native\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (1, words), "{ran:?}");
}

#[test]
fn a_reload_changes_the_term_of_a_process_but_not_whether_it_has_a_terminal() {
    for backend in ["native", "tmux"] {
        let world = world("web: echo $TERM on $(tty); exec sleep 1000\n");
        let write = |rest: &str| {
            let text = format!("backend = \"{backend}\"\n[process.web]\nterm = {rest}\n");
            world.write("tmo.toml", &text);
        };
        write("\"vt100\"");
        begins(&world, &[], "");
        world.wait_text("web", "vt100 on /dev/");
        let pty = if backend == "native" { "\npty = false" } else { "" };
        write(&format!("\"dumb\"{pty}"));
        let ran = world.run(["reload"]);
        assert_eq!(ran.stdout, "web: restarted (term changed)\n", "{ran:?}");
        let later = "tmo: changed, but in force from the next start only: pty\n";
        assert_eq!(ran.stderr, if pty.is_empty() { "" } else { later });
        world.wait_text("web", "dumb on /dev/");
        ends(&world);
    }
}

#[test]
fn a_terminal_without_tmux_is_open_to_its_user_only() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let world = without_tmux(QUIET);
    begins(&world, &[], NO_TMUX);
    world.wait_state("web", "running");
    let dir = world.runtime().join("t");
    let sockets: Vec<PathBuf> = eventually("the sockets", || {
        let all = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let all: Vec<_> = all.collect();
        (all.len() == 2).then_some(all)
    });
    assert_eq!(mode(&dir), 0o700);
    for socket in &sockets {
        assert!(socket.metadata().unwrap().file_type().is_socket());
        assert_eq!(mode(socket), 0o600, "{}", socket.display());
    }
    // Even if others could reach it.
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let above = || dir.ancestors().take_while(|dir| dir.starts_with(world.path()));
    set(&sockets[0], 0o777);
    above().for_each(|dir| set(dir, 0o755));
    let (watches, read_only, follows_input) = (false, false, false);
    let hello = Hello { version: VERSION, size: None, watches, read_only, follows_input };
    let wanted = WantedScreen { color: false, blanks: false };
    let frames = [FromClient::Hello(hello), FromClient::Screen(wanted)];
    let bytes: Vec<u8> = frames.iter().flat_map(FromClient::encode).collect();
    let answer = |user: u32| {
        let mut command = std::process::Command::new("python3");
        command.args(["-c", ASK]).arg(&sockets[0]).uid(user).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let me = nix::unistd::geteuid();
    assert_eq!(answer(me.as_raw()), "answered\n");
    if me.is_root() {
        assert_eq!(answer(NOBODY), "closed\n");
    } else {
        eprintln!("SKIPPED: only root can act as another user");
    }
    above().for_each(|dir| set(dir, 0o700));
    ends(&world);
}

/// Sends what it reads to a socket, and tells whether there is an answer.
const ASK: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read())
    print('answered' if s.recv(1) else 'closed')
except ConnectionError:
    print('closed')
";

#[test]
fn a_replaced_holder_continues_behind_removed_files_of_the_log() {
    let world = World::new("web: while read x; do echo line $x; done <>lines\n")
        .env("TMO_BACKEND", "native");
    nix::unistd::mkfifo(&world.app().join("lines"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut view = world.start([""; 0]);
    world.wait_state("web", "running");
    world.write("lines", "one\n");
    view.shows("| line one\n");
    let (supervisor, sink) = (world.supervisor(), world.sink("web"));
    let segments = world.ok(["logs", "web", "--path"]);
    procs::kill(supervisor, 19);
    for segment in segments.lines() {
        std::fs::remove_file(segment).unwrap();
    }
    procs::kill(sink, 9);
    eventually("another one", || world.pane_part("sink", "web").filter(|pid| *pid != sink));
    world.write("lines", "two\n");
    eventually("it has been written", || {
        let journal = crate::harness::files(&world.journal());
        let has = |path: &std::path::PathBuf| {
            std::fs::read(path).is_ok_and(|bytes| bytes.windows(8).any(|part| part == b"line two"))
        };
        journal.iter().any(has).then_some(())
    });
    procs::kill(supervisor, 18);
    view.shows("| line two\n");
    assert_eq!(view.interrupt(), 0);
}

#[test]
fn a_successor_rings_for_what_a_killed_holder_has_left() {
    let waits = "while [ ! -e go ]; do sleep 0.05; done";
    let world = World::new(&format!(
        "web: echo Ready; {waits}; echo last; touch printed; exec sleep 1000\n"
    ))
    .env("TMO_BACKEND", "native");
    world.ok(["start", "-D"]);
    world.wait_text("web", "Ready");
    let paths = PanePaths::new(&world.runtime(), &ProcName::new("web").unwrap());
    let mut bell = std::fs::File::options();
    let mut bell = bell.read(true).custom_flags(nix::libc::O_NONBLOCK).open(paths.bell()).unwrap();
    let (supervisor, holder) = (world.supervisor(), world.sink("web"));
    // Nobody else reads the bell, and nobody takes what is printed.
    procs::kill(supervisor, 19);
    procs::kill(holder, 19);
    world.write("go", "");
    eventually("it has printed", || world.app().join("printed").exists().then_some(()));
    while bell.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    procs::kill(holder, 9);
    let mut rung = vec![];
    eventually("a ring for the output, after that for the start", || {
        let mut bytes = [0; 64];
        let count = bell.read(&mut bytes).unwrap_or(0);
        rung.extend_from_slice(&bytes[..count]);
        let start = rung.iter().position(|&byte| byte == b'S')?;
        rung[start..].contains(&b'd').then_some(())
    });
    procs::kill(supervisor, 18);
    world.ok(["quit"]);
    assert!(world.ok(["logs", "web"]).contains("| last\n"));
}
