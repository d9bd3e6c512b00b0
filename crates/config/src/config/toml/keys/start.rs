//! `depends_on` and `lazy`: when a process starts. `dependency_check.rs` rejects cycles.

use ::toml::de::DeValue;

use super::{
    At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, TEXTS, Table,
    Type, Value, json, key_rows, value,
};
use crate::config::toml::validate::{in_order, word};
use crate::model::plan::rules::{DependencyCondition, LazyStart, Need, Stage};

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
const ENTRY: &[Key] = key_rows! {
    "condition", CONDITION, Some("\"ready\""),
        "What the other process must have reached: \"started\", \"ready\" or \"completed\".";
    "restart", Type::Switch, Some("false"),
        "Whether this process is restarted too when a command or a reload restarts the other one.";
};

pub struct DependsOn;

impl ProcessKey for DependsOn {
    type Said = Vec<Spanned<DependencyEntry>>;
    const KEYS: &'static [Key] = key_rows! {
        "depends_on", Type::Either(&[TEXTS, Type::Map(&Type::Either(&[CONDITION, Type::Table(&[ENTRY])]))]), Some("[]"),
            "The processes that it waits for: a list of names, each of which must be ready, or a table with \
             a condition for each: \"started\" (it runs), \"ready\" (its checks have passed), or \
             \"completed\" (it has ended with success). A name stands for all its instances.";
    };
    const OF_ALL: bool = false;
    const PLANNED: Planned = Some(|process| json!(process.rules.needs));

    fn planned_value(process: &ProcessPlan) -> Option<Value> {
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

    fn parse(view: Table<'_, '_>) -> Self::Said {
        let entry = |on: Spanned<String>, until, restart| {
            Spanned::new(on.span(), DependencyEntry { on: on.into_inner(), until, restart })
        };
        let Some(table) = view.table("depends_on") else {
            let names = view.texts("depends_on").into_iter();
            return names.map(|on| entry(on, DependencyCondition::Ready, false)).collect();
        };
        let read = |(on, until): (Spanned<String>, &Spanned<DeValue<'_>>)| {
            let Some(condition) = view.within(until.get_ref()) else {
                return Some(entry(on, word(until.get_ref())?, false));
            };
            let until = condition.word("condition").map(Spanned::into_inner);
            let until = until.unwrap_or(DependencyCondition::Ready);
            Some(entry(on, until, condition.is_on("restart")))
        };
        in_order(table.get_ref().table).filter_map(read).collect()
    }
}

/// `lazy` as a table.
const LAZY: &[Key] = key_rows! {
    "idle", Type::Time, None,
        "It is stopped when it has had no connection for so long. By default it runs on.";
};

pub struct Lazy;

impl ProcessKey for Lazy {
    /// `None` as the value is `lazy = false`.
    type Said = At<Option<LazyStart>>;
    const KEYS: &'static [Key] = key_rows! {
        "lazy", Type::Either(&[Type::Switch, Type::Table(&[LAZY])]), Some("false"),
            "Whether it starts only with the first request to its name (`tmo web`), with `tmo start NAME`, \
             or with a process that depends on it. The request is answered when it is ready. `{ idle = \
             \"30m\" }` also stops it.";
    };
    const PLANNED: Planned = Some(|process| json!(process.rules.lazy));

    fn parse(view: Table<'_, '_>) -> Self::Said {
        if let Some(is_lazy) = view.switch("lazy") {
            let lazy = is_lazy.get_ref().then(LazyStart::default);
            return Some(Spanned::new(is_lazy.span(), lazy));
        }
        let table = view.table("lazy")?;
        let idle = table.get_ref().time("idle");
        if let Some(zero) = idle.as_ref().filter(|idle| *idle.get_ref() == 0) {
            view.mistakes.add(zero.span(), "`idle` is at least a moment, such as \"10m\"");
        }
        Some(Spanned::new(table.span(), Some(LazyStart { idle_ms: value(&idle) })))
    }

    fn check(table: &ProcessTable, mistakes: &Diagnostics) {
        let Some(lazy) = table.lazy.as_ref().filter(|lazy| lazy.get_ref().is_some()) else {
            return;
        };
        if value(&table.autostart) == Some(true) {
            let text = "`lazy` starts it with the first request, `autostart = true` with the run; keep one of them";
            mistakes.add(lazy.span(), text);
        } else if table.ends_ready() || table.stage() != Stage::Main {
            mistakes.add(
                lazy.span(),
                "`lazy` is for a process that answers requests, not for one that is to end",
            );
        }
    }

    fn apply(said: &Self::Said, process: &mut ProcessPlan) {
        process.rules.lazy = value(said).flatten();
        process.waits |= process.rules.lazy.is_some();
    }
}
