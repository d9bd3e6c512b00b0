//! The words of procman: `tmo sheriff` and `tmo deputy`.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::fleet_hosts::Fleet;
use crate::harness::{Ran, World, eventually};
use crate::web::request_at;
use crate::web_server::WebServer;

const PROCFILE: &str = "web: exec sleep 1000\n";

/// Run `tmo sheriff`, with this standard input.
fn sheriff(fleet: &Fleet, words: &[&str], input: &str) -> Ran {
    let mut command = fleet.here.tmo([&["sheriff"], words].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no input may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::of(&child.wait_with_output().unwrap())
}

#[test]
fn the_words_of_a_sheriff_do_what_those_of_a_fleet_do() {
    let fleet = Fleet::new(&[PROCFILE, PROCFILE]);
    let home = fleet.here.home();
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    std::fs::write(home.join(".ssh/config"), "Host b\n").unwrap();
    fleet.here.write("procman.json", r#"{"deputies": ["http://a:8000"]}"#);
    assert_eq!(sheriff(&fleet, &["start"], "").stdout, "a/  started\nb/  started\n");
    let pid = |host: usize| fleet.hosts[host].wait_state("web", "running");
    let before = (pid(0), pid(1));
    assert_eq!(sheriff(&fleet, &["restart", "b/web"], "").stdout, "b/web  restarted\n");
    assert!(pid(0) == before.0 && pid(1) != before.1);
    // The first columns of a table: what follows them changes.
    let columns = |ran: Ran| {
        assert_eq!(ran.code, 0, "{ran:?}");
        let rows = ran.stdout.lines().map(|row| row.split_whitespace().take(3).collect());
        rows.collect::<Vec<Vec<&str>>>().into_iter().flatten().map(str::to_owned).collect()
    };
    let rows: Vec<String> = columns(sheriff(&fleet, &["ps"], ""));
    assert_eq!(rows.len(), 9, "{rows:?}");
    for (words, input, same) in [
        (&["ps"][..], "", &["ps"][..]),
        (&["--hosts", "b", "ps"], "", &["--hosts", "b", "ps"]),
        (&["--config", "procman.json", "--hosts=a"], "", &["--config", "procman.json"]),
        (&[], "", &[]),
        (&["discover"], "", &["--discover"]),
        (&["cli"], "ps b/\nexit\n", &["ps", "b/"]),
        (&["--fleet", "fleet.toml", "cli"], "ps\n", &["ps"]),
    ] {
        let rows: Vec<String> = columns(sheriff(&fleet, words, input));
        assert!(rows.len() > 3, "{words:?}: {rows:?}");
        assert_eq!(rows, columns(fleet.run(same)), "{words:?}");
    }
    let ran = sheriff(&fleet, &["restrat", "b/web"], "");
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `restart`?"), "{ran:?}");
    let help = sheriff(&fleet, &["--help"], "").stdout;
    assert!(help.contains("tmo web --fleet") && help.contains("tmo fleet shell"), "{help}");
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn the_page_of_a_sheriff_is_that_of_the_fleet() {
    let fleet = Fleet::new(&[]);
    fleet.here.write("fleet.toml", "[host.a]\n");
    fleet.here.write("procman.json", r#"{"deputies": ["http://a:8000"]}"#);
    // The inventory that a server was started with.
    let inventory = |words: &[&str]| {
        let server = WebServer::start_as(&fleet.here, fleet.here.tmo(words));
        let pid = server.pid();
        let all = fleet.here.living();
        let it = all.iter().find(|one| one.pid == pid).unwrap();
        let handover: Value = serde_json::from_str(&it.args[2]).unwrap();
        server.end();
        handover["fleet"].as_str().unwrap().to_owned()
    };
    let page = inventory(&["web", "--port", "0", "--fleet"]);
    assert_eq!(inventory(&["sheriff", "gui", "--port", "0"]), page);
    let page = inventory(&["web", "--port", "0", "--fleet=procman.json"]);
    for words in [
        &["sheriff", "--config", "procman.json", "gui", "--port", "0"][..],
        &["sheriff", "gui", "--port", "0", "--config=procman.json"],
        &["sheriff", "--fleet", "procman.json", "gui", "--port=0"],
    ] {
        assert_eq!(inventory(words), page, "{words:?}");
    }
}

#[test]
fn a_deputy_lets_programs_with_its_token_start_processes() {
    let world = World::new("web: exec sleep 1000\n");
    world.ok(["start", "-D"]);
    world.ok(["stop", "web"]);
    let start = || {
        let words = ["deputy", "--host", "127.0.0.1", "--port", "0"];
        let mut command = world.tmo(words);
        // It needs no project.
        WebServer::start_as(&world, {
            command.current_dir("/");
            command
        })
    };
    let server = start();
    let output = eventually("it prints how to call it", || {
        Some(server.output()).filter(|output| output.contains("curl "))
    });
    let file = output.split("$(cat ").nth(1).unwrap().split(')').next().unwrap().to_owned();
    let path = std::path::Path::new(&file);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(path).unwrap();
    assert!(token.len() == 64 && !output.contains(&token), "{output}");
    let (_, address) = output.split_once("-X POST http://localhost:").unwrap();
    let (port, call) = address.split_once('/').unwrap();
    let call = format!("POST /{}", call.trim().replace("NAME", "web"));
    let ask = |token: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        let at = (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into();
        request_at(at, "localhost", (&call, &headers), "").unwrap().status
    };
    assert_eq!(ask(&"0".repeat(64)), 401);
    assert_eq!(world.field("web", "state"), "stopped");
    assert_eq!(ask(&token), 202);
    world.wait_state("web", "running");
    server.end();
    start().end();
    assert_eq!(std::fs::read_to_string(path).unwrap(), token, "the token is kept");
    world.ok(["quit"]);
}

#[test]
fn a_deputy_listens_at_loopback_addresses_only() {
    let world = World::new("");
    for host in ["0.0.0.0", "::", "192.0.2.1", "k9.lan"] {
        let ran = world.run(["deputy", "--host", host, "--port", "0"]);
        let text = "over plain http the token could be read on the way";
        assert!(ran.code == 2 && ran.stderr.contains(text), "{ran:?}");
        assert!(ran.stderr.contains("`tmo fleet` reaches this one by ssh"), "{ran:?}");
    }
    let ran = world.run(["deputy", "--prot", "8000"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `--port`?"), "{ran:?}");
    assert!(!crate::harness::files(world.path()).iter().any(|path| path.ends_with("deputy-token")));
}
