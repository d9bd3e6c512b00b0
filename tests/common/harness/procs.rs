//! Information about processes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::eventually;

/// A process.
#[derive(Debug, Clone)]
pub(crate) struct Proc {
    pub(crate) pid: u32,
    pub(crate) args: Vec<String>,
}

/// All processes with this `NAME=value` in their environment, zombies left out.
pub(crate) fn with_mark(mark: &str) -> Vec<Proc> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return vec![] };
    let mut found = vec![];
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|&b| b == 0).any(|variable| variable == mark.as_bytes())
            && let Some(state) = state(pid)
            && state != 'Z'
        {
            found.push(Proc { pid, args: args(pid) });
        }
    }
    found
}

/// The arguments of a process, its program first.
pub(crate) fn args(pid: u32) -> Vec<String> {
    let args = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let args = args.split(|&b| b == 0).map(|arg| String::from_utf8_lossy(arg).into_owned());
    args.filter(|arg| !arg.is_empty()).collect()
}

/// The state letter of a process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The id of its parent.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Whether it is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// What it is doing, thread by thread: for whoever must tell afterwards why it did not end.
pub(crate) fn describe(process: &Proc) -> String {
    let root = Path::new("/proc").join(process.pid.to_string());
    let status = std::fs::read_to_string(root.join("status")).unwrap_or_default();
    let reported =
        |line: &&str| ["State", "Sig", "ShdPnd"].iter().any(|word| line.starts_with(word));
    let entries = |dir: &str| std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten();
    let thread = |task: std::fs::DirEntry| {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        [read("comm").trim(), &read("wchan"), read("syscall").trim()].join(" ")
    };
    let file = |fd: std::fs::DirEntry| {
        let target = std::fs::read_link(fd.path()).unwrap_or_default();
        format!("fd {} {}", fd.file_name().display(), target.display())
    };
    let lines = status.lines().filter(reported).map(str::to_owned);
    let lines = lines.chain(entries("task").map(thread)).chain(entries("fd").map(file));
    let lines = lines.collect::<Vec<_>>().join("\n    ");
    format!("{} {:?}\n    {lines}\n", process.pid, process.args)
}

/// Send a signal; to a process that is gone, nothing happens. SIGSTOP has worked when this returns.
pub(crate) fn kill(pid: u32, signal: i32) {
    let signal = Signal::try_from(signal).unwrap();
    let _ = nix::sys::signal::kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
    if signal == Signal::SIGSTOP {
        let is_stopped = || state(pid).is_none_or(|state| "TtZX".contains(state));
        eventually("it is stopped", || is_stopped().then_some(()));
    }
}

/// Number of open descriptors.
pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))
        .map_or(0, Iterator::count)
}

/// Whether it has a connection, as a client that is connected has. Two sockets are those by which its event loop learns of
/// signals, from its begin on.
pub(crate) fn has_socket(pid: u32) -> bool {
    let files = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"));
    let targets = files.into_iter().flatten().flatten();
    let targets = targets.map(|file| std::fs::read_link(file.path()).unwrap_or_default());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
    sockets.collect::<BTreeSet<_>>().len() > 2
}

/// The environment of a process.
pub(crate) fn environment(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes
        .split(|&b| b == 0)
        .filter(|v| !v.is_empty())
        .map(|v| String::from_utf8_lossy(v).into_owned())
        .collect()
}

/// How often a process has called `write` and its kin.
pub(crate) fn writes(pid: u32) -> u64 {
    number(&format!("/proc/{pid}/io"), "syscw:")
}

/// How often the threads of a process have waited for something, and got it.
pub(crate) fn wakes(pid: u32) -> u64 {
    wakes_of_threads(pid).values().sum()
}

/// The same of each thread, by its id.
pub(crate) fn wakes_of_threads(pid: u32) -> BTreeMap<u32, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: std::fs::DirEntry| {
        let status = thread.path().join("status").display().to_string();
        let id = thread.file_name().to_string_lossy().parse().unwrap();
        (id, number(&status, "voluntary_ctxt_switches:"))
    };
    threads.flatten().map(of_thread).collect()
}

/// The anonymous memory of a process, in KiB.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The number behind a word at the beginning of a line.
fn number(path: &str, word: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap().trim().parse().unwrap()
}
