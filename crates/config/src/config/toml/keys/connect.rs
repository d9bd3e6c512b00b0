//! `[connect]`: how `tmo connect` shows terminals.

use super::{Diagnostics, Key, Table, Type, key};
use crate::model::detach_keys::DetachKeys;

/// `[connect]`.
pub(in crate::config::toml) const KEYS: &[Key] = &[key(
    "detach",
    Type::Text,
    "The keys that leave a terminal: single characters, or ctrl- with a letter or one of \
         @[\\]^_, separated by commas. --detach-keys overrides it.",
)
.or("\"ctrl-b,d\"")];

/// The keys.
pub(in crate::config::toml) fn read(
    view: Table<'_, '_>,
    mistakes: &mut Diagnostics,
) -> Option<DetachKeys> {
    let detach = view.text("detach")?;
    let keys = detach.get_ref().parse::<DetachKeys>();
    keys.map_err(|error| mistakes.add(detach.span(), error.to_string())).ok()
}
