//! Connections that are cut at random moments of `tmo fleet restart`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::fleet::hosts::{Fleet, Host, Setup};
use crate::fleet::relay::{Cut, Relay};
use crate::harness::{Ran, eventually, pause};
use crate::random::Random;
use crate::table::Table;

/// Each life adds a line to a file.
const PROCFILE: &str = "web: echo x >> lives; exec sleep 1000\n";

/// How long the relay delays what a host sends.
const DELAY: Duration = Duration::from_millis(20);

/// How many lives its process has had.
fn lives(host: &Host) -> u64 {
    let counted = || host.world.field("web", "lives").as_u64();
    let begun = || host.world.read("lives").lines().count() as u64;
    eventually("each life has begun", || counted().filter(|lives| *lives == begun()))
}

/// Wait until the host executes nothing any more: what it has begun, it completes.
fn idle(host: &Host) {
    eventually(&format!("{} is idle", host.name), || {
        let all = host.processes();
        // One that is about to end has none.
        let program = |args: &[String]| args.first().cloned().unwrap_or_default();
        let sshd = all.iter().filter(|process| program(&process.args).contains("sshd")).count();
        let is_call = |word: &String| word == "restart" || word.contains("there");
        let calls = all.iter().any(|process| process.args.iter().any(is_call));
        (sshd == 1 && !calls).then_some(())
    });
    host.world.wait_state("web", "running");
}

fn cut_all(relays: &[Relay], how: Cut) {
    for relay in relays {
        relay.cut(how);
    }
}

/// How a host has fared.
#[derive(Debug, Default)]
struct Seen {
    done: u32,
    lost: u32,
    unreachable: u32,
    /// Named as unreachable, and restarted nevertheless.
    unreachable_but_done: u32,
    lost_but_done: u32,
    wrong: Vec<String>,
}

/// Restart all hosts again and again; at some moment all connections are cut, in one way or the other.
pub(crate) fn cuts(times: u32, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let names = ["a", "b", "c"];
    let hosts = names.map(|name| Host::new(name, PROCFILE, Setup::default()));
    let fleet = Fleet::of(hosts.into());
    let relays: Vec<_> = fleet.hosts.iter().map(|host| Relay::new(host.port, DELAY)).collect();
    for (host, relay) in fleet.hosts.iter().zip(&relays) {
        fleet.entry(&host.name, host, relay.port, "");
    }
    fleet.ok(&["start"]);
    let timed = || {
        let begun = Instant::now();
        fleet.ok(&["restart"]);
        begun.elapsed()
    };
    let warm = timed();
    cut_all(&relays, Cut::Closed);
    fleet.wait_kept(0);
    let cold = timed();
    cut_all(&relays, Cut::Closed);
    let mut seen = Seen::default();
    for round in 0..times {
        let is_cold = round % 2 == 1;
        if !is_cold {
            fleet.ok(&["ps"]);
        }
        let before: Vec<_> = fleet.hosts.iter().map(lives).collect();
        let how = [Cut::Closed, Cut::Reset, Cut::Silent][usize::try_from(random.below(3)).unwrap()];
        let mut restart = fleet.command(&["restart", "--connect-timeout", "3s"]);
        let restart = restart.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        pause(random.within(if is_cold { cold } else { warm }));
        cut_all(&relays, how);
        let ran = Ran::of(&restart.wait_with_output().unwrap());
        cut_all(&relays, Cut::Closed);
        fleet.wait_kept(0);
        for (host, before) in fleet.hosts.iter().zip(before) {
            idle(host);
            judge(&mut seen, &host.name, lives(host) - before, &ran, how);
        }
    }
    fleet.quit();
    let mut table = Table::default();
    table.figure("hosts that did it", seen.done);
    table.figure("answers that were lost", seen.lost);
    table.figure("of these, restarted", seen.lost_but_done);
    table.figure("hosts that were unreachable", seen.unreachable);
    table.figure("of these, restarted", seen.unreachable_but_done);
    table.must("hosts whose answer is wrong", seen.wrong.join("; "), "");
    table
}

fn judge(seen: &mut Seen, name: &str, restarts: u64, ran: &Ran, how: Cut) {
    let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{name}/")));
    let line = line.unwrap_or_default();
    let is_right = if line.ends_with("  restarted") {
        seen.done += 1;
        restarts == 1
    } else if line.contains("the order may have been carried out") {
        seen.lost += 1;
        seen.lost_but_done += u32::from(restarts > 0);
        restarts <= 1 && ran.code == 3
    } else {
        seen.unreachable += 1;
        seen.unreachable_but_done += u32::from(restarts > 0);
        let most = u64::from(line.ends_with("; the order may still be carried out"));
        line.contains("  unreachable: ") && restarts <= most && ran.code == 3
    };
    if !is_right {
        seen.wrong.push(format!("{how:?}: {restarts} restarts, code {}, {line:?}", ran.code));
    }
}
