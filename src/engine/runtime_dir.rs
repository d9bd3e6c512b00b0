//! The runtime directory of an instance and its files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::forced_end;
use super::persisted_state::{PersistedState, STATE_VERSION};
use crate::instance::lock;
use crate::journal::cursor::Position;
use crate::model::plan::{PLAN_VERSION, Plan, ProcessPlan};
use crate::protocol::life::Traces;
use crate::protocol::paths::PanePaths;
use crate::protocol::spec::replace;
use crate::supervisor::RunPhase;
use crate::sys::{self, OrphanReport, ProcInfo, clock, files};

/// The runtime directory: lock, plan, state, and the files of the panes (`p/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeDir {
    dir: PathBuf,
}

/// A file of the runtime directory that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// Reading or writing failed.
    #[error("{}: {}", path.display(), sys::why(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its content is invalid.
    #[error("{}: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The run lives in another pid namespace and can't be reached from here.
    #[error(
        "what runs here was started in another pid namespace (a container): `tmo start` goes on \
         with it there; if it is none of yours, give another socket with `-s` ({})",
        dir.display()
    )]
    Elsewhere {
        /// The runtime directory.
        dir: PathBuf,
    },
    /// A process of an earlier run is still alive, but no file in the directory names it.
    #[error(
        "{comm} (pid {pid}) of an earlier run is still alive, but no file in {} names it; \
         `tmo kill` ends that run",
        dir.display()
    )]
    Stray {
        /// The runtime directory.
        dir: PathBuf,
        /// The process.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// Another session has a run of this project, or is starting one.
    #[error(
        "this project runs in another session (pid {pid}, runtime directory {}); `tmo ps` shows it, \
         `tmo quit` ends it",
        dir.display()
    )]
    OtherSession {
        /// The runtime directory of the other session.
        dir: PathBuf,
        /// A process of the run.
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

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The plan of the run.
    pub fn plan_file(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    /// Where `tmo start` leaves the plan for the guardian. Only one start runs at a time, and the
    /// next one overwrites the file of a start that was killed.
    pub fn fresh_plan_file(&self) -> PathBuf {
        self.dir.join("plan.json.fresh")
    }

    /// The saved state of the supervisor.
    pub fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// The position up to which the view has shown the log ([`Position::to_bytes`]).
    pub fn shown_file(&self) -> PathBuf {
        self.dir.join("shown")
    }

    /// The standard error of the supervisor process itself.
    pub fn stderr_file(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    /// Directory of the panes' files.
    pub fn panes(&self) -> PathBuf {
        self.dir.join("p")
    }

    /// Read the plan.
    pub fn plan(&self) -> Result<Plan, RuntimeDirError> {
        let plan: Plan = read(&self.plan_file())?;
        if plan.version > PLAN_VERSION {
            let why = format!("format {} is unknown to this tmo", plan.version);
            return Err(RuntimeDirError::Format { path: self.plan_file(), why });
        }
        // Every later version has a directory of apps.
        if plan.apps.is_none() {
            let why = "tmo 0.1 has started this run".to_owned();
            return Err(RuntimeDirError::Format { path: self.plan_file(), why });
        }
        Ok(plan)
    }

    /// Replace the plan of the run, after a reload or when `tmo scale` adds instances.
    pub(super) fn write_plan(&self, plan: &Plan) -> Result<(), RuntimeDirError> {
        let path = self.plan_file();
        let text = serde_json::to_vec(plan)
            .map_err(|e| RuntimeDirError::Format { path: path.clone(), why: e.to_string() })?;
        replace(&path, &text).map_err(|source| RuntimeDirError::Io { path, source })
    }

    /// Read the state that the last supervisor saved.
    pub fn saved(&self) -> Result<PersistedState, RuntimeDirError> {
        let saved: PersistedState = read(&self.state_file())?;
        if saved.version > STATE_VERSION {
            let why = format!("format {} is unknown to this tmo", saved.version);
            return Err(RuntimeDirError::Format { path: self.state_file(), why });
        }
        Ok(saved)
    }

    /// Read the state that the last supervisor saved, which must fit this plan.
    pub fn saved_of(&self, plan: &Plan) -> Result<PersistedState, RuntimeDirError> {
        let mut saved = self.saved()?;
        if saved.supervisor.is_of(plan) && saved.outbox.is_of(plan.processes.len()) {
            // The plan is written before the state: a supervisor that added processes may have been
            // killed in between.
            saved.supervisor.grow(plan, clock::now());
            Ok(saved)
        } else {
            let why = "state.json lists different processes than plan.json".to_owned();
            Err(RuntimeDirError::Format { path: self.state_file(), why })
        }
    }

    /// Save the state of the supervisor.
    pub fn save(&self, saved: &PersistedState) -> Result<(), RuntimeDirError> {
        let path = self.state_file();
        let text = serde_json::to_vec(saved)
            .map_err(|e| RuntimeDirError::Format { path: path.clone(), why: e.to_string() })?;
        replace(&path, &text).map_err(|source| RuntimeDirError::Io { path, source })
    }

    /// Whether the saved state is that of a run that was being stopped, and parts of this run are
    /// still alive.
    pub fn is_being_stopped(&self) -> bool {
        let saved = self.saved();
        saved.is_ok_and(|saved| saved.supervisor.run_phase == RunPhase::Stopping)
            && self.has_survivors()
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
        if saved.as_ref().is_some_and(PersistedState::is_elsewhere) {
            // Pids of another namespace mean nothing here, but file locks work across namespaces.
            return self.lives().any(|life| is_locked(&life));
        }
        let tmux = saved.and_then(|saved| saved.tmux);
        let tmux = tmux.is_some_and(|server| sys::alive(server.pid, server.start_time));
        tmux || !self.living_shims().is_empty()
    }

    /// Whether there is a run to adopt; an error if there is one that can't be adopted. Nothing may
    /// be started beside a run whose files are gone, so the process table is searched for its
    /// parts.
    pub fn adoptable(&self) -> Result<bool, RuntimeDirError> {
        if !self.has_survivors() {
            let parts = self.parts_in_the_way();
            let Some(ProcInfo { pid, comm, .. }) = forced_end::remaining(&parts) else {
                return Ok(false);
            };
            return Err(self.of_other_session(*pid).unwrap_or_else(|| RuntimeDirError::Stray {
                dir: self.dir.clone(),
                pid: *pid,
                comm: comm.clone(),
            }));
        }
        match self.plan().and_then(|plan| self.saved_of(&plan)) {
            Ok(saved) if saved.is_elsewhere() => {
                Err(RuntimeDirError::Elsewhere { dir: self.dir.clone() })
            }
            Ok(_) => Ok(true),
            Err(error) => Err(RuntimeDirError::Lost { error: Box::new(error) }),
        }
    }

    /// The run of another session that was faster: it was not there yet when [`Self::adoptable`]
    /// searched, or was expected to give up, but now it listens.
    pub fn overtaken(&self) -> Option<RuntimeDirError> {
        self.of_other_session(self.parts().first()?.pid)
    }

    /// The error about another session that has a run; `pid` is one of its processes.
    fn of_other_session(&self, pid: u32) -> Option<RuntimeDirError> {
        let is_run = |dir: &PathBuf| lock::is_held(dir).unwrap_or(false);
        let dir = self.of_other_sessions().into_iter().find(is_run)?;
        Some(RuntimeDirError::OtherSession { dir, pid })
    }

    /// End the leftover processes of a run whose own tmo parts were all killed: the next start
    /// would run the same commands beside them.
    pub fn kill_orphans(&self) -> OrphanReport {
        let mut all = OrphanReport::default();
        let Ok(plan) = self.plan() else { return all };
        let here = |saved: PersistedState| saved.boot == sys::boot_id() && !saved.is_elsewhere();
        if !self.saved().is_ok_and(here) {
            return all;
        }
        let traces =
            |process: &ProcessPlan| Traces::read(&PanePaths::new(&self.dir, &process.name).life());
        let lives =
            |traces: Traces| traces.mains.iter().any(|&(pid, start)| sys::alive(pid, start));
        let known = plan.processes.iter().any(|process| lives(traces(process)));
        if !known && !sys::has_orphans(&plan.run) {
            return all;
        }
        for process in &plan.processes {
            let Traces { shim, mains } = traces(process);
            all.add(sys::kill_orphans(&sys::Orphans {
                run: plan.run.clone(),
                process: process.name.to_string(),
                shim: shim.map_or(0, |(pid, _)| pid),
                mains,
                known: vec![],
                witnessed: false,
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
    pub(super) fn keeper(&self) -> Option<u32> {
        /// How long a supervisor that was just killed may take to exit after its lock was released.
        const LAST_MOMENTS: Duration = Duration::from_secs(1);
        let saved = self.saved().ok().filter(|saved| !saved.is_elsewhere())?;
        let (pid, start_time) = saved.keeper?;
        let lives = saved.boot == sys::boot_id() && sys::alive(pid, start_time);
        (lives && !sys::ends_within(pid, start_time, LAST_MOMENTS)).then_some(pid)
    }

    /// The supervisor of this run, if it is stopped (SIGSTOP).
    pub fn stopped_supervisor(&self) -> Option<u32> {
        let saved = self.saved().ok().filter(|saved| !saved.is_elsewhere())?;
        let keeper = saved.keeper.filter(|_| saved.boot == sys::boot_id())?;
        let process = sys::info(keeper.0).filter(|process| process.id() == keeper)?;
        (process.is_stopped() && lock::is_held(&self.dir).unwrap_or(false)).then_some(keeper.0)
    }

    /// The living shims of this run.
    fn living_shims(&self) -> Vec<u32> {
        let shim = |path: PathBuf| {
            let (pid, start_time) = Traces::read(&path).shim?;
            sys::alive(pid, start_time).then_some(pid)
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
            "plan.json",
            "state.json",
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

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RuntimeDirError> {
    let io = |source| RuntimeDirError::Io { path: path.to_owned(), source };
    let text = files::read_plain(path).map_err(io)?;
    serde_json::from_slice(&text)
        .map_err(|e| RuntimeDirError::Format { path: path.to_owned(), why: e.to_string() })
}
