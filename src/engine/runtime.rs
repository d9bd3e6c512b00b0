//! The runtime directory of an instance and what lies in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::journal::cursor::Position;
use crate::model::plan::{PLAN_VERSION, Plan};
use crate::model::text::OsText;
use crate::pane::life::{Entry, LifeEvent, LifeReader};
use crate::pane::spec::replace;
use crate::supervisor::Supervisor;
use crate::sys;

/// The runtime directory: lock, plan, state, and the files of the panes (`p/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    dir: PathBuf,
}

/// The version of `state.json` that this program writes.
const STATE_VERSION: u32 = 1;

/// What a supervisor saves before it acts, and its adopter reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Format version.
    pub version: u32,
    /// Boot of the machine; a run does not survive it.
    pub boot: String,
    /// Namespace of the process ids below.
    pub pid_namespace: String,
    /// The state machine.
    pub supervisor: Supervisor,
    /// The tmux server.
    pub tmux: Option<TmuxServer>,
    /// The first record of this run in the index.
    pub first_record: u64,
    /// Since when no view has been attached, nanoseconds since the epoch.
    pub headless_since: Option<u64>,
}

/// A running tmux server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmuxServer {
    /// Its process id.
    pub pid: u32,
    /// Its start time.
    pub start_time: u64,
    /// Its socket, which it leaves behind.
    pub socket: OsText,
}

/// A file of the runtime directory that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Something of the run lives, but what is known of it can't be read.
    #[error("{error}: {}", lost(*.server))]
    Lost {
        /// What can't be read.
        error: Box<RuntimeError>,
        /// The tmux server.
        server: u32,
    },
}

/// What is to be done about a run that lives and can't be taken over.
pub(super) fn lost(server: u32) -> String {
    format!(
        "the processes that run here can't be taken over; \
        `kill {server}` ends them and their tmux server, then start again"
    )
}

impl Runtime {
    /// The runtime directory at this path, which has been made and checked.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The plan of the run.
    pub fn plan_file(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    /// Where a start leaves the plan for the guardian. There is one start at a time, so one that
    /// was killed leaves nothing that is not replaced.
    pub fn fresh_plan_file(&self) -> PathBuf {
        self.dir.join("plan.json.fresh")
    }

    /// What the supervisor saves.
    pub fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// How far the view has shown the log ([`Position::to_bytes`]).
    pub fn shown_file(&self) -> PathBuf {
        self.dir.join("shown")
    }

    /// What the supervisor process itself complains about.
    pub fn stderr_file(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    /// Directory of the panes' files.
    pub fn panes(&self) -> PathBuf {
        self.dir.join("p")
    }

    /// Read the plan.
    pub fn plan(&self) -> Result<Plan, RuntimeError> {
        let plan: Plan = read(&self.plan_file())?;
        if plan.version > PLAN_VERSION {
            let why = format!("format {} is unknown to this tmo", plan.version);
            return Err(RuntimeError::Format { path: self.plan_file(), why });
        }
        Ok(plan)
    }

    /// Read what the last supervisor saved.
    pub fn saved(&self) -> Result<Saved, RuntimeError> {
        let saved: Saved = read(&self.state_file())?;
        if saved.version > STATE_VERSION {
            let why = format!("format {} is unknown to this tmo", saved.version);
            return Err(RuntimeError::Format { path: self.state_file(), why });
        }
        Ok(saved)
    }

    /// Save the state of the supervisor.
    pub fn save(&self, saved: &Saved) -> Result<(), RuntimeError> {
        let path = self.state_file();
        let text = serde_json::to_vec(saved)
            .map_err(|e| RuntimeError::Format { path: path.clone(), why: e.to_string() })?;
        replace(&path, &text).map_err(|source| RuntimeError::Io { path, source })
    }

    /// Whether the run recorded here still has something alive: its tmux server or a shim.
    ///
    /// Pids count only with the boot and the namespace they were seen in and with their start
    /// times. Shims are asked of the life files, which know them before any state is saved, and
    /// also if no state can be read.
    pub fn has_survivors(&self) -> bool {
        let saved = self.saved().ok();
        let elsewhere = |saved: &Saved| {
            saved.boot != sys::boot_id() || saved.pid_namespace != sys::pid_namespace()
        };
        if saved.as_ref().is_some_and(elsewhere) {
            return false;
        }
        let tmux = saved.and_then(|saved| saved.tmux);
        let tmux = tmux.is_some_and(|server| sys::alive(server.pid, server.start_time));
        tmux || self.living_shim().is_some()
    }

    /// Whether there is a run to be gone on with; an error if there is and it can't be.
    pub fn adoptable(&self) -> Result<bool, RuntimeError> {
        if !self.has_survivors() {
            return Ok(false);
        }
        match (self.plan(), self.saved()) {
            (Ok(_), Ok(_)) => Ok(true),
            (Err(error), _) | (_, Err(error)) => {
                Err(RuntimeError::Lost { error: Box::new(error), server: self.server() })
            }
        }
    }

    /// The tmux server of the run that lives here.
    pub(super) fn server(&self) -> u32 {
        let tmux = self.saved().ok().and_then(|saved| Some(saved.tmux?.pid));
        let parent = || sys::info(self.living_shim()?).map(|shim| shim.ppid);
        tmux.or_else(parent).unwrap_or(0)
    }

    /// Some shim of this run that lives.
    fn living_shim(&self) -> Option<u32> {
        let files = std::fs::read_dir(self.panes()).ok()?.flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|e| e == "life")).find_map(|path| {
            let entries = LifeReader::new(&path).poll().unwrap_or_default();
            let up = |entry: &Entry| {
                let LifeEvent::Up { pid, start_time, .. } = entry.event else { return None };
                Some((pid, start_time))
            };
            let (pid, start_time) = entries.iter().rev().find_map(up)?;
            sys::alive(pid, start_time).then_some(pid)
        })
    }

    /// Remove what a run leaves here, as much of it as can be removed; the lock and a journal that
    /// lies here stay.
    pub fn clear(&self) -> std::io::Result<()> {
        let mut done = Ok(());
        for name in ["p", "spill"] {
            done = done.and(remove_dir(&self.dir.join(name)));
        }
        for name in ["plan.json", "state.json", "tmux.conf", "menu", "shown", "stderr"] {
            // Whoever was to replace it may have been killed half-way.
            for name in [name.to_owned(), format!("{name}.new")] {
                done = done.and(remove_file(&self.dir.join(name)));
            }
        }
        done
    }

    /// How far the last view has shown the log.
    pub fn shown(&self) -> Option<Position> {
        Position::from_bytes(&std::fs::read(self.shown_file()).ok()?)
    }
}

impl Saved {
    /// The state of a supervisor on this machine, now.
    pub fn new(supervisor: Supervisor, first_record: u64) -> Self {
        Self {
            version: STATE_VERSION,
            boot: sys::boot_id(),
            pid_namespace: sys::pid_namespace(),
            supervisor,
            tmux: None,
            first_record,
            headless_since: None,
        }
    }
}

/// Remove a directory with all that is in it, and what a sink that comes too late puts there
/// meanwhile: once the directory is gone it can't.
fn remove_dir(dir: &Path) -> std::io::Result<()> {
    /// A pane's sink makes no more than a few files.
    const MOST_TRIES: u32 = 1000;
    let mut tries = 0;
    loop {
        tries += 1;
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == std::io::ErrorKind::DirectoryNotEmpty && tries < MOST_TRIES => {}
            result => return result,
        }
    }
}

/// Remove a file, whatever somebody has put in its place.
fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) if path.is_dir() => remove_dir(path),
        result => result,
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RuntimeError> {
    let io = |source| RuntimeError::Io { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(io)?;
    serde_json::from_slice(&text)
        .map_err(|e| RuntimeError::Format { path: path.to_owned(), why: e.to_string() })
}
