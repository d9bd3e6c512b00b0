//! Tests of the output for a sample stack.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{States, as_json, dot, text};
use crate::model::ProcName;
use crate::model::plan::rules::{Check, DependencyCondition, PortOwner, Probe, Stage};
use crate::model::state::ProcessState;
use crate::plan::{OrderPosition, OrderedProcess, Wait};

fn name(name: &str) -> ProcName {
    ProcName::new(name).unwrap()
}

fn step(
    of: &str,
    stage: Stage,
    turn: OrderPosition,
    waits: &[(&str, DependencyCondition)],
) -> OrderedProcess {
    let wait = |&(on, until): &(&str, DependencyCondition)| {
        let (by_stage, on) = (on.starts_with('*'), on.trim_start_matches('*'));
        Wait { on: name(on), until, by_stage, implied: false, restart: false }
    };
    let waits = waits.iter().map(wait).collect();
    OrderedProcess { name: name(of), stage, turn, waits, more: 0, ready: vec![] }
}

fn check(probe: Probe) -> Check {
    Check { probe, timeout_ms: Check::TIMEOUT_MS, every_ms: Check::EVERY_MS }
}

fn shop() -> Vec<OrderedProcess> {
    use DependencyCondition::{Completed, Ready, Started};
    let mut steps = vec![
        step("db", Stage::Dependency, OrderPosition::Start(0), &[]),
        step("cache", Stage::Dependency, OrderPosition::Start(0), &[]),
        step("migrate", Stage::Main, OrderPosition::Start(1), &[("*db", Ready), ("*cache", Ready)]),
        step("api", Stage::Main, OrderPosition::Start(2), &[("migrate", Completed)]),
        step("web", Stage::Main, OrderPosition::Start(3), &[("api", Ready), ("migrate", Started)]),
        step("sweep", Stage::Cleanup, OrderPosition::End(0), &[("db", Ready)]),
        step("console", Stage::Main, OrderPosition::Asked, &[("*db", Ready), ("*cache", Ready)]),
    ];
    let here = "127.0.0.1".to_owned();
    steps[0].ready = vec![check(Probe::Port { host: here, port: 5432, owner: PortOwner::Auto })];
    steps[2].ready = vec![check(Probe::Exit { code: 0 })];
    let url = "http://127.0.0.1:3000/health".to_owned();
    let long = "curl -fsS localhost:3000/ready | grep yes\nexit".into();
    steps[3].ready = vec![check(Probe::Http { url }), check(Probe::Exec { command: long })];
    steps[4].waits[0].restart = true;
    // Indirect dependencies are only in the JSON.
    let (on, until) = (name("db"), DependencyCondition::Ready);
    steps[3].waits.push(Wait { on, until, by_stage: true, implied: true, restart: false });
    steps
}

const SHOP: &str = "   PROCESS  PHASE       WAITS FOR
1  db       dependency  -
                        ready by port 127.0.0.1:5432
   cache    dependency  -
2  migrate  main        db (ready), cache (ready)
                        ready by exit 0
3  api      main        migrate (completed)
                        ready by http http://127.0.0.1:3000/health,
                                 exec curl -fsS localhost:3000/ready | grep yes …
4  web      main        api (ready, restart), migrate (started)
At the end, before the dependencies are stopped:
1  sweep    cleanup     db (ready)
Only when asked for:
   console  main        db (ready), cache (ready)
";

#[test]
fn a_level_is_a_block_of_a_table() {
    assert_eq!(text(&shop(), &None), SHOP);
}

#[test]
fn states_stand_beside() {
    let state = |of: &str, state: &str, ready: bool| {
        let text = json!({
            "name": of, "state": state, "pid": null, "last_pid": null, "since": 0, "lives": 1,
            "port": null, "color": 2, "pane": null, "ready": ready
        });
        (name(of), serde_json::from_value::<ProcessState>(text).unwrap())
    };
    let all = [state("db", "running", true), state("cache", "running", false)];
    let states: States = Some(all.into());
    let expected = "   PROCESS  PHASE       STATE                WAITS FOR
1  db       dependency  running              -
                                             ready by port 127.0.0.1:5432
   cache    dependency  running (not ready)  -
2  migrate  main        -                    db (ready), cache (ready)
";
    let shown = text(&shop(), &states);
    assert!(shown.starts_with(expected), "{shown}");
    let shop = shop();
    let json = serde_json::to_value(as_json(&shop, &states)).unwrap();
    assert_eq!(json["processes"][0]["state"]["state"], "running");
    assert_eq!(json["processes"][2].as_object().unwrap()["state"], Value::Null);
}

#[test]
fn long_lists_are_wrapped() {
    let waits: Vec<_> = ["one", "two", "three", "four", "five", "six", "seven"]
        .map(|on| (on, DependencyCondition::Completed))
        .into();
    let steps = [step("last", Stage::Main, OrderPosition::Start(0), &waits)];
    let expected = "   PROCESS  PHASE  WAITS FOR
1  last     main   one (completed), two (completed), three (completed),
                   four (completed), five (completed), six (completed),
                   seven (completed)
";
    assert_eq!(text(&steps, &None), expected);
}

#[test]
fn programs_are_told_all_of_it() {
    let shop = shop();
    let json = serde_json::to_value(as_json(&shop, &None)).unwrap();
    assert_eq!(json["levels"], json!([["db", "cache"], ["migrate"], ["api"], ["web"]]));
    assert_eq!(json["cleanup"], json!([["sweep"]]));
    assert_eq!(json["on_demand"], json!(["console"]));
    let api = json!({
        "name": "api",
        "phase": "main",
        "waits_for": [
            {"process": "migrate", "until": "completed", "by": "depends_on"},
            {"process": "db", "until": "ready", "by": "phase"},
        ],
        "ready": [
            {"check": "http", "value": "http://127.0.0.1:3000/health", "timeout_ms": 60000},
            {"check": "exec", "timeout_ms": 60000,
             "value": "curl -fsS localhost:3000/ready | grep yes\nexit"},
        ],
    });
    assert_eq!(json["processes"][3], api);
}

#[test]
fn graphviz_gets_an_arrow_for_each_wait() {
    let expected = r#"digraph tmo {
  rankdir=LR;
  node [shape=box];
  subgraph cluster_dependency {
    label="dependency";
    "db";
    "cache";
  }
  subgraph cluster_main {
    label="main";
    "migrate";
    "api";
    "web";
    "console" [style=dashed];
  }
  subgraph cluster_cleanup {
    label="cleanup";
    "sweep";
  }
  "db" -> "migrate" [label="ready", style=dashed];
  "cache" -> "migrate" [label="ready", style=dashed];
  "migrate" -> "api" [label="completed"];
  "api" -> "web" [label="ready, restart"];
  "migrate" -> "web" [label="started"];
  "db" -> "sweep" [label="ready"];
  "db" -> "console" [label="ready", style=dashed];
  "cache" -> "console" [label="ready", style=dashed];
}
"#;
    assert_eq!(dot(&shop()), expected);
}
