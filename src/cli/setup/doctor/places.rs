//! Checks the runtime directory and the directory of the journal.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use super::report::Report;
use crate::cli::project::input::Start;
use crate::config::dirs::{make_private_dir, refuse_state_of_others, runtime_base};
use crate::model::plan::{LogPolicy, Plan};
use crate::model::units;
use crate::sys::{why, why_at};

/// Warn if less space is left.
const LITTLE: u64 = 64 << 20;

/// Check the runtime directory and that of the journal.
pub(super) fn directories(report: &mut Report, start: &Start, plan: Option<&Plan>) {
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
    let fallback = || start.project.state_dir(env);
    let dir = policy.map_or_else(fallback, |policy| policy.dir.as_path().to_owned());
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
