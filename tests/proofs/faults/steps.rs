//! Each part is killed before each of its system calls: the next start begins or continues the run, and nothing is
//! lost, doubled or left.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::harness::{files, procs};
use crate::table::Table;

/// Who is killed, in which scene, and at about how many steps it is worth trying.
const SCENES: &[(&str, Scene, u64)] = &[
    ("start", Scene::Begin, 40),
    ("guard", Scene::Begin, 40),
    ("supervise", Scene::Begin, 160),
    ("tmux", Scene::Begin, 30),
    ("shim", Scene::Begin, 40),
    ("guard", Scene::TakeOver, 40),
    ("supervise", Scene::TakeOver, 120),
    ("supervise", Scene::Restart, 60),
    ("shim", Scene::Restart, 60),
    ("supervise", Scene::Quit, 90),
    ("guard", Scene::Quit, 20),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// A run begins.
    Begin,
    /// A run is taken over whose guardian and supervisor were killed.
    TakeOver,
    /// A process is restarted.
    Restart,
    /// The run is ended.
    Quit,
}

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let cases = SCENES.iter().flat_map(|&(who, scene, most)| {
        (1..=most).map(move |step| {
            Case::new(format!("{who} killed at step {step} of {scene:?}"), move |t| {
                attempt(t, who, scene, step);
            })
        })
    });
    cases::prove(cases.collect(), times, seed)
}

fn attempt(t: &mut Trial, who: &'static str, scene: Scene, step: u64) {
    static ENOUGH: LazyLock<Mutex<HashMap<(&str, &str), u64>>> = LazyLock::new(Mutex::default);
    if who == "tmux" {
        t.env("TMO_BACKEND", "tmux");
    }
    let key = (
        who,
        match scene {
            Scene::Begin => "begin",
            Scene::TakeOver => "take over",
            Scene::Restart => "restart",
            Scene::Quit => "quit",
        },
    );
    if ENOUGH.lock().unwrap().get(&key).is_some_and(|&most| step > most + 5) {
        return t.skip("it takes fewer steps");
    }
    if scene != Scene::Begin {
        t.start();
    }
    if scene == Scene::TakeOver {
        t.kill_both();
    }
    let counted = t.at("counted");
    let pid = match (scene, who) {
        (Scene::Begin | Scene::TakeOver, _) => who.to_owned(),
        (Scene::Restart | Scene::Quit, "guard") => t.world().guardian().to_string(),
        (Scene::Restart | Scene::Quit, "shim") => t.world().shim("web").to_string(),
        (Scene::Restart | Scene::Quit, _) => t.world().supervisor().to_string(),
    };
    let this = std::env::current_exe().unwrap().display().to_string();
    let counted_in = counted.display().to_string();
    t.by = [this, "@trace".into(), pid, step.to_string(), "SIGKILL".into(), counted_in].into();
    let ran = match scene {
        Scene::Begin | Scene::TakeOver => t.run(["start", "-D"]),
        Scene::Restart => t.run(["restart", "web"]),
        Scene::Quit => t.run(["quit"]),
    };
    t.by = vec![];
    if ran.stderr.contains("died while it was starting") && t.world().living().is_empty() {
        let left = files(&t.at("run"));
        t.check(left.is_empty(), format!("files left: {left:?}"));
    }
    let steps = std::fs::read_to_string(&counted).unwrap_or_default().parse().unwrap_or(0);
    if steps < step {
        ENOUGH.lock().unwrap().insert(key, steps);
    }
    afterwards(t, who, scene);
}

/// Whatever has happened: what is there is told, a start makes a run of it, which works and ends.
fn afterwards(t: &mut Trial, who: &str, scene: Scene) {
    t.run(["ps"]);
    let again = t.run(["start", "-D"]);
    let there = again.code == 0 || again.stderr.contains("already running");
    t.check(there, format!("a start after that: {again:?}"));
    if who == "shim" {
        // It may have gone on with a window whose shim was killed, and so without its process.
        t.run(["restart", "web"]);
    }
    once_each(t);
    t.works();
    if who != "shim" && who != "tmux" {
        in_order(t, scene);
    }
    t.quit();
}

/// Nothing runs twice.
fn once_each(t: &mut Trial) {
    for (process, word) in [("web", "while :; do"), ("worker", "sleep")] {
        t.pid(process);
        let mains = t.world().tree(process);
        let mains: Vec<_> = mains
            .iter()
            .filter(|p| p.args.iter().any(|a| a.contains(word)) && procs::alive(p.pid))
            .filter(|p| process == "web" || p.args.first().is_some_and(|a| a == "sleep"))
            .collect();
        // A shell that is just starting something looks like two.
        let pids: Vec<_> = mains.iter().map(|p| p.pid).collect();
        let forked = |pid| tmo::sys::info(pid).is_none_or(|info| pids.contains(&info.ppid));
        let mains: Vec<_> = mains.into_iter().filter(|p| !forked(p.pid)).collect();
        t.check(mains.len() == 1, format!("{process} runs {} times: {mains:?}", mains.len()));
    }
}

/// Each life has printed its lines from the first one on, none is missing, and nothing tells of a
/// loss.
fn in_order(t: &mut Trial, scene: Scene) {
    let log = t.run(["logs"]).stdout;
    let loss = |line: &&str| {
        ["missing here", "lost here", "removed by the limit"].iter().any(|word| line.contains(word))
    };
    let reported = log.lines().position(|line| loss(&line));
    let around =
        reported.map(|at| log.lines().skip(at.saturating_sub(8)).take(12).collect::<Vec<_>>());
    t.check(around.is_none(), format!("a loss is told: {around:#?}"));
    let mut before = 0;
    for line in log.lines().filter_map(|line| line.strip_prefix("web    | ")) {
        if line == "up" {
            before = 0;
        } else if let Some(number) = line.strip_prefix("line ") {
            let number: u32 = number.parse().unwrap_or(0);
            t.check(number == before + 1, format!("{scene:?}: {number} came after {before}"));
            before = number;
        }
    }
}
