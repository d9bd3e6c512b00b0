//! The JSON Schema of a `tmo.toml`, for editors; generated from the keys.

use serde_json::{Map, Value, json};

use super::keys;
use super::kind::{Key, Type};
use crate::model::units::SPAN_PATTERN;

/// The schema.
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
    let mut value = of(key.kind, key.about);
    let default = key.default.map(|default| format!(" Default: {default}."));
    value["description"] = json!(format!("{}{}", key.about, default.unwrap_or_default()));
    if let Some(default) = key.default.and_then(|text| serde_json::from_str(text).ok()) {
        value["default"] = default;
    }
    value
}

/// A kind of value. Editors show the description at each name that the user chooses, and at each table of a list.
pub(super) fn of(kind: Type, about: &str) -> Value {
    let described = |kind: Type| {
        let mut value = of(kind, about);
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
            json!({"anyOf": kinds.iter().map(|kind| of(*kind, about)).collect::<Value>()})
        }
    }
}
