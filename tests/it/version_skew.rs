//! Client and supervisor of different versions.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::api::ask;
use crate::harness::{Ran, World};

const OURS: &str = env!("CARGO_PKG_VERSION");

/// A supervisor of another version.
struct Other(PathBuf);

impl Drop for Other {
    fn drop(&mut self) {
        // A test that fails tells why itself.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Be a supervisor of this version, which answers by path.
fn supervise(
    world: &World,
    version: &str,
    answer: impl Fn(&str) -> (u16, Value) + Send + 'static,
) -> Other {
    let socket = world.app().join(".overmind.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let version = version.to_owned();
    // It ends with the test program.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = vec![];
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head);
            let path = head.split(['?', ' ']).nth(1).unwrap_or_default();
            let (status, body) = answer(path);
            let body = body.to_string();
            let length = body.len();
            // A client that went away has heard enough.
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ntmo-version: {version}\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            );
        }
    });
    Other(socket)
}

/// A state as a later version might tell it.
fn state(api: u32) -> Value {
    json!({
        "api": api, "version": "9.0.0", "run": "r", "pid": std::process::id(), "title": "app",
        "root": "/", "socket": "/s", "journal": "/j", "started": 1, "views": 0,
        "tmux": { "socket": "s", "session": "s", "program": "tmux", "colours": 256 },
        "headless_since": null, "quitting": false, "moon": { "phase": "full" },
        "processes": [{
            "name": "web", "state": "dreaming", "pid": null, "last_pid": 7,
            "exit": { "core": { "signal": 11 } }, "since": 1, "lives": 1, "port": null,
            "color": 2, "pane": null, "dreams": ["sheep"],
        }],
    })
}

#[track_caller]
fn fails(ran: &Ran, words: &[&str]) {
    assert!(ran.code == 1 && ran.stderr.lines().count() == 1, "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {ran:?}");
    }
}

#[test]
fn unknown_fields_of_a_newer_supervisor_are_ignored() {
    let world = World::new("web: x\n");
    let _other = supervise(&world, "9.0.0", |_| (200, state(1)));
    let table = world.ok(["ps"]);
    assert!(table.contains("web") && table.contains("dreaming"), "{table}");
    let json: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
    assert_eq!(json["processes"][0]["exit"], Value::Null);
}

#[test]
fn a_supervisor_of_another_version_may_have_no_tmux_or_report_no_backend() {
    let world = World::new("web: x\n");
    let native = |word: &'static str| {
        move |_: &str| {
            let mut state = state(1);
            let fields = state.as_object_mut().unwrap();
            fields.remove("tmux");
            fields.insert("backend".to_owned(), word.into());
            (200, state)
        }
    };
    {
        // As early versions.
        let _other = supervise(&world, "0.3.0", |_| (200, state(1)));
        let json: Value = serde_json::from_str(&world.ok(["ps", "--json"])).unwrap();
        assert_eq!(json["backend"], "tmux");
    }
    {
        let _other = supervise(&world, "9.0.0", native("native"));
        assert!(world.ok(["ps"]).contains("dreaming"));
        fails(&world.run(["connect", "-c", "web"]), &["tmo's own, not in tmux: control mode"]);
    }
    let _other = supervise(&world, "9.0.0", native("hologram"));
    fails(&world.run(["ps"]), &["is tmo 9.0.0", OURS, "can't read its answer"]);
}

#[test]
fn a_newer_supervisor_is_reported_and_can_be_ended() {
    let world = World::new("web: x\n");
    let _other = supervise(&world, "9.0.0", |path| match path {
        "/api/quit" => {
            (200, json!({ "api": 2, "ok": true, "problems": [], "names": [], "in": "peace" }))
        }
        _ => (200, state(2)),
    });
    let versions = ["is tmo 9.0.0", OURS, "`tmo quit`, then `tmo start`"];
    fails(&world.run(["ps"]), &versions);
    fails(&world.run(["ps"]), &["can't read its answer to `GET /api/state`"]);
    world.ok(["quit"]);
}

#[test]
fn a_supervisor_of_an_early_version_is_refused_in_one_sentence_and_can_be_ended() {
    let world = World::new("web: x\n");
    let _other = supervise(&world, "0.2.0", |path| match path {
        "/api/quit" => (200, json!({ "api": 1, "ok": true, "problems": [], "names": [] })),
        _ => (200, state(1)),
    });
    for args in [&["ps"][..], &["restart"], &["screen", "web"]] {
        fails(&world.run(args), &["is tmo 0.2.0", OURS, "`tmo quit`, then `tmo start`"]);
    }
    world.ok(["quit"]);
}

#[test]
fn an_answer_of_an_unknown_form_is_reported_with_the_versions() {
    let world = World::new("web: x\n");
    let _other = supervise(&world, "0.0.1", |path| match path {
        "/api/state" => (200, state(1)),
        _ => (200, json!(["done"])),
    });
    let words = ["is tmo 0.0.1", OURS, "can't read its answer to `POST /api/restart`"];
    fails(&world.run(["restart"]), &words);
}

#[test]
fn an_endpoint_that_an_older_supervisor_lacks_is_reported() {
    let world = World::new("web: x\n");
    let _other = supervise(&world, "0.0.1", |path| match path {
        "/api/state" => (200, state(1)),
        "/api/restart" => (405, json!({ "error": "no" })),
        path => (404, json!({ "error": format!("there is no `{path}` here") })),
    });
    let words = ["is tmo 0.0.1", OURS, "can't ask it for `GET /api/processes/web/screen`"];
    fails(&world.run(["screen", "web"]), &words);
    fails(&world.run(["restart"]), &["can't ask it for `POST /api/restart`"]);
}

#[test]
fn a_client_of_another_version_gets_an_error_with_both_versions() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    let error = |line: &str, headers: &str, status: u16| {
        let answer = ask(&world, line, headers, "");
        assert_eq!(answer.status, status, "{line} {headers}: {answer:?}");
        answer.json()["error"].as_str().unwrap_or_default().to_owned()
    };
    let later = "tmo-version: 9.0.0\r\ntmo-api: 2\r\n";
    let both = format!(
        ": tmo {OURS} runs here and the client is tmo 9.0.0; `tmo quit`, then `tmo start`, makes \
         them one"
    );
    let said = error("GET /api/state", later, 400);
    assert_eq!(said, format!("version 1 of the API is spoken here, not 2{both}"));
    let other = "tmo-version: 9.0.0\r\ntmo-api: 1\r\n";
    let said = error("POST /api/dream", other, 404);
    assert_eq!(said, format!("there is no `/api/dream` here{both}"));
    assert!(error("GET /api/state?moon=1", other, 400).ends_with(&both));
    assert!(error("DELETE /api/state", other, 405).ends_with(&both));
    // Nothing of this is said where it does not matter, or to whom it does not concern.
    assert_eq!(error("POST /api/dream", "", 404), "there is no `/api/dream` here");
    let same = format!("tmo-version: {OURS}\r\n");
    assert_eq!(error("POST /api/dream", &same, 404), "there is no `/api/dream` here");
    let odd = format!("tmo-version: {}\r\n", "9".repeat(99));
    assert_eq!(error("POST /api/dream", &odd, 404), "there is no `/api/dream` here");
    assert_eq!(error("GET /api/lines?last=x", other, 400), "`last=x`: give a number");
    assert_eq!(
        error("GET /api/state", "tmo-api: x\r\n", 400),
        "`tmo-api` is not a number; leave it out"
    );
    assert_eq!(error("GET /api/state", other, 200), "");
    // What every version has, by which a run can always be ended.
    for path in ["alive", "status"] {
        assert_eq!(error(&format!("GET /api/{path}"), later, 200), "");
    }
    assert_eq!(error("POST /api/quit", later, 200), "");
}
