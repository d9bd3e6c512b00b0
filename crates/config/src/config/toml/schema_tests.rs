//! Tests that schema and manual of `tmo.toml` agree with the parser.

use std::path::Path;
use std::sync::LazyLock;

use ::toml::de::DeTable;
use proptest::prelude::*;
use serde_json::Value;

use super::keys::TOP;
use super::kind::{Key, Type};
use super::problem::Diagnostics;
use super::{Disk, parse, parse_leniently, resolve_with_disk, schema, tests::WHOLE, validate};
use crate::config::{Env, procfile};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

const MANUAL: &str = include_str!("../../../../../docs/CONFIG.md");

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
        "propertyNames" | "$schema" | "title" | "description" | "default" => true,
        other => panic!("unknown word {other}"),
    };
    schema.as_object().unwrap().iter().all(each)
}

/// Whether the parser accepts the keys and kinds of values.
fn parser_takes(text: &str) -> bool {
    let document = DeTable::parse(text).unwrap();
    let mistakes = Diagnostics::default();
    validate::table(document.get_ref(), &[TOP], "", &mistakes);
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
        let log = draw(Type::Table(&[super::keys::tables::LOG]), &mut bytes);
        both(&format!("process.web = {process}\nlog = {log}\n"));
    }

    #[test]
    fn a_time_is_described_as_it_is_read(text in "[0-9.]{0,3} ?(ms|s|min|hours?|d|x| ){0,2}( ?[0-9]{1,2}(s|m))?") {
        let described = fits(&SCHEMA["properties"]["process"]["additionalProperties"]
            ["properties"]["stop"]["properties"]["timeout"], &Value::String(text.clone()));
        prop_assert_eq!(described, crate::model::units::parse_span(&text).is_some(), "{}", text);
    }
}

/// The blocks of TOML of a text.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

fn examples() -> Vec<&'static str> {
    blocks(MANUAL)
}

#[test]
fn every_example_of_the_manual_can_be_used() {
    assert!(examples().len() > 10);
    for example in examples() {
        let (toml, mistakes) = parse_leniently(example, "tmo.toml").unwrap();
        let entries = procfile::parse(b"web: w\nworker: k\ndb: d\n", "Procfile").unwrap().entries;
        let disk = Disk { dir: "/x".as_ref(), read: &|_| Ok(vec![]), is_dir: &|_| Ok(()) };
        let found = resolve_with_disk(&toml, &entries, &Env::default(), &disk, mistakes);
        assert!(found.is_ok(), "{example}{}", found.unwrap_err());
        assert!(both(example), "{example}");
        assert!(parse(example, "tmo.toml").is_ok());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads the documentation")]
fn every_example_of_the_documentation_fits_schema_and_parser() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut checked = 0;
    let mut check = |text: &str| {
        assert!(both(text), "{text}");
        parse(text, "tmo.toml").unwrap();
        checked += 1;
    };
    for folder in ["docs", "docs/architecture", "."] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let page = std::fs::read_to_string(path).unwrap();
                blocks(&page).into_iter().for_each(&mut check);
            }
        }
    }
    let example = "examples/microservices/tmo.toml";
    check(&std::fs::read_to_string(root.join(example)).unwrap());
    assert!(checked > 30, "{checked} examples");
}

#[test]
fn each_mutant_is_refused_by_schema_and_parser() {
    let mutants = include_str!("../../../../../tests/schema/mutants.txt");
    assert!(mutants.lines().count() >= 20);
    for mutant in mutants.lines() {
        assert!(!both(mutant), "{mutant}");
    }
}

/// The schemas without a description, of keys, names that the user chooses and tables in lists.
fn without_description(schema: &Value, path: &str, found: &mut Vec<String>) {
    let described = |schema: &Value| schema["description"].as_str().is_some_and(|d| d.len() > 10);
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.extend((!described(inner)).then(|| format!("{path}.{key}")));
        without_description(inner, &format!("{path}.{key}"), found);
    }
    for word in ["additionalProperties", "items"] {
        if schema[word].is_object() {
            found.extend((!described(&schema[word])).then(|| format!("{path}.{word}")));
            without_description(&schema[word], &format!("{path}.{word}"), found);
        }
    }
    for one in schema["anyOf"].as_array().into_iter().flatten() {
        without_description(one, path, found);
    }
}

#[test]
fn the_schema_describes_every_key_at_every_level() {
    let mut found = vec![];
    without_description(&SCHEMA, "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

/// The words of a kind, without those of tables in it.
fn words_of(kind: Type) -> Vec<&'static str> {
    match kind {
        Type::Word(words) => words.to_vec(),
        Type::List(of) | Type::Map(of) => words_of(*of),
        Type::Either(kinds) => kinds.iter().flat_map(|kind| words_of(*kind)).collect(),
        _ => vec![],
    }
}

fn assert_explained(keys: &[Key]) {
    for key in keys {
        let explained = |word: &&str| key.about.contains(&format!("\"{word}\""));
        assert!(
            words_of(key.kind).iter().all(explained),
            "{} names not all of its words",
            key.name
        );
        if let Some(default) = key.default {
            let value: Value = serde_json::from_str(default).unwrap();
            let alone = super::schema::schema_of(key.kind, "");
            assert!(fits(&alone, &value), "{} can't be {default}", key.name);
        }
        if let Some(keys) = super::schema::within(key.kind) {
            for keys in keys.1 {
                assert_explained(keys);
            }
        }
    }
}

#[test]
fn each_word_is_explained_and_each_default_is_a_value_of_its_key() {
    assert_explained(TOP);
}

#[test]
fn each_key_is_in_the_reference_once() {
    let mut paths: Vec<_> = super::reference().into_iter().map(|key| key.path).collect();
    for path in
        ["process.NAME.depends_on.NAME.restart", "watcher.NAME.failed", "defaults", "log.dir"]
    {
        assert!(paths.iter().any(|known| known == path), "{path}");
    }
    assert!(!paths.iter().any(|path| path.starts_with("defaults.")));
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

/// `key = default` of each key below this path, except those.
fn defaults_below(path: &str, except: &[&str]) -> Vec<String> {
    let below = |path_of: &str| {
        let name = path_of.strip_prefix(path)?.strip_prefix('.')?;
        (!name.contains('.') && !except.contains(&name)).then(|| name.to_owned())
    };
    let pairs = super::reference().into_iter();
    let pairs: Vec<_> =
        pairs.filter_map(|key| Some(format!("{} = {}", below(&key.path)?, key.default?))).collect();
    assert!(!pairs.is_empty(), "{path}");
    pairs
}

#[test]
fn the_defaults_of_tables_are_those_of_the_reader() {
    for (path, given, except) in [
        ("process.NAME.ready", "log = 'x'", &["host", "owner"][..]),
        ("process.NAME.ready", "port = 80", &["ignore_case", "literal"]),
        ("process.NAME.live", "port = 80", &[]),
        ("process.NAME.failure", "pattern = 'x'", &[]),
        ("process.NAME.flag", "name = 'n', pattern = 'x'", &[]),
        ("process.NAME.depends_on.NAME", "", &[]),
        ("process.NAME.restart", "policy = 'no'", &["policy"]),
        ("web", "", &[]),
    ] {
        let defaults = defaults_below(path, except);
        let named =
            [given.to_owned()].into_iter().filter(|given| !given.is_empty()).chain(defaults);
        let named: Vec<String> = named.collect();
        let table = path.replace("NAME", "web");
        let list = ["failure", "flag"].iter().any(|list| table.ends_with(list));
        let read = |keys: &str| {
            let text = if list {
                format!("{table} = [{{{keys}}}]")
            } else {
                format!("{table} = {{{keys}}}")
            };
            let toml = parse(&text, "tmo.toml").unwrap();
            let web = toml.table_of("web");
            // Without the places in the file.
            let values = (
                web.ready.map(::toml::Spanned::into_inner),
                web.live.map(::toml::Spanned::into_inner),
                web.failure.into_iter().map(::toml::Spanned::into_inner).collect::<Vec<_>>(),
                web.flag.into_iter().map(::toml::Spanned::into_inner).collect::<Vec<_>>(),
                web.depends_on.into_iter().map(::toml::Spanned::into_inner).collect::<Vec<_>>(),
                web.restart.policy(None, None),
            );
            (values, toml.web)
        };
        assert_eq!(read(given), read(&named.join(", ")), "{path}");
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
