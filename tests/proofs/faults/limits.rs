//! Too few file descriptors, too few processes.

use std::process::Command;

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::table::Table;

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let mut cases: Vec<Case> = (4..=60)
        .map(|most| Case::new(format!("a start with {most} descriptors"), move |t| files(t, most)))
        .collect();
    cases.extend((1..=24).map(|most| {
        Case::new(format!("a start with {most} processes"), move |t| processes(t, most))
    }));
    cases.extend((0..=6).map(|more| {
        let name = format!("{more} descriptors left for a supervisor");
        Case::new(name, move |t| running_files(t, more))
    }));
    cases.push(Case::new("no process left for supervisor and shims", running_processes));
    cases::prove(cases, times, seed)
}

/// A start under a limit; if it succeeds, what can be asked of it, and its end.
fn limited(t: &mut Trial, limit: [String; 2]) {
    let plain = t.by.clone();
    t.by.extend(limit);
    let started = t.run(["start", "-D"]).code == 0;
    t.run(["ps"]);
    t.by.clone_from(&plain);
    if started {
        t.run(["ps"]);
        t.run(["logs"]);
        t.run(["restart", "web"]);
        t.quit();
    } else {
        t.run(["quit"]);
        t.over();
    }
    t.start();
    t.works();
    t.quit();
}

fn files(t: &mut Trial, most: u32) {
    limited(t, ["prlimit".into(), format!("--nofile={most}:{most}")]);
}

fn processes(t: &mut Trial, most: u32) {
    if !nix::unistd::geteuid().is_root() {
        return t.skip("only root has users without processes to spare");
    }
    let Some(()) = t.as_plain_user() else { return };
    limited(t, ["prlimit".into(), format!("--nproc={most}:{most}")]);
}

/// Set a limit of a process that runs; whether that could be done.
fn set(pid: u32, limit: &str, soft: &str) -> bool {
    let pid = format!("--pid={pid}");
    let done = Command::new("prlimit").args([&pid, &format!("--{limit}={soft}:")]).output();
    done.is_ok_and(|output| output.status.success())
}

fn running_files(t: &mut Trial, more: usize) {
    let pids = t.start();
    let supervisor = t.world().supervisor();
    let open = std::fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap().flatten();
    let numbers = open.filter_map(|fd| fd.file_name().to_str()?.parse::<usize>().ok());
    let few = (numbers.max().unwrap() + 1 + more).to_string();
    if !set(supervisor, "nofile", &few) {
        t.skip("the limit of a process that runs can't be changed here");
        return t.quit();
    }
    t.run(["ps"]);
    t.run(["logs"]);
    t.run(["restart", "web"]);
    t.run(["stop", "web"]);
    t.run(["restart", "web"]);
    t.unhurt(&pids[1..]);
    set(supervisor, "nofile", "1024");
    t.ok(["restart", "web"]);
    t.works();
    t.quit();
}

fn running_processes(t: &mut Trial) {
    if !nix::unistd::geteuid().is_root() {
        return t.skip("only root may lift a limit again");
    }
    let Some(()) = t.as_plain_user() else { return };
    let pids = t.start();
    let parts = [t.world().supervisor(), t.world().guardian(), t.world().shim("web")];
    if !parts.iter().all(|&pid| set(pid, "nproc", "1")) {
        t.skip("the limit of another user's process can't be changed here");
        return t.quit();
    }
    t.run(["ps"]);
    t.run(["restart", "web"]);
    t.run(["stop", "web"]);
    t.unhurt(&pids[1..]);
    for pid in parts {
        set(pid, "nproc", "1000");
    }
    t.run(["restart", "web"]);
    t.works();
    t.quit();
}
