//! What a web server does to a run and to others who look at it: nothing when it is killed; what one does, the others
//! see.

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::harness::procs::kill;
use crate::harness::{Terminal, World, eventually};
use crate::web::{Frames, Web};
use crate::web_server::WebServer;

/// How often the server is killed.
const KILLS: usize = 20;

/// The pids of all processes of the run.
fn pids(world: &World) -> Vec<Value> {
    let state = world.state().unwrap();
    state["processes"].as_array().unwrap().iter().map(|process| process["pid"].clone()).collect()
}

/// The numbers that a process has printed.
fn numbers(world: &World, name: &str) -> Vec<u64> {
    let log = world.ok(["logs", name, "--no-prefix"]);
    log.lines().filter_map(|line| line.strip_prefix("count ")?.parse().ok()).collect()
}

#[test]
fn a_web_server_that_is_killed_twenty_times_comes_back_and_costs_no_process_and_no_line() {
    let world = World::new(
        "one: i=0; while :; do i=$((i+1)); echo count $i; sleep 0.01; done\n\
         other: i=0; while :; do i=$((i+1)); echo count $i; sleep 0.01; done\n",
    );
    world.ok(["start", "-D"]);
    let web = Web::start(&world);
    let run = web.run();
    let records = || web.get(&format!("{run}/api/extent"))["records"].as_u64().unwrap();
    let before = pids(&world);
    let mut servers = BTreeSet::new();
    for round in 0..KILLS {
        let (server, begun) = (web.server(), records());
        // A server that dies at once each time is not started again, so some of these live for a while.
        if round % 5 == 4 {
            eventually("both have gone on", || (records() > begun + 60).then_some(()));
        }
        servers.insert(server);
        kill(server, nix::libc::SIGKILL);
        eventually("the page is back, and still logged in", || {
            let answer = web.ask("GET /me").filter(|answer| answer.status == 200);
            answer.filter(|_| web.server() != server)
        });
    }
    assert_eq!(servers.len(), KILLS, "each of them was another one");
    let last = records();
    eventually("both go on", || (records() > last + 10).then_some(()));
    assert_eq!(pids(&world), before);
    for name in ["one", "other"] {
        let numbers = numbers(&world, name);
        let all: Vec<u64> = (1..=numbers.len()).map(|number| number as u64).collect();
        assert_eq!(numbers, all, "{name}");
    }
    web.end();
    world.ok(["quit"]);
    world.wait_empty();
}

/// Watch the only run.
fn watching(web: &Web<'_>) -> Frames {
    let mut frames = Frames::open(web);
    let id = web.run().strip_prefix("/r/").unwrap().to_owned();
    frames.say(&json!({ "type": "watch", "run": id }));
    frames.find("state", |_| true);
    frames
}

impl Frames {
    /// Read until this process runs with another pid.
    fn sees_another(&mut self, name: &str, pid: &Value) -> Value {
        let process = self.find("process", |frame| {
            let process = &frame["process"];
            process["name"] == name && process["pid"].is_u64() && process["pid"] != *pid
        });
        process["process"]["pid"].clone()
    }
}

#[test]
fn what_one_page_or_terminal_does_is_seen_in_all_others() {
    let world =
        World::new("shell: echo I am $$; while read -r line; do echo \"got $line\"; done\n");
    world.ok(["start", "-D"]);
    let terminal = Terminal::open(&world, "a", 80, 24);
    terminal.tmo("connect shell");
    let first = world.field("shell", "pid");
    terminal.wait(&format!("I am {first}"));
    let one = Web::start(&world);
    let other = Web::of(WebServer::start(&world));
    assert_eq!(one.host, other.host, "there is one server");
    let (mut in_one, mut in_other) = (watching(&one), watching(&other));
    let mut before = first;
    for web in [&one, &other] {
        let restart = format!("POST {}/api/processes/shell/restart", web.run());
        let answer = web.ask(&restart).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let now = in_one.sees_another("shell", &before);
        assert_eq!(in_other.sees_another("shell", &before), now);
        terminal.wait(&format!("I am {now}"));
        before = now;
    }
    // What is typed into the terminal is in the log of both.
    terminal.line("hello");
    for web in [&one, &other] {
        let lines = format!("{}/api/lines?name=shell&grep=got", web.run());
        eventually("the answer is there", || {
            (web.get(&lines)["lines"][0]["text"] == "got hello").then_some(())
        });
    }
    terminal.close();
    one.end();
    other.end();
    world.ok(["quit"]);
    world.wait_empty();
}
