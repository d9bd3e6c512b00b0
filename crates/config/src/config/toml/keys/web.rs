//! `[web]`: how `tmo web` shows the run. It has only harmless settings: a project can't decide who may connect.

use super::{Diagnostics, Key, Spanned, Table, Type, key};
use crate::model::rules::WebRules;

/// `[web]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[
    key("title", Type::Text, "The name of the run on its pages; by default, the title of the run."),
    key(
        "start",
        Type::Switch,
        "Whether `tmo start` serves the page, as with --web. From the first time on, the addresses of processes in \
         TMO_URL and TMO_PROCESS_<name>_URL are names.",
    )
    .or("false"),
    key(
        "metrics",
        Type::Switch,
        "Whether pages sample and show CPU, memory and output of the processes.",
    )
    .or("true"),
    key("uploads", Type::Switch, "Whether admins can upload apps at the public address, too.")
        .or("false"),
];

/// `[web]`.
pub(in crate::config::toml) fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> WebRules {
    let title = view.filled("title", mistakes).and(view.name("title")).map(Spanned::into_inner);
    let metrics = view.switch("metrics").is_none_or(Spanned::into_inner);
    let uploads = view.switch("uploads").is_some_and(Spanned::into_inner);
    let start = view.switch("start").is_some_and(Spanned::into_inner);
    WebRules { title, start, metrics, uploads }
}
