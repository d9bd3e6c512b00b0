//! Sockets, FIFOs and the lock are removed or replaced.

use std::path::{Path, PathBuf};

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::table::Table;

/// What is there instead.
#[derive(Debug, Clone, Copy)]
enum Instead {
    Nothing,
    File,
    Directory,
    Fifo,
    DeadLink,
}

const INSTEAD: [Instead; 5] =
    [Instead::Nothing, Instead::File, Instead::Directory, Instead::Fifo, Instead::DeadLink];

/// Where, by a name for it; a star is the instance.
const PLACES: [(&str, &str); 9] = [
    ("control socket", "app/.overmind.sock"),
    ("lock", "run/tmo/*/lock"),
    ("bell", "run/tmo/*/p/web.fifo"),
    ("sink's lock", "run/tmo/*/p/web.sink-lock"),
    ("spill", "run/tmo/*/spill"),
    ("runtime directory", "run/tmo/*"),
    ("journal directory", "state/tmo/app-*"),
    ("tmux socket", "tmux/tmux-*/tmo-*"),
    ("native terminals", "run/tmo/*/t"),
];

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let mut cases = vec![];
    for (name, place) in PLACES {
        for instead in INSTEAD {
            cases.push(Case::new(format!("{name}: {instead:?}, while all runs"), move |t| {
                t.choose_backend(name);
                while_running(t, place, instead);
            }));
            cases.push(Case::new(format!("{name}: {instead:?}, before an adoption"), move |t| {
                t.choose_backend(name);
                before_adoption(t, place, instead);
            }));
            cases.push(Case::new(format!("{name}: {instead:?}, before a start"), move |t| {
                t.choose_backend(name);
                before_start(t, place, instead);
            }));
        }
    }
    cases::prove(cases, times, seed)
}

/// The only path that a pattern with stars for whole or last parts of names leads to.
pub(crate) fn find(t: &Trial, pattern: &str) -> Option<PathBuf> {
    let mut at = t.world().path().to_owned();
    for part in pattern.split('/') {
        let Some(begin) = part.strip_suffix('*') else {
            at.push(part);
            continue;
        };
        let entries = std::fs::read_dir(&at).ok()?.flatten();
        let mut names = entries.map(|e| e.file_name().into_string().unwrap());
        at.push(names.find(|name| name.starts_with(begin))?);
    }
    Some(at)
}

/// Put something else there; what was there is kept beside it.
fn put(path: &Path, instead: Instead) {
    let kept = kept(path);
    if path.to_string_lossy().contains("/state/") {
        // Moved away it would only be written there.
        remove(path);
    } else if path.symlink_metadata().is_ok() {
        std::fs::rename(path, &kept).unwrap();
    }
    match instead {
        Instead::Nothing => {}
        Instead::File => std::fs::write(path, "rubbish\n").unwrap(),
        Instead::Directory => {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("inside"), "").unwrap();
        }
        Instead::Fifo => {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        Instead::DeadLink => std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
    }
}

/// What was there is there again.
fn put_back(path: &Path) {
    let kept = kept(path);
    if kept.symlink_metadata().is_ok() {
        remove(path);
        std::fs::rename(kept, path).unwrap();
    } else if path.to_string_lossy().contains("/state/") && !path.is_dir() {
        remove(path);
    }
}

fn kept(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    // Outside of what is looked through: beside the world's directories.
    let world = path
        .ancestors()
        .find(|at| at.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tw")));
    world.unwrap().join(format!("kept-{name}"))
}

pub(crate) fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

fn while_running(t: &mut Trial, place: &str, instead: Instead) {
    let pids = t.start();
    let path = find(t, place).unwrap();
    put(&path, instead);
    for command in [
        &["ps"][..],
        &["logs"],
        &["restart", "web"],
        &["stop", "web"],
        &["restart", "web"],
        &["start", "-D"],
    ] {
        t.run(command);
    }
    t.unhurt(&pids[1..]);
    put_back(&path);
    t.unhurt(&pids[1..]);
    // What it was told to do meanwhile may not have been possible.
    t.run(["restart", "web"]);
    t.works();
    t.quit();
}

fn before_adoption(t: &mut Trial, place: &str, instead: Instead) {
    let pids = t.start();
    let path = find(t, place).unwrap();
    t.kill_both();
    put(&path, instead);
    t.run(["ps"]);
    if place == "run/tmo/*" && matches!(instead, Instead::Nothing) {
        // No file names that run any more: nothing is begun beside it, and `kill` finds it.
        let refusal = t.refused(["start", "-D"]);
        t.check(refusal.contains("`tmo kill` ends"), refusal);
        t.unhurt(&pids);
        t.ok(["kill"]);
        t.over();
        t.start();
        t.works();
        return t.quit();
    }
    let ran = t.run(["start", "-D"]);
    // Where it could be taken over, the command before has done it.
    let adopted = ran.code == 0 || ran.stderr.contains("already running");
    t.unhurt(&pids);
    if adopted {
        t.run(["ps"]);
        t.run(["logs"]);
        t.works();
    }
    if !adopted || matches!(instead, Instead::Directory) {
        put_back(&path);
    }
    if !adopted {
        t.ok(["start", "-D"]);
        t.unhurt(&pids);
        t.works();
    }
    t.quit();
}

/// What a run before has left is not what it was.
fn before_start(t: &mut Trial, place: &str, instead: Instead) {
    t.start();
    let path = find(t, place).unwrap();
    let all: Vec<u32> = t.world().living().iter().map(|process| process.pid).collect();
    t.kill(&all);
    put(&path, instead);
    if t.run(["start", "-D"]).code != 0 {
        t.until("nothing lives", |t| t.world().living().is_empty().then_some(()));
        remove(&path);
        t.start();
    }
    t.works();
    t.quit();
}
