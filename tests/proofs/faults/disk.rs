//! Full disks and unwritable directories.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::faults::cases::{self, Case};
use crate::faults::trial::Trial;
use crate::table::Table;

/// Says that this process sees mounts of its own.
const OWN: &str = "FAULTS_OWN_MOUNTS";

/// Go on in a mount namespace of one's own, if that can be had.
pub(crate) fn in_own_mounts() {
    if has_own_mounts() || std::env::args().any(|word| word == "--list") {
        return;
    }
    let root = nix::unistd::geteuid().is_root();
    let flags = if root { &["--mount"][..] } else { &["--mount", "--map-root-user"] };
    let works = Command::new("unshare").args(flags).arg("true").output();
    if works.is_ok_and(|output| output.status.success()) {
        let me = std::env::current_exe().unwrap();
        let args = std::env::args_os().skip(1);
        let error = Command::new("unshare").args(flags).arg(me).args(args).env(OWN, "1").exec();
        eprintln!("faults: unshare: {error}");
    }
}

/// Whether this process may mount something that nobody else sees.
pub(crate) fn has_own_mounts() -> bool {
    std::env::var_os(OWN).is_some()
}

pub(crate) fn prove(times: u32, seed: u64) -> Table {
    let cases = vec![
        Case::new("the journal's disk is full while all runs", journal_full),
        Case::new("the journal's disk is full before a start", journal_full_before),
        Case::new("the runtime's disk is full while all runs", runtime_full),
        Case::new("the runtime's disk is full before a start", runtime_full_before),
        Case::new("the runtime's disk becomes full while it starts", runtime_nearly_full),
        Case::new("both disks are full", both_full),
        Case::new("the journal can't be written while all runs", |t| closed(t, "state")),
        Case::new("the journal can't be written before a start", |t| closed_before(t, "state")),
        Case::new("the runtime can't be written while all runs", |t| closed(t, "run")),
        Case::new("the runtime can't be written before a start", |t| closed_before(t, "run")),
        Case::new("the journal's file system is read-only", |t| read_only(t, "state")),
        Case::new("the runtime's file system is read-only", |t| read_only(t, "run")),
        Case::new("the project's directory can't be written", |t| closed_before(t, "app")),
    ];
    cases::prove(cases, times, seed)
}

/// Fill the file system of a directory to the last byte, but for so many.
fn fill(dir: &Path, but: u64) {
    let path = dir.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&[b'x'; 4096][..size]).is_ok() {}
    }
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(but)).unwrap();
}

fn free(dir: &Path) {
    std::fs::remove_file(dir.join("filler")).unwrap();
}

fn journal_full(t: &mut Trial) {
    let Some(dir) = t.mount("state", "1m") else { return };
    t.start();
    fill(&dir, 0);
    t.until("it is told", |t| {
        t.run(["logs"]).stdout.contains("The journal can't be written").then_some(())
    });
    t.works();
    let web = t.pid("web").unwrap();
    t.kill_both();
    t.ok(["start", "-D"]);
    t.unhurt(&[web]);
    t.works();
    free(&dir);
    t.until("it is told", |t| {
        t.run(["logs"]).stdout.contains("The journal can be written again").then_some(())
    });
    t.works();
    t.quit();
}

fn journal_full_before(t: &mut Trial) {
    let Some(dir) = t.mount("state", "256k") else { return };
    fill(&dir, 0);
    if t.run(["start", "-D"]).code == 0 {
        t.works();
        t.quit();
    } else {
        t.over();
    }
    free(&dir);
    t.start();
    t.works();
    t.quit();
}

fn runtime_full(t: &mut Trial) {
    let Some(dir) = t.mount("run", "1m") else { return };
    let pids = t.start();
    fill(&dir, 0);
    t.run(["ps"]);
    t.grows();
    t.unhurt(&pids);
    free(&dir);
    t.unhurt(&pids);
    t.works();
    // An end must come, disk or not.
    fill(&dir, 0);
    t.run(["stop", "worker"]);
    t.quit();
    free(&dir);
    t.start();
    t.works();
    t.quit();
}

fn runtime_full_before(t: &mut Trial) {
    let Some(dir) = t.mount("run", "256k") else { return };
    fill(&dir, 0);
    t.refused(["start", "-D"]);
    t.over();
    free(&dir);
    t.start();
    t.works();
    t.quit();
}

fn runtime_nearly_full(t: &mut Trial) {
    let Some(dir) = t.mount("run", "256k") else { return };
    for kib in [4, 8, 12, 16, 24, 32, 48, 64] {
        fill(&dir, kib << 10);
        if t.run(["start", "-D"]).code == 0 {
            t.run(["ps"]);
            t.quit();
        } else {
            t.run(["quit"]);
            t.over();
        }
        free(&dir);
    }
    t.start();
    t.works();
    t.quit();
}

fn both_full(t: &mut Trial) {
    let (Some(state), Some(run)) = (t.mount("state", "1m"), t.mount("run", "1m")) else { return };
    let pids = t.start();
    fill(&state, 0);
    fill(&run, 0);
    t.run(["ps"]);
    t.run(["logs"]);
    t.unhurt(&pids);
    free(&state);
    free(&run);
    t.unhurt(&pids);
    t.works();
    fill(&state, 0);
    fill(&run, 0);
    t.quit();
}

fn modes(dir: &Path, mode: u32) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            modes(&entry.path(), mode);
        }
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// No file can be made or removed in a directory and all below it.
fn closed(t: &mut Trial, dir: &str) {
    let Some(()) = t.as_plain_user() else { return };
    let dir = t.at(dir);
    let pids = t.start();
    modes(&dir, 0o500);
    t.run(["ps"]);
    t.grows();
    t.unhurt(&pids);
    let supervisor = t.world().supervisor();
    t.kill(&[supervisor]);
    t.run(["ps"]);
    t.unhurt(&pids);
    t.grows();
    modes(&dir, 0o700);
    t.unhurt(&pids);
    t.works();
    t.quit();
    // An end must come all the same; what can't be removed stays until the next start.
    t.start();
    modes(&dir, 0o500);
    t.run(["quit"]);
    t.until("nothing lives", |t| t.world().living().is_empty().then_some(()));
    modes(&dir, 0o700);
    t.start();
    t.works();
    t.quit();
}

fn closed_before(t: &mut Trial, dir: &str) {
    let Some(()) = t.as_plain_user() else { return };
    let dir = t.at(dir);
    modes(&dir, 0o500);
    once_and_again(t, |_| modes(&dir, 0o700));
}

fn read_only(t: &mut Trial, dir: &str) {
    let Some(at) = t.mount(dir, "1m") else { return };
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&at).status();
        assert!(done.unwrap().success());
    };
    remount("ro");
    once_and_again(t, |_| remount("rw"));
}

/// Start while something is wrong, which may fail, end it, and start again when it is right.
fn once_and_again(t: &mut Trial, repair: impl FnOnce(&mut Trial)) {
    if t.run(["start", "-D"]).code == 0 {
        t.works();
        t.quit();
    } else {
        t.until("nothing lives", |t| t.world().living().is_empty().then_some(()));
    }
    repair(t);
    t.start();
    t.works();
    t.quit();
}
