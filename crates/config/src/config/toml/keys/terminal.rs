//! `pty` and `term`: what a process gets for a terminal.

use super::{At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, Table, Type};
use super::{json, key, value};

pub struct Pty;

impl ProcessKey for Pty {
    type Said = At<bool>;
    const KEYS: &'static [Key] = &[key(
        "pty",
        Type::Switch,
        "Whether it has a terminal. With false it writes to a pipe, as in a container, and \
         reads from /dev/null; `tmo connect`, `send` and `screen` do not work for it, and it \
         needs tmo's own terminals (`backend`). A change takes effect at the next start of the \
         run.",
    )
    .or("true")];
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
