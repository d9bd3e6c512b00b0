//! A tmux that is gone or is another program, before or during a run.

use std::os::unix::fs::PermissionsExt as _;

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::table::Table;

/// What takes the place of tmux.
const OTHERS: [(&str, &str); 8] = [
    ("fails", "echo boom >&2; exit 1"),
    ("fails without a word", "exit 1"),
    ("is killed", "kill -9 $$"),
    ("says nothing", "exit 0"),
    ("says rubbish", "head -c 5000 /dev/urandom; exit 0"),
    ("says lines of rubbish", "for i in 1 2 3; do echo '% 0 ; x'; done; exit 0"),
    ("complains without end", "yes rubbish | head -c 300000 >&2; exit 3"),
    ("hangs", "exec sleep 1000"),
];

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let mut cases = vec![
        Case::new("tmux is removed while all runs", |t| while_running(t, None)),
        Case::new("tmux is removed before the end", |t| before_the_end(t, None)),
        Case::new("there is no tmux", there_is_none),
        Case::new("tmux is no program", |t| at_start(t, "\0no program")),
    ];
    for (what, script) in OTHERS {
        cases.push(Case::new(format!("a tmux that {what}, while all runs"), move |t| {
            while_running(t, Some(script));
        }));
        cases.push(Case::new(format!("a tmux that {what}, before the end"), move |t| {
            before_the_end(t, Some(script));
        }));
        cases.push(Case::new(format!("a tmux that {what}, at a start"), move |t| {
            at_start(t, &format!("#!/bin/sh\n{script}\n"));
        }));
        cases.push(Case::new(format!("a tmux that {what}, but knows its version"), move |t| {
            at_start(
                t,
                &format!("#!/bin/sh\n[ \"$1\" != -V ] || {{ echo tmux 3.3a; exit; }}\n{script}\n"),
            );
        }));
    }
    cases::prove(cases, times, seed)
}

/// From now on tmux is a copy of its own.
fn own_tmux(t: &mut Trial) {
    std::fs::create_dir(t.at("bin")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|dir| dir.join("tmux")).find(|p| p.exists());
    std::fs::copy(real.unwrap(), t.at("real")).unwrap();
    let bin = t.at("bin").display().to_string();
    t.env("PATH", &format!("{bin}:{path}"));
    t.env("TMO_BACKEND", "tmux");
    right(t);
}

fn right(t: &mut Trial) {
    // By another process: what this one writes to, a fork of another trial may hold open.
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg(t.at("real")).arg(t.at("bin/tmux.new")).status().unwrap().success());
    std::fs::rename(t.at("bin/tmux.new"), t.at("bin/tmux")).unwrap();
}

fn replace(t: &mut Trial, text: &str) {
    std::fs::write(t.at("bin/tmux.new"), text).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(t.at("bin/tmux.new"), mode).unwrap();
    std::fs::rename(t.at("bin/tmux.new"), t.at("bin/tmux")).unwrap();
}

fn spoil(t: &mut Trial, script: Option<&str>) {
    match script {
        Some(script) => replace(t, &format!("#!/bin/sh\n{script}\n")),
        None => std::fs::remove_file(t.at("bin/tmux")).unwrap(),
    }
}

fn while_running(t: &mut Trial, script: Option<&str>) {
    own_tmux(t);
    t.start();
    spoil(t, script);
    t.works();
    t.refused(["connect", "web"]);
    let supervisor = t.world().supervisor();
    t.kill(&[supervisor]);
    t.works();
    let web = t.pid("web").unwrap();
    // A pane that has to be opened again can't be.
    let shim = t.world().shim("worker");
    t.ok(["stop", "worker"]);
    t.kill(&[shim]);
    t.run(["restart", "worker"]);
    right(t);
    t.unhurt(&[web]);
    t.ok(["restart", "worker"]);
    t.works();
    t.quit();
}

fn before_the_end(t: &mut Trial, script: Option<&str>) {
    own_tmux(t);
    t.start();
    spoil(t, script);
    t.quit();
    right(t);
    t.start();
    t.works();
    t.quit();
}

fn at_start(t: &mut Trial, text: &str) {
    own_tmux(t);
    replace(t, text);
    t.refused(["start", "-D"]);
    t.over();
    right(t);
    t.start();
    t.works();
    t.quit();
}

fn there_is_none(t: &mut Trial) {
    own_tmux(t);
    std::fs::remove_file(t.at("bin/tmux")).unwrap();
    let path = std::env::var("PATH").unwrap();
    for name in ["sh", "sleep", "echo"] {
        let real = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.exists());
        std::os::unix::fs::symlink(real.unwrap(), t.at("bin").join(name)).unwrap();
    }
    let bin = t.at("bin").display().to_string();
    t.env("PATH", &bin);
    t.refused(["start", "-D"]);
    t.over();
    right(t);
    t.start();
    t.works();
    t.quit();
}
