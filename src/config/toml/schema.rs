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
    schema["description"] = json!("What tmo is to know of the processes besides their commands.");
    schema["properties"]["process"]["propertyNames"] = json!({"pattern": "^[A-Za-z0-9_-]+$"});
    schema
}

fn of_table(keys: &[&[Key]]) -> Value {
    let property = |key: &Key| {
        let mut value = of(key.kind);
        value["description"] = json!(key.about);
        (key.name.to_owned(), value)
    };
    let properties: Map<String, Value> = keys.iter().copied().flatten().map(property).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn of(kind: Type) -> Value {
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
        Type::List(of_item) => json!({"type": "array", "items": of(*of_item)}),
        Type::Map(of_value) => {
            json!({"type": "object", "additionalProperties": of(*of_value)})
        }
        Type::Table(keys) => of_table(keys),
        Type::Either(kinds) => {
            json!({"anyOf": kinds.iter().copied().map(of).collect::<Value>()})
        }
    }
}
