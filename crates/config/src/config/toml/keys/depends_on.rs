//! `depends_on`: the processes that a process waits for. `dependency_check.rs` rejects cycles.

use super::{
    Diagnostics, Key, Planned, ProcessKey, ProcessPlan, Spanned, TEXTS, Table, Type, Value, json,
    key,
};
use crate::config::toml::validate::{in_order, word};
use crate::model::rules::{DependencyCondition, Need};

/// A process that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyEntry {
    /// The entry of the process.
    pub on: String,
    /// What it must have reached.
    pub until: DependencyCondition,
    /// Whether its restart by a user or a reload restarts the other one too.
    pub restart: bool,
}

const CONDITION: Type = Type::Word(&["started", "ready", "completed"]);

/// An entry of `depends_on` with more than a condition.
const ENTRY: &[Key] = &[
    key(
        "condition",
        CONDITION,
        "What the other process must have reached: \"started\", \"ready\" or \"completed\".",
    )
    .or("\"ready\""),
    key(
        "restart",
        Type::Switch,
        "Whether this process is restarted too when a command or a reload restarts the other \
         one.",
    )
    .or("false"),
];

pub struct DependsOn;

impl ProcessKey for DependsOn {
    type Said = Vec<Spanned<DependencyEntry>>;
    const KEYS: &'static [Key] = &[key(
        "depends_on",
        Type::Either(&[TEXTS, Type::Map(&Type::Either(&[CONDITION, Type::Table(&[ENTRY])]))]),
        "The processes that it waits for: a list of names, each of which must be ready, or a \
         table with a condition for each: \"started\" (it runs), \"ready\" (its checks have \
         passed), or \"completed\" (it has ended with success). A name stands for all its \
         instances.",
    )
    .or("[]")];
    const OF_ALL: bool = false;
    const PLANNED: Planned = Some(|process| json!(process.rules.needs));

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let needs = process.rules.needs.iter();
        let entry = |need: &Need| {
            if need.restart {
                json!({ "condition": need.until, "restart": true })
            } else {
                json!(need.until)
            }
        };
        Some(needs.map(|need| (need.on.to_string(), entry(need))).collect())
    }

    fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        let Some(table) = view.table("depends_on") else {
            let ready = |on: Spanned<String>| {
                let (span, until) = (on.span(), DependencyCondition::Ready);
                Spanned::new(span, DependencyEntry { on: on.into_inner(), until, restart: false })
            };
            return view.texts("depends_on").into_iter().map(ready).collect();
        };
        in_order(table.get_ref().0)
            .filter_map(|(on, until)| {
                let (until, restart) = match until.get_ref().as_table() {
                    Some(entry) => {
                        let until = Table(entry).word("condition").map(Spanned::into_inner);
                        let restart = Table(entry).switch("restart").map(Spanned::into_inner);
                        (until.unwrap_or(DependencyCondition::Ready), restart.unwrap_or(false))
                    }
                    None => (word(until.get_ref())?, false),
                };
                let span = on.span();
                Some(Spanned::new(span, DependencyEntry { on: on.into_inner(), until, restart }))
            })
            .collect()
    }
}
