//! A clock that is set during a run: a preloaded library changes the time of day of the processes of a world.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::table::Table;

const DAY: i64 = 24 * 60 * 60;

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let cases = vec![
        Case::new("set back by a day while all runs", |t| set_while(t, -DAY)),
        Case::new("set forward by a year while all runs", |t| set_while(t, 365 * DAY)),
        Case::new("set back by a second while all runs", |t| set_while(t, -1)),
        Case::new("set back to 1970 while all runs", |t| set_while(t, to_1970())),
        Case::new("back and forward all the time", restless),
        Case::new("set back between two runs", |t| set_between(t, -DAY)),
        Case::new("set back to 1970 between two runs", |t| set_between(t, to_1970())),
        Case::new("set forward between two runs", |t| set_between(t, DAY)),
    ];
    cases::prove(cases, times, seed)
}

/// Where the clock of a machine without one begins.
fn to_1970() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    100 - i64::try_from(now.as_secs()).unwrap()
}

/// The library, made once; nothing without a C compiler.
fn library() -> Option<&'static PathBuf> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proofs/faults/clock.c");
        let library = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/clock.so"));
        let fresh = library.with_extension(std::process::id().to_string());
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&fresh).arg(source);
        let made = cc.output().is_ok_and(|output| output.status.success());
        (made && std::fs::rename(&fresh, &library).is_ok()).then_some(library)
    };
    LIBRARY.get_or_init(make).as_ref()
}

fn set(t: &Trial, seconds: i64) {
    // Nobody must see an empty one.
    std::fs::write(t.at("clock.new"), seconds.to_string()).unwrap();
    std::fs::rename(t.at("clock.new"), t.at("clock")).unwrap();
}

/// From now on the clock can be set.
fn own_clock(t: &mut Trial) -> Option<()> {
    let Some(library) = library() else {
        t.skip("there is no C compiler to make a clock with");
        return None;
    };
    set(t, 0);
    let clock = t.at("clock").display().to_string();
    t.env("FAULTS_CLOCK", &clock);
    t.env("LD_PRELOAD", &library.display().to_string());
    let mut date = t.world().command("date");
    let said = |text: Vec<u8>| String::from_utf8(text).unwrap().trim().parse::<i64>().unwrap();
    let now = said(date.arg("+%s").output().unwrap().stdout);
    set(t, DAY);
    let then = said(date.output().unwrap().stdout);
    set(t, 0);
    if (then - now - DAY).abs() > 60 {
        t.skip("the clock can't be set: nothing is loaded before other libraries here");
        return None;
    }
    Some(())
}

/// The numbered lines of the life that runs are all there, in order.
fn in_order(t: &mut Trial) {
    let log = t.ok(["logs", "web", "--no-prefix"]);
    let mut next = 1;
    for line in log.lines() {
        if line == "up" {
            next = 1;
        } else if let Some(number) = line.strip_prefix("line ").and_then(|n| n.parse::<u64>().ok())
        {
            if number != next {
                return t.complain(format!("line {number} comes where {next} should be"));
            }
            next += 1;
        }
    }
}

fn set_while(t: &mut Trial, seconds: i64) {
    let Some(()) = own_clock(t) else { return };
    let pids = t.start();
    set(t, seconds);
    t.grows();
    t.unhurt(&pids);
    t.works();
    in_order(t);
    let web = t.pid("web").unwrap();
    t.kill_both();
    t.ok(["start", "-D"]);
    t.unhurt(&[web]);
    t.works();
    in_order(t);
    t.run(["ps"]);
    set(t, 0);
    let supervisor = t.world().supervisor();
    t.kill(&[supervisor]);
    t.works();
    in_order(t);
    t.quit();
    in_order(t);
}

fn restless(t: &mut Trial) {
    let Some(()) = own_clock(t) else { return };
    t.start();
    for _ in 0..10 {
        let seconds = i64::try_from(t.random.below(4 * 86400)).unwrap() - 2 * DAY;
        set(t, seconds);
        t.ok(["restart", "web"]);
        t.grows();
    }
    let web = t.pid("web").unwrap();
    t.kill_both();
    set(t, -3 * DAY);
    t.ok(["start", "-D"]);
    t.unhurt(&[web]);
    t.works();
    in_order(t);
    t.quit();
}

fn set_between(t: &mut Trial, seconds: i64) {
    let Some(()) = own_clock(t) else { return };
    for seconds in [0, seconds, 0] {
        set(t, seconds);
        t.start();
        t.works();
        let web = t.pid("web").unwrap();
        t.kill_both();
        t.ok(["start", "-D"]);
        t.unhurt(&[web]);
        t.works();
        t.quit();
        in_order(t);
    }
}
