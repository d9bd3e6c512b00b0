//! The HTTP API as a client sees it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{World, eventually};
use crate::schema::Description;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request over the control socket.
pub(crate) fn ask(world: &World, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\
         \r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("tmo-version: "), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: body.to_owned() }
}

/// Compare an answer with the committed one; `TMO_BLESS=1` commits this one.
struct Golden<'a> {
    world: &'a World,
    description: Description,
    wrong: Vec<String>,
}

impl<'a> Golden<'a> {
    fn new(world: &'a World) -> Self {
        Self {
            world,
            description: Description::new(&tmo::server::http::description()),
            wrong: vec![],
        }
    }

    /// Ask, and see that the answer is what it was, and as it is described.
    fn ask(&mut self, name: &str, line: &str, body: &str) {
        let answer = ask(self.world, line, "", body);
        let json = answer.json();
        let (method, uri) = line.split_once(' ').unwrap();
        let path = uri.split('?').next().unwrap();
        if let Err(why) = self.description.answers(method, path, answer.status, &json) {
            self.wrong.push(format!("{name}: not as it is described: {why}"));
        }
        if answer.body.starts_with("{\"api\":1,\"api\":") {
            self.wrong.push(format!("{name}: a key stands twice: {}", answer.body));
        }
        let body = body.get(..40).filter(|_| body.len() > 80).unwrap_or(body);
        self.is(name, json!({ "asked": [line, body], "status": answer.status, "body": json }));
    }

    fn is(&mut self, name: &str, mut reported: Value) {
        self.steady("", &mut reported);
        let text = format!("{}\n", serde_json::to_string_pretty(&reported).unwrap());
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/api");
        let file = golden.join(format!("{name}.json"));
        if std::env::var_os("TMO_BLESS").is_some() {
            std::fs::create_dir_all(golden).unwrap();
            std::fs::write(file, text).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
            self.wrong.push(format!("{name}: {text}"));
        }
    }

    /// Put words in the place of what is another in each run.
    fn steady(&self, key: &str, value: &mut Value) {
        const CHANGES: [&str; 30] = [
            "ended",
            "hostname",
            "boot",
            "pid_namespace",
            "runtime_id",
            "output_bytes",
            "freed",
            "kept",
            "pid",
            "last_pid",
            "time",
            "cursor",
            "next",
            "previous",
            "started",
            "since",
            "headless_since",
            "uptime",
            "version",
            "run",
            "port",
            "program",
            "ran_ns",
            "timestamp",
            "id",
            "file",
            "report",
            "files",
            "memory_bytes",
            "cpu_seconds",
        ];
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Array(values) => {
                // Tests over the terminals of tmo itself set it.
                values.retain(|value| value != "TMO_BACKEND");
                for value in values {
                    self.steady("", value);
                }
            }
            Value::Object(members) => {
                members.iter_mut().for_each(|(key, value)| self.steady(key, value));
            }
            value if CHANGES.contains(&key) => *value = key.to_uppercase().into(),
            Value::Number(_) => {}
            Value::String(text) => {
                let there = text.replace(&self.world.path().display().to_string(), "WORLD");
                let there = there.replace(&self.world.port(1).to_string(), "PORT-1");
                let id = regex::Regex::new("[0-9a-f]{8,}").unwrap();
                *text = id.replace_all(&there, "ID").into_owned();
            }
        }
    }

    #[track_caller]
    fn done(self) {
        let remedy = "TMO_BLESS=1 commits what is meant";
        assert!(self.wrong.is_empty(), "{}\n{remedy}", self.wrong.join("\n"));
    }
}

const PROCFILE: &str = "web: printf 'one\\ntwo\\n'; exec cat\nworker: echo done; exit 3\n";

fn started() -> World {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "--any-can-die"]);
    world.wait_state("web", "running");
    let ended = || (world.field("worker", "state") == "exited").then_some(());
    eventually("the worker has ended", ended);
    eventually("its report is written", || world.ok(["crashes"]).contains("worker-").then_some(()));
    eventually("it speaks", || world.ok(["logs", "web"]).contains("two").then_some(()));
    world
}

const PANIC: &str = r#"{"failure_string":"panic:"}"#;

/// What only looks.
const LOOKS: &[(&str, &str)] = &[
    ("state", "GET /api/state"),
    ("status", "GET /api/status"),
    ("alive", "GET /api/alive"),
    ("processes", "GET /api/processes"),
    ("process", "GET /api/processes/worker"),
    ("process-unknown", "GET /api/processes/wrker"),
    ("flags", "GET /api/processes/worker/flags?last=2"),
    ("flags-unknown", "GET /api/processes/wrker/flags"),
    ("flags-bad-query", "GET /api/processes/worker/flags?last=two"),
    ("screen", "GET /api/processes/web/screen"),
    ("screen-unknown", "GET /api/processes/x/screen"),
    ("screen-bad-query", "GET /api/processes/web/screen?color=red"),
    ("lines", "GET /api/lines?name=web&limit=2"),
    ("lines-before", "GET /api/lines?name=web&before=end&limit=1&styles=true"),
    ("lines-bad-before", "GET /api/lines?before=x"),
    ("lines-event", "GET /api/lines?name=worker&last=2"),
    ("lines-none", "GET /api/lines?name=web&grep=nothing"),
    ("lines-unknown", "GET /api/lines?name=wbe"),
    ("count", "GET /api/count?name=web"),
    ("count-bad-cursor", "GET /api/count?after=x"),
    ("output", "GET /api/output?since=2026-01-01T00:00:00Z&until=2026-01-01T00:01:00Z&parts=3"),
    ("output-unknown", "GET /api/output?name=wbe"),
    ("output-bad-number", "GET /api/output?parts=many"),
    ("lines-bad-query", "GET /api/lines?nmae=web"),
    ("lines-bad-number", "GET /api/lines?last=-1"),
    ("lines-bad-cursor", "GET /api/lines?after=x"),
    ("lines-bad-time", "GET /api/lines?since=soon"),
    ("lines-bad-pattern", "GET /api/lines?grep=("),
    ("lines-types", "GET /api/lines?name=worker&types=process:log,process:exit"),
    ("lines-types-events", "GET /api/lines?name=worker&types=process:spawn&types=process:exit"),
    ("lines-types-last", "GET /api/lines?types=process:log&last=1&name=worker"),
    ("lines-bad-type", "GET /api/lines?types=process:lgo"),
    ("lines-no-type", "GET /api/lines?types=,"),
    ("why", "GET /api/why"),
    ("why-bad-query", "GET /api/why?name=web"),
    ("why-one", "GET /api/processes/worker/why"),
    ("why-well", "GET /api/processes/web/why"),
    ("compare", "GET /api/processes/worker/compare"),
    ("compare-unknown", "GET /api/processes/wrker/compare"),
    ("setup", "GET /api/processes/worker/setup"),
    ("setup-unknown", "GET /api/processes/wrker/setup"),
    ("why-unknown", "GET /api/processes/wrker/why"),
    ("crashes", "GET /api/crashes?last=1"),
    ("crashes-none", "GET /api/crashes?name=web"),
    ("crashes-unknown", "GET /api/crashes?name=wrker"),
    ("crashes-bad-number", "GET /api/crashes?last=-1"),
    ("crash-unknown", "GET /api/crashes/web-2026-01-02T03-04-05Z"),
    ("crash-elsewhere", "GET /api/crashes/..%2F..%2F..%2Fetc%2Fpasswd"),
    ("figures", "GET /api/figures"),
    ("figures-bad-query", "GET /api/figures?name=web"),
    ("events-bad-query", "GET /api/events?limit=1"),
    ("head-bad-query", "GET /api/head?view=x"),
];

/// The plan of the run, as a body.
pub(crate) fn plan_of(world: &World) -> String {
    let state = ask(world, "GET /api/state", "", "").json();
    let plan = Path::new(state["runtime"].as_str().unwrap()).join("plan.json");
    let plan: Value = serde_json::from_slice(&std::fs::read(plan).unwrap()).unwrap();
    json!({ "plan": plan }).to_string()
}

/// What acts upon the processes.
const ACTS: &[(&str, &str, &str)] = &[
    ("start", "POST /api/start", r#"{"names":["web"]}"#),
    ("start-unknown", "POST /api/start", r#"{"names":["wbe"]}"#),
    ("start-bad-json", "POST /api/start", r#"{"names":["#),
    ("start-bad-key", "POST /api/start", r#"{"name":["web"]}"#),
    ("start-bad-list", "POST /api/start", r#"["web"]"#),
    ("start-bad-query", "POST /api/start?wiat=0", ""),
    ("start-bad-truth", "POST /api/start?wait=maybe", ""),
    ("restart", "POST /api/restart", r#"{"names":["web"]}"#),
    ("restart-accepted", "POST /api/restart?wait=false", r#"{"names":["web"]}"#),
    ("restart-one", "POST /api/processes/web/restart", ""),
    ("install-none", "POST /api/processes/web/install", r#"{"then":"run"}"#),
    ("install-unknown", "POST /api/processes/x/install", r#"{"then":"stop"}"#),
    ("install-bad", "POST /api/processes/web/install", r#"{"then":"later"}"#),
    ("restart-one-unknown", "POST /api/processes/x/restart", ""),
    ("start-one", "POST /api/processes/web/start", ""),
    ("input", "POST /api/processes/web/input", r#"{"text":"x","enter":true}"#),
    ("input-ended", "POST /api/processes/worker/input", r#"{"text":"x"}"#),
    ("input-unknown", "POST /api/processes/x/input", "{}"),
    ("input-nul", "POST /api/processes/web/input", r#"{"text":"\u0000"}"#),
    ("signal", "POST /api/signal", r#"{"signal":"WINCH","names":["web"]}"#),
    ("signal-ended", "POST /api/signal", r#"{"signal":"WINCH","names":["worker"]}"#),
    ("signal-bad", "POST /api/signal", r#"{"signal":"NOPE"}"#),
    ("signal-without", "POST /api/signal", "{}"),
    ("watch-pause", "POST /api/watch/pause", ""),
    ("watch-pause-unknown", "POST /api/watch/pause", r#"{"names":["wbe"]}"#),
    ("watch-resume", "POST /api/watch/resume", r#"{"names":["web"]}"#),
    ("watch-resume-bad-key", "POST /api/watch/resume", r#"{"name":["web"]}"#),
    ("scale", "POST /api/scale", r#"{"counts":{"web":2}}"#),
    ("scale-down", "POST /api/scale", r#"{"counts":{"web":1}}"#),
    ("scale-unknown", "POST /api/scale", r#"{"counts":{"wbe":2}}"#),
    ("scale-too-many", "POST /api/scale", r#"{"counts":{"web":11}}"#),
    ("scale-bad", "POST /api/scale", r#"{"counts":{"web":-1}}"#),
];

/// What changes the plan.
const PLANS: &[(&str, &str, &str)] = &[
    ("reload-bad-json", "POST /api/reload", r#"{"plan":"#),
    ("reload-bad-key", "POST /api/reload", r#"{"plna":{}}"#),
    ("reload-without", "POST /api/reload", "{}"),
    ("reload-no-object", "POST /api/reload", r#"{"plan":[]}"#),
    ("reload-no-plan", "POST /api/reload", r#"{"plan":{"version":1}}"#),
    ("failures-none", "GET /api/failure-declarations/web", ""),
    ("failures-add", "POST /api/failure-declarations/web/add", PANIC),
    ("failures-add-again", "POST /api/failure-declarations/web/add", PANIC),
    ("failures", "GET /api/failure-declarations/web", ""),
    ("failures-unknown", "GET /api/failure-declarations/wbe", ""),
    ("failures-add-unknown", "POST /api/failure-declarations/wbe/add", PANIC),
    ("failures-add-empty", "POST /api/failure-declarations/web/add", r#"{"failure_string":""}"#),
    ("failures-add-without", "POST /api/failure-declarations/web/add", "{}"),
    ("failures-remove", "POST /api/failure-declarations/web/remove", PANIC),
    ("failures-remove-again", "POST /api/failure-declarations/web/remove", PANIC),
];

/// What comes last.
const ENDS: &[(&str, &str, &str)] = &[
    ("size", "PUT /api/size", r#"{"columns":100,"rows":30}"#),
    ("size-bad", "PUT /api/size", r#"{"columns":100,"rows":0}"#),
    ("detach", "POST /api/detach", ""),
    ("clear-bad-query", "POST /api/clear?name=web", ""),
    ("clear", "POST /api/clear", ""),
    ("lines-reset", "GET /api/lines?after=0.0&grep=nothing", ""),
    ("lines-of-another-log", "GET /api/lines?after=900000.0&grep=nothing", ""),
    ("stop-one", "POST /api/processes/web/stop", ""),
    ("stop", "POST /api/stop", ""),
    ("no-path", "GET /api/nothing", ""),
    ("no-method", "DELETE /api/state", ""),
    ("shutdown-bad-query", "POST /api/shutdown?now", ""),
    ("shutdown", "POST /api/shutdown", ""),
];

#[test]
fn every_endpoint_answers_as_in_its_golden_file() {
    let world = started();
    let mut golden = Golden::new(&world);
    let large = format!("{{\"names\":[\"{}\"]}}", "x".repeat(300_000));
    for (name, line) in LOOKS {
        golden.ask(name, line, "");
    }
    let plan = plan_of(&world);
    let long = [
        ("start-too-large", "POST /api/start", large.as_str()),
        ("reload", "POST /api/reload", plan.as_str()),
    ];
    for (name, line, body) in [ACTS, PLANS, &long, ENDS].concat() {
        golden.ask(name, line, body);
    }
    golden.done();
}

#[test]
fn quit_and_kill_answer_as_in_their_golden_files() {
    for (name, line) in [("quit", "POST /api/quit"), ("kill", "POST /api/kill")] {
        let world = started();
        let mut golden = Golden::new(&world);
        golden.ask(name, line, "");
        golden.done();
    }
}

#[test]
fn event_streams_are_as_in_their_golden_files() {
    let world = started();
    let mut golden = Golden::new(&world);
    let follow = |path: &str| {
        let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let streams = ["/api/head?view=1", "/api/events?lines=1&name=web&since=1h"];
    let streams = streams.map(|uri| (uri, follow(uri)));
    world.ok(["restart", "web"]);
    world.ok(["quit"]);
    for (uri, mut stream) in streams {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let path = uri.split('?').next().unwrap();
        let kinds = golden.description.0["paths"][path]["get"]["x-events"].clone();
        let mut reported = serde_json::Map::new();
        // How many there are of each kind is chance.
        for event in text.split("event: ").skip(1) {
            let (kind, rest) = event.split_once('\n').unwrap();
            let data = rest.split("data: ").nth(1).unwrap().lines().next().unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            let shape = kinds.get(kind).unwrap_or(&kinds["*"]);
            if let Err(why) = golden.description.fits(shape, &data) {
                golden.wrong.push(format!("{kind}: not as it is described: {why}"));
            }
            reported.entry(kind).or_insert(data);
        }
        if let Some(head) = reported.get_mut("head") {
            *head = "HEAD".into();
        }
        golden.is(path.trim_start_matches("/api/"), Value::Object(reported));
    }
    golden.done();
}

/// What the events of a stream are, by their names and types.
pub(crate) fn followed(world: &World, uri: &str) -> Vec<(String, String)> {
    let mut stream = UnixStream::connect(world.app().join(".overmind.sock")).unwrap();
    write!(stream, "GET {uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    world.ok(["quit"]);
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let event = |event: &str| {
        let (kind, rest) = event.split_once('\n')?;
        let data = rest.split("data: ").nth(1)?.lines().next()?;
        let data: Value = serde_json::from_str(data).unwrap();
        if kind == "line" {
            assert!(data["name"].is_string() && data["text"].is_string(), "{data}");
            assert!(data["cursor"].is_string(), "{data}");
        }
        Some((kind.to_owned(), data["type"].as_str().unwrap_or_default().to_owned()))
    };
    text.split("event: ").skip(1).filter_map(event).collect()
}

#[test]
fn log_lines_are_events_for_clients_that_request_their_type() {
    let pair = |kind: &str, of_type: &str| (kind.to_owned(), of_type.to_owned());
    let world = started();
    let reported = followed(&world, "/api/events?types=process:log,process:exit&since=1h");
    let (log, exit) = (pair("line", "process:log"), pair("exit", "process:exit"));
    let end = pair("end-of-run", "");
    assert!(reported.contains(&log) && reported.contains(&exit), "{reported:?}");
    assert!(reported.iter().all(|one| [&log, &exit, &end].contains(&one)), "{reported:?}");
    // By default there are no lines, and those that are asked for otherwise have no type.
    let world = started();
    let reported = followed(&world, "/api/events?since=1h");
    assert!(
        reported.contains(&exit) && !reported.iter().any(|(kind, _)| kind == "line"),
        "{reported:?}"
    );
    let world = started();
    let reported = followed(&world, "/api/events?lines=1&since=1h");
    assert!(reported.contains(&exit) && reported.contains(&pair("line", "")), "{reported:?}");
}

#[test]
fn openapi_description_is_served() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "--any-can-die"]);
    let answer = ask(&world, "GET /api/openapi.json", "", "");
    assert_eq!(answer.body, include_str!("../../docs/openapi.json"));
    world.ok(["quit"]);
}

#[test]
fn every_path_refuses_a_parameter_that_it_does_not_have() {
    let world = World::new(PROCFILE);
    world.ok(["start", "-D", "--any-can-die"]);
    let description: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{name}", "web");
            let line = format!("{} {path}?wiat=1", method.to_uppercase());
            let answer = ask(&world, &line, "", "");
            assert_eq!(answer.status, 400, "{line}: {answer:?}");
        }
    }
    world.ok(["quit"]);
}

#[test]
fn every_journal_query_is_answered_or_refused() {
    let world = started();
    let odd = [
        "",
        "0",
        "-1",
        "x",
        "%00",
        "%ff",
        "(",
        "(?i)(",
        "a{9999}{9999}",
        "%28a%2A%29%2A%24",
        "[[[[",
        "*",
        "1.18446744073709551615",
        "18446744073709551615.0",
        "18446744073709551616",
        "99999999999d",
        "9223372036854775807d",
        "-9999-01-01",
        "9999-12-31T23:59:60Z",
        "99:99",
        "now",
        "1h-1h",
        "%D9%A3h",
        &"9".repeat(400),
        &"a%7C".repeat(4000),
    ];
    for word in ["since", "until", "after", "grep", "last", "limit", "name"] {
        for value in odd {
            let answer = ask(&world, &format!("GET /api/lines?{word}={value}"), "", "");
            let fine = match answer.status {
                200 => answer.json()["lines"].is_array(),
                400 => answer.json()["error"]
                    .as_str()
                    .is_some_and(|reason| reason.lines().count() == 1),
                404 => word == "name",
                _ => false,
            };
            assert!(fine, "{word}={value}: {answer:?}");
        }
    }
    world.ok(["quit"]);
}
