//! Checks what the system allows: its limits and system calls, the runtime directory and that of the journal.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::libc::RLIM_INFINITY;
use nix::unistd::{AccessFlags, access, geteuid};
use rustix::process::{Resource, getrlimit};

use super::findings::Report;
use crate::cli::project::input::Start;
use crate::config::place::dirs::{make_private_dir, refuse_state_of_others, runtime_base};
use crate::model::plan::{LogPolicy, Plan};
use crate::model::units;
use crate::sys::{self, why, why_at};

/// Warn if less space is left.
const LITTLE: u64 = 64 << 20;
/// File descriptors of the supervisor per process; tmux needs fewer.
const DESCRIPTORS_EACH: u64 = 5;
/// Further file descriptors, including one per client.
const DESCRIPTORS: u64 = 40;
/// Shim, sink and shell, and some for the programs that the shell runs.
const PROCESSES_EACH: u64 = 5;
/// tmux, supervisor, guardian, and the commands that query them.
const PROCESSES: u64 = 10;

/// Check whether the limits allow the processes of this plan.
pub(super) fn check_limits(report: &mut Report, plan: &Plan) {
    const CHECK: &str = "limits";
    let count = u64::try_from(plan.processes.len()).unwrap_or(u64::MAX);
    let need = |each: u64, fixed: u64| count.saturating_mul(each).saturating_add(fixed);
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(RLIM_INFINITY);
    let descriptors = need(DESCRIPTORS_EACH, DESCRIPTORS);
    // The programs raise the soft limit themselves.
    if let Some(text) = lacks(descriptors, 0, hard) {
        let text = format!("descriptors: {text}; raise the hard limit (`ulimit -Hn`)");
        report.fail(CHECK, text);
    } else {
        let text = format!("descriptors: {} allowed, about {descriptors} needed", describe(hard));
        report.ok(CHECK, text);
    }
    let Some(have) = sys::own_threads() else { return };
    let soft = getrlimit(Resource::Nproc).current.unwrap_or(RLIM_INFINITY);
    let need = need(PROCESSES_EACH, PROCESSES);
    // This limit does not apply to root.
    let counts = !nix::unistd::geteuid().is_root();
    match lacks(need, have, soft).filter(|_| counts) {
        Some(text) => report.fail(CHECK, format!("processes: {text}; raise it (`ulimit -u`)")),
        None => report.ok(CHECK, format!("processes: {have} of {}", describe(soft))),
    }
}

/// Check whether the system refuses system calls that a run makes. Returns one without which nothing runs.
pub(super) fn check_system_calls(report: &mut Report) -> Option<&'static str> {
    const CHECK: &str = "system calls";
    let refused = sys::refused_calls();
    if refused.is_empty() {
        report.ok(CHECK, "none that tmo needs is refused");
    }
    let missing = refused.iter().find(|call| call.instead.is_none()).map(|call| call.name);
    for call in refused {
        match call.instead {
            None => report.fail(CHECK, format!("{call}; no process can be started")),
            Some(instead) => report.note(CHECK, format!("{call}; {instead}")),
        }
    }
    missing
}

/// The complaint if this many are needed in addition to those in use.
fn lacks(need: u64, have: u64, limit: u64) -> Option<String> {
    let beside = if have > 0 { format!(" beside the {have} there are") } else { String::new() };
    (have.saturating_add(need) > limit)
        .then(|| format!("about {need} are needed{beside}, {limit} are allowed"))
}

fn describe(limit: u64) -> String {
    if limit == RLIM_INFINITY { "any number".to_owned() } else { limit.to_string() }
}

/// Check the runtime directory and that of the journal.
pub(super) fn check_directories(report: &mut Report, start: &Start, plan: Option<&Plan>) {
    let env = &start.context.env;
    let base = runtime_base(env);
    if let Some(set) = env.caller_dir("XDG_RUNTIME_DIR").filter(|set| !base.starts_with(set)) {
        let text = format!("XDG_RUNTIME_DIR ({}) is not a directory of yours; ", set.display());
        report.note("runtime", text + &format!("{} is used instead", base.display()));
    }
    match start.project.identity.trusted_runtime() {
        Err(error) => report.fail("runtime", error),
        Ok(dir) => place(report, "runtime", dir, ""),
    }
    if env.caller_dir("HOME").is_none() {
        report.note(
            "journal",
            "HOME is not set, the log may not outlive the machine; set HOME or XDG_STATE_HOME",
        );
    }
    let policy = plan.map(|plan| &plan.log);
    let dir = policy
        .map_or_else(|| start.project.state_dir(env), |policy| policy.dir.as_path().to_owned());
    let most = match policy.map_or(LogPolicy::TOTAL, |policy| policy.total) {
        0 => ", without limit".to_owned(),
        most => format!(" of at most {}", units::bytes(most)),
    };
    let private = if dir.exists() { make_private_dir(&dir) } else { Ok(()) };
    if let Err(error) = private.and_then(|()| refuse_state_of_others(env, &dir)) {
        return report.fail("journal", error);
    }
    if let Some((file, owner)) = file_of_another(&dir) {
        let (file, user) = (file.display(), geteuid());
        let text = format!("{file} belongs to user {owner}, not to you (user {user})");
        let todo = format!("`sudo chown -R {user} {}` gives it to you", dir.display());
        return report.fail_so("journal", text, &todo);
    }
    place(report, "journal", &dir, &format!(", {}{most} taken", units::bytes(taken(&dir))));
}

/// Check that this directory can be written to or created, and how much space is left.
fn place(report: &mut Report, check: &'static str, dir: &Path, more: &str) {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return report.fail(check, why_at(there, &ErrorKind::NotADirectory.into()));
    }
    if let Err(error) = access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
        let (at, why) = (there.display(), why(&error.into()));
        let text = if there == dir {
            format!("{at} can't be written to: {why}")
        } else {
            format!("{} can't be made in {at}: {why}", dir.display())
        };
        let todo = match check {
            "journal" => "make that writable, or set TMO_LOG_DIR",
            _ => "make that writable, or set XDG_RUNTIME_DIR or TMPDIR",
        };
        return report.fail_so(check, text, todo);
    }
    let Ok(system) = rustix::fs::statvfs(there) else { return };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let text = format!("{}{more}, {} free", dir.display(), units::bytes(free));
    match free {
        0 => report.fail_so(check, text, "make room"),
        1..LITTLE => report.note(check, text + "; make room"),
        _ => report.ok(check, text),
    }
}

/// A file in a directory that belongs to another user, with the user id.
fn file_of_another(dir: &Path) -> Option<(PathBuf, u32)> {
    let mut files = std::fs::read_dir(dir).ok()?.flatten();
    files.find_map(|file| {
        let owner = file.metadata().ok()?.uid();
        (owner != geteuid().as_raw()).then(|| (file.path(), owner))
    })
}

/// The total size of the files in a directory.
fn taken(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::{describe, lacks};

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(lacks(80, 0, 1024), None);
        assert_eq!(lacks(80, 0, 64).unwrap(), "about 80 are needed, 64 are allowed");
        let text = "about 80 are needed beside the 20 there are, 99 are allowed";
        assert_eq!(lacks(80, 20, 99).unwrap(), text);
        assert_eq!(lacks(80, 5, u64::MAX), None);
        assert_eq!(
            (describe(7), describe(nix::libc::RLIM_INFINITY)),
            ("7".into(), "any number".into())
        );
    }
}
