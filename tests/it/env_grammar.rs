//! Env files of the grammar that tmo, which follows overmind, shares with the usual readers: the crate `dotenvy`
//! reads the same variables from them. `docs/PROCFILE.md` lists where they differ.

use proptest::collection::vec;
use proptest::prelude::*;
use tmo::config::dotenv::parse;

/// A name that no environment has.
fn name() -> impl Strategy<Value = String> {
    "Q[ABC]{1,2}[01]{0,1}"
}

/// `${NAME}`, which both expand in the same way everywhere but between single quotes.
fn expansion() -> impl Strategy<Value = String> {
    name().prop_map(|name| format!("${{{name}}}"))
}

fn joined(part: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    vec(part, 0..most).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = String> {
    let unquoted = joined(
        prop_oneof![
            "[a-zA-Z0-9_./:@%+,=-]{1,6}",
            expansion(),
            name().prop_map(|name| format!("${name}.")),
        ],
        4,
    );
    let literal = "[a-z0-9 \n\t#\"$=é]{0,12}".prop_map(|text| format!("'{text}'"));
    let escape = prop::sample::select(vec![r"\n", r"\\", "\\\"", r"\$"]).prop_map(str::to_owned);
    let quoted = joined(prop_oneof!["[a-z0-9 \n\t#'=é]{1,6}", escape, expansion()], 5);
    let quoted = quoted.prop_map(|text| format!("\"{text}\""));
    prop_oneof![unquoted, literal, quoted]
}

fn line() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", " ", "\t"]);
    let export = prop::sample::select(vec!["", "export "]);
    let comment = prop::sample::select(vec!["", " # a remark", " "]);
    let variable = (blank(), export, name(), blank(), blank(), value(), comment).prop_map(
        |(indent, export, name, before, after, value, comment)| {
            format!("{indent}{export}{name}{before}={after}{value}{comment}\n")
        },
    );
    prop_oneof![
        8 => variable,
        1 => Just("\n".to_owned()),
        1 => "# [a-z =$]{0,8}\n",
    ]
}

proptest! {
    #[test]
    fn tmo_reads_the_shared_grammar_as_dotenvy_does(text in joined(line(), 8)) {
        let ours = parse(text.as_bytes(), &|_| None).unwrap();
        let ours: Vec<(String, String)> = ours
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect();
        let theirs: Result<Vec<(String, String)>, _> =
            dotenvy::from_read_iter(text.as_bytes()).collect();
        prop_assert_eq!(ours, theirs.unwrap());
    }
}
