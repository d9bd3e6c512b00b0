//! Hosts that hang and come back, many hosts, and the time that a call takes.

use std::time::Instant;

use crate::fleet::hosts::{Fleet, Host, Setup};
use crate::harness::{Ran, World, eventually};
use crate::table::Table;

const PROCFILE: &str = "web: exec sleep 1000\n";

/// The state of a host in `tmo fleet ps`.
fn status<'r>(ran: &'r Ran, host: &str) -> Option<&'r str> {
    let rows = ran.stdout.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.first() == Some(&host)).find_map(|row| row.get(3).copied())
}

/// A host of three hangs, with a connection of tmo's, without one, and with one of the user's.
pub(crate) fn frozen(_: u32, _: u64) -> Table {
    let names = ["a", "b", "c"];
    let hosts = names.map(|name| Host::new(name, PROCFILE, Setup::default()));
    let fleet = Fleet::of(hosts.into());
    let own = format!(
        "ControlMaster auto\nControlPath {}/%C\nControlPersist yes\nServerAliveInterval 0",
        fleet.here.home().display()
    );
    for host in &fleet.hosts {
        fleet.entry(&host.name, host, host.port, if host.name == "c" { &own } else { "" });
    }
    fleet.ok(&["start"]);
    let mut table = Table::default();
    for (name, is_cold) in [("b", true), ("b", false), ("c", false)] {
        if is_cold {
            fleet.end_kept();
            // That of the user is not tmo's to end.
            fleet.wait_kept(1);
        }
        let host = fleet.hosts.iter().find(|host| host.name == name).unwrap();
        fleet.wait_kept(if is_cold { 1 } else { 3 });
        host.freeze();
        let what = match (name, is_cold) {
            ("c", _) => "frozen, with a connection of the user",
            (_, true) => "frozen, without a connection",
            (_, false) => "frozen, with a connection",
        };
        let ran = fleet.run(&["ps", "--connect-timeout", "4s"]);
        table.must(format!("{what}: exit code"), ran.code, 3);
        for other in names {
            let wanted = if other == name { "unreachable" } else { "running" };
            let found = status(&ran, other).unwrap_or_default().to_owned();
            table.must(format!("{what}: {other}"), found, wanted);
        }
        let note = ran.stdout.contains("no answer within 4 s");
        let names_it = ran.stderr.contains(&format!("1 of 3 hosts did not answer: {name}; "));
        table.must(format!("{what}: reason and summary"), note && names_it, true);
        if name == "b" && !is_cold {
            let ran = fleet.run(&["restart", "b/web", "--connect-timeout", "4s"]);
            let line =
                "b/web  unreachable: no answer within 4 s; the order may still be carried out\n";
            table.must("an order for it: exit code", ran.code, 3);
            table.must("an order for it: line", ran.stdout == line, true);
        }
        eventually("no ssh but for kept connections is left", || {
            fleet.clients().1.is_empty().then_some(())
        });
        host.thaw();
        let ran = fleet.run(&["ps"]);
        table.must(format!("{what}, thawed: exit code"), ran.code, 0);
        let found = status(&ran, name).unwrap_or_default().to_owned();
        table.must(format!("{what}, thawed: {name}"), found, "running");
    }
    fleet.quit();
    table
}

/// Forty names of four hosts with the default limits of sshd.
pub(crate) fn many(_: u32, _: u64) -> Table {
    let hosts = ["a", "b", "c", "d"].map(|name| Host::new(name, PROCFILE, Setup::default()));
    let mut fleet = Fleet::of(hosts.into());
    // Ten names in a row are the same host, which gets as many calls at once as possible.
    for number in 0..40 {
        let host = &fleet.hosts[number / 10];
        fleet.entry(&format!("h{number:02}"), host, host.port, "");
    }
    let first = "h00,h10,h20,h30";
    fleet.ok(&["start", "--hosts", first]);
    fleet.here.extra.push(("COUNT_SSH".to_owned(), "1".to_owned()));
    let mut table = Table::default();
    for (how, words) in [
        ("few connections are there", &["ps"][..]),
        ("connections are there", &["ps"]),
        ("none is there", &["ps", "--no-persist"]),
        ("none is there again", &["ps"]),
    ] {
        if how.starts_with("none") {
            fleet.end_kept();
            fleet.wait_kept(0);
        }
        let count = fleet.here.path().join("count");
        std::fs::write(&count, "").unwrap();
        let begun = Instant::now();
        let ran = fleet.run(words);
        table.figure(format!("{how}: ms"), begun.elapsed().as_millis().to_string());
        table.must(format!("{how}: exit code"), ran.code, 0);
        let rows = ran.stdout.lines().filter(|row| row.contains("  running ")).count();
        table.must(format!("{how}: rows"), rows, 40);
        let text = std::fs::read_to_string(&count).unwrap();
        let mut now = 0_i32;
        let all = text.lines().map(|line| {
            now += if line == "+" { 1 } else { -1 };
            now
        });
        let most = all.max().unwrap();
        table.figure(format!("{how}: ssh at once"), most);
        table.must(format!("{how}: at most 16 ssh at once"), most <= 16, true);
    }
    fleet.here.extra.pop();
    fleet.ok(&["quit", "--hosts", first]);
    fleet.hosts.iter().for_each(Host::wait_idle);
    table
}

/// Milliseconds of the middle one of these times.
fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// `tmo fleet ps` beside `ssh HOST tmo ps`, both with a connection that is kept.
pub(crate) fn speed(times: u32, _: u64) -> Table {
    let mut table = Table::default();
    if times == 0 {
        return table;
    }
    let fleet = Fleet::of(vec![Host::new("a", PROCFILE, Setup::default())]);
    let own = format!("ControlPath {}/%C", fleet.here.home().display());
    fleet.entry("a", &fleet.hosts[0], fleet.hosts[0].port, "");
    // The same host under a name with a connection of the user.
    let host = &fleet.hosts[0];
    fleet.entry("b", host, host.port, &format!("{own}\nControlMaster auto\nControlPersist 60"));
    fleet.ok(&["start", "a/"]);
    let there = format!("cd {} && tmo ps", host.world.app().display());
    let timed = |here: &World, program: &str, words: &[&str]| {
        let begun = Instant::now();
        let ran = Ran::of(&here.command(program).args(words).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        begun.elapsed().as_secs_f64() * 1000.0
    };
    let tmo = env!("CARGO_BIN_EXE_tmo");
    let mut all = [vec![], vec![], vec![]];
    for round in 0..=times {
        let found = [
            timed(&fleet.here, "ssh", &["b", &there]),
            timed(&fleet.here, tmo, &["fleet", "ps", "a/"]),
            timed(&fleet.here, tmo, &["fleet", "ps", "b/"]),
        ];
        // The first ones connect.
        if round > 0 {
            all.iter_mut().zip(found).for_each(|(all, found)| all.push(found));
        }
    }
    let [ssh, ours, of_user] = all.map(middle);
    table.figure("ssh HOST tmo ps: ms", format!("{ssh:.1}"));
    table.figure("tmo fleet ps, connection of tmo: ms", format!("{ours:.1}"));
    table.figure("tmo fleet ps, connection of the user: ms", format!("{of_user:.1}"));
    table.figure("ratio", format!("{:.2}, {:.2}", ours / ssh, of_user / ssh));
    fleet.ok(&["quit", "a/"]);
    fleet.hosts[0].wait_idle();
    table
}
