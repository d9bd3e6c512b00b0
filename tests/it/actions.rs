//! Actions: commands that run on request in the environment of a process.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::harness::{Terminal, World, eventually, procs};

const PROCFILE: &str = "web: exec sleep 1000\napi: exec sleep 1000\n";

const TOML: &str = r#"
[process.db]
command = "touch db-runs; exec sleep 1000"
autostart = false

[process.web]
depends_on = ["db"]
cwd = "sub"
env = { DATABASE = "db of {root}" }

[process.web.action.migrate]
command = "ls ..; echo $DATABASE, $PORT, $PS in ${PWD##*/}; exit ${CODE:-0}"

[process.web.action.seed]
command = ["printf", "%s\n", "$HOME 'web'"]

[process.api.action.seed]
command = "echo seed of api"

[action.hold]
command = "touch held; echo holding; exec sleep 1000"

[action.clean]
command = "echo clean in ${PWD##*/}"
confirm = true
"#;

fn world() -> World {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", TOML);
    std::fs::create_dir(world.app().join("sub")).unwrap();
    world
}

fn started() -> World {
    let world = world();
    world.ok(["start", "-D"]);
    world
}

fn names(world: &World) -> Vec<String> {
    let state: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    let processes = state["processes"].as_array().unwrap();
    processes.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_action_runs_in_the_environment_of_its_process_and_exits_with_its_code() {
    let world = started();
    let port = world.field("web", "port");
    let shown = world.ok(["act", "migrate"]);
    let root = world.app().display().to_string();
    let last = shown.lines().last().unwrap().to_owned();
    assert_eq!(last, format!("db of {root}, {port}, web-migrate in sub"));
    assert!(shown.contains("db-runs"), "what it depends on runs first: {shown}");
    assert_eq!(world.ok(["act", "web.seed"]), "$HOME 'web'\n");
    assert_eq!(names(&world), ["web", "api", "db"], "it has ended well");
    let log = world.ok(["logs", "web-migrate"]);
    assert!(log.contains("web-migrate in sub") && log.contains("Exited with code 0"), "{log}");

    // As it is defined now.
    world.write("tmo.toml", &TOML.replace("${CODE:-0}", "3"));
    let before = world.run(["act", "migrate"]);
    assert_eq!(before.code, 0, "it is read by a reload only");
    let hint = "tmo.toml says something else about this action by now; `tmo reload` applies it";
    assert!(before.stderr.contains(hint), "{}", before.stderr);
    let told = world.ok(["reload"]);
    assert!(!told.contains("web-migrate"), "{told}");
    let after = world.run(["act", "migrate"]);
    assert_eq!((after.code, after.stderr.contains("by now")), (3, false), "{}", after.stderr);
    assert_eq!(names(&world), ["web", "api", "db", "web-migrate"]);
    assert_eq!(world.run(["why", "web-migrate"]).code, 1);
    let list = world.ok(["act"]);
    assert!(list.contains("migrate   code 3 "), "{list}");
    world.ok(["stop", "web-migrate"]);
    assert_eq!(names(&world), ["web", "api", "db"]);
    assert_eq!(world.run(["quit"]).code, 0, "it says nothing about the run");
}

#[test]
fn an_action_is_in_no_all_and_no_pattern() {
    let world = started();
    world.ok(["act", "migrate"]);
    let lives = || world.ok(["events", "--json"]).matches("\"event\":\"exit\"").count();
    let before = lives();
    for words in [&["start", "*"][..], &["start", "web*"], &["wait"]] {
        world.ok(words);
    }
    assert_eq!(lives(), before);
    world.ok(["restart", "web*"]);
    world.ok(["restart"]);
    assert_eq!(names(&world), ["web", "api", "db"]);
    assert_eq!(world.ok(["logs", "web-migrate"]).matches("web-migrate in sub").count(), 1);
    assert_eq!(world.run(["scale", "web-migrate=2"]).code, 2);
    world.ok(["quit"]);
}

#[test]
fn an_action_runs_once_at_a_time_and_a_reload_leaves_it_alone() {
    let world = started();
    let mut first = world.tmo(["act", "hold"]).stdout(Stdio::piped()).spawn().unwrap();
    world.wait_text("hold", "holding");
    let second = world.run(["act", "hold"]);
    assert_eq!(second.code, 1);
    assert!(second.stderr.contains("hold has been running for"), "{}", second.stderr);
    let pid = world.field("hold", "pid");
    world.write(".env", "NEW=1\n");
    world.write("tmo.toml", &TOML.replace("echo holding", "echo other"));
    world.ok(["reload"]);
    world.ok(["restart"]);
    assert_eq!(world.field("hold", "pid"), pid);
    world.ok(["stop", "hold"]);
    assert_ne!(first.wait().unwrap().code(), Some(0));
    assert!(!names(&world).contains(&"hold".to_owned()));
    world.ok(["act", "hold", "--no-wait"]);
    world.wait_text("hold", "other");
    world.ok(["quit"]);
}

#[test]
fn ctrl_c_stops_an_action() {
    let world = started();
    let terminal = Terminal::open(&world, "act", 80, 20);
    terminal.tmo("act hold; echo code $?");
    terminal.wait("hold   | holding");
    terminal.keys(["C-c"]);
    terminal.wait("code 130");
    eventually("it is stopped", || (!names(&world).contains(&"hold".to_owned())).then_some(()));
    world.ok(["quit"]);
}

#[test]
fn words_that_mean_no_action_are_explained() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D"]);
    let none = world.run(["act", "migrate"]);
    assert!(none.stderr.contains("this run has no actions; `[action.NAME]`"), "{}", none.stderr);
    world.write("tmo.toml", TOML);
    std::fs::create_dir(world.app().join("sub")).unwrap();
    world.ok(["reload"]);
    for (words, code, expected) in [
        (&["act", "migrat"][..], 2, "there is no action `migrat`; did you mean `migrate`?"),
        (
            &["act", "seed"],
            2,
            "several processes have an action `seed`; name one: web.seed, api.seed",
        ),
        (&["act", "clean"], 2, "needs a terminal; --yes runs it without one"),
    ] {
        let ran = world.run(words);
        assert_eq!(ran.code, code, "{words:?}");
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
    }
    assert_eq!(
        world.ok(["act", "clean", "-y"]),
        format!("clean in {}\n", world.app().file_name().unwrap().display())
    );
    let list: Value = serde_json::from_str(&world.ok(["act", "--json"])).unwrap();
    let words = |key| {
        list["actions"].as_array().unwrap().iter().map(|one| one[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(words("process"), ["web-migrate", "web-seed", "api-seed", "hold", "clean"]);
    world.ok(["quit"]);
}

#[test]
fn a_name_of_an_action_that_a_process_has_is_a_mistake() {
    let world = World::new(PROCFILE);
    world.write("tmo.toml", "[process.web-x]\ncommand = \"y\"\n[process.web.action.x]\ncommand = \"y\"\n[action.api]\ncommand = \" \"\n[action.\"a b\"]\ncommand = \"{wb.port}\"\n[process.api.action.y]\n");
    let ran = world.run(["check"]);
    assert_ne!(ran.code, 0);
    for expected in [
        "tmo.toml:3:21: this action runs as a process `web-x`, and there is another one of this name",
        "tmo.toml:5:9: this action runs as a process `api`",
        "tmo.toml:6:11: `command` is empty",
        "tmo.toml:7:9: `a b` is not the name of an action",
        "tmo.toml:9:21: the action `y` has no command",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
    }
}

#[test]
fn an_action_goes_on_when_the_supervisor_is_killed() {
    let world = started();
    world.write(
        "tmo.toml",
        &TOML.replace(
            "exec sleep 1000\"\n\n[action.clean]",
            "until [ -e go ]; do sleep 0.05; done; exit 7\"\n\n[action.clean]",
        ),
    );
    world.ok(["reload"]);
    let act = world.tmo(["act", "hold"]).stdout(Stdio::piped()).spawn().unwrap();
    world.wait_text("hold", "holding");
    procs::kill(world.supervisor(), 9);
    world.write("go", "");
    let ended = act.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(7));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "holding\n");
    world.ok(["quit"]);
}

#[test]
fn an_action_with_confirm_begins_only_by_a_confirmed_request() {
    let world = started();
    let asks = "clean has to be confirmed; `tmo act clean` runs it";
    let begun = || world.ok(["logs"]).contains("clean in");
    for words in [&["start", "clean"][..], &["restart", "clean"], &["start", "web,=clean"]] {
        let ran = world.run(words);
        assert!(ran.code == 1 && ran.stderr.contains(asks), "{ran:?}");
    }
    assert!(!names(&world).contains(&"clean".to_owned()), "it is no process of the run");
    let socket = world.app().join(".overmind.sock");
    let ask = |request: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        if !request.contains("HTTP") {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let post = |path: &str, body: &str| {
        let length = body.len();
        ask(&format!(
            "POST /api/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    for (path, body) in [
        ("start", r#"{"names":["clean"]}"#),
        ("restart", r#"{"names":["clean"],"order":"overmind"}"#),
        ("processes/clean/start", ""),
        ("processes/clean/start", r#"{"confirmed":false}"#),
        ("processes/clean/restart", ""),
    ] {
        let answer = post(path, body);
        assert!(answer.contains("HTTP/1.1 409") && answer.contains(asks), "{path}: {answer}");
    }
    ask("restart clean\n");
    assert!(!begun());
    let answer = post("processes/clean/start", r#"{"confirmed":true}"#);
    assert!(answer.contains("HTTP/1.1 200") && begun(), "{answer}");
    // It has had a life, and still asks.
    ask("restart clean\n");
    assert_eq!(world.run(["restart", "clean"]).code, 1);
    assert_eq!(world.ok(["logs"]).matches("clean in").count(), 1);
    world.ok(["quit"]);
}

#[test]
fn each_of_two_requests_for_an_action_has_a_life_of_its_own_or_is_refused() {
    let world = started();
    world.write(
        "tmo.toml",
        &TOML.replace("touch held; echo holding; exec sleep 1000", "read code; exit $code"),
    );
    world.ok(["reload"]);
    let first = world.tmo(["act", "hold"]).stdout(Stdio::piped()).spawn().unwrap();
    world.wait_state("hold", "running");
    // As a client that has not looked whether it runs.
    let second = world.run(["act", "hold"]);
    assert!(second.code == 1 && second.stderr.contains("runs once at a time"), "{second:?}");
    world.ok(["send", "hold", "5", "--enter"]);
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(5));
    world.ok(["quit"]);
}

#[test]
fn what_starts_an_action_that_was_skipped_is_tmo_act() {
    let world =
        World::new("db: [ -e go ] || exit 3; echo up; exec sleep 1000\nweb: exec sleep 1000\n");
    world.write(
        "tmo.toml",
        "[process.db]\nready = { log = \"up\" }\non_exit = \"ignore\"\n[process.web]\ndepends_on = [\"db\"]\n[process.web.action.hurt]\ncommand = \"true\"\n",
    );
    world.run(["start", "-D"]);
    world.wait_state("db", "exited");
    let ran = world.run(["act", "hurt"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    world.wait_state("web-hurt", "skipped");
    let rows = world.ok(["ps"]);
    assert!(rows.contains("`tmo act web-hurt` runs it"), "{rows}");
    assert!(!rows.contains("`tmo start web-hurt`"), "{rows}");
    world.write("go", "");
    let ran = world.run(["start", "db"]);
    let hint = "tmo: still skipped: web-hurt; `tmo act web-hurt` runs it\n";
    assert!(ran.stderr.contains(hint), "{ran:?}");
    let why = world.run(["why", "web-hurt"]).stdout;
    assert!(why.contains("tmo act web-hurt") && !why.contains("tmo start web-hurt"), "{why}");
    world.ok(["quit"]);
}
