//! `flag`: output of a process that is counted and kept.

use std::collections::BTreeSet;

use super::pattern::pattern;
use super::{
    ACTIONS, Diagnostics, ITEM_BYTES, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned,
    Table, Type, Value, json, key,
};
use crate::model::rules::{Flag, Reaction};

/// `[[process.NAME.flag]]`.
const ITEM: &[Key] = &[
    key("name", Type::Text, "The name of the flag. It is required."),
    key("pattern", Type::Text, "The regular expression to search for. It is required."),
    key("ignore_case", Type::Switch, "Whether upper and lower case are the same.").or("false"),
    key(
        "color",
        Type::Word(&["green", "red", "yellow", "blue", "purple", "orange"]),
        "The colour that it is shown in: \"green\", \"red\", \"yellow\", \"blue\", \"purple\" \
         or \"orange\".",
    )
    .or("\"yellow\""),
    key(
        "context_window",
        Type::Number(0, 65535),
        "How many lines before and after each match are kept with it.",
    )
    .or("0"),
    key("context_window_size", Type::Number(0, 65535), "Another name of `context_window`."),
    key(
        "target",
        Type::Number(0, i64::MAX as u64),
        "More matches than this are too many, which `tmo flags` says.",
    ),
    key("target_count", Type::Number(0, i64::MAX as u64), "Another name of `target`."),
    key(
        "on_match",
        Type::Text,
        "A shell command to run after a match, at most once in the interval `every`.",
    ),
    key(
        "notify",
        Type::Switch,
        "Whether a match is shown on the desktop, at most once in the interval `every`.",
    )
    .or("false"),
    key("every", Type::Time, "The shortest time between two commands or notifications.")
        .or("\"1s\""),
    key(
        "action",
        Type::Word(ACTIONS),
        "What else happens on a match: \"notify\" (nothing), \"restart\", or \"break\": the \
         process is stopped until someone starts it.",
    )
    .or("\"notify\""),
];

pub struct Flags;

impl ProcessKey for Flags {
    type Said = Vec<Spanned<Flag>>;
    const KEYS: &'static [Key] = &[key(
        "flag",
        Type::List(&Type::Table(&[ITEM])),
        "Patterns whose matches in the output are counted and kept; `tmo flags` shows them. \
         Each is a table of its own, [[process.NAME.flag]]; those of [defaults] are added.",
    )
    .or("[]")];
    const PLANNED: Planned = Some(|process| json!(process.rules.flags));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        view.tables("flag").iter().filter_map(|found| item(found, mistakes)).collect()
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
        let mut names = BTreeSet::new();
        for flag in &table.flag {
            let name = &flag.get_ref().name;
            if !names.insert(name) {
                let text = format!("there are two flags `{name}`; rename one of them");
                mistakes.add(flag.span(), text);
            }
        }
    }

    fn size(said: &Self::Said) -> usize {
        let size = |flag: &Flag| flag.name.len() + flag.text.pattern.len() + ITEM_BYTES;
        said.iter().map(|flag| size(flag.get_ref())).sum()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.flags = said.iter().map(|flag| flag.get_ref().clone()).collect();
    }

    fn shown(process: &ProcessPlan) -> Option<Value> {
        Some(process.rules.flags.iter().map(|flag| flag.name.as_str()).collect())
    }
}

fn item(found: &Spanned<Table<'_, '_>>, mistakes: &mut Diagnostics) -> Option<Spanned<Flag>> {
    let view = *found.get_ref();
    for (key, what) in [("name", "which `tmo flags` shows"), ("pattern", "a regular expression")] {
        if view.get(key).is_none() {
            mistakes.add(found.span(), format!("a flag needs a `{key}`, {what}"));
        }
    }
    let any_case = view.switch("ignore_case").is_some_and(Spanned::into_inner);
    let windows = ["context_window", "context_window_size"];
    let targets = ["target", "target_count"];
    let context = view.either(windows.map(|key| view.number(key)), windows, mistakes);
    let target = view.either(targets.map(|key| view.number(key)), targets, mistakes);
    let (name, on_match) = (view.filled("name", mistakes), view.filled("on_match", mistakes));
    let (name, at) = (name?, view.text("pattern")?);
    let flag = Flag {
        text: pattern(&at, (true, any_case), mistakes),
        color: view.word("color").map(Spanned::into_inner).unwrap_or_default(),
        context: context.map(Spanned::into_inner).unwrap_or_default(),
        target: target.map(Spanned::into_inner),
        on_match: on_match.map(|command| command.into_inner().into()),
        notify: view.switch("notify").is_some_and(Spanned::into_inner),
        every_ms: view.time("every").map_or(Flag::EVERY_MS, Spanned::into_inner),
        action: view.word("action").map_or(Reaction::Notify, Spanned::into_inner),
        name: name.get_ref().clone(),
    };
    Some(Spanned::new(name.span(), flag))
}
