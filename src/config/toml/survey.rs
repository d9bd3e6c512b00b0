//! How a `tmo.toml` fits the Procfile and the disk, and whether what it says of a process agrees
//! with itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ::toml::Spanned;

use super::problem::{Mistakes, TomlError};
use super::table::{Args, Asked, Command, ProcessTable, ReadyCheck};
use super::{At, TmoToml, environ, needs, or_nearest};
use crate::config::Env;
use crate::config::paths::{absolute, at_home};
use crate::config::procfile::Entry;
use crate::model::limits::{ITEM_BYTES, PROCESS_ENV_BYTES, TOTAL_BYTES};
use crate::model::plan::OnExit;
use crate::model::rules::{Flag, Probe, Restart, Stage};
use crate::model::shell;
use crate::model::text::OsText;
use crate::sys::why;

/// What is asked of the disk.
pub struct Disk<'a> {
    /// The directory of the file.
    pub dir: &'a Path,
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Whether this is a directory.
    pub is_dir: &'a dyn Fn(&Path) -> io::Result<()>,
}

impl Disk<'_> {
    /// A path of the file, absolute.
    pub(super) fn path(&self, env: &Env, path: &Path) -> PathBuf {
        absolute(self.dir, &at_home(env, path.to_owned()))
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surveyed {
    /// All processes: those of the Procfile, then those that only the `tmo.toml` has.
    pub entries: Vec<Entry>,
    /// What each has of its own, where it has any.
    pub own: BTreeMap<String, Own>,
}

/// What is left of the limits that all processes share.
#[derive(Debug)]
pub(super) struct Room {
    /// Bytes of variables.
    pub(super) variables: usize,
    /// Bytes of env files that are parsed.
    pub(super) env_files: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { variables: TOTAL_BYTES, env_files: PROCESS_ENV_BYTES }
    }
}

/// What a process has of its own, looked up on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// Its working directory, absolute.
    pub cwd: Option<OsText>,
    /// Its variables, over those of the run.
    pub env: Vec<(OsText, OsText)>,
}

/// Look at all of it; all that is wrong is told at once, with what was known before.
pub fn survey(
    toml: &TmoToml,
    procfile: &[Entry],
    env: &Env,
    (disk, mut mistakes): (&Disk<'_>, Mistakes),
) -> Result<Surveyed, TomlError> {
    let entries = entries(toml, procfile, &mut mistakes);
    check_defaults(toml, entries.len(), &mut mistakes);
    let mut own = BTreeMap::new();
    let mut room = Room::default();
    for entry in &entries {
        if mistakes.is_over() {
            mistakes.into_result(&toml.source)?;
            return Ok(Surveyed::default());
        }
        let table = toml.of(&entry.name);
        sense(&table, &mut mistakes);
        let found = Own {
            cwd: cwd(&table, env, disk, &mut mistakes),
            env: environ::of(toml, (&entry.name, &table), env, (disk, &mut room), &mut mistakes),
        };
        if found != Own::default() {
            own.insert(entry.name.clone(), found);
        }
    }
    needs::check(toml, &entries, &mut mistakes);
    mistakes.into_result(&toml.source)?;
    Ok(Surveyed { entries, own })
}

/// The entries of the Procfile, and what is said here of others.
fn entries(toml: &TmoToml, procfile: &[Entry], mistakes: &mut Mistakes) -> Vec<Entry> {
    let mut entries = procfile.to_vec();
    let known: Vec<&str> = procfile.iter().map(|entry| entry.name.as_str()).collect();
    let is_known: HashSet<&str> = known.iter().copied().collect();
    for (name, table) in &toml.processes {
        let word = name.get_ref();
        // One that can't be a name has been told.
        let is_name =
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !is_name || is_known.contains(word.as_str()) {
            continue;
        }
        let Some(command) = &table.command else {
            if mistakes.is_full() {
                mistakes.add(name.span(), "");
                continue;
            }
            let text = if known.is_empty() {
                format!("`{word}` has no command; add `command = \"…\"`")
            } else {
                let near = || format!("; {}", or_nearest(word, &known));
                let near = mistakes.suggests().then(near).unwrap_or_default();
                format!("`{word}` has no `command`, and the Procfile has no such entry{near}")
            };
            mistakes.add(name.span(), text);
            continue;
        };
        let command = match command.get_ref() {
            Command::Shell(line) => line.clone(),
            Command::Words(words) => {
                words.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>().join(" ")
            }
        };
        let line = toml.source.line(&name.span());
        entries.push(Entry { name: word.clone(), command: command.into(), line });
    }
    entries
}

/// Settings for all processes are copied into each. Variables and env files have their own limits.
fn check_defaults(toml: &TmoToml, processes: usize, mistakes: &mut Mistakes) {
    let all = &toml.defaults;
    let text =
        |at: &At<String>| (at.as_ref().map_or(0, |text| text.get_ref().len()), place(at.as_ref()));
    let ready = all.ready.iter().flat_map(Spanned::get_ref).map(|check| size(&check.asked));
    let codes = |at: &At<Vec<u8>>| {
        (at.as_ref().map_or(0, |codes| codes.get_ref().len()), place(at.as_ref()))
    };
    let groups = all.groups.iter().map(|group| group.get_ref().len() + ITEM_BYTES);
    let failures =
        all.failures.iter().map(|failure| failure.get_ref().text.pattern.len() + ITEM_BYTES);
    let flag = |flag: &Flag| flag.name.len() + flag.text.pattern.len() + ITEM_BYTES;
    let flags = all.flags.iter().map(|one| flag(one.get_ref()));
    let live = all.live.as_ref().map_or(0, |live| size(&live.get_ref().asked));
    let cwd = all.cwd.as_ref().map_or(0, |cwd| cwd.get_ref().as_os_str().len());
    let sizes = [
        (groups.sum::<usize>(), place(all.groups.first())),
        (ready.sum(), place(all.ready.as_ref())),
        (failures.sum(), place(all.failures.first())),
        (flags.sum(), place(all.flags.first())),
        (live, place(all.live.as_ref())),
        (cwd, place(all.cwd.as_ref())),
        text(&all.shell),
        text(&all.stop.command),
        codes(&all.success_exit_codes),
        codes(&all.soft_exit_codes),
    ];
    let sum: usize = sizes.iter().map(|(size, _)| size).sum();
    if sum.saturating_mul(processes) > TOTAL_BYTES
        && let Some((_, at)) = sizes.into_iter().max_by_key(|(size, _)| *size)
    {
        let text = format!(
            "what `[defaults]` says comes to more than {} MiB for {processes} processes, each of \
             which has all of it; say it in `[process.NAME]` of those that need it",
            TOTAL_BYTES >> 20
        );
        mistakes.add_last(at, text);
    }
}

fn place<T>(at: Option<&Spanned<T>>) -> Range<usize> {
    at.map(Spanned::span).unwrap_or_default()
}

/// The memory that this check takes.
fn size(asked: &Asked) -> usize {
    let text = match asked {
        Asked::OwnPort(host, _) | Asked::Probe(Probe::Port { host, .. }) => host.len(),
        Asked::Probe(Probe::Log(text)) => text.pattern.len(),
        Asked::Probe(Probe::Http { url }) => url.len(),
        Asked::Probe(Probe::Exec { command }) => command.as_bytes().len(),
        Asked::Probe(Probe::Exit { .. } | Probe::Delay { .. }) => 0,
    };
    text + ITEM_BYTES
}

fn cwd(
    table: &ProcessTable,
    env: &Env,
    disk: &Disk<'_>,
    mistakes: &mut Mistakes,
) -> Option<OsText> {
    let cwd = table.cwd.as_ref()?;
    let path = disk.path(env, cwd.get_ref());
    if let Err(error) = (disk.is_dir)(&path) {
        let text =
            format!("can't run in {}: {}; make it, or name another", path.display(), why(&error));
        mistakes.add(cwd.span(), text);
    }
    Some(path.into())
}

/// Whether what is said of a process agrees with itself.
fn sense(table: &ProcessTable, mistakes: &mut Mistakes) {
    if let (Some(command), Some(args)) = (&table.command, &table.args)
        && matches!((command.get_ref(), args.get_ref()), (Command::Words(_), Args::Text(_)))
    {
        mistakes.add(args.span(), "`args` of a command without a shell are a list, as the command");
    }
    restarts(table, mistakes);
    readiness(table, mistakes);
    if let (Some(soft), Some(good)) = (&table.soft_exit_codes, &table.success_exit_codes)
        && let Some(code) = soft.get_ref().iter().find(|code| good.get_ref().contains(code))
    {
        let text = format!("{code} is in `success_exit_codes` too; it can't be both");
        mistakes.add(soft.span(), text);
    }
    let mut names = BTreeSet::new();
    for flag in &table.flags {
        let name = &flag.get_ref().name;
        if !names.insert(name) {
            mistakes.add(flag.span(), format!("there are two flags `{name}`; rename one of them"));
        }
    }
}

fn restarts(table: &ProcessTable, mistakes: &mut Mistakes) {
    let restart = &table.restart;
    let policy = restart.policy.as_ref();
    let end = table.on_exit.as_ref().filter(|end| *end.get_ref() == OnExit::Restart);
    if let Some(end) = end
        && policy.is_some_and(|policy| *policy.get_ref() == Restart::No)
    {
        let text = "`on_exit = \"restart\"` and `restart = \"no\"` contradict each other; \
                    leave one of them out";
        mistakes.add(end.span(), text);
    }
    if let (Some(delay), Some(most)) = (&restart.delay_ms, &restart.max_delay_ms)
        && delay.get_ref() > most.get_ref()
    {
        mistakes.add(delay.span(), "the first pause is longer than `max_delay`; raise that");
    }
    let for_ever = policy.filter(|policy| *policy.get_ref() == Restart::Always);
    let for_ever = for_ever.map(Spanned::span).or(end.map(Spanned::span));
    let Some(at) = for_ever else { return };
    if table.ends_ready() {
        let text = "it is ready when it has ended (`exit`), so it can't be started again after \
                    each end; use \"on-failure\"";
        mistakes.add(at, text);
    } else if table.stage() == Stage::Cleanup {
        let text = "a process of phase cleanup has to end; use \"on-failure\" or \"no\"";
        mistakes.add(at, text);
    }
}

fn readiness(table: &ProcessTable, mistakes: &mut Mistakes) {
    if !table.ends_ready() {
        return;
    }
    let listens = |check: &ReadyCheck| {
        matches!(
            check.asked,
            Asked::OwnPort(..) | Asked::Probe(Probe::Port { .. } | Probe::Http { .. })
        )
    };
    if let Some(ready) = &table.ready
        && ready.get_ref().iter().any(listens)
    {
        let text = "a process that has ended (`exit`) takes no connections (`port`, `http`); \
                    keep one of them";
        mistakes.add(ready.span(), text);
    }
    if let Some(live) = &table.live {
        let text = "it is ready when it has ended (`exit`), so nothing is left to ask; \
                    leave out `live`";
        mistakes.add(live.span(), text);
    }
}
