//! `pty` and `term`: what a process gets for a terminal.

use super::{At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, Table, Type};
use super::{json, key, value};

pub struct Pty;

impl ProcessKey for Pty {
    type Said = At<bool>;
    const KEYS: &'static [Key] = &[key(
        "pty",
        Type::Switch,
        "false: its output goes to a pipe instead of a terminal; only with tmo's own terminals.",
    )];
    const PLANNED: Planned = Some(|process| json!(!process.rules.no_terminal));

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        view.switch("pty")
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.no_terminal = value(said) == Some(false);
    }
}

pub struct Term;

impl ProcessKey for Term {
    type Said = At<String>;
    const KEYS: &'static [Key] = &[key(
        "term",
        Type::Text,
        "The value of its variable TERM, instead of that of its terminal.",
    )];
    const PLANNED: Planned = Some(|process| json!(process.rules.term));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        view.filled("term", mistakes)
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.term = value(said);
    }
}
