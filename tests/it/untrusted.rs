//! Text chosen by a project or by the listener on a socket never reaches a terminal unescaped.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::{Value, json};

use crate::harness::{World, eventually};

/// What a terminal acts upon: its title, erasing, the clipboard, C1 in UTF-8, hidden text, the
/// direction of writing.
const HOSTILE: &str =
    "\x1b]0;PWN\x07\x1b[2J\x1b]52;c;UFdO\x07\u{9b}2J\x1b[8mX\u{202e}\u{2066}\x7f\u{90}";

/// The same in a JSON or a TOML string.
const ESCAPED: &str = "\\u001b]0;PWN\\u0007\\u001b[2J\\u001b]52;c;UFdO\\u0007\\u009b2J\\u001b[8mX\
                       \\u202e\\u2066\\u007f\\u0090";

/// What tmo prints on a terminal, byte for byte.
fn on_terminal(world: &World, args: &[&str]) -> String {
    let pty = nix::pty::openpty(None, None).unwrap();
    let slave = || File::from(pty.slave.try_clone().unwrap());
    let mut command = world.tmo(args);
    let mut child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    drop((command, pty.slave));
    let mut bytes = vec![];
    // The end of a terminal is an error.
    let _ = File::from(pty.master).read_to_end(&mut bytes);
    child.wait().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Assert that nothing but text and the colours of tmo itself came out.
#[track_caller]
fn assert_harmless(what: &str, output: &str) {
    // Colours of tmo are none that hide.
    assert!(!output.contains("\x1b[8m"), "{what}: {output:?}");
    assert_harmless_log(what, output);
}

/// The same of a log, in which processes have colours of their own.
#[track_caller]
fn assert_harmless_log(what: &str, output: &str) {
    let mut parts = output.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    // What is no colour stays, and is found.
    let rest = parts.map(|part| match part.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(at) if part[at..].starts_with('m') => part[at + 1..].to_owned(),
        Some(_) | None => format!("\x1b{part}"),
    });
    assert_text(what, &(first + &rest.collect::<String>()));
}

#[track_caller]
fn assert_text(what: &str, rest: &str) {
    let odd = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(at) = rest.find(odd) {
        let from = rest[..at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
        let near: String = rest[from..].chars().take(120).collect();
        panic!("{what}: {near:?}");
    }
}

fn hostile_project() -> World {
    let text = ESCAPED;
    let world = World::new(&format!("web: printf '{HOSTILE}\\n'; exec sleep 1000\n"));
    world.write(
        "tmo.toml",
        &format!(
            "[process.web]\ndisplay = \"D{text}\"\nenv = {{ FOO = \"{text}\" }}\n\
             cwd = \".\"\n\
             [process.web.ready]\nlog = \"never \\u202e\\u2066\"\n\
             [[process.web.flag]]\nname = \"flag\"\npattern = 'PWN'\ncontext_window = 2\n\
             [process.late]\ncommand = \"true {text}; exit 3\"\nautostart = false\n\
             display = \"{text}\"\non_exit = \"ignore\"\n\
             [process.check]\ncommand = \"sleep 1000\"\n\
             ready = {{ exec = \"false {text}\", timeout = \"1s\" }}\n\
             [process.list]\ncommand = [\"sleep\", \"1000\", \"{text}\"]\nautostart = false\n"
        ),
    );
    world.write(".env", &format!("TMO_TITLE=\"T{HOSTILE}\"\nVALUE=\"{HOSTILE}\"\n"));
    world.write(".tmo.env", &format!("odd {HOSTILE} line\n"));
    world.write(
        "failure_declarations.json",
        "{\"web\": [\"gone \u{202e}wrong \u{2066}\"], \"none\u{202e}\u{9b}\": [\"x\"]}",
    );
    world
}

#[test]
fn no_inspecting_command_prints_escape_sequences_of_a_project() {
    let world = hostile_project();
    for args in [
        "check",
        "check --json",
        "config",
        "config --json",
        "graph",
        "graph --dot",
        "graph --json",
        "doctor",
        "doctor --json",
        "start --print-config",
        "failures list",
        "failures list --json",
        "ps",
        "ls",
        "why",
        "cleanup",
    ] {
        let output = on_terminal(&world, &args.split(' ').collect::<Vec<_>>());
        assert_harmless(args, &output);
    }
    let shown = on_terminal(&world, &["config"]);
    assert!(shown.contains("\\x1b]0;PWN\\x07\\x1b[2J"), "{shown:?}");
}

#[test]
fn no_command_prints_escape_sequences_of_a_run() {
    let world = hostile_project();
    std::fs::remove_file(world.app().join("failure_declarations.json")).unwrap();
    world.ok(["start", "-D"]);
    world.run(["restart", "late"]);
    eventually("its crash is reported", || world.ok(["crashes"]).contains("late").then_some(()));
    for args in [
        "ps",
        "ps --wide",
        "ps --by phase",
        "ps --json",
        "graph --live",
        "graph --live --json",
        "flags",
        "flags --context",
        "flags --json",
        "ls",
        "ls --json",
        "why",
        "why late",
        "why late --json",
        "why web",
        "crashes",
        "crashes --json",
        "crashes show late",
        "crashes show late --json",
        "wait --for ready --timeout 100ms",
        "wait --for ready --timeout 100ms web",
        "connect --print web",
        "connect --print late",
        "screen web",
        "events -n 20",
        "reload --dry-run",
        "reload --dry-run --json",
        "doctor",
        "logs --json -n 20",
        "cleanup",
    ] {
        let output = on_terminal(&world, &args.split(' ').collect::<Vec<_>>());
        assert_harmless(args, &output);
    }
    // Of a process that prints them itself colours stay, and nothing else does.
    let logged = on_terminal(&world, &["logs", "web"]);
    assert!(logged.contains('X'), "{logged:?}");
    assert_harmless_log("logs", &logged);
    world.ok(["quit"]);
}

#[test]
fn what_was_typed_is_not_echoed_as_it_is() {
    let world = World::new("web: exec sleep 1000\n");
    let typed = |run: bool| {
        for words in [
            &["restart"][..],
            &["stop"],
            &["wait"],
            &["signal", "TERM"],
            &["send"],
            &["screen"],
            &["connect"],
            &["logs"],
            &["echo"],
            &["why"],
            &["crashes", "show"],
            &["flags"],
            &["graph"],
            &["config"],
            &["start", "-l"],
            &["start", "-f"],
            &["start", "--root"],
            &["start", "-p"],
            &["ps", "-s"],
            &["run"],
            &["man"],
            &["completions"],
            &["signal"],
            &["scale"],
            &["failures", "add"],
            &["logs", "--grep", "("],
            &["--"],
            &[],
        ] {
            let mut args = words.to_vec();
            args.push(HOSTILE);
            if words == ["send"] || words == ["failures", "add"] {
                args.push(HOSTILE);
            }
            if run && words.first() == Some(&"start") {
                continue;
            }
            assert_harmless(&format!("{words:?}"), &on_terminal(&world, &args));
        }
    };
    typed(false);
    world.ok(["start", "-D"]);
    typed(true);
    world.ok(["quit"]);
}

/// Replace the text at this path with the hostile one.
fn spoiled(state: &Value, path: &str) -> Value {
    let mut state = state.clone();
    *state.pointer_mut(path).unwrap() = json!(format!("h{HOSTILE}"));
    state
}

/// The paths of all texts in an answer.
fn texts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(all) => {
            for (at, one) in all.iter().enumerate() {
                texts(one, &format!("{path}/{at}"), found);
            }
        }
        Value::Object(all) => {
            for (key, one) in all {
                texts(one, &format!("{path}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The answers of a run that never was.
fn answers() -> Value {
    let state = json!({
        "api": 1, "version": env!("CARGO_PKG_VERSION"), "run": "r-1", "pid": 1,
        "title": "app", "root": "/x", "procfile": "Procfile", "socket": "/x/s",
        "tmux": { "socket": "tmo-x", "session": "x", "program": "/bin/false" },
        "journal": "/x/journal", "runtime": "/x/runtime", "started": 1, "views": 0,
        "headless_since": null, "quitting": false,
    });
    let process = json!({
        "name": "web", "state": "running", "pid": 1, "last_pid": 1, "exit": null, "since": 1,
        "lives": 1, "port": 5000, "color": 2, "pane": "%1", "reason": "why", "ready": false,
        "not_ready": "late", "lacks": ["port"], "awaits": ["db"], "groups": ["front"],
        "display": "Web",
        "flags": [
            { "name": "f", "color": "red", "count": 1, "exceeded": false, "last": "line" },
        ],
    });
    let found = json!({
        "number": 1, "life": 1, "time": 1, "line": "l", "before": ["b"], "after": ["a"],
    });
    let unknown = json!({ "name": "x", "nearest": "y", "known": ["z"] });
    let mut answers = json!({
        "state": state,
        "flags": { "api": 1, "flags": [{ "flag": "f", "matches": [found] }] },
        "outcome": { "api": 1, "ok": false, "problems": ["bad"], "names": [] },
        "unknown": { "api": 1, "ok": false, "problems": [], "names": [], "unknown": unknown },
        "refusal": { "api": 1, "error": "no" },
        "screen": { "api": 1, "screen": "s" },
    });
    answers["state"]["processes"] = json!([process]);
    answers
}

/// What a stranger at the socket answers to each connection.
pub(crate) type Answer = Box<dyn Fn(&str) -> String + Send>;

/// Listen in the place of a run; whoever asks gets this answer.
pub(crate) fn listen(world: &World, answer: Answer) {
    let socket = world.app().join(".overmind.sock");
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client may leave at any time.
            let _ = one_answer(stream.unwrap(), &answer);
        }
    });
}

fn one_answer(stream: UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = first.clone();
    while !line.trim().is_empty() && first.contains("HTTP/") {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let mut stream = stream;
    stream.write_all(answer(first.trim()).as_bytes())?;
    stream.shutdown(std::net::Shutdown::Both)
}

/// The state of a run that is not on this machine.
pub(crate) fn state_of_another_machine() -> Value {
    let mut state = answers()["state"].clone();
    state["host"] = json!({ "hostname": "far", "boot": "another", "pid_namespace": "another" });
    state
}

pub(crate) fn http(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\ntmo-version: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        env!("CARGO_PKG_VERSION"),
        body.len()
    )
}

/// The answer to a request line, where actions come to this one.
pub(crate) fn routed(answers: &Value, action: &str, request: &str) -> String {
    let status = match action {
        "refusal" => "409 Conflict",
        "unknown" => "404 Not Found",
        _ => "200 OK",
    };
    match request.split(' ').nth(1).unwrap_or_default() {
        path if path.starts_with("/api/state") => http("200 OK", &answers["state"]),
        path if path.ends_with("/flags?last=10") => http("200 OK", &answers["flags"]),
        path if path.contains("/screen") && action == "outcome" => {
            http("200 OK", &answers["screen"])
        }
        _ => http(status, &answers[action]),
    }
}

const ASKED: &[&[&str]] = &[
    &["ps"],
    &["ps", "--wide"],
    &["ps", "--by", "phase"],
    &["ps", "--json"],
    &["graph", "--live"],
    &["flags", "--context"],
    &["wait", "--for", "ready", "--timeout", "50ms"],
    &["why"],
    &["connect", "--print", "web"],
    &["screen", "web"],
    &["restart", "web"],
];

#[test]
fn no_text_of_an_answer_reaches_a_terminal_as_it_came() {
    let world = World::new("web: exec sleep 1000\n");
    let answers = answers();
    let mut paths = vec![];
    texts(&answers, "", &mut paths);
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let spoiled = spoiled(&answers, &path);
        let action = path.split('/').nth(1).unwrap();
        let action = if ["unknown", "refusal"].contains(&action) { action } else { "outcome" };
        let action = action.to_owned();
        let answer = move |request: &str| routed(&spoiled, &action, request);
        listen(&world, Box::new(answer));
        for args in ASKED {
            assert_harmless(&format!("{path}: {args:?}"), &on_terminal(&world, args));
        }
    }
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
}

#[test]
fn no_text_of_an_overmind_reaches_a_terminal_as_it_came() {
    let world = World::new("web: exec sleep 1000\n");
    let answer = |request: &str| match request.split(' ').next() {
        Some("GET" | "status") => {
            format!("PROCESS   PID  STATUS\nweb{HOSTILE}  12  running{HOSTILE}\n{HOSTILE}\n")
        }
        // The names without a slash, which would be refused for that.
        Some("get-connection") => "default mine:\x1b]0;PWN\x07\u{9b}2J\n".to_owned(),
        _ => format!("web | {HOSTILE}\n"),
    };
    listen(&world, Box::new(answer));
    for args in [
        &["ps"][..],
        &["ps", "--wide"],
        &["connect", "--print", "web"],
        &["connect", "web"],
        &["wait"],
        &["doctor"],
        &["start"],
    ] {
        assert_harmless(&format!("{args:?}"), &on_terminal(&world, args));
    }
    assert_harmless_log("echo", &on_terminal(&world, &["echo"]));
    let table = on_terminal(&world, &["ps"]);
    assert!(table.contains("web\\x1b]0;PWN\\x07"), "{table:?}");
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
}

#[test]
fn no_header_of_an_answer_reaches_a_terminal_as_it_came() {
    let world = World::new("web: exec sleep 1000\n");
    for head in [
        format!("HTTP/1.1 200 {HOSTILE}\r\ntmo-version: 0.1.0\r\n\r\n{{}}"),
        format!("HTTP/1.1 200 OK\r\ntmo-version: {HOSTILE}\r\n\r\n{{}}"),
        format!("HTTP/1.1 200 OK\r\ntmo-version: 9.9.9\r\n\r\n{{\"x\": \"{HOSTILE}\"}}"),
        format!("{HOSTILE}\r\n\r\n"),
    ] {
        listen(&world, Box::new(move |_| head.clone()));
        for args in [&["ps"][..], &["restart", "web"], &["quit"]] {
            assert_harmless(&format!("{args:?}"), &on_terminal(&world, args));
        }
    }
    std::fs::remove_file(world.app().join(".overmind.sock")).unwrap();
}
