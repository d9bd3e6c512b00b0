//! A control socket that is forwarded from another machine.
//!
//! A proxy stands in for ssh: it listens on a socket in one world, connects to the socket in another, and
//! changes boot id and host name in the answers to those of another machine.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crate::harness::{Terminal, World, eventually, procs};

/// What is at the other end.
#[derive(Debug, Clone)]
enum End {
    Socket(PathBuf),
    /// ssh takes the connection, finds no socket and closes it.
    Missing,
    /// The connection is taken, and nothing comes.
    Frozen,
    /// A request for events is not passed on; the file is made when there is one.
    NoEvents(PathBuf, PathBuf),
}

const HOST: &str = "somewhere";

fn boot() -> String {
    tmo::sys::host(Path::new("/")).boot
}

/// Answers as a machine with another name and another boot id gives them.
fn of_another_machine(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).into_owned();
    let other: String = boot().chars().rev().collect();
    let text = text.replace(&boot(), &other);
    // As long as it was: the answer says how long it is.
    let Some((before, rest)) = text.split_once("\"host\":{\"hostname\":\"") else {
        return text.into_bytes();
    };
    let (name, rest) = rest.split_once('"').unwrap();
    let host = format!("{HOST:x<width$}", width = name.len());
    let host = &host[..name.len()];
    format!("{before}\"host\":{{\"hostname\":\"{host}\"{rest}").into_bytes()
}

fn copy(mut from: UnixStream, mut to: UnixStream, change: bool) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..read];
        let bytes = if change { of_another_machine(bytes) } else { bytes.to_vec() };
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Listen there for as long as the test runs.
fn forward(near: &Path, end: End) {
    let listener = UnixListener::bind(near).unwrap();
    thread::spawn(move || {
        let mut open = vec![];
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            match &end {
                End::Missing => {}
                End::Frozen => open.push(stream),
                End::NoEvents(far, asked) => {
                    let mut first = vec![0; 4096];
                    let read = (&stream).read(&mut first).unwrap_or(0);
                    if first.starts_with(b"GET /api/events") {
                        File::create(asked).unwrap();
                        open.push(stream);
                        continue;
                    }
                    let Ok(mut other) = UnixStream::connect(far) else { continue };
                    other.write_all(&first[..read]).unwrap();
                    let (a, b) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
                    thread::spawn(move || copy(a, b, false));
                    thread::spawn(move || copy(other, stream, true));
                }
                End::Socket(far) => {
                    let Ok(other) = UnixStream::connect(far) else { continue };
                    let (a, b) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
                    thread::spawn(move || copy(a, b, false));
                    thread::spawn(move || copy(other, stream, true));
                }
            }
        }
    });
}

const FAR: &str = "web: echo up; printf '\\033[31mred\\033[0m\\n'; while read x; do echo \"got $x\"; done; sleep 1000\n\
                   api: exec sleep 1000\n";

/// A run that goes on elsewhere, and a world that has its socket.
fn worlds() -> (World, World) {
    let (far, near) = (World::new(FAR), World::new("web: exec sleep 1000\n"));
    far.ok(["start", "-D", "--any-can-die"]);
    forward(&near.app().join("near.sock"), End::Socket(far.app().join(".overmind.sock")));
    eventually("it is up", || far.ok(["logs", "web"]).contains("red").then_some(()));
    (far, near)
}

const NEAR: [&str; 2] = ["-s", "near.sock"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &NEAR].concat()
}

#[test]
fn logs_reads_the_log_of_a_remote_run_through_the_api() {
    let (far, near) = worlds();
    assert_eq!(near.ok(with(&["logs", "web", "--no-prefix"])), "up\nred\n");
    let all = near.ok(with(&["logs"]));
    assert_eq!(all, far.ok(["logs"]).replace("\u{1b}[31mred\u{1b}[0m", "red"));
    assert_eq!(near.ok(with(&["logs", "web", "-n", "1", "--no-prefix"])), "red\n");
    assert_eq!(near.ok(with(&["logs", "--grep", "^u", "--no-prefix"])), "up\n");
    assert_eq!(near.ok(with(&["logs", "--until", "1h", "--no-prefix"])), "");
    assert!(near.ok(with(&["events", "api"])).contains("Started with pid"));
    for line in near.ok(with(&["logs", "web", "--json"])).lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time"].is_string(), "{line}");
    }
    let ran = near.run(with(&["logs", "wbe"]));
    assert!(ran.code == 2 && ran.stderr.contains("did you mean web?"), "{ran:?}");
    let ran = near.run(with(&["logs", "--raw"]));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("this run is on ") && ran.stderr.contains("--raw needs its files"));
    far.ok(["quit"]);
    far.ok(["start", "-D", "--any-can-die"]);
    let terminal = Terminal::open(&near, "a", 90, 30);
    terminal.tmo("logs web -s near.sock --all-runs");
    terminal.wait("── run of 20");
    terminal.close();
    assert!(near.ok(with(&["logs", "--clear"])).starts_with("The log is cleared. "));
    assert_eq!(far.ok(["logs"]), "");
    far.ok(["quit"]);
}

#[test]
fn a_remote_log_is_selected_by_the_same_flags_as_one_that_is_here() {
    let far = World::new(
        "web: seq -f 'line %g' 1 700; exec sleep 1000\napi: echo other; exec sleep 1000\n",
    );
    let near = World::new("web: exec sleep 1000\n");
    let printed = |count: usize| {
        eventually("it has printed all", || {
            let log = far.ok(["logs", "--run", "1"]);
            let lines = log.lines().filter(|line| line.contains("| line ")).count();
            (lines == count && log.contains("| other")).then_some(())
        });
    };
    far.ok(["start", "-D", "--any-can-die"]);
    printed(700);
    far.ok(["quit"]);
    far.ok(["start", "-D", "--any-can-die"]);
    printed(700);
    far.ok(["restart", "web"]);
    printed(1400);
    forward(&near.app().join("near.sock"), End::Socket(far.app().join(".overmind.sock")));
    for flags in [
        // More than one request, with groups over the border between two.
        "--grep 0$ -C 1",
        "--grep 50$ -B 2 -A 3",
        "web --grep [^9]$ -A 1",
        "--grep 9$ -C 4 --json",
        "-i --grep LINE.42$ -B 1 -n 2",
        "--run 1",
        "--run 2 --grep 7$",
        "web --since-restart",
        "--since-restart --grep 1$ -A 1",
        "web --around 350$ -C 1s",
        "--around 350$",
    ] {
        let args: Vec<_> = ["logs"].into_iter().chain(flags.split(' ')).collect();
        let (there, here) = (near.ok(with(&args)), far.ok(args));
        // The order within an object is not the same.
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let is_same = |one: &str, other: &str| match parsed(one) {
            Some(object) => Some(object) == parsed(other),
            None => one == other,
        };
        let differ = there.lines().zip(here.lines()).find(|(one, other)| !is_same(one, other));
        assert_eq!(differ, None, "{flags}");
        assert_eq!(there.lines().count(), here.lines().count(), "{flags}");
    }
    let none = near.run(with(&["logs", "--run", "9"]));
    assert!(none.code == 1 && none.stderr.contains("there is no run 9"), "{none:?}");
    far.ok(["quit"]);
}

#[test]
fn a_long_remote_log_is_complete_and_in_order() {
    let far = World::new("web: seq 1 1234; exec sleep 1000\n");
    let near = World::new("");
    far.ok(["start", "-D"]);
    forward(&near.app().join("near.sock"), End::Socket(far.app().join(".overmind.sock")));
    eventually("all of it", || far.ok(["logs", "web"]).contains("1234\n").then_some(()));
    let all: String = (1..=1234).map(|n| format!("{n}\n")).collect();
    assert_eq!(near.ok(with(&["logs", "web", "--no-prefix"])), all);
    let last: String = (1000..=1234).map(|n| format!("{n}\n")).collect();
    assert_eq!(near.ok(with(&["logs", "web", "--no-prefix", "-n", "235"])), last);
    far.ok(["quit"]);
}

#[test]
fn a_remote_log_of_long_lines_is_complete() {
    let line = "head -c 100000 /dev/zero | tr '\\0' x; echo";
    let run = format!("web: for i in $(seq 90); do {line}; done; echo end; exec sleep 1000\n");
    let (far, near) = (World::new(&run), World::new("web: exec sleep 1000\n"));
    far.ok(["start", "-D"]);
    forward(&near.app().join("near.sock"), End::Socket(far.app().join(".overmind.sock")));
    eventually("it has printed all", || {
        far.ok(["logs", "web", "-n", "1"]).contains("end").then_some(())
    });
    let log = near.ok(with(&["logs", "web", "--no-prefix"]));
    assert!(log.lines().take(90).all(|line| line.len() == 100_000), "{}", log.len());
    assert_eq!(log.lines().skip(90).collect::<Vec<_>>(), ["end"]);
    far.ok(["quit"]);
}

#[test]
fn a_signal_ends_a_view_of_a_silent_remote_run() {
    let (far, near) = (World::new(FAR), World::new("web: exec sleep 1000\n"));
    far.ok(["start", "-D"]);
    let asked = near.app().join("asked");
    let end = End::NoEvents(far.app().join(".overmind.sock"), asked.clone());
    forward(&near.app().join("near.sock"), end);
    for signal in [2, 15] {
        let mut view = near.tmo(with(&["logs", "-f"])).spawn().unwrap();
        eventually("it asks for events", || asked.exists().then_some(()));
        std::fs::remove_file(&asked).unwrap();
        procs::kill(view.id(), signal);
        eventually("it ends", || view.try_wait().unwrap());
    }
    far.ok(["quit"]);
}

#[test]
fn logs_follows_a_remote_run_until_it_ends() {
    let (far, near) = worlds();
    let begin = |name: &str, args: &[&str]| {
        let out = File::create(near.app().join(name)).unwrap();
        near.tmo(with(args)).stdout(out).spawn().unwrap()
    };
    let mut all = [
        ("logs", begin("logs", &["logs", "-f", "web", "--no-prefix"])),
        ("events", begin("events", &["events", "-f"])),
        ("echo", begin("echo", &["echo", "-n", "20"])),
        ("times", begin("times", &["echo", "-T", "-n", "20"])),
    ];
    let shows = |name: &str, text: &str| {
        eventually(&format!("{name} shows {text}"), || {
            near.read(name).contains(text).then_some(())
        });
    };
    shows("logs", "red\n");
    shows("echo", "red\n");
    shows("events", "Started with pid");
    far.type_into("web", "one");
    shows("logs", "got one\n");
    shows("echo", "| got one\n");
    let time = regex::Regex::new(r"(?m)^.*\b\d\d:\d\d:\d\d\b.*got one$").unwrap();
    eventually("times are shown", || time.is_match(&near.read("times")).then_some(()));
    // Whoever goes on with the run is asked from there on.
    let supervisor = far.supervisor();
    crate::harness::procs::kill(supervisor, 9);
    eventually("another supervisor", || far.part("supervise").filter(|pid| *pid != supervisor));
    far.type_into("web", "two");
    shows("logs", "got two\n");
    far.ok(["quit"]);
    for (name, child) in &mut all {
        let status = eventually(&format!("{name} ends"), || child.try_wait().unwrap());
        assert!(status.success(), "{name}: {status}");
    }
    assert_eq!(near.read("logs").matches("got one").count(), 1);
}

#[test]
fn commands_that_need_files_of_a_remote_run_refuse_and_name_its_host() {
    let (far, near) = worlds();
    assert_eq!(near.ok(with(&["why", "web"])), "nothing is wrong: web is running\n");
    assert_eq!(near.ok(with(&["why"])), "all processes are running\n");
    assert!(near.ok(with(&["ps"])).contains("running"));
    let shown = &HOST[..2];
    for args in [&["crashes"][..], &["connect", "web"], &["reload"]] {
        let ran = near.run(with(args));
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with(&format!("tmo: this run is on {shown}")), "{ran:?}");
    }
    far.ok(["signal", "KILL", "web"]);
    far.wait_state("web", "exited");
    near.ok(with(&["restart", "web"]));
    far.ok(["quit"]);
}

#[test]
fn why_explains_a_remote_run_through_the_api() {
    let (far, near) = worlds();
    far.ok(["signal", "KILL", "web"]);
    far.wait_state("web", "exited");
    let ran = near.run(with(&["why"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("web ended at 20"), "{ran:?}");
    assert!(ran.stdout.contains("(SIGKILL)\nstate of web: exited\n"), "{ran:?}");
    assert!(ran.stdout.contains("Its last lines:\n  up\n  red\n"), "{ran:?}");
    assert!(!ran.stdout.contains("tmo crashes"), "it would not work here: {ran:?}");
    let json = near.run(with(&["why", "web", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["signal"], &json["wrong"]), (&"SIGKILL".into(), &true.into()));
    let ran = near.run(with(&["why", "wbe"]));
    assert!(ran.code == 2 && ran.stderr.contains("did you mean web?"), "{ran:?}");
    assert_eq!(near.ok(with(&["why", "api"])), "nothing is wrong: api is running\n");
    near.ok(with(&["restart", "web"]));
    far.ok(["quit"]);
}

#[test]
fn a_socket_forwarded_from_this_machine_gives_access_to_the_files() {
    let far = World::new(FAR);
    let run = far.path().join("run");
    let near = World::new("").env("XDG_RUNTIME_DIR", run.to_str().unwrap());
    far.ok(["start", "-D"]);
    std::os::unix::fs::symlink(far.app().join(".overmind.sock"), near.app().join("near.sock"))
        .unwrap();
    eventually("it is up", || far.ok(["logs", "web"]).contains("red").then_some(()));
    let raw = near.ok(with(&["logs", "web", "--raw"]));
    assert!(raw.contains("\u{1b}[31mred"), "{raw:?}");
    if !near.is_native() {
        assert!(near.ok(with(&["connect", "--print", "web"])).contains("new-session"));
    }
    far.ok(["quit"]);
}

#[test]
fn errors_of_a_forwarded_socket_are_distinguished() {
    let near = World::new("web: exec sleep 1000\n");
    let socket = |name: &str| near.app().join(name);
    forward(&socket("missing"), End::Missing);
    forward(&socket("frozen"), End::Frozen);
    drop(UnixListener::bind(socket("gone")).unwrap());
    let is_told = |verb: &str, name: &str, words: &str| {
        let ran = near.run([verb, "-s", name]);
        assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{verb} {name}: {ran:?}");
        assert!(ran.stderr.contains(words), "{verb} {name}: {ran:?}");
        assert!(!ran.stderr.contains("nothing runs here"), "{verb} {name}: {ran:?}");
    };
    let is_told = &is_told;
    // What is frozen takes its time.
    thread::scope(|scope| {
        for verb in ["ps", "logs", "why", "quit", "crashes"] {
            for (name, words) in [
                ("missing", "nothing listens at its other end"),
                ("frozen", "its host may be out of reach"),
                ("gone", "that ssh has ended, and a run at the other end may still be up"),
            ] {
                scope.spawn(move || is_told(verb, name, words));
            }
        }
    });
    let ran = near.run(["ps", "-s", "none"]);
    assert!(ran.stderr.contains("nothing runs here, `tmo start` starts a run"), "{ran:?}");
    drop(UnixListener::bind(socket(".overmind.sock")).unwrap());
    // A program that another test starts just now holds it open until it is executed.
    eventually("nobody listens", || UnixStream::connect(socket(".overmind.sock")).err());
    let ran = near.run(["ps"]);
    assert!(ran.stderr.contains("nothing runs here, `tmo start` starts a run"), "{ran:?}");
    std::fs::remove_file(socket(".overmind.sock")).unwrap();
}

/// A request of a browser through a TCP port that is forwarded to the socket.
fn browse(world: &World, line: &str, headers: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = world.app().join(".overmind.sock");
    let forwarder = thread::spawn(move || {
        let (mut browser, _) = listener.accept().unwrap();
        let mut server = UnixStream::connect(socket).unwrap();
        let (mut there, mut back) = (browser.try_clone().unwrap(), server.try_clone().unwrap());
        let there = thread::spawn(move || {
            // Either side may close first.
            let _ = std::io::copy(&mut there, &mut server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut back, &mut browser);
        let _ = browser.shutdown(Shutdown::Both);
        there.join().unwrap();
    });
    let mut browser = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let text = format!("{line}{headers}");
    browser.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    // It may be closed before everything is read.
    let _ = browser.read_to_string(&mut answer);
    drop(browser);
    forwarder.join().unwrap();
    answer
}

#[test]
fn the_ports_of_another_machine_are_not_looked_for_here() {
    let (far, near) = worlds();
    // Something listens here at the port of the process there.
    let here = TcpListener::bind(("127.0.0.1", far.port(0))).unwrap();
    for _ in 0..2 {
        let ran = near.run(with(&["wait", "web", "--for", "port"]));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("its ports can be examined only there"), "{ran:?}");
    }
    drop(here);
    let ran = near.run(with(&["wait", "web", "--for", "log", "red"]));
    assert!(ran.code == 1 && ran.stderr.contains("--for log needs its files there"), "{ran:?}");
    near.ok(with(&["wait", "web"]));
    far.ok(["quit"]);
}

#[test]
fn cleanup_does_not_call_a_forwarded_socket_without_ssh_the_end_of_the_run() {
    let near = World::new("web: exec sleep 1000\n");
    drop(UnixListener::bind(near.app().join("near.sock")).unwrap());
    let ran = near.run(with(&["cleanup"]));
    assert!(ran.code == 1 && !ran.stdout.contains("nothing is left"), "{ran:?}");
    assert!(ran.stderr.contains("a run at the other end may still be up"), "{ran:?}");
}

#[test]
fn a_web_page_can_do_nothing_through_a_forwarded_port() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let http = |line: &str, headers: &str| {
        let head = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n");
        browse(&world, &head, &format!("{headers}\r\n"))
    };
    for headers in [
        "Host: localhost:9\r\nOrigin: https://example.org\r\n",
        "Host: localhost:9\r\nOrigin: null\r\n",
        "Host: 127.0.0.1:9\r\norigin: http://127.0.0.1:9\r\n",
        "Host: localhost:9\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Host: rebound.example.org:9\r\n",
    ] {
        for line in ["POST /api/quit", "GET /api/state", "OPTIONS /api/kill", "GET /none"] {
            let answer = http(line, headers);
            assert!(answer.starts_with("HTTP/1.1 401 "), "{line} {headers}: {answer}");
            assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
            assert!(!answer.contains("sleep 1000"), "{answer}");
        }
    }
    // A TLS handshake can hold lines that the page has chosen.
    assert_eq!(browse(&world, "\u{16}\u{3}\u{1}", "\nquit\nkill\n"), "");
    // A page names any method that it likes, and what the body says.
    let before = world.wait_state("web", "running");
    for line in ["quit /", "kill /", "restart /web", "stop web", "PURGE /", "status /"] {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n");
        let answer = browse(&world, &head, "restart web\nquit\n");
        assert!(!answer.contains("web"), "{line}: {answer}");
    }
    // It can have a browser speak other protocols: what TURN or FTP clients send, and its text in it.
    for first in ["\0\u{1}\0\u{10}!\u{12}$B", "\0\u{3}", "\u{1b}[0m", "\u{9b}"] {
        assert_eq!(browse(&world, first, "\nrestart web\nquit\nstatus\n"), "", "{first:?}");
    }
    assert_eq!(world.wait_state("web", "running"), before);
    // Programs are served as before.
    for host in ["localhost", "tmo", "127.0.0.1:9", "[::1]:9"] {
        let answer = http("GET /api/state", &format!("Host: {host}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
    world.ok(["ps"]);
    world.ok(["quit"]);
}

#[test]
fn a_command_ends_at_log_pages_that_do_not_match_its_request() {
    let world = World::new("web: exec sleep 1000\n");
    let state = crate::terminal_escapes::state_of_another_machine();
    let page = |lines: usize, more: bool, next: &str| {
        let line = serde_json::json!({ "name": "web", "text": "x", "cursor": "1" });
        let lines = vec![line; lines];
        serde_json::json!({ "api": 1, "lines": lines, "next": next, "more": more })
    };
    for (what, page) in [
        ("the same page again and again", page(1, true, "1")),
        ("no lines, and there are more", page(0, true, "1")),
        ("more lines than asked for", page(1_000, false, "2")),
    ] {
        let state = state.clone();
        let answer = move |request: &str| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let body = if path.starts_with("/api/lines") { &page } else { &state };
            crate::terminal_escapes::http("200 OK", body)
        };
        crate::terminal_escapes::listen(&world, Box::new(answer));
        let ran = world.run(["logs"]);
        assert_eq!(ran.code, 1, "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("other lines than those requested"), "{what}: {}", ran.stderr);
    }
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
}
