//! The runs of this user: active ones, and finished ones that have left a journal.
//!
//! No supervisor is asked: all information comes from the runtime directories and from the records of last
//! runs ([`LastRun`]).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::dir::RuntimeDir;
use super::{listen, lock};
use crate::config::Env;
use crate::config::dirs::{instance_id, is_private, runtime_base, state_base};
use crate::journal::last_run::LastRun;
use crate::journal::segment::Dirs;
use crate::model::plan::Plan;
use crate::model::text::OsText;
use crate::sys::files;

/// The status of a run, as far as its lock shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A guardian or a supervisor holds the lock.
    Held,
    /// The supervisor was killed; processes may be alive.
    Abandoned,
    /// It has ended.
    Over,
}

/// An active run, or the last run of a project.
#[derive(Debug, Clone)]
pub struct KnownRun {
    /// The id of the instance: the same for all runs with the same control socket.
    pub id: String,
    /// Its status.
    pub standing: Standing,
    /// Its plan, unless it is over.
    pub plan: Option<Box<Plan>>,
    /// Its runtime directory, unless it is over.
    pub runtime: Option<RuntimeDir>,
    /// The location of its files.
    pub last: LastRun,
}

impl KnownRun {
    /// Its title.
    pub fn title(&self) -> String {
        match &self.plan {
            Some(plan) => plan.web.title.as_ref().unwrap_or(&plan.title).clone(),
            None => self.last.title(),
        }
    }

    /// The directory of its processes or, if it is over, of its project.
    pub fn root(&self) -> Option<&Path> {
        match &self.plan {
            Some(plan) => Some(plan.root.as_path()),
            None => self.last.origin.as_ref().map(OsText::as_path),
        }
    }

    /// The directories of its journal.
    pub fn dirs(&self) -> Dirs {
        let journal = self.last.journal.as_path();
        match &self.runtime {
            Some(runtime) => Dirs::of_journal(journal, runtime.dir()),
            None => Dirs::new(journal, None),
        }
    }

    /// The control socket of its supervisor, unless it is over.
    pub fn socket(&self) -> Option<PathBuf> {
        let (plan, runtime) = (self.plan.as_ref()?, self.runtime.as_ref()?);
        Some(listen::locate(plan.socket.as_path(), runtime.dir()))
    }

    /// Whether the resource use of its processes is sampled for pages.
    pub fn is_sampled(&self) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.web.metrics)
    }

    /// The id of this run; each run of a project has its own.
    pub fn run(&self) -> Option<&str> {
        self.plan.as_ref().map(|plan| &*plan.run)
    }
}

/// The runtime directories of this user.
pub fn runtime_dirs(env: &Env) -> io::Result<Vec<RuntimeDir>> {
    let entries = files::if_there(std::fs::read_dir(runtime_base(env)))?;
    let dirs = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    // Other users may be able to write to the base directory, so use only private directories of this user.
    Ok(dirs.filter(|dir| is_private(dir)).map(RuntimeDir::new).collect())
}

/// The runs that have not ended, or were killed, with their plans.
pub fn unfinished(env: &Env) -> io::Result<impl Iterator<Item = (RuntimeDir, Plan)>> {
    let with_plan = |runtime: RuntimeDir| Some((runtime.plan().ok()?, runtime));
    Ok(runtime_dirs(env)?.into_iter().filter_map(with_plan).map(|(plan, runtime)| (runtime, plan)))
}

/// The runs that other machines have recorded here, where they see the same files; whether one goes on is not known.
pub fn elsewhere(env: &Env) -> io::Result<impl Iterator<Item = LastRun>> {
    let all = last_runs(&state_base(env).join("last-run"))?;
    Ok(all.into_iter().map(|(_, last)| last).filter(|last| last.elsewhere().is_some()))
}

/// The files and directories whose changes can affect the result of [`all`], given its last result.
pub fn places(env: &Env, runs: &BTreeMap<String, KnownRun>) -> Vec<PathBuf> {
    let base = runtime_base(env);
    let is_known = |dir: &RuntimeDir| runs.values().any(|run| run.runtime.as_ref() == Some(dir));
    let mut places = vec![existing(&base), existing(&state_base(env).join("last-run"))];
    for runtime in runtime_dirs(env).unwrap_or_default() {
        // Watch only these two files, as others in the directory change often.
        if is_known(&runtime) {
            places.extend([runtime.plan_file(), lock::path(runtime.dir())]);
        } else {
            places.push(runtime.dir().to_owned());
        }
    }
    let over = runs.values().filter(|run| run.standing == Standing::Over);
    places.extend(over.map(|run| run.last.journal.as_path().to_owned()));
    places
}

/// This directory, or the closest existing one above it.
fn existing(dir: &Path) -> PathBuf {
    dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(dir).to_owned()
}

/// All runs, by id.
pub fn all(env: &Env) -> io::Result<BTreeMap<String, KnownRun>> {
    let mut runs = BTreeMap::new();
    for (id, last) in last_runs(&state_base(env).join("last-run"))? {
        let run =
            KnownRun { id: id.clone(), standing: Standing::Over, plan: None, runtime: None, last };
        runs.insert(id, run);
    }
    for (runtime, mut plan) in unfinished(env)? {
        // A list of runs does not need the environment, which may have secrets.
        plan.env.clear();
        let id = instance_id(env, plan.socket.as_path());
        let last = LastRun::of(&plan);
        let run = KnownRun {
            id: id.clone(),
            standing: if runtime.is_held() { Standing::Held } else { Standing::Abandoned },
            plan: Some(Box::new(plan)),
            runtime: Some(runtime),
            last,
        };
        runs.insert(id, run);
    }
    Ok(runs)
}

fn last_runs(dir: &Path) -> io::Result<Vec<(String, LastRun)>> {
    let entries = files::if_there(std::fs::read_dir(dir))?;
    let read = |entry: io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.to_owned();
        let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !id.is_empty();
        let last = LastRun::read(&path).filter(|last| is_id && last.journal.as_path().is_dir())?;
        Some((id, last))
    };
    Ok(entries.into_iter().flatten().filter_map(read).collect())
}
