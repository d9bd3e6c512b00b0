//! What is different by now from what a run has read: its files, and the programs of its processes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::cli::project::input::Start;
use crate::cli::reach::instance::Instance;
use crate::config::Warning;
use crate::model::ProcName;
use crate::model::plan::Plan;
use crate::model::state::ProcessState;
use crate::model::time::Timestamp;
use crate::plan::{self, ProcessChange};
use crate::run::dir::RuntimeDir;
use crate::sys;
use crate::sys::clock::timestamp;

/// Programs that execute a file whose name is among their first arguments.
const INTERPRETERS: [&str; 16] = [
    "bash", "bun", "busybox", "dash", "deno", "fish", "ksh", "node", "nu", "perl", "php", "python",
    "ruby", "sh", "tsx", "zsh",
];

/// What is different by now for a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Drift {
    pub(in crate::cli) name: ProcName,
    /// Its changed settings, as `tmo reload` names them: `environment: DATABASE_URL`. Values are not among them.
    pub(in crate::cli) settings: Vec<String>,
    /// The file of its program or script, if that was replaced since it was started.
    pub(in crate::cli) program: Option<PathBuf>,
}

impl Drift {
    /// All of it, in a few words each.
    pub(in crate::cli) fn words(&self) -> impl Iterator<Item = String> {
        let program = self.program.iter().map(|file| format!("program: {}", file.display()));
        self.settings.iter().cloned().chain(program)
    }
}

/// The plan that a start would make now of what the files of a run say, and its warnings.
pub(in crate::cli) fn read_again(
    old: &Plan,
    runtime: &RuntimeDir,
) -> Result<(Plan, Vec<String>), CliError> {
    let start = Start::again(old.clone(), runtime.clone())?;
    // A start would ignore the broken file, which would restart every process that depends on its values.
    if let Some(Warning::EnvFile { file, why }) = start.context.warnings.first() {
        return Err(CliError::Other(format!("{file}: {why}")));
    }
    start.resolve(false)
}

/// The processes whose settings have changed since the run has read them.
pub(in crate::cli) fn changed_settings(
    old: &Plan,
    runtime: &RuntimeDir,
) -> Result<Vec<Drift>, CliError> {
    let (fresh, _) = read_again(old, runtime)?;
    let changes = plan::reload(old, &fresh).changes.into_iter().filter_map(|(name, change)| {
        let settings = match change {
            ProcessChange::Unchanged => return None,
            ProcessChange::Policies { what } | ProcessChange::Restarted { what, .. } => what,
            ProcessChange::Removed => vec!["removed".to_owned()],
            ProcessChange::New => vec!["new".to_owned()],
        };
        Some(Drift { name, settings, program: None })
    });
    Ok(changes.collect())
}

/// The processes for which something is different by now.
pub(in crate::cli) fn drift(
    instance: &Instance,
    processes: &[ProcessState],
) -> Result<Vec<Drift>, CliError> {
    let old = instance.runtime.plan()?;
    let mut found = changed_settings(&old, &instance.runtime)?;
    let planned = old.processes.iter();
    let cwds: HashMap<_, _> =
        planned.filter_map(|planned| Some((&planned.name, planned.cwd.as_ref()?))).collect();
    for process in processes {
        let cwd = cwds.get(&process.name).copied().unwrap_or(&old.root).as_path();
        let Some(file) = process.pid.and_then(|pid| replaced(pid, cwd, process.since)) else {
            continue;
        };
        match found.iter_mut().find(|drift| drift.name == process.name) {
            Some(drift) => drift.program = Some(file),
            None => found.push(Drift {
                name: process.name.clone(),
                settings: vec![],
                program: Some(file),
            }),
        }
    }
    Ok(found)
}

/// The file of the program that a process runs, or of its script, if it is another one by now. The shell of a command
/// does not count, but what it has started.
fn replaced(pid: u32, cwd: &Path, since: Timestamp) -> Option<PathBuf> {
    let (program, is_there) = sys::program_of(pid)?;
    // Only those of interpreters matter, and reading them costs more than the rest.
    let arguments = if is_interpreter(&program) { sys::arguments_of(pid)? } else { vec![] };
    if arguments.get(1).is_some_and(|word| word == "-c")
        && let [child] = sys::children(pid)[..]
    {
        return replaced(child, cwd, since);
    }
    if !is_there {
        // A file that was only removed, such as that of a finished build, says nothing.
        return program.exists().then_some(program);
    }
    let script = cwd.join(arguments.iter().skip(1).find(|word| !word.starts_with('-'))?);
    // Without `./` in it.
    let script: PathBuf = script.components().collect();
    let found = script.metadata().ok().filter(fs::Metadata::is_file)?;
    (timestamp(found.modified().ok()?) > since).then_some(script)
}

/// Whether a program executes scripts: `python3.12`, `sh`.
fn is_interpreter(program: &Path) -> bool {
    let name = program.file_name().and_then(OsStr::to_str).unwrap_or_default();
    INTERPRETERS.iter().any(|known| {
        let version = name.strip_prefix(known);
        version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
    })
}
