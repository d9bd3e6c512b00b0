//! Checks a `tmo.toml` against the Procfile and the disk.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::keys::{command, env};
use super::problem::{Diagnostics, TomlError};
use super::validate::Weight;
use super::{TmoToml, dependency_check, or_nearest, placeholders};
use crate::config::Env;
use crate::config::place::paths::{absolute, at_home};
use crate::config::procfile::ProcfileEntry;
use crate::model::ProcName;
use crate::model::limits::TOTAL_BYTES;
use crate::model::name::check_length;
use crate::model::text::OsText;

/// Access to the disk.
pub struct Disk<'a> {
    pub dir: &'a Path,
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Whether this is a directory.
    pub is_dir: &'a dyn Fn(&Path) -> io::Result<()>,
}

impl Disk<'_> {
    /// A path from the file, made absolute.
    pub(super) fn path(&self, env: &Env, path: &Path) -> PathBuf {
        absolute(self.dir, &at_home(env, path.to_owned()))
    }
}

/// The result of [`resolve_with_disk`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// All processes: those of the Procfile, then those that only the `tmo.toml` has.
    pub entries: Vec<ProcfileEntry>,
    /// The settings of the processes that have their own.
    pub own: BTreeMap<String, ProcessOverrides>,
}

/// A process's own settings, checked on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessOverrides {
    /// Its working directory, absolute.
    pub cwd: Option<OsText>,
    /// Its variables, over those of the run.
    pub env: Vec<(OsText, OsText)>,
}

/// Check the whole file; reports all problems at once, together with those known before.
pub fn resolve_with_disk(
    toml: &TmoToml,
    procfile: &[ProcfileEntry],
    env: &Env,
    disk: &Disk<'_>,
    mistakes: Diagnostics,
) -> Result<Resolved, TomlError> {
    let entries = entries(toml, procfile, &mistakes);
    check_defaults(toml, entries.len(), &mistakes);
    let mut own = BTreeMap::new();
    let mut room = env::Room::default();
    // The actions of the project have the variables and the directory of `[defaults]`.
    let project = (!toml.actions.is_empty()).then(ProcfileEntry::default);
    for entry in entries.iter().chain(&project) {
        if mistakes.is_over() {
            mistakes.into_result(&toml.source)?;
            return Ok(Resolved::default());
        }
        let table = toml.table_of(&entry.name);
        table.check(&mistakes);
        let found = ProcessOverrides {
            cwd: command::working_directory(table.cwd.as_ref(), env, disk, &mistakes),
            env: env::variables(toml, &entry.name, &table, env, disk, &mut room, &mistakes),
        };
        if found != ProcessOverrides::default() {
            own.insert(entry.name.clone(), found);
        }
    }
    dependency_check::check(toml, &entries, &mistakes);
    placeholders::check(toml, &entries, &mistakes);
    check_actions(toml, &entries, &mistakes);
    mistakes.into_result(&toml.source)?;
    Ok(Resolved { entries, own })
}

/// The entries of the Procfile, then those that only the `tmo.toml` defines.
fn entries(
    toml: &TmoToml,
    procfile: &[ProcfileEntry],
    mistakes: &Diagnostics,
) -> Vec<ProcfileEntry> {
    let mut entries = procfile.to_vec();
    let known: Vec<&str> = procfile.iter().map(|entry| entry.name.as_str()).collect();
    let is_known: HashSet<&str> = known.iter().copied().collect();
    for (name, table) in &toml.processes {
        let word = name.get_ref();
        // An invalid name has been reported already.
        let is_name = ProcName::new(word.as_str()).is_ok_and(|name| name.entry() == word);
        if !is_name || is_known.contains(word.as_str()) {
            continue;
        }
        let Some(command) = &table.command else {
            mistakes.add_with(name.span(), |suggests| {
                if known.is_empty() {
                    return format!("`{word}` has no command; add `command = \"…\"`");
                }
                let near = || format!("; {}", or_nearest(word, &known));
                let near = suggests.then(near).unwrap_or_default();
                format!("`{word}` has no `command`, and the Procfile has no such entry{near}")
            });
            continue;
        };
        let command = command.get_ref().for_shell();
        let line = toml.source.line(&name.span());
        entries.push(ProcfileEntry { name: word.clone(), command: command.into(), line });
    }
    entries
}

/// Report actions whose processes can't have their names.
fn check_actions(toml: &TmoToml, entries: &[ProcfileEntry], mistakes: &Diagnostics) {
    let mut taken: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    for (action, at) in toml.action_places() {
        let name = action.process();
        if let Err(long) = check_length(&name) {
            mistakes.add(at, long.to_string());
        } else if taken.contains(&name) {
            let text = format!(
                "this action runs as a process `{name}`, and there is another one of this name; rename one of them"
            );
            mistakes.add(at, text);
        } else {
            taken.insert(name);
        }
    }
}

/// Report settings in `[defaults]` that are too large together, since each process gets a copy of them.
/// Variables and env files have limits of their own.
fn check_defaults(toml: &TmoToml, processes: usize, mistakes: &Diagnostics) {
    let Weight { total, heaviest } = &toml.weight_of_defaults;
    if total.saturating_mul(processes) > TOTAL_BYTES {
        let text = format!(
            "what `[defaults]` says comes to more than {} MiB for {processes} processes, each of \
             which has all of it; say it in `[process.NAME]` of those that need it",
            TOTAL_BYTES >> 20
        );
        mistakes.add_last(heaviest.clone(), text);
    }
}
