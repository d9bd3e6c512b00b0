//! `[watcher.NAME]`: a file watcher that tmo does not know.

use super::pattern::pattern;
use super::{Diagnostics, Key, Table, Type, key};
use crate::config::toml::validate::in_order;
use crate::model::limits::WATCHERS;
use crate::model::rules::WatcherPatterns;

/// `[watcher.NAME]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[
    key(
        "failed",
        Type::Text,
        "A regular expression for the line that reports that the program has failed.",
    ),
    key(
        "recovered",
        Type::Text,
        "A regular expression for the line that reports that the program is started again, or \
         works.",
    ),
];

/// The patterns, in the order of the file.
pub(in crate::config::toml) fn read(
    view: Table<'_, '_>,
    mistakes: &mut Diagnostics,
) -> Vec<WatcherPatterns> {
    let mut found = vec![];
    for (name, value) in in_order(view.0) {
        let Some(table) = value.get_ref().as_table().map(Table) else { continue };
        let mut of = |key| {
            let text = table.text(key);
            if text.is_none() && table.get(key).is_none() {
                let about = format!("a watcher needs `{key}`: what it prints then");
                mistakes.add(name.span(), about);
            }
            text.map(|text| pattern(&text, (true, false), mistakes))
        };
        if let (Some(failed), Some(recovered)) = (of("failed"), of("recovered")) {
            found.push(WatcherPatterns { failed, recovered });
        }
        if found.len() > WATCHERS {
            mistakes.add(name.span(), format!("a project can have {WATCHERS} watchers of its own"));
            break;
        }
    }
    found
}
