//! `tmo fleet logs`, `events` and `echo`: lines of several hosts, merged by time.

use std::path::Path;

use nix::sys::stat::Mode;

use crate::fleet::{Fleet, login};
use crate::harness::{View, World, eventually, procs};
use crate::numbered_lines::{COUNT, complete, numbers};

/// The output of a process, with names.
fn lines_of(log: &str) -> Vec<String> {
    log.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The places of these lines, which must be in this order.
#[track_caller]
fn assert_order(log: &str, wanted: &[&str]) {
    let lines = lines_of(log);
    let places = wanted.iter().map(|text| lines.iter().position(|line| line == text));
    let places: Vec<_> = places.collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {log}");
}

impl Fleet {
    pub(crate) fn follow(&self, args: &[&str]) -> View<'_> {
        self.here.view_into("view", [&["fleet"], args].concat())
    }

    /// The host remembers the pid of each connection, which a test can cut.
    fn with_pids(&self, host: usize, name: &str) {
        let login = login(&self.hosts[host], "sh").replace("$LINE", "exec $LINE");
        self.host(name, &format!("echo $$ >>\"$HOSTS/{name}.pids\"; {login}"));
    }

    /// The pids of its connections so far.
    fn pids(&self, name: &str) -> Vec<u32> {
        let file = self.here.path().join(format!("hosts/{name}.pids"));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Cut the connections that there are.
    fn cut(&self, name: &str) {
        for pid in self.pids(name) {
            if procs::args(pid).iter().any(|word| word == "logs") {
                procs::kill(pid, 9);
            }
        }
    }
}

#[test]
fn a_place_in_the_log_of_one_host_is_refused_with_what_reads_it() {
    let world = World::new("");
    world.write("fleet.toml", "[host.a]\nssh = \"local\"\nroot = \"/\"\n");
    let ran = world.run(["fleet", "logs", "--after", "7.0"]);
    let text = "tmo: --after names a place in the log of one host; `tmo fleet exec HOST -- tmo logs` reads that; see \
                `tmo fleet logs --help`\n";
    assert_eq!((ran.code, &*ran.stderr), (2, text));
}

/// Two hosts that print in turn: each line is in its log before the other host prints the next one.
fn ping_pong(host: impl FnOnce(&Fleet)) -> Fleet {
    let fleet = Fleet::new(&["web: exec 3<>go; while read x <&3; do echo \"$x\"; done\n"; 2]);
    host(&fleet);
    for world in &fleet.hosts {
        nix::unistd::mkfifo(&world.app().join("go"), Mode::S_IRWXU).unwrap();
    }
    fleet.ok(&["start"]);
    for round in 1..=6 {
        for (world, word) in fleet.hosts.iter().zip(["ping", "pong"]) {
            let text = format!("{word} {round}");
            world.write("go", &format!("{text}\n"));
            eventually("it is in the log", || world.ok(["logs"]).contains(&text).then_some(()));
        }
    }
    fleet
}

const CAUSAL: [&str; 12] = [
    "a/web | ping 1",
    "b/web | pong 1",
    "a/web | ping 2",
    "b/web | pong 2",
    "a/web | ping 3",
    "b/web | pong 3",
    "a/web | ping 4",
    "b/web | pong 4",
    "a/web | ping 5",
    "b/web | pong 5",
    "a/web | ping 6",
    "b/web | pong 6",
];

#[test]
fn the_lines_of_hosts_are_merged_by_time() {
    let fleet = ping_pong(|_| {});
    let mut view = fleet.follow(&["logs", "-f"]);
    view.shows("pong 6");
    assert_order(&view.log(), &CAUSAL);
    assert_order(&fleet.ok(&["logs"]), &CAUSAL);
    assert!(view.log().contains("a/system | "), "{}", view.log());
    // Flags are those of the hosts, and words choose hosts and processes.
    assert_eq!(
        lines_of(&fleet.ok(&["logs", "--grep", "p.ng [56]"])),
        ["a/web | ping 5", "b/web | pong 5", "a/web | ping 6", "b/web | pong 6"]
    );
    assert_eq!(lines_of(&fleet.ok(&["logs", "b/web", "--no-prefix", "-n1"])), ["pong 6"]);
    assert!(fleet.ok(&["logs", "-T", "a/", "--grep", "ping 1"]).contains(" a/web "));
    let json = fleet.ok(&["logs", "--json", "--grep", "ping 2"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&line["host"], &line["name"], &line["text"]),
        (&"a".into(), &"web".into(), &"ping 2".into())
    );
    let events = fleet.ok(&["events"]);
    assert!(
        events.contains(" a/web ") && events.contains(" b/web ") && !events.contains("ping"),
        "{events}"
    );
    assert!(fleet.ok(&["logs", "--raw", "a/web"]).starts_with("ping 1"));
    let ran = fleet.run(&["logs", "--max-bytes", "20", "--grep", "pong"]);
    assert_eq!(lines_of(&ran.stdout), ["b/web | pong 6"], "{ran:?}");
    assert_eq!(view.interrupt(), 0);
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn times_of_a_host_with_another_clock_are_corrected() {
    let Ok(library) = std::process::Command::new("faketime")
        .args(["-f", "+5s", "printenv", "LD_PRELOAD"])
        .output()
    else {
        eprintln!("SKIPPED: there is no faketime");
        return;
    };
    let fleet = ping_pong(|fleet| {
        let library = String::from_utf8(library.stdout).unwrap();
        let fake = format!(
            "env -i LD_PRELOAD='{}' FAKETIME=+5s FAKETIME_DONT_FAKE_MONOTONIC=1 ",
            library.trim()
        );
        fleet.host("a", &login(&fleet.hosts[0], "sh").replace("env -i ", &fake));
    });
    let ran = fleet.run(&[]);
    assert!(ran.stdout.contains("its clock is off"), "{ran:?}");
    let log = fleet.ok(&["logs", "-T"]);
    let plain: String =
        log.lines().map(|line| format!("{}\n", line.split_at(24.min(line.len())).1)).collect();
    assert_order(&plain, &CAUSAL);
    let logged = log.lines().filter(|line| line.contains('/'));
    assert!(logged.map(|line| line.split_at(23).0).is_sorted(), "{log}");
    let mut view = fleet.follow(&["logs", "-f"]);
    view.shows("pong 6");
    assert_order(&view.log(), &CAUSAL);
    assert!(
        ["+4.9", "+5.0"]
            .iter()
            .any(|by| view.log().contains(&format!("the clock of a is off by {by}"))),
        "{}",
        view.log()
    );
    assert_eq!(view.interrupt(), 0);
    fleet.ok(&["quit"]);
    fleet.hosts.iter().for_each(World::wait_empty);
}

/// A host is cut off again and again, and its run ends and begins anew.
#[test]
fn lines_go_on_where_they_were_cut_off() {
    let count = format!("web: {COUNT}\n");
    let fleet = Fleet::new(&[&count, "web: exec sleep 1000\n"]);
    fleet.with_pids(0, "a");
    fleet.ok(&["start"]);
    let mut view = fleet.follow(&["logs", "-f"]);
    let last = || numbers(&view.log(), "a/web").last().copied().unwrap_or(0);
    for _ in 0..4 {
        let seen = last();
        eventually("lines arrive", || (last() > seen).then_some(()));
        fleet.cut("a");
        let backs = view.log().matches("a is back after").count();
        eventually("it is back", || {
            (view.log().matches("a is back after").count() > backs).then_some(())
        });
    }
    let seen = last();
    eventually("lines arrive", || (last() > seen).then_some(()));
    assert!(view.log().contains("| a does not answer since "), "{}", view.log());
    fleet.ok(&["quit", "a/"]);
    view.shows("nothing runs on a now; waiting for a run");
    complete(&numbers(&view.log(), "a/web"));
    let lines = numbers(&view.log(), "a/web").len();
    fleet.ok(&["start", "a/"]);
    eventually("lines of the next run", || {
        (numbers(&view.log(), "a/web").len() > lines + 10).then_some(())
    });
    complete(&numbers(&view.log(), "a/web")[lines..]);
    // Without any run left, it ends like the view of one run.
    fleet.ok(&["quit"]);
    assert_eq!(view.code(), 0);
    assert!(view.log().contains("b/web"), "{}", view.log());
    fleet.hosts.iter().for_each(World::wait_empty);
}

#[test]
fn echo_begins_now_and_has_what_was_printed_while_it_was_cut_off() {
    let fleet =
        Fleet::new(&["web: exec 3<>go; echo before; while read x <&3; do echo \"got $x\"; done\n"]);
    nix::unistd::mkfifo(&fleet.hosts[0].app().join("go"), Mode::S_IRWXU).unwrap();
    fleet.with_pids(0, "a");
    fleet.ok(&["start"]);
    fleet.hosts[0].wait_text("web", "before");
    let mut view = fleet.follow(&["echo"]);
    let is_stream = |pid: &u32| procs::args(*pid).iter().any(|word| word == "logs");
    eventually("it follows", || fleet.pids("a").iter().any(is_stream).then_some(()));
    fleet.cut("a");
    fleet.hosts[0].write("go", "one\n");
    view.shows("got one");
    fleet.hosts[0].write("go", "two\n");
    view.shows("got two");
    let log = view.log();
    assert!(!log.contains("before") && log.matches("got one").count() == 1, "{log}");
    assert_eq!(view.interrupt(), 0);
    fleet.ok(&["quit"]);
    fleet.hosts[0].wait_empty();
}

#[test]
fn hosts_that_do_not_answer_are_named_and_delay_nobody() {
    let fleet = Fleet::new(&["web: echo hello; exec sleep 1000\n"]);
    fleet.with("frozen", "exec sleep 1000");
    fleet.ok(&["start", "a/"]);
    fleet.hosts[0].wait_text("web", "hello");
    let ran = fleet.run(&["logs", "--connect-timeout", "5s"]);
    assert!(ran.code == 3 && ran.stdout.contains("a/web    | hello"), "{ran:?}");
    assert!(ran.stderr.contains("frozen: no answer within 5 s"), "{ran:?}");
    let mut view = fleet.follow(&["logs", "-f", "--connect-timeout", "1h"]);
    view.shows("hello");
    assert_eq!(view.interrupt(), 0);
    let mut view = fleet.follow(&["logs", "-f", "--connect-timeout", "5s"]);
    view.shows("frozen does not answer: no answer within 5 s; trying again");
    fleet.host("frozen", &login(&fleet.hosts[0], "sh"));
    view.shows("frozen answers; its lines follow");
    view.shows("waiting for a run");
    fleet.ok(&["quit", "a/"]);
    // What counts is how each host has answered last: this one has no run.
    assert_eq!(view.code(), 1, "{}", view.log());
    fleet.with("gone", "exit 255");
    let ran = fleet.run(&["--hosts", "gone", "logs", "-f"]);
    assert!(ran.code == 3 && ran.stdout.contains("gone does not answer"), "{ran:?}");
    fleet.hosts[0].wait_empty();
}

#[test]
fn what_a_hostile_host_sends_is_bounded_and_clean() {
    let fleet = Fleet::new(&["web: echo hello; exec sleep 1000\n"]);
    let hello =
        r#"{"there":1,"version":"9","host":"h","boot":"b","now":1000,"load":null,"memory":null}"#;
    let line = |name: &str, text: &str| {
        format!(
            r#"{{"time":"2026-01-02T03:04:05Z","cursor":"1.0","name":"{name}","text":"{text}"}}"#
        )
    };
    let lines = [
        line("web", "plain"),
        line("../etc", "bad name"),
        line(&"x".repeat(5000), "long name"),
        line("web", r"\u001b[2Jescape"),
        "[1,2]".to_owned(),
        "garbage \u{1b}]0;x\u{7}".to_owned(),
        r#"{"time":"9999999999999999999"}"#.to_owned(),
        line("web", "last"),
    ];
    // It is asked for its time again and again.
    let hellos = format!("{hello}\n").repeat(4);
    fleet.here.write("sent", &format!("{hellos}{}\n", lines.join("\n")));
    let sent = fleet.here.app().join("sent").display().to_string();
    fleet.with("evil", &format!("cat {sent}; head -c 20000000 /dev/zero | tr '\\0' x"));
    fleet.ok(&["start", "a/"]);
    fleet.hosts[0].wait_text("web", "hello");
    let log = fleet.ok(&["logs"]);
    assert!(log.contains("a/web       | hello") || log.contains("a/web"), "{log}");
    assert!(log.contains("plain") && log.contains("escape") && log.contains("last"), "{log}");
    assert!(!log.contains("name\n") && !log.contains(['\u{1b}', '\u{7}']), "{log}");
    assert!(log.contains("evil sends lines that are not understood"), "{log}");
    assert!(!Path::new(&fleet.here.app()).join("../etc").exists());
    fleet.ok(&["quit", "a/"]);
    fleet.hosts[0].wait_empty();
}

#[test]
fn more_hosts_than_a_view_can_have_are_refused() {
    let world = World::new("");
    let file: String = (0..65).map(|host| format!("[host.h{host}]\n")).collect();
    world.write("fleet.toml", &file);
    let ran = world.run(["fleet", "logs", "-f"]);
    assert!(
        ran.code == 2
            && ran.stderr.contains("at most 64 hosts at once, and the fleet has 65; --hosts"),
        "{ran:?}"
    );
}
