//! The JSON Schema of a `tmo.toml`, for editors, and the reference of all its keys, for people; both are generated from
//! the keys.

use serde_json::{Map, Value, json};

use super::keys;
use super::kind::{Key, Type};
use crate::model::units::SPAN_PATTERN;

pub fn schema() -> Value {
    let mut schema = of_table(&[keys::TOP]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("tmo.toml");
    schema["description"] = json!("Settings of the processes that tmo runs, and of the run.");
    schema["properties"]["process"]["propertyNames"] = json!({"pattern": "^[A-Za-z0-9_-]+$"});
    schema
}

fn of_table(keys: &[&[Key]]) -> Value {
    let keys = keys.iter().copied().flatten();
    let properties: Map<String, Value> =
        keys.map(|key| (key.name.to_owned(), of_key(key))).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn of_key(key: &Key) -> Value {
    let mut value = schema_of(key.kind, key.about);
    let default = key.default.map(|default| format!(" Default: {default}."));
    value["description"] = json!(format!("{}{}", key.about, default.unwrap_or_default()));
    if let Some(default) = key.default.and_then(|text| serde_json::from_str(text).ok()) {
        value["default"] = default;
    }
    value
}

/// A kind of value. Editors show the description at each name that the user chooses, and at each table of a list.
pub(super) fn schema_of(kind: Type, about: &str) -> Value {
    let described = |kind: Type| {
        let mut value = schema_of(kind, about);
        value["description"] = json!(about);
        value
    };
    match kind {
        Type::Text => json!({"type": "string"}),
        Type::Switch => json!({"type": "boolean"}),
        Type::Number(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Type::Time => json!({"anyOf": [
            {"type": "string", "pattern": SPAN_PATTERN},
            {"type": "number", "minimum": 0, "maximum": 1_000_000_000},
        ]}),
        Type::Size => json!({"anyOf": [
            {"type": "string", "pattern": r"^\s*[0-9]+\s*([kKmMgGtT]?([iI]?[bB])?)\s*$"},
            {"type": "integer", "minimum": 0},
        ]}),
        Type::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Type::Word(words) => json!({"enum": words}),
        Type::List(of_item) => json!({"type": "array", "items": described(*of_item)}),
        Type::Map(of_value) => {
            json!({"type": "object", "additionalProperties": described(*of_value)})
        }
        Type::Table(keys) => of_table(keys),
        Type::Either(kinds) => {
            json!({"anyOf": kinds.iter().map(|kind| schema_of(*kind, about)).collect::<Value>()})
        }
    }
}

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
