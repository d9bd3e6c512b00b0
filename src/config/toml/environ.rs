//! The variables that a process has of its own.
//!
//! Each of these overrides those before it, and all of them what the run has: `[defaults] env`,
//! env files, the `env` of the process. `add_path` comes before whatever `PATH` is then.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::Path;

use ::toml::Spanned;

use super::TmoToml;
use super::problem::Mistakes;
use super::survey::{Disk, Room};
use super::table::ProcessTable;
use crate::config::{Env, dotenv};
use crate::model::limits::{ITEM_BYTES, PROCESS_ENV_BYTES, TOTAL_BYTES};
use crate::model::text::OsText;
use crate::sys::why;

/// The least that a file counts, because it is opened at all.
const LEAST: usize = 1 << 10;

type Variables = BTreeMap<OsString, OsString>;

/// Those of this process, sorted.
pub(super) fn of(
    toml: &TmoToml,
    (name, table): (&str, &ProcessTable),
    env: &Env,
    (disk, room): (&Disk<'_>, &mut Room),
    mistakes: &mut Mistakes,
) -> Vec<(OsText, OsText)> {
    let mut own = Variables::new();
    set(&mut own, &toml.defaults.env);
    for file in &table.env_file {
        let path = disk.path(env, file.get_ref());
        match read(&mut own, &path, env, (disk, room)) {
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
    set(&mut own, toml.table(name).map_or(&[], |table| &table.env));
    if !table.add_path.is_empty() {
        let known = own.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let known = known.or_else(|| env.get("PATH")).unwrap_or_default().to_owned();
        let added = table.add_path.iter().map(|dir| disk.path(env, dir.get_ref()).into());
        // An empty one would mean the current directory.
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
    mistakes.add_last(place(toml, table), text);
    vec![]
}

/// Where the first of its variables is set.
fn place(toml: &TmoToml, table: &ProcessTable) -> Range<usize> {
    let variables = toml.defaults.env.iter().chain(&table.env).map(Spanned::span);
    let paths = table.env_file.iter().chain(&table.add_path).map(Spanned::span);
    variables.chain(paths).next().unwrap_or_default()
}

/// Why an env file is not used.
enum Unread {
    /// All of them together are too large.
    Limit,
    Because(String),
}

fn set(own: &mut Variables, pairs: &[Spanned<(String, String)>]) {
    for pair in pairs {
        let (key, value) = pair.get_ref();
        own.insert(key.into(), value.into());
    }
}

fn read(
    own: &mut Variables,
    path: &Path,
    env: &Env,
    (disk, room): (&Disk<'_>, &mut Room),
) -> Result<(), Unread> {
    // One that can't be read counts as well.
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
