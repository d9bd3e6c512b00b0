//! The variables that a process has of its own.
//!
//! Each of these overrides those before it, and all of them what the run has: `[defaults] env`,
//! env files, the `env` of the process. `add_path` comes before whatever `PATH` is then.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use ::toml::Spanned;

use super::TmoToml;
use super::problem::Mistakes;
use super::survey::Disk;
use crate::config::{Env, dotenv, load::why};
use crate::model::text::OsText;

type Variables = BTreeMap<OsString, OsString>;

/// Those of this process, sorted.
pub(super) fn of(
    toml: &TmoToml,
    name: &str,
    env: &Env,
    disk: &Disk<'_>,
    mistakes: &mut Mistakes,
) -> Vec<(OsText, OsText)> {
    let table = toml.of(name);
    let mut own = Variables::new();
    set(&mut own, &toml.defaults.env);
    for file in &table.env_file {
        let path = disk.path(env, file.get_ref());
        if let Err(text) = read(&mut own, &path, env, disk) {
            let text = format!("{}: {text}", file.get_ref().display());
            mistakes.add(file.span(), text);
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
    own.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn set(own: &mut Variables, pairs: &[Spanned<(String, String)>]) {
    for pair in pairs {
        let (key, value) = pair.get_ref();
        own.insert(key.into(), value.into());
    }
}

fn read(own: &mut Variables, path: &Path, env: &Env, disk: &Disk<'_>) -> Result<(), String> {
    let text =
        (disk.read)(path).map_err(|error| format!("{}; make it, or leave it out", why(&error)))?;
    let outer =
        |name: &OsStr| own.get(name).cloned().or_else(|| env.get(name).map(OsStr::to_owned));
    let found = dotenv::parse(&text, &outer).map_err(|error| error.to_string())?;
    own.extend(found);
    Ok(())
}
