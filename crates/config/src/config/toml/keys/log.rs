//! `[log]`: the directory and the limits of the journal.

use std::path::PathBuf;

use super::{Key, Spanned, Table, Type, key};
use crate::config::toml::validate::size;

/// `[log]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[
    key(
        "dir",
        Type::Text,
        "The directory that contains the log, in a directory for each project. By default \
         $XDG_STATE_HOME/tmo or ~/.local/state/tmo.",
    ),
    key(
        "per_process",
        Type::Size,
        "How much is kept of the output of each process; 0 keeps everything.",
    )
    .or("\"64MiB\""),
    key("total", Type::Size, "How much is kept in total; 0 keeps everything.").or("\"512MiB\""),
    key(
        "max_age",
        Type::Time,
        "Older output is deleted, in parts: when the run starts, each hour, and when a \
         process has filled a part. The newest part of each process stays. 0 keeps \
         everything.",
    )
    .or("0"),
];

/// The table `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogTable {
    /// The directory below which this project's journal is kept.
    pub dir: Option<PathBuf>,
    /// Bytes kept per process; 0 keeps everything.
    pub per_process: Option<u64>,
    /// Bytes kept in all; 0 keeps everything.
    pub total: Option<u64>,
    /// Older output is deleted, in milliseconds; 0 keeps it however old.
    pub max_age_ms: Option<u64>,
}

/// `[log]`.
pub(in crate::config::toml) fn read(view: Table<'_, '_>) -> LogTable {
    let bytes = |key| view.of(key, size).map(Spanned::into_inner);
    LogTable {
        dir: view.text("dir").map(|dir| dir.into_inner().into()),
        per_process: bytes("per_process"),
        total: bytes("total"),
        max_age_ms: view.time("max_age").map(Spanned::into_inner),
    }
}
