//! `env`, `env_file` and `add_path`: a process's own variables.
//!
//! Each of these overrides those before it, and all override the variables of the run: `[defaults] env`,
//! env files, the `env` of the process. `add_path` is put before the `PATH` that results.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{
    Diagnostics, Key, ProcessKey, ProcessPlan, ProcessTable, Said, Spanned, TEXT_OR_TEXTS, TEXTS,
    Table, Type, Value, json, key_rows,
};
use crate::config::toml::TmoToml;
use crate::config::toml::resolve::Disk;
use crate::config::toml::validate::{in_order, scalar};
use crate::config::{Env, dotenv};
use crate::model::limits::{ITEM_BYTES, PROCESS_ENV_BYTES, TOTAL_BYTES};
use crate::model::text::OsText;
use crate::sys::why;

/// All variable settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VariableTable {
    /// `env`.
    pub pairs: Vec<Spanned<(String, String)>>,
    /// `env_file`.
    pub files: Vec<Spanned<PathBuf>>,
    /// `add_path`.
    pub path: Vec<Spanned<PathBuf>>,
}

impl Said for VariableTable {
    fn over(&self, all: &Self) -> Self {
        Self {
            pairs: self.pairs.over(&all.pairs),
            files: self.files.over(&all.files),
            // The directories of the process itself are searched first.
            path: all.path.over(&self.path),
        }
    }

    fn at(&self) -> Option<Range<usize>> {
        self.pairs.at().or_else(|| self.files.at()).or_else(|| self.path.at())
    }
}

pub(in crate::config::toml) const KEYS: &[Key] = key_rows! {
    "env", Type::Either(&[Type::Map(&Type::Scalar), TEXTS]), None,
        "Variables: a table, or a list of \"NAME=value\". The values are used as they are: $NAME is not \
         expanded. They override the variables of env files.";
    "env_file", TEXT_OR_TEXTS, Some("[]"),
        "A file with variables in the format of .env, or a list of them. Each must exist. In these files, \
         $NAME is expanded.";
    "add_path", TEXTS, Some("[]"), "Directories that are put before PATH.";
};

pub struct Variables;

impl ProcessKey for Variables {
    type Said = VariableTable;
    const KEYS: &'static [Key] = KEYS;

    fn parse(view: Table<'_, '_>) -> Self::Said {
        VariableTable {
            pairs: pairs(view),
            files: view.paths("env_file"),
            path: view.paths("add_path"),
        }
    }

    /// Only the names are shown.
    fn planned_value(process: &ProcessPlan) -> Option<Value> {
        Some(json!(process.env.iter().map(|(name, _)| name).collect::<Vec<_>>()))
    }
}

/// What remains of the limits shared by all processes.
#[derive(Debug)]
pub(in crate::config::toml) struct Room {
    /// Bytes of variables.
    variables: usize,
    /// Bytes of env files to parse.
    env_files: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { variables: TOTAL_BYTES, env_files: PROCESS_ENV_BYTES }
    }
}

fn pairs(view: Table<'_, '_>) -> Vec<Spanned<(String, String)>> {
    let mut found = vec![];
    if let Some(table) = view.table("env") {
        for (key, value) in in_order(table.get_ref().table) {
            let Some(text) = scalar(value.get_ref()) else { continue };
            let (span, key) = (key.span(), key.into_inner());
            found.push(Spanned::new(span, (key, text)));
        }
    } else {
        for item in view.texts("env") {
            let (span, text) = (item.span(), item.into_inner());
            match text.split_once('=') {
                Some((key, value)) => {
                    found.push(Spanned::new(span, (key.to_owned(), value.to_owned())));
                }
                None => view.mistakes.add(span, format!("write it as \"{text}=value\"")),
            }
        }
    }
    for pair in &found {
        let name = &pair.get_ref().0;
        if name.is_empty() || name.contains(['=', '\0']) {
            view.mistakes.add(pair.span(), format!("\"{name}\" can't be the name of a variable"));
        }
    }
    found
}

/// Minimum cost of a file, because opening it has a cost too.
const LEAST: usize = 1 << 10;

type Pairs = BTreeMap<OsString, OsString>;

/// The variables of this process, sorted.
pub(in crate::config::toml) fn variables(
    toml: &TmoToml,
    name: &str,
    table: &ProcessTable,
    env: &Env,
    disk: &Disk<'_>,
    room: &mut Room,
    mistakes: &Diagnostics,
) -> Vec<(OsText, OsText)> {
    let mut own = Pairs::new();
    set(&mut own, &toml.defaults.env.pairs);
    for file in &table.env.files {
        let path = disk.path(env, file.get_ref());
        match add_env_file(&mut own, &path, env, disk, room) {
            Ok(()) => {}
            Err(Unread::Limit) => {
                let text = format!(
                    "the env files of all processes come to more than {} MiB, each counted as often \
                     as it is read; {} is the first that is too much",
                    PROCESS_ENV_BYTES >> 20,
                    path.display()
                );
                mistakes.add_last(file.span(), text);
                return vec![];
            }
            Err(Unread::Because(text)) => {
                let text = format!("{}: {text}", file.get_ref().display());
                mistakes.add(file.span(), text);
            }
        }
    }
    set(&mut own, toml.table(name).map_or(&[], |table| &*table.env.pairs));
    if !table.env.path.is_empty() {
        let known = own.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let known = known.or_else(|| env.get("PATH")).unwrap_or_default().to_owned();
        let added = table.env.path.iter().map(|dir| disk.path(env, dir.get_ref()).into());
        // An empty entry would mean the current directory.
        let dirs: Vec<OsString> = added.chain([known]).filter(|dir| !dir.is_empty()).collect();
        own.insert("PATH".into(), dirs.join(OsStr::new(":")));
    }
    let sizes = own.iter().map(|(key, value)| (key.len() + value.len(), key));
    let size: usize = sizes.clone().map(|(size, _)| size + ITEM_BYTES).sum();
    if let Some(rest) = room.variables.checked_sub(size) {
        room.variables = rest;
        return own.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    }
    let Some((largest, key)) = sizes.max() else { return vec![] };
    let text = format!(
        "the variables of all processes come to more than {} MiB by `{name}`, each counted with \
         {ITEM_BYTES} bytes more; its largest is {}, of {largest} bytes",
        TOTAL_BYTES >> 20,
        key.display()
    );
    let first = toml.defaults.env.at().or_else(|| table.env.at());
    mistakes.add_last(first.unwrap_or_default(), text);
    vec![]
}

/// Why an env file is skipped.
enum Unread {
    /// The env files are too large together.
    Limit,
    Because(String),
}

fn set(own: &mut Pairs, pairs: &[Spanned<(String, String)>]) {
    for pair in pairs {
        let (key, value) = pair.get_ref();
        own.insert(key.into(), value.into());
    }
}

fn add_env_file(
    own: &mut Pairs,
    path: &Path,
    env: &Env,
    disk: &Disk<'_>,
    room: &mut Room,
) -> Result<(), Unread> {
    // Unreadable files count as well.
    room.env_files = room.env_files.checked_sub(LEAST).ok_or(Unread::Limit)?;
    let text = (disk.read)(path)
        .map_err(|error| Unread::Because(format!("{}; make it, or leave it out", why(&error))))?;
    let more = text.len().saturating_sub(LEAST);
    room.env_files = room.env_files.checked_sub(more).ok_or(Unread::Limit)?;
    let outer =
        |name: &OsStr| own.get(name).cloned().or_else(|| env.get(name).map(OsStr::to_owned));
    let found = dotenv::parse(&text, &outer).map_err(|error| Unread::Because(error.to_string()))?;
    own.extend(found);
    Ok(())
}
