//! `failure`: output of a process that means failure.

use super::pattern::pattern;
use super::{
    Diagnostics, ITEM_BYTES, Key, Planned, ProcessKey, ProcessPlan, Spanned, Table, Type, Value,
    json, key,
};
use crate::model::rules::FailurePattern;

/// `[[process.NAME.failure]]`.
const ITEM: &[Key] = &[
    key("pattern", Type::Text, "The text or the regular expression to search for. It is required."),
    key("regex", Type::Switch, "Whether the pattern is a regular expression instead of a text.")
        .or("false"),
    key(
        "ignore_case",
        Type::Switch,
        "Whether upper and lower case are the same: by default true for a text, false for a \
         regular expression.",
    ),
    key(
        "action",
        Type::Word(&["break", "restart"]),
        "What happens on a match: \"break\" stops the process until someone starts it, \
         \"restart\" restarts it.",
    )
    .or("\"break\""),
];

pub struct Failure;

impl ProcessKey for Failure {
    type Said = Vec<Spanned<FailurePattern>>;
    const KEYS: &'static [Key] = &[key(
        "failure",
        Type::List(&Type::Table(&[ITEM])),
        "Patterns in the output that mean that the process has failed. Each is a table of its \
         own, [[process.NAME.failure]]; those of [defaults] are added.",
    )
    .or("[]")];
    const PLANNED: Planned = Some(|process| json!(process.rules.failures));

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let failure = |failure: &FailurePattern| {
            let FailurePattern { text, action } = failure;
            json!({
                "pattern": text.pattern,
                "regex": text.regex,
                "ignore_case": text.any_case,
                "action": action,
            })
        };
        Some(process.rules.failures.iter().map(failure).collect())
    }

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        view.tables("failure").iter().filter_map(|found| item(found, mistakes)).collect()
    }

    fn size(said: &Self::Said) -> usize {
        said.iter().map(|failure| failure.get_ref().text.pattern.len() + ITEM_BYTES).sum()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.failures = said.iter().map(|failure| failure.get_ref().clone()).collect();
    }
}

fn item(
    found: &Spanned<Table<'_, '_>>,
    mistakes: &mut Diagnostics,
) -> Option<Spanned<FailurePattern>> {
    let view = *found.get_ref();
    let regex = view.switch("regex").is_some_and(Spanned::into_inner);
    let any_case = view.switch("ignore_case").map_or(!regex, Spanned::into_inner);
    let Some(at) = view.text("pattern") else {
        if view.get("pattern").is_none() {
            mistakes.add(found.span(), "a failure needs a `pattern`: the text to look for");
        }
        return None;
    };
    let failure = FailurePattern {
        text: pattern(&at, (regex, any_case), mistakes),
        action: view.word("action").map(Spanned::into_inner).unwrap_or_default(),
    };
    Some(Spanned::new(at.span(), failure))
}
