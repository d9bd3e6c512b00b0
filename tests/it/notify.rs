//! Readiness and liveness by report (`sd_notify`): datagrams to the `NOTIFY_SOCKET` of a process.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{World, eventually, procs};
use crate::takeover::kill_both;

/// Sends its arguments as lines of one datagram, and stays, so that its report can be attributed to it.
const SAY: &str = r#"
use Socket;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die;
send($s, join("\n", @ARGV), 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "$!";
sleep 1000;
"#;

/// Feeds its watchdog once there is a file `go`.
const FEED: &str = r#"
use Socket;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die;
my $to = pack_sockaddr_un($ENV{NOTIFY_SOCKET});
print "$ENV{WATCHDOG_USEC} us\n";
send($s, "READY=1", 0, $to) or die "$!";
while (1) { select(undef, undef, undef, 0.02); send($s, "WATCHDOG=1", 0, $to) if -e "go"; }
"#;

/// Until a file exists.
fn until(file: &str) -> String {
    format!("until [ -e {file} ]; do sleep 0.02; done")
}

fn world(procfile: &str, toml: &str) -> World {
    let world = World::new(procfile);
    world.write("tmo.toml", toml);
    world.write("say.pl", SAY);
    world.write("feed.pl", FEED);
    world
}

fn is_ready(world: &World) -> bool {
    world.field("web", "ready") == true
}

#[track_caller]
fn wait_ready(world: &World) {
    eventually("web is ready", || is_ready(world).then_some(()));
}

/// Wait until the state gives this reason for not being ready.
#[track_caller]
fn wait_lack(world: &World, text: &str) {
    eventually(&format!("web is not ready: {text}"), || {
        assert!(!is_ready(world), "ready too early");
        let lacks = world.field("web", "lacks")[0].clone();
        lacks.as_str().is_some_and(|lacks| lacks.contains(text)).then_some(())
    });
}

/// The sockets of all lives.
fn sockets(world: &World) -> Vec<PathBuf> {
    let files = std::fs::read_dir(world.runtime().join("p")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "notify")).collect()
}

/// A child of a child reports: first what it does, then, once there is a file `go`, that it is ready.
fn reports_in_a_grandchild() -> World {
    let world = world(
        "web: sh ./child & wait\ndep: echo after; exec sleep 1000\n",
        "[process.web]\nready = { notify = true }\n[process.dep]\ndepends_on = [\"web\"]\n",
    );
    let go = until("go");
    let child = format!("perl say.pl 'STATUS=loads \x1b[31mit' & {go}; perl say.pl READY=1 & wait");
    world.write("child", &child);
    world
}

fn is_reported_by_a_grandchild(world: &World) {
    wait_lack(world, "it has not reported READY=1: loads  [31mit");
    assert_eq!(world.field("dep", "state"), "pending");
    world.write("go", "");
    wait_ready(world);
    world.wait_state("dep", "running");
    assert_eq!(world.field("web", "status_text"), "loads  [31mit");
    let table = world.ok(["ps"]);
    let row = table.lines().find(|line| line.starts_with("web")).unwrap();
    assert!(row.ends_with("  loads  [31mit"), "{table}");
    assert!(world.ok(["ps", "--json"]).contains("\"status_text\": \"loads  [31mit\""));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_report_of_a_grandchild_makes_ready_and_its_status_is_shown() {
    let world = reports_in_a_grandchild();
    let view = world.start([""; 0]);
    is_reported_by_a_grandchild(&world);
    drop(view);
}

#[test]
fn a_report_in_a_terminal_without_tmux_counts_as_well() {
    let world = reports_in_a_grandchild();
    let view = world.start(["--backend", "native"]);
    is_reported_by_a_grandchild(&world);
    drop(view);
}

#[test]
fn a_report_of_a_foreign_process_is_ignored() {
    let go = until("go");
    let world = world(
        &format!("web: {go}; exec perl say.pl READY=1\n"),
        "[process.web]\nready = { notify = true }\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let [socket] = &sockets(&world)[..] else { panic!() };
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"READY=1\nSTATUS=forged", socket).unwrap();
    wait_lack(&world, &format!("a report of pid {} was ignored", std::process::id()));
    assert!(world.field("web", "status_text").is_null());
    world.write("go", "");
    wait_ready(&world);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn each_life_has_a_socket_of_its_own() {
    let world = world(
        "web: echo $NOTIFY_SOCKET >> sockets; perl say.pl READY=1 STATUS=early & [ -e second ] || wait; \
         sleep 1000\n",
        "[process.web]\nready = { notify = true }\n",
    );
    world.ok(["start", "-D"]);
    wait_ready(&world);
    world.write("say.pl", "sleep 1000\n");
    world.ok(["restart", "web"]);
    eventually("the second life runs", || {
        (world.field("web", "lives") == 2 && world.field("web", "state") == "running").then_some(())
    });
    wait_lack(&world, "it has not reported READY=1");
    assert!(world.field("web", "status_text").is_null());
    let named = world.read("sockets");
    let [first, second] = &named.lines().map(PathBuf::from).collect::<Vec<_>>()[..] else {
        panic!("{named}")
    };
    assert_ne!(first, second);
    assert_eq!(&sockets(&world), std::slice::from_ref(second));
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_process_that_does_not_report_in_time_is_explained() {
    let world = world(
        "web: exec perl say.pl 'STATUS=migrates the database'\n",
        "[process.web]\nready = { notify = true, timeout = \"2s\" }\n",
    );
    world.ok(["start", "-D"]);
    eventually("its time is over", || {
        let why = world.run(["why", "web"]).stdout;
        let text = "did not report READY=1 within 2 s: migrates the database";
        why.contains(text).then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_silent_watchdog_restarts_a_process() {
    let world = world(
        "web: exec perl feed.pl\n",
        "[process.web]\nready = { notify = true }\nlive = { watchdog = \"300ms\" }\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is restarted", || {
        world.field("web", "lives").as_u64().is_some_and(|lives| lives > 1).then_some(())
    });
    let log = world.ok(["logs"]);
    assert!(log.contains("web    | 300000 us\n"), "{log}");
    assert!(log.contains("Does not work any more (once): no WATCHDOG=1 for 300 ms"), "{log}");
    eventually("the cause is named", || {
        let why = world.run(["why", "web"]).stdout;
        why.contains("its liveness check failed once: no WATCHDOG=1 for 300 ms").then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_watchdog_that_is_fed_again_is_well() {
    let world = world(
        "web: exec perl feed.pl\n",
        "[process.web]\nready = { notify = true }\n\
         live = { watchdog = \"2s\", action = \"notify\" }\n",
    );
    world.ok(["start", "-D"]);
    eventually("it is silent", || {
        let reason = world.field("web", "reason");
        (reason == "does not work: no WATCHDOG=1 for 2 s").then_some(())
    });
    world.write("go", "");
    eventually("it is fed", || world.field("web", "reason").is_null().then_some(()));
    assert_eq!(world.field("web", "lives"), 1);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn reports_survive_the_death_of_the_supervisor() {
    let go = until("go");
    let world = world(
        &format!("web: perl say.pl READY=1 STATUS=serves & {go}; perl say.pl STATUS=more & wait\n"),
        "[process.web]\nready = { notify = true }\n",
    );
    world.ok(["start", "-D"]);
    wait_ready(&world);
    let supervisor = world.supervisor();
    procs::kill(supervisor, 9);
    eventually("another supervisor answers", || {
        let pid = world.state()?["pid"].as_u64()?;
        (pid != u64::from(supervisor)).then_some(())
    });
    assert!(is_ready(&world));
    eventually("its status is known", || {
        (world.field("web", "status_text") == "serves").then_some(())
    });
    world.write("go", "");
    eventually("its status changes", || {
        (world.field("web", "status_text") == "more").then_some(())
    });
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn a_report_without_a_supervisor_counts_for_the_next_one() {
    let go = until("go");
    let world = world(
        &format!("web: {go}; perl say.pl READY=1 & echo $! > said; wait\n"),
        "[process.web]\nready = { notify = true }\n",
    );
    world.ok(["start", "-D"]);
    world.wait_state("web", "running");
    let life = world.runtime().join("p/web.life");
    kill_both(&world);
    world.write("go", "");
    eventually("the shim has noted it", || {
        std::fs::read_to_string(&life).unwrap().contains("\"ready\"").then_some(())
    });
    world.ok(["start", "-D"]);
    wait_ready(&world);
    world.ok(["quit"]);
    world.wait_empty();
}

#[test]
fn systemd_notify_reports() {
    if Command::new("systemd-notify").arg("--version").output().is_err() {
        return eprintln!("there is no systemd-notify here");
    }
    let world = world(
        "web: systemd-notify --ready --status=up; exec sleep 1000\n",
        "[process.web]\nready = { notify = true }\n",
    );
    world.ok(["start", "-D"]);
    wait_ready(&world);
    eventually("its status is shown", || (world.field("web", "status_text") == "up").then_some(()));
    world.ok(["quit"]);
    world.wait_empty();
}
