//! The runtime directory of a run and its files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lock;
use super::saved::{STATE_VERSION, SavedRun};
use crate::journal::read::cursor::Position;
use crate::model::plan::{PLAN_VERSION, Plan, ProcessPlan};
use crate::protocol::life::Traces;
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::replace;
use crate::sys::{self, OrphanReport, files};

const PLAN: &str = "plan.json";
const STATE: &str = "state.json";

/// The runtime directory: lock, plan, state, and the files of the panes (`p/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeDir {
    dir: PathBuf,
}

/// A file of the runtime directory that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    #[error("{}: {}", path.display(), sys::why(source))]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {why}", path.display())]
    Format { path: PathBuf, why: String },
    /// The run lives in another pid namespace and can't be reached from here.
    #[error(
        "what runs here was started in another pid namespace (a container): `tmo start` goes on \
         with it there; if it is none of yours, give another socket with `-s` ({})",
        dir.display()
    )]
    Elsewhere { dir: PathBuf },
    /// A process of an earlier run is still alive, but no file in the directory names it.
    #[error(
        "{comm} (pid {pid}) of an earlier run is still alive, but no file in {} names it; \
         `tmo kill` ends that run",
        dir.display()
    )]
    Stray { dir: PathBuf, pid: u32, comm: String },
    /// Another session has a run of this project, or is starting one.
    #[error(
        "this project runs in another session (pid {pid}, runtime directory {}); `tmo ps` shows it, \
         `tmo quit` ends it",
        dir.display()
    )]
    OtherSession {
        /// The runtime directory of the other session.
        dir: PathBuf,
        pid: u32,
    },
    /// Parts of the run are alive, but its files can't be read.
    #[error("{error}: the processes that run here can't be taken over; `tmo kill` ends them")]
    Lost {
        /// The file that can't be read, and why.
        error: Box<RuntimeDirError>,
    },
}

impl RuntimeDir {
    /// The runtime directory at this path; the caller has created and checked it.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn plan_file(&self) -> PathBuf {
        self.dir.join(PLAN)
    }

    /// Where `tmo start` leaves the plan for the guardian. Only one start runs at a time, and the
    /// next one overwrites the file of a start that was killed.
    pub fn fresh_plan_file(&self) -> PathBuf {
        self.dir.join(format!("{PLAN}.fresh"))
    }

    /// The saved state of the supervisor.
    pub fn state_file(&self) -> PathBuf {
        self.dir.join(STATE)
    }

    /// The position up to which the view has shown the log ([`Position::to_bytes`]).
    pub fn shown_file(&self) -> PathBuf {
        self.dir.join("shown")
    }

    /// The standard error of the supervisor process itself.
    pub fn stderr_file(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    pub fn panes(&self) -> PathBuf {
        self.dir.join("p")
    }

    pub fn plan(&self) -> Result<Plan, RuntimeDirError> {
        read_json(self.plan_file(), PLAN_VERSION, |plan: &Plan| plan.version)
    }

    /// Replace the plan of the run, after a reload or when `tmo scale` adds instances.
    pub fn write_plan(&self, plan: &Plan) -> Result<(), RuntimeDirError> {
        write_json(self.plan_file(), plan)
    }

    /// What every command needs to know of the state that the last supervisor saved.
    pub fn saved(&self) -> Result<SavedRun, RuntimeDirError> {
        read_json(self.state_file(), STATE_VERSION, |saved: &SavedRun| saved.version)
    }

    /// The same, if its process ids mean something here: they are of this boot and pid namespace.
    pub(super) fn saved_here(&self) -> Option<SavedRun> {
        let saved = self.saved().ok()?;
        (saved.boot == sys::boot_id() && !saved.is_elsewhere()).then_some(saved)
    }

    /// Whether a guardian or a supervisor holds the lock, as far as that can be told.
    pub fn is_held(&self) -> bool {
        lock::is_held(&self.dir).unwrap_or(false)
    }

    /// Whether the saved state is that of a run that was being stopped, and parts of this run are
    /// still alive.
    pub fn is_being_stopped(&self) -> bool {
        let saved = self.saved();
        saved.is_ok_and(|saved| saved.is_stopping()) && self.has_survivors()
    }

    /// Whether the run recorded here still has something alive: its tmux server or a shim.
    ///
    /// A pid counts only together with its boot, pid namespace and start time. Shims are looked up
    /// in the life files, which name them before any state is saved, and even if the state can't be
    /// read.
    pub fn has_survivors(&self) -> bool {
        let saved = self.saved().ok();
        if saved.as_ref().is_some_and(|saved| saved.boot != sys::boot_id()) {
            return false;
        }
        if saved.as_ref().is_some_and(SavedRun::is_elsewhere) {
            // Pids of another namespace mean nothing here, but file locks work across namespaces.
            return self.lives().any(|life| is_locked(&life));
        }
        let tmux = saved.and_then(|saved| saved.tmux);
        let tmux = tmux.is_some_and(|server| sys::alive(server.id()));
        tmux || !self.living_shims().is_empty()
    }

    /// The run of another session that was faster: it was not there yet when `adoptable` of
    /// the engine searched, or was expected to give up, but now it listens.
    pub fn overtaken(&self) -> Option<RuntimeDirError> {
        self.of_other_session(self.parts().first()?.pid)
    }

    /// The error about another session that has a run; `pid` is one of its processes.
    pub fn of_other_session(&self, pid: u32) -> Option<RuntimeDirError> {
        let dir =
            self.of_other_sessions().into_iter().find(|dir| lock::is_held(dir).unwrap_or(false))?;
        Some(RuntimeDirError::OtherSession { dir, pid })
    }

    /// End the leftover processes of a run whose own tmo parts were all killed: the next start
    /// would run the same commands beside them.
    pub fn kill_orphans(&self) -> OrphanReport {
        let mut all = OrphanReport::default();
        let (Ok(plan), Some(_)) = (self.plan(), self.saved_here()) else { return all };
        let traces =
            |process: &ProcessPlan| Traces::load(&PanePaths::new(&self.dir, &process.name).life());
        let lives = |traces: Traces| traces.mains.iter().any(|main| sys::alive(*main));
        let known = plan.processes.iter().any(|process| lives(traces(process)));
        if !known && !sys::has_orphans(&plan.run) {
            return all;
        }
        for process in &plan.processes {
            let Traces { shim, mains, .. } = traces(process);
            all.add(sys::kill_orphans(&sys::Orphans {
                run: plan.run.clone(),
                process: process.name.to_string(),
                shim: shim.map_or(0, |shim| shim.pid),
                mains,
                ..sys::Orphans::default()
            }));
        }
        all
    }

    /// All life files in this directory.
    pub(super) fn lives(&self) -> impl Iterator<Item = PathBuf> {
        let files = std::fs::read_dir(self.panes()).into_iter().flatten().flatten();
        let files = files.map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|e| e == "life"))
    }

    /// A living supervisor of this run that does not hold the current lock, because the lock file
    /// that it holds was removed.
    pub fn keeper(&self) -> Option<u32> {
        /// How long a supervisor that was just killed may take to exit after its lock was released.
        const LAST_MOMENTS: Duration = Duration::from_secs(1);
        let keeper = self.saved_here()?.keeper?;
        (sys::alive(keeper) && !sys::ends_within(keeper, LAST_MOMENTS)).then_some(keeper.pid)
    }

    /// The supervisor of this run, if it is stopped (SIGSTOP).
    pub fn stopped_supervisor(&self) -> Option<u32> {
        let keeper = self.saved_here()?.keeper?;
        (keeper.info()?.is_stopped() && self.is_held()).then_some(keeper.pid)
    }

    /// The living shims of this run.
    fn living_shims(&self) -> Vec<u32> {
        let shim = |path: PathBuf| {
            let shim = Traces::load(&path).shim?;
            sys::alive(shim).then_some(shim.pid)
        };
        self.lives().filter_map(shim).collect()
    }

    /// Remove the files of a run as far as possible. The lock, and a journal in this directory,
    /// stay.
    pub fn clear(&self) -> std::io::Result<()> {
        let mut done = Ok(());
        for name in ["p", "spill", "t"] {
            done = done.and(remove_file(&self.dir.join(name)));
        }
        // The directory belongs to tmo: whatever was found in the place of one of its files, and
        // moved aside, is removed with the run.
        done = done.and(files::remove_set_aside(&self.dir));
        for name in [
            PLAN,
            STATE,
            "tmux.conf",
            "env.conf",
            "env-reset.conf",
            "menu",
            "shown",
            "stderr",
            "token",
        ] {
            // A `.new` file remains if its writer was killed before the rename.
            for name in [name.to_owned(), format!("{name}.new")] {
                done = done.and(remove_file(&self.dir.join(name)));
            }
        }
        done
    }

    /// The position up to which the last view has shown the log.
    pub fn shown(&self) -> Option<Position> {
        Position::from_bytes(&files::read_plain(&self.shown_file()).ok()?)
    }
}

/// Whether a shim, in any pid namespace, holds the lock on its life file.
fn is_locked(life: &Path) -> bool {
    use rustix::fs::{FlockOperation, flock};
    files::open_plain(life).is_ok_and(|file| {
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    })
}

/// Remove a directory and everything in it. A late sink may create files meanwhile, so retry until
/// the directory itself is gone; after that it can't.
fn remove_dir(dir: &Path) -> std::io::Result<()> {
    /// More than enough: a sink creates only a few files.
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

/// Remove whatever has this name, a file or a directory: something else may have been put in the
/// place of one of tmo's files.
fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) if path.is_dir() => remove_dir(path),
        result => result,
    }
}

/// Read this JSON file, of which no version above `newest` is known; `version` is its own.
pub fn read_json<T: for<'de> Deserialize<'de>>(
    path: PathBuf,
    newest: u32,
    version: impl FnOnce(&T) -> u32,
) -> Result<T, RuntimeDirError> {
    let text = match files::read_plain(&path) {
        Ok(text) => text,
        Err(source) => return Err(RuntimeDirError::Io { path, source }),
    };
    let why = match serde_json::from_slice(&text).map(|found: T| (version(&found), found)) {
        Ok((version, found)) if version <= newest => return Ok(found),
        Ok((version, _)) => format!("format {version} is unknown to this tmo"),
        Err(error) => error.to_string(),
    };
    Err(RuntimeDirError::Format { path, why })
}

/// Replace this file by this value as JSON.
pub fn write_json(path: PathBuf, value: &impl Serialize) -> Result<(), RuntimeDirError> {
    match serde_json::to_vec(value) {
        Ok(text) => replace(&path, &text).map_err(|source| RuntimeDirError::Io { path, source }),
        Err(error) => Err(RuntimeDirError::Format { path, why: error.to_string() }),
    }
}
