//! The reference of all keys of a `tmo.toml`, for people; generated from the keys, as the schema is.

use super::keys;
use super::kind::{Key, Type};

/// A key of a `tmo.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its path, `process.NAME.restart.delay`; a name that the user chooses is `NAME`.
    pub path: String,
    /// Its value: `a text in quotes`.
    pub kind: String,
    /// The value that applies without it, if its description does not say that.
    pub default: Option<&'static str>,
    /// Its description.
    pub about: &'static str,
    /// The header of its table, `[process.NAME]`, if it is a table of the whole file.
    pub header: Option<String>,
}

/// All keys, in the order of the schema, each before those within it. `[defaults]` has keys of `[process.NAME]` and
/// is not repeated.
pub fn reference() -> Vec<KeyEntry> {
    let mut entries = vec![];
    add("", keys::TOP, &mut entries);
    entries
}

fn add(table: &str, keys: &[Key], entries: &mut Vec<KeyEntry>) {
    for key in keys {
        let path = format!("{table}{}", key.name);
        let within = within(key.kind).map(|(name, keys)| (format!("{path}{name}"), keys));
        entries.push(KeyEntry {
            kind: key.kind.describe(),
            default: key.default,
            about: key.about,
            header: within
                .as_ref()
                .filter(|_| table.is_empty())
                .map(|(path, _)| format!("[{path}]")),
            path,
        });
        if let Some((path, keys)) = within.filter(|(path, _)| path != "defaults") {
            for keys in keys {
                add(&format!("{path}."), keys, entries);
            }
        }
    }
}

/// The keys of a table of this kind, and what stands before them.
pub(super) fn within(kind: Type) -> Option<(&'static str, &'static [&'static [Key]])> {
    match kind {
        Type::Table(keys) => Some(("", keys)),
        Type::Map(of) => within(*of).map(|(_, keys)| (".NAME", keys)),
        Type::List(of) => within(*of),
        Type::Either(kinds) => kinds.iter().find_map(|kind| within(*kind)),
        Type::Text
        | Type::Switch
        | Type::Number(..)
        | Type::Time
        | Type::Size
        | Type::Scalar
        | Type::Word(_) => None,
    }
}
