//! `failure`, `flag` and `prompt`: what the output of a process means, and the patterns that find it.

use std::collections::BTreeSet;

use regex_syntax::ParserBuilder;

use super::{
    ACTIONS, At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, Table,
    Type, Value, json, key_rows, plain, value,
};
use crate::model::limits::{EXPRESSION, EXPRESSION_BYTES, EXPRESSIONS};
use crate::model::plan::expression;
use crate::model::plan::rules::{FailurePattern, Flag, Reaction, Text};
use crate::model::terminal::prompt::PromptRule;

/// A pattern: a plain text, or a regular expression, which is checked.
pub(super) fn pattern(
    at: &Spanned<String>,
    regex: bool,
    any_case: bool,
    mistakes: &Diagnostics,
) -> Text {
    let text = Text { pattern: at.get_ref().clone(), regex, any_case };
    if text.pattern.is_empty() {
        mistakes.add(at.span(), "an empty pattern is in every line; say what to look for");
    }
    if !regex || mistakes.is_over() {
        return text;
    }
    let Some(size) = expression::size(&text) else {
        mistakes.add_last(
            at.span(),
            format!(
                "the expression is too large when it is compiled; {EXPRESSION} characters and \
                 ranges of characters are possible, all repetitions written out (\\w has a \
                 thousand), and {EXPRESSION_BYTES} bytes"
            ),
        );
        return text;
    };
    // Only parsed here; it is compiled where it is used.
    let mut parser = ParserBuilder::new();
    if !mistakes.has_room_for(size) {
        let text = format!(
            "the expressions of this file are too large together; {EXPRESSIONS} characters and \
             ranges of characters are possible, all repetitions written out"
        );
        mistakes.add_last(at.span(), text);
    } else if let Err(error) = parser.case_insensitive(any_case).build().parse(&text.pattern) {
        let why = expression::reason(&error);
        mistakes.add(at.span(), format!("invalid regular expression: {why}"));
    }
    text
}

pub struct PromptKey;

impl ProcessKey for PromptKey {
    type Said = At<PromptRule>;
    const KEYS: &'static [Key] = key_rows! {
        "prompt", Type::Either(&[Type::Text, Type::Switch]), Some("true"),
            "A regular expression for an unfinished line at which it waits for input, besides the prompts \
             that tmo knows. With false it never counts as waiting, as for a shell that is always at its \
             prompt.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.prompt));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        if let Some(counts) = view.switch("prompt") {
            let rule = if *counts.get_ref() { PromptRule::Usual } else { PromptRule::Never };
            return Some(Spanned::new(counts.span(), rule));
        }
        let text = view.text("prompt")?;
        let rule = PromptRule::Also(pattern(&text, true, false, view.mistakes));
        Some(Spanned::new(text.span(), rule))
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.prompt = value(said).unwrap_or_default();
    }
}

/// `[[process.NAME.failure]]`.
const FAILURE: &[Key] = key_rows! {
    "pattern", Type::Text, None,
        "The text or the regular expression to search for. It is required.";
    "regex", Type::Switch, Some("false"),
        "Whether the pattern is a regular expression instead of a text.";
    "ignore_case", Type::Switch, None,
        "Whether upper and lower case are the same: by default true for a text, false for a regular \
         expression.";
    "action", Type::Word(&["break", "restart"]), Some("\"break\""),
        "What happens on a match: \"break\" stops the process until someone starts it, \"restart\" restarts \
         it.";
};

pub struct Failure;

impl ProcessKey for Failure {
    type Said = Vec<Spanned<FailurePattern>>;
    const KEYS: &'static [Key] = key_rows! {
        "failure", Type::List(&Type::Table(&[FAILURE])), Some("[]"),
            "Patterns in the output that mean that the process has failed. Each is a table of its own, \
             [[process.NAME.failure]]; those of [defaults] are added.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.failures));

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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

    fn parse(view: Table<'_, '_>) -> Self::Said {
        view.tables("failure").iter().filter_map(failure).collect()
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.failures = plain(said);
    }
}

fn failure(found: &Spanned<Table<'_, '_>>) -> Option<Spanned<FailurePattern>> {
    let view = *found.get_ref();
    let regex = view.is_on("regex");
    let any_case = view.switch("ignore_case").map_or(!regex, Spanned::into_inner);
    let Some(at) = view.text("pattern") else {
        if view.get("pattern").is_none() {
            view.mistakes.add(found.span(), "a failure needs a `pattern`: the text to look for");
        }
        return None;
    };
    let failure = FailurePattern {
        text: pattern(&at, regex, any_case, view.mistakes),
        action: view.word("action").map(Spanned::into_inner).unwrap_or_default(),
    };
    Some(Spanned::new(at.span(), failure))
}

/// `[[process.NAME.flag]]`.
const FLAG: &[Key] = key_rows! {
    "name", Type::Text, None, "The name of the flag. It is required.";
    "pattern", Type::Text, None, "The regular expression to search for. It is required.";
    "ignore_case", Type::Switch, Some("false"), "Whether upper and lower case are the same.";
    "color", Type::Word(&["green", "red", "yellow", "blue", "purple", "orange"]), Some("\"yellow\""),
        "The colour that it is shown in: \"green\", \"red\", \"yellow\", \"blue\", \"purple\" or \
         \"orange\".";
    "context_window", Type::Number(0, 65535), Some("0"),
        "How many lines before and after each match are kept with it.";
    "context_window_size", Type::Number(0, 65535), None, "Another name of `context_window`.";
    "target", Type::Number(0, i64::MAX as u64), None,
        "More matches than this are too many, which `tmo flags` says.";
    "target_count", Type::Number(0, i64::MAX as u64), None, "Another name of `target`.";
    "on_match", Type::Text, None,
        "A shell command to run after a match, at most once in the interval `every`.";
    "notify", Type::Switch, Some("false"),
        "Whether a match is shown on the desktop, at most once in the interval `every`.";
    "every", Type::Time, Some("\"1s\""), "The shortest time between two commands or notifications.";
    "action", Type::Word(ACTIONS), Some("\"notify\""),
        "What else happens on a match: \"notify\" (nothing), \"restart\", or \"break\": the process is \
         stopped until someone starts it.";
};

pub struct Flags;

impl ProcessKey for Flags {
    type Said = Vec<Spanned<Flag>>;
    const KEYS: &'static [Key] = key_rows! {
        "flag", Type::List(&Type::Table(&[FLAG])), Some("[]"),
            "Patterns whose matches in the output are counted and kept; `tmo flags` shows them. Each is a \
             table of its own, [[process.NAME.flag]]; those of [defaults] are added.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.flags));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        view.tables("flag").iter().filter_map(flag).collect()
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
        let mut names = BTreeSet::new();
        for flag in &table.flag {
            let name = &flag.get_ref().name;
            if !names.insert(name) {
                let text = format!("there are two flags `{name}`; rename one of them");
                mistakes.add(flag.span(), text);
            }
        }
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.flags = plain(said);
    }

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
        Some(process.rules.flags.iter().map(|flag| flag.name.as_str()).collect())
    }
}

fn flag(found: &Spanned<Table<'_, '_>>) -> Option<Spanned<Flag>> {
    let view = *found.get_ref();
    for (key, what) in [("name", "which `tmo flags` shows"), ("pattern", "a regular expression")] {
        if view.get(key).is_none() {
            view.mistakes.add(found.span(), format!("a flag needs a `{key}`, {what}"));
        }
    }
    let context = view.number_of(["context_window", "context_window_size"]);
    let target = view.number_of(["target", "target_count"]);
    let name = view.filled("name");
    let on_match = view.filled("on_match");
    let name = name?;
    let flag = Flag {
        text: pattern(&view.text("pattern")?, true, view.is_on("ignore_case"), view.mistakes),
        color: view.word("color").map(Spanned::into_inner).unwrap_or_default(),
        context: context.map(Spanned::into_inner).unwrap_or_default(),
        target: target.map(Spanned::into_inner),
        on_match: on_match.map(|command| command.into_inner().into()),
        notify: view.is_on("notify"),
        every_ms: view.time("every").map_or(Flag::EVERY_MS, Spanned::into_inner),
        action: view.word("action").map_or(Reaction::Notify, Spanned::into_inner),
        name: name.get_ref().clone(),
    };
    Some(Spanned::new(name.span(), flag))
}
