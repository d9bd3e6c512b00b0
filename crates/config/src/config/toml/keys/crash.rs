//! `[crash]`: where crash reports are kept.

use std::path::PathBuf;

use super::{Diagnostics, Key, Table, Type, key};

/// `[crash]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[key(
    "dir",
    Type::Text,
    "The directory of the crash reports, which several projects may share; by default \
         crash-reports beside the log of the project.",
)];

/// The directory, relative to that of the file.
pub(in crate::config::toml) fn read(
    view: Table<'_, '_>,
    mistakes: &mut Diagnostics,
) -> Option<PathBuf> {
    view.filled("dir", mistakes).map(|dir| dir.into_inner().into())
}
