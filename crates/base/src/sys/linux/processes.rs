//! Processes, by their files in `/proc`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::sys::ProcInfo;
use crate::sys::files::{self, number, read_kernel, read_kernel_start};
use crate::sys::orphans::exempt;

/// When this process started.
pub fn start_time(pid: u32) -> Option<u64> {
    Some(stat(pid)?.start_time)
}

/// This process, if it exists.
pub fn info(pid: u32) -> Option<ProcInfo> {
    let mut process = stat(pid)?;
    process.name = name(pid).unwrap_or_else(|| process.comm.clone());
    Some(process)
}

pub fn all() -> Vec<ProcInfo> {
    pids().filter_map(info).collect()
}

/// The processes that have this text in the first 4 KiB of their arguments, and possibly others.
pub fn all_naming(text: &str) -> Vec<ProcInfo> {
    let finder = memchr::memmem::Finder::new(text);
    let mut line = [0; 4096];
    let names = |pid: &u32| {
        let read = read_kernel_start(format!("/proc/{pid}/cmdline"), &mut line);
        read.is_ok_and(|read| finder.find(&line[..read]).is_some())
    };
    pids().filter(names).filter_map(info).collect()
}

pub(super) fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc").into_iter().flatten().filter_map(numbered)
}

pub(super) fn numbered(entry: io::Result<std::fs::DirEntry>) -> Option<u32> {
    entry.ok()?.file_name().to_str()?.parse().ok()
}

pub(super) fn stat(pid: u32) -> Option<ProcInfo> {
    parse_stat(pid, &read_kernel(format!("/proc/{pid}/stat")).ok()?)
}

/// `/proc/<pid>/stat`: pid, name in parentheses (which may hold anything), then plain fields.
fn parse_stat(pid: u32, text: &[u8]) -> Option<ProcInfo> {
    // In a line this short, `memchr` costs a shim more than it gains: its first call looks at the features of the processor.
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut number = |skipped: usize| fields.nth(skipped)?.parse::<i64>().ok();
    let [parent, group, session] =
        [number(0)?, number(0)?, number(0)?].map(|n| u32::try_from(n).ok());
    let threads = u32::try_from(number(13)?).ok()?;
    let start_time = u64::try_from(number(1)?).ok()?;
    let name = String::new();
    Some(ProcInfo {
        pid,
        ppid: parent?,
        pgid: group?,
        sid: session?,
        state,
        threads,
        start_time,
        comm,
        name,
    })
}

fn name(pid: u32) -> Option<String> {
    let base = program_of(pid)?.0.file_name()?.to_string_lossy().into_owned();
    if base != "java" {
        return Some(base);
    }
    let line = read_kernel(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(exempt::disguised(&base, &line).map_or(base, str::to_owned))
}

/// The children of a process, zombies included.
///
/// For the calling process the list is exact; for any other it may miss children that change meanwhile.
pub fn children(pid: u32) -> Vec<u32> {
    if !lists_children() {
        return pids().filter(|&p| stat(p).is_some_and(|s| s.ppid == pid)).collect();
    }
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let mut found = Vec::new();
    for task in tasks.filter_map(numbered) {
        let list = read_kernel(format!("/proc/{pid}/task/{task}/children")).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        found.extend(list.split_ascii_whitespace().filter_map(|p| p.parse::<u32>().ok()));
    }
    found
}

/// Whether the kernel was built to list children (`CONFIG_PROC_CHILDREN`).
fn lists_children() -> bool {
    static LISTS: OnceLock<bool> = OnceLock::new();
    *LISTS.get_or_init(|| Path::new("/proc/thread-self/children").exists())
}

/// Visit everything below `root`, parents first; `visit` decides whether to descend below a process, or to
/// stop altogether.
///
/// A parent is visited before its children are listed, so a visitor that kills it sees all of them.
pub fn walk(root: u32, visit: &mut dyn FnMut(ProcInfo) -> ControlFlow<(), bool>) {
    let mut open = vec![(root, None)];
    let mut seen = HashSet::from([root]);
    while let Some((parent, started)) = open.pop() {
        // A process that was reparented to the root meanwhile is still ours; any other parent means that an
        // unrelated process has reused the pid.
        // If the parent still has its start time, its pid was not reused. If it is gone, the list may hold
        // children of another process, and its own have been reparented to the root.
        let still = || started.is_none() || start_time(parent) == started;
        for child in children(parent) {
            if seen.contains(&child) {
                continue;
            }
            let process =
                info(child).filter(|process| process.ppid == parent || process.ppid == root);
            if let Some(process) = process.filter(|process| process.ppid == root || still()) {
                let started = process.start_time;
                seen.insert(child);
                match visit(process) {
                    ControlFlow::Continue(true) => open.push((child, Some(started))),
                    ControlFlow::Continue(false) => {}
                    ControlFlow::Break(()) => return,
                }
            }
        }
    }
}

/// Visit this user's processes that were given all these variables (`NAME=value`), in descending
/// order of pid, so usually the youngest first: those may fork and exit a moment later.
///
/// A process that forks and exits between the listing and its inspection has a child that is not in the
/// list. So the listing is repeated until every new process in it could be inspected. `false`: processes
/// come and go so fast on this machine that one may have been missed.
pub fn visit_marked(marks: &[&str], visit: &mut dyn FnMut(ProcInfo)) -> bool {
    const MOST_LISTS: usize = 100;
    let (mut seen, mut unclear) = (HashSet::new(), HashSet::new());
    for _ in 0..MOST_LISTS {
        let mut fresh: Vec<u32> = pids().filter(|pid| !seen.contains(pid)).collect();
        fresh.sort_unstable_by(|a, b| b.cmp(a));
        let mut missed = false;
        for pid in fresh {
            match carries(pid, marks) {
                Some(true) => {
                    // Checked before and after: the process that had the pid in between is the marked one.
                    // It may have forked by now.
                    let process =
                        info(pid).filter(|process| carries(process.pid, marks) == Some(true));
                    process.into_iter().for_each(&mut *visit);
                    missed = true;
                }
                // Gone, a kernel thread, or in the middle of an exec: a second look decides.
                None if unclear.insert(pid) => {
                    missed = true;
                    continue;
                }
                Some(false) | None => {}
            }
            seen.insert(pid);
        }
        if !missed {
            return true;
        }
    }
    false
}

/// Whether this is a process of this user with all these variables. `None`: its environment is empty.
fn carries(pid: u32, marks: &[&str]) -> Option<bool> {
    let me = rustix::process::geteuid().as_raw();
    if std::fs::metadata(format!("/proc/{pid}")).ok()?.uid() != me {
        return Some(false);
    }
    let env = match read_kernel(format!("/proc/{pid}/environ")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Some(false),
        env => env.ok().filter(|env| !env.is_empty())?,
    };
    let has = |mark: &&str| env.split(|&b| b == 0).any(|variable| variable == mark.as_bytes());
    Some(marks.iter().all(has))
}

/// The initial value of a variable in the environment of a process of this user.
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    let env = read_kernel(format!("/proc/{pid}/environ")).ok()?;
    let value = |variable: &[u8]| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    env.split(|&b| b == 0).find_map(value)
}

/// Whether a process belongs to this user alone. Another user who starts a setuid program chooses its
/// arguments and variables.
fn is_own(pid: u32) -> Option<bool> {
    let me = rustix::process::geteuid().as_raw();
    Some(users_of(pid)?.iter().all(|user| *user == me))
}

/// The real, effective, saved and file system user of a process.
fn users_of(pid: u32) -> Option<Vec<u32>> {
    let status = read_kernel(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().map(|user| user.parse().ok()).collect()
}

/// The user of a process to which this user may send no signals.
pub fn foreign_owner(pid: u32) -> Option<u32> {
    let (me, users) = (rustix::process::geteuid().as_raw(), users_of(pid)?);
    let [real, _, saved, ..] = users[..] else { return None };
    (me != 0 && real != me && saved != me).then_some(real)
}

/// Whether a process sees the same files as this one under their absolute paths, or at least this directory
/// under this path.
pub fn sees(pid: u32, dir: &Path) -> bool {
    let both = |name: &str| {
        let [theirs, own] = [pid.to_string().as_str(), "self"]
            .map(|process| number(Path::new(&format!("/proc/{process}/{name}"))));
        theirs.is_some() && theirs == own
    };
    if both("ns/mnt") && both("root") {
        return true;
    }
    let relative = dir.strip_prefix("/").unwrap_or(dir);
    let theirs = number(&Path::new(&format!("/proc/{pid}/root")).join(relative));
    theirs.is_some() && theirs == number(dir)
}

/// The arguments of a process of this user, its program first; `None` for processes of other users.
pub fn arguments_of(pid: u32) -> Option<Vec<String>> {
    if !is_own(pid)? {
        return None;
    }
    let line = read_kernel(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line.strip_suffix(b"\0").unwrap_or(&line).split(|&byte| byte == 0);
    Some(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Replace an argument of this process by one of the same length in what `ps` shows. Without access to its own memory
/// by file, nothing changes.
pub fn rename_argument(at: usize, name: &str) {
    let line = read_kernel("/proc/self/cmdline").unwrap_or_default();
    let before: usize = line.split_inclusive(|&byte| byte == 0).take(at).map(<[u8]>::len).sum();
    let old = line.get(before..).and_then(|rest| rest.split(|&byte| byte == 0).next());
    let stat = read_kernel("/proc/self/stat").unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // The fields behind the name begin with the third one; this is the 48th.
    let start = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(45));
    if let (Some(old), Some(Ok(start))) = (old, start.map(str::parse::<u64>))
        && old.len() == name.len()
        && let Ok(memory) = files::open_to_write(Path::new("/proc/self/mem"))
    {
        // Whoever reads it sees the old name if this fails.
        let _ = memory.write_all_at(name.as_bytes(), start + before as u64);
    }
}

/// Whether a process ignores this signal.
pub fn ignores(pid: u32, signal: i32) -> bool {
    let text = read_kernel(format!("/proc/{pid}/status")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).contains(&signal) && mask & (1 << (signal - 1)) != 0
}

/// The working directory of a process; `None` if that is not visible.
pub fn directory_of(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The executable file of a process, and whether it still exists under that name; `None` if that is not
/// visible.
pub fn program_of(pid: u32) -> Option<(PathBuf, bool)> {
    const GONE: &[u8] = b" (deleted)";
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match path.as_os_str().as_bytes().strip_suffix(GONE) {
        Some(path) => Some((OsStr::from_bytes(path).into(), false)),
        None => Some((path, true)),
    }
}

/// The number of threads of this user, which is what `RLIMIT_NPROC` counts; `None` if that is not visible.
pub fn own_threads() -> Option<u64> {
    let me = rustix::process::geteuid().as_raw();
    let mine = |pid: &u32| {
        std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == me)
    };
    Some(pids().filter(mine).filter_map(stat).map(|process| u64::from(process.threads)).sum())
}

#[cfg(test)]
mod tests {
    use super::parse_stat;

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"42 (a) S (b c) Z 7 42 40 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 3 0 9876 1 2";
        let process = parse_stat(42, text).unwrap();
        assert_eq!(process.comm, "a) S (b c");
        assert_eq!((process.state, process.ppid, process.pgid, process.sid), ('Z', 7, 42, 40));
        assert_eq!((process.threads, process.start_time), (3, 9876));
        assert!(process.alive(), "other threads go on");
    }

    #[test]
    fn half_a_line_is_none() {
        for text in [&b""[..], b"42 (a", b"42 (a) S", b"42 (a) S 1 2 3 4"] {
            assert_eq!(parse_stat(42, text), None);
        }
    }
}
