//! `cwd`: the working directory of a process.

use std::path::PathBuf;

use super::{At, Diagnostics, Key, ProcessKey, Spanned, Table, Type, key};
use crate::config::Env;
use crate::config::toml::resolve::Disk;
use crate::model::text::OsText;
use crate::sys::why;

pub struct Cwd;

impl ProcessKey for Cwd {
    type Said = At<PathBuf>;
    const KEYS: &'static [Key] = &[key(
        "cwd",
        Type::Text,
        "The working directory, relative to the directory of this file. It must exist. By \
         default, the root directory of the run.",
    )];

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        view.of("cwd", |value| value.as_str().map(PathBuf::from))
    }

    fn size(said: &Self::Said) -> usize {
        said.as_ref().map_or(0, |cwd| cwd.get_ref().as_os_str().len())
    }
}

/// The absolute path of the directory, if it exists.
pub(in crate::config::toml) fn found(
    cwd: Option<&Spanned<PathBuf>>,
    env: &Env,
    disk: &Disk<'_>,
    mistakes: &mut Diagnostics,
) -> Option<OsText> {
    let cwd = cwd?;
    let path = disk.path(env, cwd.get_ref());
    if let Err(error) = (disk.is_dir)(&path) {
        let text =
            format!("can't run in {}: {}; make it, or name another", path.display(), why(&error));
        mistakes.add(cwd.span(), text);
    }
    Some(path.into())
}
