//! `tmo web --fleet`: which requests the server forwards to a host, who may send them, and when the connection to a host
//! ends.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::fleet_hosts::Fleet;
use crate::harness::procs::kill;
use crate::harness::{World, eventually, eventually_within};
use crate::web::{Browser, Frames, Web, pid_of, request};
use crate::web_access::{TOKEN, token_file};
use crate::web_server::{WebServer, link_in};

const PROCFILE: &str = "web: echo hello; exec sleep 1000\n";

/// The bridge on a host.
fn bridge(host: &World) -> Option<u32> {
    let all = host.living();
    all.iter().find(|one| one.args.get(1).is_some_and(|verb| verb == "bridge")).map(|one| one.pid)
}

/// Wait until all hosts have this link; returns their entries.
fn wait_links(frames: &mut Frames, link: &str, hosts: &[&str]) -> Vec<Value> {
    let of = |frame: &Value| {
        let all = frame["hosts"].as_array().unwrap();
        let is_it =
            |one: &&Value| hosts.iter().any(|host| one["name"] == *host) && one["link"] == link;
        all.iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    of(&frames.find("hosts", |frame| of(frame).len() == hosts.len()))
}

/// The first run of a host, as its own WebSocket tells it.
fn run_of(web: &Web<'_>, host: &str) -> String {
    let mut frames = Frames::open_at(web, &format!("/h/{host}/ws"), "tmo.1");
    let listed = frames.find("runs", |frame| !frame["runs"].as_array().unwrap().is_empty());
    format!("{host}:{}", listed["runs"][0]["id"].as_str().unwrap())
}

#[test]
fn the_hosts_of_a_file_of_procman_are_shown() {
    let fleet = Fleet::new(&[PROCFILE]);
    fleet.here.write("procman.json", r#"{"deputies": ["http://a:8000"]}"#);
    let web = Web::of(WebServer::start_with(&fleet.here, &["--fleet=procman.json"]));
    let mut frames = Frames::open(&web);
    assert_eq!(wait_links(&mut frames, "up", &["a"]).len(), 1);
    drop(frames);
    web.end();
}

#[test]
fn requests_for_a_host_pass_the_gate_first() {
    let fleet = Fleet::new(&[PROCFILE, PROCFILE]);
    fleet.ok(&["start"]);
    fleet.here.write("Procfile", PROCFILE);
    fleet.here.ok(["start", "-D"]);
    let token = token_file(&fleet.here, TOKEN, 0o600);
    let options = ["--fleet", "--role", "read", "--token-file", &token];
    let web = Web::of(WebServer::start_with(&fleet.here, &options));
    // No page, no bridge.
    assert_eq!(bridge(&fleet.hosts[0]), None);
    let answer = web.ask("GET /r/a:0/api/state").unwrap();
    assert_eq!(
        (answer.status, &*answer.json()["error"].to_string()),
        (503, "\"a does not answer\"")
    );
    let mut frames = Frames::open(&web);
    wait_links(&mut frames, "up", &["a", "b"]);
    let run = run_of(&web, "a");
    let state = web.get(&format!("/r/{run}/api/state"));
    let pid = pid_of(&state, "web").unwrap();
    assert_eq!(fleet.hosts[0].wait_state("web", "running").map(u64::from), Some(pid));
    // Its log, also as a download.
    let page = web.ask(&format!("GET /r/{run}/text?")).unwrap();
    assert!(page.body.contains("hello"), "{page:?}");
    let ticket = web.ask_with(&format!("POST /r/{run}/ticket"), &json!({ "query": "" })).json();
    let path = format!("/download/{}", ticket["ticket"].as_str().unwrap());
    let file = web.ask(&format!("GET {path}")).unwrap();
    assert!(file.head.contains("content-disposition: attachment; filename=\"a.log\""), "{file:?}");
    assert!(file.body.contains("hello"), "{file:?}");
    assert_eq!(web.ask(&format!("GET {path}")).unwrap().status, 404, "a ticket is valid once");
    // An order of the user; the host knows who has given it.
    let restart = format!("POST /r/{run}/api/processes/web/restart");
    assert_eq!(web.ask(&restart).unwrap().status, 200);
    let now = fleet.hosts[0].wait_state("web", "running").unwrap();
    assert_ne!(u64::from(now), pid);
    let events = fleet.hosts[0].ok(["events", "--json"]);
    assert!(events.contains("page on "), "{events}");
    // A program that may only read.
    let of_token = |head: &str| {
        let headers = format!("Authorization: Bearer {TOKEN}\r\n");
        request(&web.host, head, &headers, "").unwrap()
    };
    assert_eq!(of_token(&format!("GET /r/{run}/api/status")).status, 200);
    assert_eq!(of_token(&restart).status, 403);
    // Nobody, and a guest who sees one process of this machine.
    assert_eq!(request(&web.host, &format!("GET /r/{run}/api/state"), "", "").unwrap().status, 401);
    let guest = Browser::log_in(&link_in(&fleet.here.ok(["web", "--share", "web"])).unwrap());
    assert_eq!(guest.ask(&format!("GET /r/{run}/api/state")).status, 404);
    // Apps are not forwarded, and `c` is not a host.
    for (path, status) in [(format!("/r/{run}/apps"), 404), ("/r/c:0/api/state".to_owned(), 503)] {
        let answer = web.ask(&format!("GET {path}")).unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    assert_eq!(fleet.hosts[0].wait_state("web", "running"), Some(now));
    drop(frames);
    eventually("the bridges end with the last page", || {
        fleet.hosts.iter().all(|host| bridge(host).is_none()).then_some(())
    });
    web.end();
    fleet.ok(&["quit"]);
    fleet.here.ok(["quit"]);
}

#[test]
fn a_frozen_host_is_lost() {
    let fleet = Fleet::new(&[PROCFILE, PROCFILE]);
    fleet.ok(&["start"]);
    let web = Web::of(WebServer::start_with(&fleet.here, &["--fleet=fleet.toml"]));
    let mut frames = Frames::open(&web);
    wait_links(&mut frames, "up", &["a", "b"]);
    let [frozen, other] = [0, 1].map(|at| bridge(&fleet.hosts[at]).unwrap());
    kill(frozen, nix::libc::SIGSTOP);
    let lost = wait_links(&mut frames, "lost", &["a"]);
    assert!(lost[0]["since"].is_u64() && lost[0]["why"].is_string(), "{lost:?}");
    assert_eq!(bridge(&fleet.hosts[1]), Some(other));
    // The next one answers.
    wait_links(&mut frames, "up", &["a"]);
    kill(frozen, nix::libc::SIGKILL);
    drop(frames);
    web.end();
    fleet.ok(&["quit"]);
}

#[test]
fn a_bridge_ends_without_its_page() {
    let fleet = Fleet::new(&[PROCFILE, PROCFILE]);
    fleet.ok(&["start"]);
    let web = Web::of(WebServer::start_with(&fleet.here, &["--fleet=fleet.toml"]));
    let mut frames = Frames::open(&web);
    wait_links(&mut frames, "up", &["a", "b"]);
    let other = bridge(&fleet.hosts[1]).unwrap();
    // The connection is there, but nobody answers pings any more.
    kill(web.server(), nix::libc::SIGSTOP);
    let limit = Duration::from_secs(120);
    eventually_within(limit, "the bridges end", || {
        fleet.hosts.iter().all(|host| bridge(host).is_none()).then_some(())
    });
    kill(web.server(), nix::libc::SIGCONT);
    wait_links(&mut frames, "up", &["a", "b"]);
    drop(frames);
    web.end();
    assert!(tmo::sys::info(other).is_none());
    fleet.ok(&["quit"]);
}

#[test]
fn a_file_that_can_not_be_used_starts_no_server() {
    let world = World::new(PROCFILE);
    let refused = |words: &[&str], said: &str| {
        let ran = world.run([&["web", "--port", "0"], words].concat());
        assert!(ran.code != 0 && ran.stderr.contains(said), "{ran:?}");
    };
    refused(&["--fleet"], "there is no fleet.toml here or above");
    refused(&["--fleet=none.toml"], "none.toml");
    let many: String = (0..65).map(|at| format!("[host.h{at}]\n")).collect();
    world.write("fleet.toml", &many);
    refused(&["--fleet"], "a page shows 64 hosts at most, and");
    world.write("fleet.toml", "[host.k9]\nvia = [\"docker\", \"exec\", \"-i\", \"k9\"]\n");
    refused(&["--fleet"], "`tmo fleet trust` shows them");
    refused(&["--fleet", "--link"], "cannot be used with");
}
