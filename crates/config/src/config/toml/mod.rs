//! `tmo.toml`, beside the Procfile or in its place: settings that a Procfile can't express.
//!
//! A file is read in three steps, each of which reports all errors that it finds: its syntax; its keys and
//! kinds of values (`validate`) and their meaning (`keys`, a file for each); then, in [`resolve_with_disk`],
//! how it fits the Procfile and the disk. Every value keeps its place in the file.

mod dependency_check;
mod keys;
mod kind;
mod local;
mod placeholders;
mod problem;
mod resolve;
mod said;
mod schema;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use ::toml::Spanned;
use ::toml::de::DeTable;

use crate::config::Env;
use crate::config::options::BackendChoice;
use crate::model::ProcName;
use crate::model::name::action::ActionName;
use crate::model::name::check_length;
use crate::model::name::nearest::nearest;
use crate::model::plan::detach_keys::DetachKeys;
use crate::model::plan::rules::{DependencyCondition, Hooks, WatcherPatterns, WebRules};
pub use keys::{
    ActionEntry, CommandLine, DependencyEntry, EffectiveSetting, LogTable, ProcessTable,
    command_line,
};
pub use placeholders::{Placeholder, fill};
pub use problem::{Diagnostics, SourceText, TomlError, TomlProblem};
pub use resolve::{Disk, ProcessOverrides, Resolved, resolve_with_disk};
pub use said::{At, Said, value};
pub use schema::{KeyEntry, reference, schema};
use validate::{Table, Weight, in_order};

/// The contents of a `tmo.toml`; every part is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TmoToml {
    /// `backend`: what provides the terminals.
    pub backend: At<BackendChoice>,
    /// `port_auto`: whether the ports are to be free ones.
    pub port_auto: At<bool>,
    /// `[log]`: the directory and the limits of the journal.
    pub log: LogTable,
    /// `[defaults]`: settings for every process that does not override them.
    pub defaults: ProcessTable,
    /// `[process.NAME]`, in the order of the file.
    pub processes: Vec<(Spanned<String>, ProcessTable)>,
    /// `[action.NAME]`: commands of the project that run on request, in the order of the file.
    pub actions: Vec<Spanned<ActionEntry>>,
    /// `[hooks]`: commands to run on certain events.
    pub hooks: Hooks,
    /// The place of the hook `cleanup`.
    pub cleanup_hook: Option<std::ops::Range<usize>>,
    /// `[web]`: how pages show the run.
    pub web: WebRules,
    /// `[watcher.NAME]`: file watchers.
    pub watchers: Vec<WatcherPatterns>,
    /// `[connect] detach`.
    pub detach_keys: Option<DetachKeys>,
    /// `[crash] dir`, relative to the directory of the file.
    pub crash_dir: Option<PathBuf>,
    /// The file itself.
    pub source: SourceText,
    /// What the values of `[defaults]` take.
    weight_of_defaults: Weight,
    /// Indexes for frequent lookups.
    index: Index,
}

/// Speeds up lookups: a file may have thousands of tables, each of which names others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Index {
    /// The index of a process's table in [`TmoToml::processes`].
    tables: HashMap<String, usize>,
    /// Processes that others wait for to end.
    completed: HashSet<String>,
}

impl Index {
    fn new(processes: &[(Spanned<String>, ProcessTable)]) -> Self {
        let mut index = Self::default();
        for (at, (name, table)) in processes.iter().enumerate() {
            index.tables.entry(name.get_ref().clone()).or_insert(at);
            let on = table.depends_on.iter().map(Spanned::get_ref);
            let completed = on.filter(|need| need.until == DependencyCondition::Completed);
            index.completed.extend(completed.map(|need| need.on.clone()));
        }
        index
    }
}

impl TmoToml {
    /// The settings of a process, merged with `[defaults]`.
    pub fn table_of(&self, name: &str) -> ProcessTable {
        let table = self.table(name).map(|table| table.over(&self.defaults));
        table.unwrap_or_else(|| self.defaults.clone())
    }

    /// A setting of one process, or the one from `[defaults]`.
    fn first<'a, T>(
        &'a self,
        name: &str,
        of: impl Fn(&'a ProcessTable) -> &'a At<T>,
    ) -> Option<&'a T> {
        let own = self.table(name).and_then(|table| of(table).as_ref());
        own.or(of(&self.defaults).as_ref()).map(Spanned::get_ref)
    }

    /// The settings of a process without `[defaults]`.
    pub fn table(&self, name: &str) -> Option<&ProcessTable> {
        self.index.tables.get(name).map(|at| &self.processes[*at].1)
    }

    /// The actions of the processes, then those of the project, each with its place.
    pub fn action_places(&self) -> impl Iterator<Item = (ActionName<'_>, std::ops::Range<usize>)> {
        let of_processes = self.processes.iter().flat_map(|(of, table)| {
            table.action.iter().map(move |action| (Some(of.get_ref().as_str()), action))
        });
        let all = of_processes.chain(self.actions.iter().map(|action| (None, action)));
        all.map(|(of, action)| (ActionName { of, name: &action.get_ref().name }, action.span()))
    }

    /// Whether some process waits for this one to end.
    pub fn is_to_complete(&self, name: &str) -> bool {
        self.index.completed.contains(name)
    }
}

/// Parse the text of a `tmo.toml`; `file` is its name for messages.
pub fn parse(text: &str, file: &str) -> Result<TmoToml, TomlError> {
    let (toml, mistakes) = parse_leniently(text, file)?;
    mistakes.into_result(&toml.source)?;
    Ok(toml)
}

/// Parse a file of which only the syntax must be valid; returns the other errors beside the result.
pub fn parse_leniently(text: &str, file: &str) -> Result<(TmoToml, Diagnostics), TomlError> {
    parse_with_local(TomlText { text, file }, None)
}

/// The text of a file, and its name for messages.
#[derive(Debug, Clone, Copy)]
pub struct TomlText<'a> {
    pub text: &'a str,
    pub file: &'a str,
}

/// Parse a file, and one that wins over it.
pub fn parse_with_local(
    TomlText { text, file }: TomlText<'_>,
    local: Option<TomlText<'_>>,
) -> Result<(TmoToml, Diagnostics), TomlError> {
    let mut source = SourceText::new(text, file);
    // So that a place in it is none in the other file.
    let behind = local.map(|local| source.append(local.text, local.file));
    let mistakes = Diagnostics::default();
    let mut document = table_of(text, &source, &mistakes);
    if let Some(behind) = &behind {
        let upper = table_of(behind, &source, &mistakes);
        local::lay_over(document.get_mut(), upper.into_inner(), local::Level::Top);
    }
    // The rest of a file with syntax errors can't be checked.
    mistakes.clone().into_result(&source)?;
    let view = Table { table: document.get_ref(), mistakes: &mistakes };
    validate::table(view.table, &[keys::TOP], "", &mistakes);
    if mistakes.is_over() {
        mistakes.clone().into_result(&source)?;
    }
    let empty = DeTable::new();
    let table = |key| view.table(key).map_or(Table { table: &empty, ..view }, Spanned::into_inner);
    let processes = processes(table("process"));
    let toml = TmoToml {
        backend: view.word("backend"),
        port_auto: view.switch("port_auto"),
        log: LogTable::parse(table("log")),
        defaults: ProcessTable::parse(table("defaults")),
        actions: keys::action::actions(view),
        index: Index::new(&processes),
        processes,
        hooks: keys::tables::hooks(table("hooks")),
        cleanup_hook: table("hooks").get("cleanup").map(Spanned::span),
        web: keys::tables::web_rules(table("web")),
        watchers: keys::tables::watchers(table("watcher")),
        detach_keys: keys::tables::detach_keys(table("connect")),
        crash_dir: keys::tables::crash_dir(table("crash")),
        weight_of_defaults: Weight::without(table("defaults").table, keys::env::KEYS),
        source,
    };
    Ok((toml, mistakes))
}

/// A key as it is written in a file: quoted if it must be.
pub fn bare(key: &str) -> String {
    if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return key.to_owned();
    }
    ::toml::Value::from(key).to_string().replace('\n', "\\n")
}

/// The table of a text; errors in its syntax go to `mistakes`.
fn table_of<'a>(
    text: &'a str,
    source: &SourceText,
    mistakes: &Diagnostics,
) -> Spanned<DeTable<'a>> {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().unwrap_or_default().start);
    let mut last = None;
    for error in errors {
        let span = error.span().unwrap_or_default();
        // Errors further on in the same line are consequences, so they are not reported.
        if last.replace(source.line(&span)) == Some(source.line(&span)) {
            continue;
        }
        if is_yaml(text, span.start) {
            mistakes.add(span, "in TOML a key is followed by `=`, and a table is `[name]`");
        } else {
            mistakes.add(span, error.message());
        }
    }
    document
}

/// Check the text of a `tmo.toml` without a Procfile, as a start does; returns the line of the first mistake, and what is
/// wrong.
pub fn check(text: &str, env: &Env, disk: &Disk<'_>) -> Result<(), (usize, String)> {
    let all = parse_leniently(text, "")
        .and_then(|(toml, mistakes)| resolve_with_disk(&toml, &[], env, disk, mistakes).map(drop));
    let first = |error: TomlError| error.problems.into_iter().next();
    all.map_err(|error| {
        first(error).map_or_else(Default::default, |found| (found.line, found.text))
    })
}

/// Whether a line is written in YAML syntax, before this place or at it.
fn is_yaml(text: &str, at: usize) -> bool {
    let Some((before, behind)) = text.split_at_checked(at) else { return false };
    let line = before.rsplit('\n').next().unwrap_or_default();
    let key = line.split(':').next().unwrap_or_default();
    let plain = key.trim().chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    plain && !key.trim().is_empty() && (line.len() > key.len() || behind.starts_with(':'))
}

fn processes(view: Table<'_, '_>) -> Vec<(Spanned<String>, ProcessTable)> {
    let mut found = vec![];
    let mistakes = view.mistakes;
    for (name, value) in in_order(view.table) {
        let word = name.get_ref();
        match ProcName::new(word.as_str()) {
            Ok(process) if process.as_str() == process.entry() => {
                if let Err(long) = check_length(word) {
                    mistakes.add(name.span(), long.to_string());
                }
            }
            Ok(process) => {
                let entry = process.entry();
                let text = format!("`{word}` is one instance; all of them share [process.{entry}]");
                mistakes.add(name.span(), text);
            }
            Err(error) => mistakes.add(name.span(), error.to_string()),
        }
        if let Some(table) = view.within(value.get_ref()) {
            found.push((name, ProcessTable::parse(table)));
        }
    }
    found
}

/// The suggestion after an unknown name.
pub fn or_nearest(word: &str, names: &[&str]) -> String {
    match nearest(word, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "there are none".into(),
        None => match names.split_at_checked(50) {
            Some((names, rest @ [_, ..])) => {
                format!("there are {} and {} more", names.join(", "), rest.len())
            }
            Some(_) | None => format!("there are {}", names.join(", ")),
        },
    }
}
