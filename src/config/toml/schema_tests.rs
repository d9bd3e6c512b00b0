//! Tests that schema and manual of `tmo.toml` agree with the parser.

use std::sync::LazyLock;

use ::toml::de::DeTable;
use proptest::prelude::*;
use serde_json::Value;

use super::keys::TOP;
use super::kind::{Key, Type};
use super::problem::Diagnostics;
use super::{Disk, parse, read, resolve_with_disk, schema, tests::WHOLE, validate};
use crate::config::{Env, procfile};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

const MANUAL: &str = include_str!("../../../docs/CONFIG.md");

/// Whether a value conforms to a schema; supports only the features that our schema uses.
fn fits(schema: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    };
    let each = |(word, said): (&String, &Value)| match word.as_str() {
        "type" => match said.as_array() {
            Some(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
            None => is(said.as_str().unwrap()),
        },
        "enum" => said.as_array().unwrap().contains(value),
        "anyOf" => said.as_array().unwrap().iter().any(|one| fits(one, value)),
        "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
        "pattern" => value
            .as_str()
            .is_none_or(|text| regex::Regex::new(said.as_str().unwrap()).unwrap().is_match(text)),
        "items" => value.as_array().is_none_or(|all| all.iter().all(|item| fits(said, item))),
        "additionalProperties" => value.as_object().is_none_or(|table| {
            let known = |key: &String| !schema["properties"][key].is_null();
            let more = |item: &Value| *said != Value::Bool(false) && fits(said, item);
            table.iter().all(|(key, item)| known(key) || more(item))
        }),
        "properties" => value.as_object().is_none_or(|table| {
            table.iter().all(|(key, item)| said[key].is_null() || fits(&said[key], item))
        }),
        "propertyNames" | "$schema" | "title" | "description" => true,
        other => panic!("unknown word {other}"),
    };
    schema.as_object().unwrap().iter().all(each)
}

/// Whether the parser accepts the keys and kinds of values.
fn parser_takes(text: &str) -> bool {
    let document = DeTable::parse(text).unwrap();
    let mut mistakes = Diagnostics::default();
    validate::table(document.get_ref(), &[TOP], "", &mut mistakes);
    mistakes == Diagnostics::default()
}

#[track_caller]
fn both(text: &str) -> bool {
    let json: Value = ::toml::from_str(text).unwrap();
    let (by_schema, by_parser) = (fits(&SCHEMA, &json), parser_takes(text));
    assert_eq!(by_schema, by_parser, "{text}");
    by_parser
}

#[test]
fn schema_and_parser_agree() {
    assert!(both(WHOLE));
    for (text, good) in [
        ("", true),
        ("lgo = 1\n", false),
        ("process.web.port = 0\n", false),
        ("process.web.ready = {port = true}\n", true),
        ("process.web.ready = [{port = \"80\"}]\n", false),
        ("process.web.ready.timeout = \"1h30m\"\n", true),
        ("process.web.ready.timeout = \"1 fortnight\"\n", false),
        ("process.web.ready.timeout = 1.5\n", true),
        ("process.web.ready.timeout = -1\n", false),
        ("process.web.restart = \"never\"\n", false),
        ("process.web.restart.policy = \"no\"\n", true),
        ("process.web.depends_on.db = \"up\"\n", false),
        ("process.web.env = {A = 1, B = [1]}\n", false),
        ("log.total = \"1 GiB\"\n", true),
        ("log.total = \"1 XiB\"\n", false),
        ("defaults.command = \"x\"\n", false),
    ] {
        assert_eq!(both(text), good, "{text}");
    }
}

/// Values of all types; few of them are valid for a given key.
const SAMPLES: [&str; 16] = [
    "\"x\"",
    "\"\"",
    "1",
    "-1",
    "0",
    "300",
    "70000",
    "1.5",
    "true",
    "[]",
    "[\"a\"]",
    "[1]",
    "{}",
    "{a = 1}",
    "\"2s\"",
    "\"always\"",
];

/// Generate a value of a kind, sometimes an invalid one, from random bytes.
fn draw(kind: Type, bytes: &mut std::slice::Iter<'_, u8>) -> String {
    let next = usize::from(bytes.next().copied().unwrap_or_default());
    if next % 16 == 15 {
        return SAMPLES[(next / 16) % SAMPLES.len()].to_owned();
    }
    match kind {
        Type::Text | Type::Scalar => "\"x\"".into(),
        Type::Switch => "true".into(),
        Type::Number(least, most) => [least, most][next % 2].to_string(),
        Type::Time => ["\"500ms\"", "\"1h30m\"", "2", "0.5"][next % 4].into(),
        Type::Size => ["\"64MiB\"", "5"][next % 2].into(),
        Type::Word(words) => format!("\"{}\"", words[next % words.len()]),
        Type::List(of) => {
            let items: Vec<_> = (0..next % 3).map(|_| draw(*of, bytes)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Map(of) => format!("{{one = {}}}", draw(*of, bytes)),
        Type::Table(keys) => {
            let keys = keys.concat();
            let mut drawn: Vec<&Key> = (0..next % 4)
                .map(|_| &keys[usize::from(bytes.next().copied().unwrap_or_default()) % keys.len()])
                .collect();
            drawn.sort_by_key(|key| key.name);
            drawn.dedup();
            let pair = |key: &&Key| format!("{} = {}", key.name, draw(key.kind, bytes));
            format!("{{{}}}", drawn.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Type::Either(kinds) => draw(kinds[next % kinds.len()], bytes),
    }
}

proptest! {
    #[test]
    fn schema_and_parser_agree_on_whatever_is_drawn(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
        let mut bytes = bytes.iter();
        let process = draw(Type::Table(super::keys::PROCESS), &mut bytes);
        let log = draw(Type::Table(&[super::keys::log::KEYS]), &mut bytes);
        both(&format!("process.web = {process}\nlog = {log}\n"));
    }

    #[test]
    fn a_time_is_described_as_it_is_read(text in "[0-9.]{0,3} ?(ms|s|min|hours?|d|x| ){0,2}( ?[0-9]{1,2}(s|m))?") {
        let described = fits(&SCHEMA["properties"]["process"]["additionalProperties"]
            ["properties"]["stop"]["properties"]["timeout"], &Value::String(text.clone()));
        prop_assert_eq!(described, crate::model::units::parse_span(&text).is_some(), "{}", text);
    }
}

/// The code blocks of the manual.
fn examples() -> Vec<&'static str> {
    let blocks = MANUAL.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_manual_can_be_used() {
    assert!(examples().len() > 10);
    for example in examples() {
        let (toml, mistakes) = read(example, "tmo.toml").unwrap();
        let entries = procfile::parse(b"web: w\nworker: k\ndb: d\n", "Procfile").unwrap().entries;
        let disk = Disk { dir: "/x".as_ref(), read: &|_| Ok(vec![]), is_dir: &|_| Ok(()) };
        let found = resolve_with_disk(&toml, &entries, &Env::default(), &disk, mistakes);
        assert!(found.is_ok(), "{example}{}", found.unwrap_err());
        assert!(both(example), "{example}");
        assert!(parse(example, "tmo.toml").is_ok());
    }
}

/// The keys of a kind, including nested ones.
fn keys_of(kind: Type, found: &mut Vec<&'static str>) {
    match kind {
        Type::Table(keys) => {
            for key in keys.iter().copied().flatten() {
                found.push(key.name);
                keys_of(key.kind, found);
            }
        }
        Type::List(of) | Type::Map(of) => keys_of(*of, found),
        Type::Either(kinds) => kinds.iter().for_each(|kind| keys_of(*kind, found)),
        Type::Word(words) => found.extend(words),
        Type::Text | Type::Switch | Type::Number(..) | Type::Time | Type::Size | Type::Scalar => {}
    }
}

#[test]
fn the_manual_names_every_key_and_word_and_shows_every_key() {
    let mut all = vec![];
    keys_of(Type::Table(&[TOP]), &mut all);
    let examples = examples().concat();
    for word in all {
        assert!(MANUAL.contains(word), "`{word}` is not in docs/CONFIG.md");
        let shown = regex::Regex::new(&format!(r"\b{word}\b")).unwrap();
        assert!(shown.is_match(&examples), "`{word}` is in no example of docs/CONFIG.md");
    }
}
