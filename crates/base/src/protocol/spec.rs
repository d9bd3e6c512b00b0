//! The spec file: the desired state of one pane, written by the supervisor, read by its shim.
//!
//! One JSON object, mode 0600, always replaced by rename, so a reader sees either the old or the new
//! one. SIGUSR1 makes the shim read it again; a superfluous signal is harmless.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::ids::or_zero;
use crate::model::plan::process_env::process_env;
use crate::model::plan::{Inherit, LogPolicy, Plan, ProcessPlan, Stdin};
use crate::model::{LifeId, ProcName, is_default, text::OsText};
use crate::sys::files;

/// The version of the format that this program writes.
pub const SPEC_VERSION: u32 = 1;

/// What should happen in a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// Life number [`Spec::life`] should run. An older life is stopped first; a life with this number
    /// that has already ended is not started again.
    Run,
    /// Nothing should run in the pane.
    #[default]
    Stop,
    /// Nothing should run, and the shim should exit too.
    End,
}

/// The desired state of one pane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spec {
    /// Format version, [`SPEC_VERSION`].
    pub version: u32,
    /// Increases with every change.
    pub generation: u64,
    pub name: ProcName,
    /// The run it belongs to.
    pub run: String,
    /// What is wanted.
    pub want: Want,
    /// The life that is wanted.
    #[serde(with = "or_zero")]
    pub life: Option<LifeId>,
    /// Lives up to this one get SIGKILL at once, without a grace period.
    #[serde(with = "or_zero")]
    pub kill: Option<LifeId>,
    pub shell: OsText,
    /// The command that the shell runs with `-c`.
    pub command: OsText,
    /// A program and its arguments to run instead of a shell command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<OsText>>,
    pub cwd: OsText,
    /// The complete environment, except for the variables that come from the pane.
    pub env: Vec<(OsText, OsText)>,
    /// Its standard input.
    pub stdin: Stdin,
    /// Its output goes to a pipe. Only the value at the start of the shim counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_terminal: bool,
    /// Its standard error is a stream of its own. Only the value at the start of the shim counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub split_stderr: bool,
    /// Its variable `TERM`, if it is not that of the pane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// It reports to a `NOTIFY_SOCKET` that it is ready.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notify: bool,
    /// The longest time between two reports that it works, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog_ms: Option<u64>,
    /// umask, limits, nice, ignored signals.
    pub inherit: Inherit,
    /// The signal that asks the process to stop.
    pub stop_signal: i32,
    /// Milliseconds from that signal to SIGKILL.
    pub grace_ms: u64,
    /// The sequence number of the last life entry that the supervisor knows. Shims do not reuse it,
    /// even if the life file has been removed.
    pub known: u64,
    /// For the sink: the directory of the stream, and when it starts a new segment.
    pub log: LogPolicy,
}

/// A spec file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Reading or writing failed.
    #[error("{}: {}", path.display(), crate::sys::why(source))]
    Io {
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a spec.
    #[error("{}: not a spec file: {source}", path.display())]
    Format {
        path: std::path::PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file was written by a later version of tmo.
    #[error("{}: format {found} is unknown to this tmo (it knows {SPEC_VERSION})", path.display())]
    Version {
        path: std::path::PathBuf,
        /// The version it has.
        found: u32,
    },
}

impl Spec {
    /// The first spec of a process, which wants no life yet.
    pub fn new(plan: &Plan, process: &ProcessPlan) -> Self {
        Self {
            version: SPEC_VERSION,
            generation: 1,
            name: process.name.clone(),
            run: plan.run.clone(),
            want: Want::Run,
            life: None,
            kill: None,
            shell: process.shell.clone(),
            command: process.command.clone(),
            argv: process.argv.clone(),
            cwd: process.cwd.clone().unwrap_or_else(|| plan.root.clone()),
            env: process_env(plan, process),
            stdin: process.stdin,
            no_terminal: process.rules.no_terminal,
            split_stderr: process.rules.split_stderr,
            term: process.rules.term.clone(),
            notify: process.rules.is_notified(),
            watchdog_ms: process.rules.watchdog_ms(),
            inherit: plan.inherit.clone(),
            stop_signal: process.stop_signal,
            grace_ms: process.grace_ms.unwrap_or(plan.grace_ms),
            known: 0,
            log: plan.log.clone(),
        }
    }

    /// Read a spec file.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let io = |source| SpecError::Io { path: path.to_owned(), source };
        Self::parse(&files::read_plain(path).map_err(io)?, path)
    }

    /// Parse the contents of a spec file; `path` is used in messages.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, SpecError> {
        let spec: Self = serde_json::from_slice(text)
            .map_err(|source| SpecError::Format { path: path.to_owned(), source })?;
        if spec.version > SPEC_VERSION {
            return Err(SpecError::Version { path: path.to_owned(), found: spec.version });
        }
        Ok(spec)
    }

    /// Replace a spec file: write beside it (0600), then rename.
    pub fn write(&self, path: &Path) -> Result<(), SpecError> {
        replace(path, &serde_json::to_vec(self).unwrap_or_default())
            .map_err(|source| SpecError::Io { path: path.to_owned(), source })
    }
}

/// Replace a file with these bytes, readable only by its owner; a reader sees either the old or the
/// new contents.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = files::create_anew(Path::new(&fresh))?;
    let written = file.write_all(bytes);
    drop(file);
    written.and_then(|()| put(Path::new(&fresh), path)).inspect_err(|_| {
        // Do not leave the temporary file: the disk may be full. Report the first error.
        let _ = std::fs::remove_file(&fresh);
    })
}

/// Move a file to the place of another one. When one file is renamed over another, ext4 flushes its
/// data first. That takes milliseconds and is useless here, because a run does not survive a crash of
/// the machine anyway. Exchanging the two files avoids the flush.
#[cfg(target_os = "linux")]
fn put(fresh: &Path, path: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, fresh, CWD, path, RenameFlags::EXCHANGE) {
        // If the other one was not a regular file and cannot be removed, exchange them back.
        Ok(()) => std::fs::remove_file(fresh).inspect_err(|_| {
            let _ = renameat_with(CWD, fresh, CWD, path, RenameFlags::EXCHANGE);
        }),
        // There is no such file yet, or the file system cannot exchange files.
        Err(_) => std::fs::rename(fresh, path),
    }
}

#[cfg(not(target_os = "linux"))]
fn put(fresh: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read what was written")]

    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::Path;

    use proptest::prelude::*;

    use super::{SPEC_VERSION, Spec, SpecError, Want, replace};
    use crate::model::plan::{Inherit, LogPolicy, Stdin};
    use crate::model::{LifeId, ProcName, text::OsText};

    #[test]
    fn what_cannot_take_its_place_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan");
        std::fs::create_dir_all(path.join("inside")).unwrap();
        replace(&path, b"new").unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let [path, fresh, mine] = ["plan", "plan.new", "mine"].map(|name| dir.path().join(name));
        std::fs::write(&mine, "mine").unwrap();
        for link in [&path, &fresh] {
            std::os::unix::fs::symlink(&mine, link).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
        }
    }

    fn text() -> impl Strategy<Value = OsText> {
        any::<Vec<u8>>().prop_map(|bytes| OsText(OsString::from_vec(bytes)))
    }

    prop_compose! {
        fn spec()(
            numbers: [u64; 5],
            name in "[A-Za-z0-9_-]{1,8}(#[0-9]{1,3})?",
            run: String,
            want in prop::sample::select(vec![Want::Run, Want::Stop, Want::End]),
            lives: [u32; 2],
            texts in [text(), text(), text(), text()],
            env in prop::collection::vec((text(), text()), 0..4),
            argv in prop::option::of(prop::collection::vec(text(), 0..3)),
            limits: Vec<(u32, u64, u64)>,
            ignored: Vec<i32>,
            small: (u32, i32, i32),
        ) -> Spec {
            let [generation, grace_ms, per_process, total, known] = numbers;
            let [life, kill] = lives.map(LifeId::new);
            let [shell, command, cwd, dir] = texts;
            let (umask, nice, stop_signal) = small;
            let inherit = Inherit { umask, nice, limits, ignored };
            let log = LogPolicy { dir, per_process, total, max_age_ms: known };
            let name = ProcName::new(name).unwrap();
            Spec {
                version: SPEC_VERSION,
                generation, name, run, want, life, kill, shell, command, argv, cwd, env, inherit,
                stop_signal, grace_ms, log, known,
                stdin: Stdin::default(),
                no_terminal: false,
                split_stderr: false,
                term: None,
                notify: false,
                watchdog_ms: None,
            }
        }
    }

    proptest! {
        #[test]
        fn any_spec_comes_back_and_no_part_is_taken_for_it(spec in spec(), cut: prop::sample::Index) {
            let written = serde_json::to_vec(&spec).unwrap();
            let path = Path::new("web.spec");
            prop_assert_eq!(Spec::parse(&written, path).unwrap(), spec);
            let torn = Spec::parse(&written[..cut.index(written.len())], path);
            let refused = matches!(torn, Err(SpecError::Format { .. }));
            prop_assert!(refused);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert!(Spec::parse(&bytes, Path::new("web.spec")).is_err());
        }
    }
}
