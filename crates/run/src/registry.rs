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
use crate::config::place::dirs::{Identity, is_private, runtime_base, state_base};
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

impl Standing {
    /// The word of lists for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "running",
            Self::Abandoned => "abandoned",
            Self::Over => "over",
        }
    }
}

/// An active run, or the last run of a project.
#[derive(Debug, Clone)]
pub struct KnownRun {
    /// The id of the instance: the same for all runs with the same control socket.
    pub id: String,
    pub standing: Standing,
    pub plan: Option<Box<Plan>>,
    /// Its runtime directory, unless it is over.
    pub runtime: Option<RuntimeDir>,
    pub last: LastRun,
}

impl KnownRun {
    /// The run of this runtime directory, if its plan can be read.
    fn in_dir(env: &Env, runtime: RuntimeDir) -> Option<Self> {
        let mut plan = runtime.plan().ok()?;
        // A list of runs does not need the environment, which may have secrets.
        plan.env.clear();
        Some(Self {
            id: Identity::of_socket(env, plan.socket.as_path()).id,
            standing: if runtime.is_held() { Standing::Held } else { Standing::Abandoned },
            last: LastRun::of(&plan),
            plan: Some(Box::new(plan)),
            runtime: Some(runtime),
        })
    }

    /// The last run with this record, if its journal is still there.
    fn past(record: &Path) -> Option<Self> {
        let id = record.file_name()?.to_str()?.to_owned();
        let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !id.is_empty();
        let last = LastRun::read(record).filter(|last| is_id && last.journal.as_path().is_dir())?;
        Some(Self { id, standing: Standing::Over, plan: None, runtime: None, last })
    }

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

    pub fn dirs(&self) -> Dirs {
        let journal = self.last.journal.as_path();
        match &self.runtime {
            Some(runtime) => Dirs::of_journal(journal, runtime.dir()),
            None => Dirs::new(journal, None),
        }
    }

    /// The control socket of its supervisor, unless it is over.
    pub fn socket(&self) -> Option<PathBuf> {
        let runtime = self.runtime.as_ref()?;
        Some(listen::locate(self.plan.as_ref()?.socket.as_path(), runtime.dir()))
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

/// The runs that have not ended, or were killed.
pub fn unfinished(env: &Env) -> io::Result<impl Iterator<Item = KnownRun>> {
    Ok(runtime_dirs(env)?.into_iter().filter_map(|runtime| KnownRun::in_dir(env, runtime)))
}

/// The last runs of projects that have left a journal, as if they were over.
fn past(env: &Env) -> io::Result<impl Iterator<Item = KnownRun>> {
    let entries = files::if_there(std::fs::read_dir(state_base(env).join("last-run")))?;
    Ok(entries.into_iter().flatten().filter_map(|entry| KnownRun::past(&entry.ok()?.path())))
}

/// The runs that other machines have recorded here, where they see the same files; whether one goes on is not known.
pub fn elsewhere(env: &Env) -> io::Result<impl Iterator<Item = KnownRun>> {
    Ok(past(env)?.filter(|run| run.last.elsewhere().is_some()))
}

/// All runs, by id.
pub fn all(env: &Env) -> io::Result<BTreeMap<String, KnownRun>> {
    Ok(past(env)?.chain(unfinished(env)?).map(|run| (run.id.clone(), run)).collect())
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
