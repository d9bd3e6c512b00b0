//! Real output of watchers, recorded by `tests/watchers/record`.

use super::{LastError, has_failed, last_error};
use crate::crash::evidence::{Evidence, Facts, OutputLine};
use crate::crash::text::rows;
use crate::model::time::Timestamp;
use crate::model::{Exit, ProcName};

/// The watcher, its output, a part of the error below it, the place, and whether the program then
/// waits for a change.
type Recorded = (&'static str, &'static str, &'static str, Option<&'static str>, bool);

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/watchers/", $name, ".txt"))
    };
}

const RECORDED: [Recorded; 15] = [
    ("nodemon", recorded!("nodemon"), "TypeError: Cannot read prop", Some("server.js:3"), true),
    ("node", recorded!("node"), "TypeError: Cannot read prop", Some("server.js:3"), true),
    ("tsx", recorded!("tsx"), "TypeError: Cannot read prop", Some("server.ts:3"), true),
    ("tsc", recorded!("tsc"), "Type 'string' is not assignable", Some("index.ts:1"), true),
    ("esbuild", recorded!("esbuild"), "Could not resolve \"./valve.js\"", Some("main.js:1"), true),
    ("vite", recorded!("vite"), "Failed to resolve import \"./valve.js\"", Some("main.js:1"), true),
    ("vitest", recorded!("vitest"), "expected 2 to be 3", None, true),
    ("webpack", recorded!("webpack"), "Can't resolve './valve.js'", Some("src/index.js:1"), true),
    ("django", recorded!("django"), "SyntaxError", Some("views.py:1"), true),
    ("django-500", recorded!("django-500"), "KeyError: 'b'", Some("views.py:4"), false),
    ("uvicorn", recorded!("uvicorn"), "KeyError: 'b'", Some("app.py:2"), true),
    ("flask", recorded!("flask"), "KeyError: 'b'", Some("app.py:7"), false),
    ("entr", recorded!("entr"), "TypeError: Cannot read prop", Some("check.js:2"), true),
    ("watchfiles", recorded!("watchfiles"), "index out of range", Some("main.go:7"), true),
    (
        "watchfiles-build",
        recorded!("watchfiles-build"),
        "undefined: valves",
        Some("main.go:7"),
        true,
    ),
];

fn lines(output: &str) -> Vec<OutputLine> {
    let lines = output.lines().filter(|line| !line.starts_with("=== "));
    let line = |text| OutputLine {
        time: Timestamp::from_nanos(1_767_322_985_000_000_000),
        at: None,
        text,
    };
    lines.flat_map(|text| rows(text.as_bytes())).map(line).collect()
}

fn after(name: &str, output: &str) -> Option<LastError> {
    let dir = format!("/tmp/tmo-watchers/{name}");
    last_error(&Evidence {
        name: ProcName::new("web").unwrap(),
        command: String::new(),
        root: dir.clone(),
        cwd: dir,
        port: None,
        others: vec![],
        assigned: vec![],
        pid: Some(4711),
        exit: Exit::Code(1),
        lines: lines(output),
        watchers: vec![],
        facts: Facts::default(),
    })
}

#[test]
fn an_error_below_a_watcher_is_found_and_is_over_when_it_is_repaired() {
    let mut wrong = vec![];
    for (name, output, text, place, waits) in RECORDED {
        let broken = output.find("=== broken").unwrap();
        let repaired = output.find("=== repaired").unwrap();
        let phases = [&output[..broken], &output[..repaired], output];
        let failed = phases.map(|output| has_failed(&lines(output), &[]));
        assert_eq!(failed, [false, waits, false], "{name}: the mark in `tmo ps`");
        let [started, broken, repaired] = phases.map(|output| after(name, output));
        let is_found = broken.as_ref().is_some_and(|error| {
            let found = (error.cause.place.as_deref(), error.waits);
            error.cause.text.contains(text) && found == (place, waits)
        });
        if !is_found || started.is_some() || repaired.is_some() {
            wrong.push((name, started, broken, repaired));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_error_that_is_logged_and_followed_by_work_is_no_failure() {
    let output = "up\nERROR: cache miss\nGET /\nerror: retrying\nGET /\n";
    assert_eq!(after("plain", output), None);
    let output = "up\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\nGET /\n";
    let error = after("plain", output).unwrap();
    assert_eq!((error.cause.text.as_str(), error.waits), ("KeyError: 'x'", false));
}
