//! Files that are cut or overwritten, before a takeover and before a fresh start.

use std::path::Path;

use crate::faults::cases::{self, Case};
use crate::faults::places;
use crate::faults::trial::{Trial, files};
use crate::random::Random;
use crate::table::Table;

/// The files, by the beginnings and ends of their names.
const FILES: [(&str, &str); 13] = [
    ("plan", ".json"),
    ("state", ".json"),
    ("web", ".spec"),
    ("web", ".life"),
    ("web", ".sink-lock"),
    ("lock", ""),
    ("tmux", ".conf"),
    ("shown", ""),
    ("web.0", ".log"),
    ("web.0", ".times"),
    ("@index", ""),
    ("@events", ".log"),
    ("@streams", ".json"),
];

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Cut,
    Emptied,
    Overwritten,
    Longer,
    Rubbish,
    Removed,
    Directory,
}

const DAMAGES: [Damage; 7] = [
    Damage::Cut,
    Damage::Emptied,
    Damage::Overwritten,
    Damage::Longer,
    Damage::Rubbish,
    Damage::Removed,
    Damage::Directory,
];

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let mut cases = vec![];
    let rounds = times.div_ceil(150).max(1);
    for round in 0..rounds {
        for (begin, end) in FILES {
            for damage in DAMAGES {
                let name = |when| format!("{begin}…{end}: {damage:?}, {when} ({round})");
                cases.push(Case::new(name("before an adoption"), move |t| {
                    t.choose_backend(begin);
                    before_adoption(t, (begin, end), damage);
                }));
                cases.push(Case::new(name("before a start"), move |t| {
                    t.choose_backend(begin);
                    before_start(t, (begin, end), damage);
                }));
            }
        }
    }
    cases::prove(cases, times, seed)
}

fn spoil(path: &Path, damage: Damage, random: &mut Random) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len() as u64;
    let mut rubbish = |count: u64| -> Vec<u8> {
        (0..count).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
    };
    match damage {
        Damage::Cut => {
            let end = u64::from_le_bytes(rubbish(8).try_into().unwrap()) % length.max(1);
            bytes.truncate(usize::try_from(end).unwrap());
        }
        Damage::Emptied => bytes.clear(),
        Damage::Overwritten => {
            let from = u64::from_le_bytes(rubbish(8).try_into().unwrap()) % length.max(1);
            let from = usize::try_from(from).unwrap();
            let fresh = rubbish(40);
            let to = bytes.len().min(from + 40);
            bytes[from..to].copy_from_slice(&fresh[..to - from]);
        }
        Damage::Longer => bytes.extend(rubbish(333)),
        Damage::Rubbish => bytes = rubbish(length.max(100)),
        Damage::Removed => return std::fs::remove_file(path).unwrap(),
        Damage::Directory => {
            std::fs::remove_file(path).unwrap();
            return std::fs::create_dir(path).unwrap();
        }
    }
    // The same file: whoever has it open sees it.
    std::fs::write(path, bytes).unwrap();
}

/// Spoil all files of this name; `false` if there are none.
fn spoil_all(t: &mut Trial, (begin, end): (&str, &str), damage: Damage) -> bool {
    let all = ["run", "state"].map(|dir| files(&t.at(dir))).concat();
    let meant = all.iter().filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(begin) && name.ends_with(end)
    });
    let meant: Vec<_> = meant.collect();
    for path in &meant {
        spoil(path, damage, &mut t.random);
    }
    !meant.is_empty()
}

fn before_adoption(t: &mut Trial, file: (&str, &str), damage: Damage) {
    let pids = t.start();
    t.ok(["restart", "web"]);
    let web = t.pid("web").unwrap();
    t.grows();
    t.kill_both();
    if !spoil_all(t, file, damage) {
        return t.complain("there is no such file");
    }
    t.run(["ps"]);
    t.run(["logs"]);
    let ran = t.run(["start", "-D"]);
    t.unhurt(&[web, pids[1]]);
    // Where it could be taken over, the command before has done it.
    if ran.code == 0 || ran.stderr.contains("already running") {
        t.run(["ps"]);
        t.run(["logs"]);
        if let Damage::Directory = damage {
            // What the directory prevents is refused, which other cases show. A supervisor or a
            // shim may have moved it away already.
            remove_directories(t);
        }
    } else if ran.stderr.contains("`tmo kill` ends them") {
        give_up(t);
        let again = t.run(["start", "-D"]);
        if again.code != 0 {
            repair(t, &again.stderr, damage);
            t.start();
        }
    } else {
        repair(t, &ran.stderr, damage);
        t.ok(["start", "-D"]);
        t.unhurt(&[web, pids[1]]);
    }
    t.works();
    t.quit();
}

/// Do what the start says is to be done with the journal, or take away the directory it names.
fn repair(t: &mut Trial, said: &str, damage: Damage) {
    let journal = places::find(t, "state/tmo/app-*").unwrap();
    if said.contains("move the whole directory away") {
        return std::fs::rename(journal, t.at("moved")).unwrap();
    }
    let found = remove_directories(t);
    t.check(
        matches!(damage, Damage::Directory) && found,
        format!("the message names no remedy: {said}"),
    );
}

/// Remove the directories that were put in the place of files; whether there were any.
fn remove_directories(t: &Trial) -> bool {
    let all = ["run", "state"].map(|dir| entries(&t.at(dir))).concat();
    let named = |path: &&std::path::PathBuf| {
        path.extension().is_some() || path.ends_with("lock") || path.ends_with("shown")
    };
    let odd = all.iter().filter(|path| path.is_dir()).filter(named);
    let odd: Vec<_> = odd.collect();
    for path in &odd {
        places::remove(path);
    }
    !odd.is_empty()
}

/// End what runs as the message of the start says.
fn give_up(t: &mut Trial) {
    t.ok(["kill"]);
    t.until("all has ended", |t| t.world().living().is_empty().then_some(()));
}

/// Everything below a directory.
fn entries(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        found.push(entry.path());
        found.extend(entries(&entry.path()));
    }
    found
}

fn before_start(t: &mut Trial, file: (&str, &str), damage: Damage) {
    t.start();
    t.grows();
    if t.random.once_in(2) {
        t.quit();
    } else {
        let all: Vec<u32> = t.world().living().iter().map(|process| process.pid).collect();
        t.kill(&all);
    }
    // A run that has ended leaves no more than its journal.
    spoil_all(t, file, damage);
    t.run(["logs"]);
    let ran = t.run(["start", "-D"]);
    if ran.code != 0 {
        repair(t, &ran.stderr, damage);
        t.start();
    }
    t.works();
    t.quit();
}
