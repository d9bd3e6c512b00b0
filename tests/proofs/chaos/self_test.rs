//! Self-test of the event check: it must report events that were changed on purpose.

use serde_json::{Value, json};

use crate::chaos::action_log::ActionLog;
use crate::chaos::config::{Check, Config, Entry, Phase, Policy, Probe, Program, Restart, Until};
use crate::chaos::event_order::judge;

/// When the run begins that all this is about, in seconds.
const BEGIN: i64 = 1_000_000_000;

/// `db`, ready by its words; `job`, which fails twice; `web`, which waits for `db` and for `api`;
/// and a cleanup.
fn config() -> Config {
    let up = Check { probe: Probe::Up, limit: 30_000 };
    let restart = Restart {
        policy: Policy::OnFailure,
        delay: 10,
        max_delay: None,
        max_failures: 2,
        stable: None,
    };
    let db = Entry {
        program: Program::Stays(0),
        ready: vec![up],
        ..Entry::new("db", Phase::Dependency)
    };
    let job = Entry {
        program: Program::Ends(0, 3),
        restart: Some(restart),
        ..Entry::new("job", Phase::Main)
    };
    let needs = vec![("api", Until::Started)];
    let web = Entry { needs, ..Entry::new("web", Phase::Main) };
    let api = Entry::new("api", Phase::Main);
    let sweep = Entry { program: Program::Ends(0, 0), ..Entry::new("sweep", Phase::Cleanup) };
    Config { entries: vec![db, job, api, web, sweep], kept: vec![] }
}

/// All that happens in such a run, each with the millisecond: who, and what.
const GOOD: [(i64, &str, &str); 24] = [
    (0, "", "begin"),
    (1, "db", "start"),
    (2, "db", "ready"),
    (3, "job", "start"),
    (4, "job", "exit 3"),
    (5, "api", "start"),
    (6, "web", "start"),
    (7, "job", "start"),
    (8, "job", "exit 3"),
    (9, "job", "broken"),
    // Here it is asked to end.
    (20, "web", "interrupting"),
    (21, "web", "exit 0"),
    (22, "api", "interrupting"),
    (23, "api", "exit 0"),
    (24, "", "lifecycle:main-stopped"),
    (25, "sweep", "start"),
    (26, "sweep", "exit 0"),
    (27, "db", "interrupting"),
    (28, "db", "exit 0"),
    (29, "", "end"),
    // Another run, which is not quit.
    (40, "", "begin"),
    (41, "db", "start"),
    (42, "db", "ready"),
    (43, "web", "skipped"),
];

fn event(&(at, name, what): &(i64, &str, &str)) -> Value {
    let (event, code) = what.split_once(' ').unwrap_or((what, ""));
    let fact = (event == "begin").then(|| json!({ "listening": "t" }));
    let why = (event == "skipped").then(|| json!({ "on": "api" }));
    let time = jiff::Timestamp::new(BEGIN, 0).unwrap() + jiff::SignedDuration::from_millis(at);
    json!({
        "time": time.to_string(), "event": event, "fact": fact, "why": why,
        "name": (!name.is_empty()).then_some(name), "code": code.parse::<u8>().ok(),
    })
}

fn problems(events: &[(i64, &'static str, &'static str)]) -> usize {
    let mut actions = ActionLog::default();
    actions.record_config(&config());
    actions.quits.push(u64::try_from(BEGIN).unwrap() * 1_000_000_000 + 15_000_000);
    let events: Vec<_> = events.iter().map(event).collect();
    judge(&events, &actions).len()
}

/// Move, leave out and double what has happened.
pub(crate) fn run() {
    assert_eq!(problems(&GOOD), 0);
    let moved = |from: usize, to: usize| {
        let mut events = GOOD.to_vec();
        let (at, one) = (events[to].0, events.remove(from));
        events.insert(to, (at, one.1, one.2));
        problems(&events)
    };
    let without = |at: usize| {
        let mut events = GOOD.to_vec();
        events.remove(at);
        problems(&events)
    };
    // One more life.
    let with = |at: usize, name| {
        let mut events = GOOD.to_vec();
        events.insert(at, (events[at].0, name, "exit 3"));
        events.insert(at, (events[at].0, name, "start"));
        problems(&events)
    };
    assert_eq!(without(2), 3, "all of main begin before db is ready");
    assert_eq!(moved(6, 5), 1, "web begins before api");
    assert_eq!(moved(6, 1), 2, "web begins before anybody else");
    assert_eq!(with(8, "web"), 2, "web begins beside itself, unasked");
    assert_eq!(with(10, "job"), 2, "job is broken, and has failed too often");
    assert_eq!(with(9, "job"), 1, "job has failed too often");
    assert_eq!(moved(12, 10), 1, "api is told to stop before web");
    assert_eq!(moved(17, 10), 1, "db is told to stop before those of main");
    assert_eq!(moved(17, 16), 1, "db is told to stop during the cleanup");
    assert_eq!(moved(15, 12), 1, "the cleanup begins while api is there");
    assert_eq!(with(17, "sweep"), 2, "the cleanup runs twice, unasked");
    assert_eq!(moved(14, 12), 1, "main is said to be stopped");
    let mut events = GOOD.to_vec();
    events.insert(9, (8, "web", "hangup"));
    assert_eq!(problems(&events), 1, "the window of web is closed by nobody");
    let mut events = GOOD.to_vec();
    events.drain(15..17);
    assert_eq!(problems(&events), 1, "there is no cleanup");
    let mut events = GOOD.to_vec();
    events.insert(23, (42, "api", "start"));
    assert_eq!(problems(&events), 1, "web is skipped without reason");
    events.insert(24, (42, "api", "exit 3"));
    assert_eq!(problems(&events), 0);
}
