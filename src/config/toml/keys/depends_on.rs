//! `depends_on`: the processes that a process waits for. `dependency_check.rs` rejects cycles.

use super::{
    Diagnostics, Key, Kind, Planned, ProcessKey, ProcessPlan, Spanned, TEXTS, Value, View, json,
    key,
};
use crate::config::toml::validate::{in_order, word};
use crate::model::rules::DependencyCondition;

pub struct DependsOn;

impl ProcessKey for DependsOn {
    /// The entries, each with the condition that it must meet.
    type Said = Vec<Spanned<(String, DependencyCondition)>>;
    const KEYS: &'static [Key] = &[key(
        "depends_on",
        Kind::Either(&[TEXTS, Kind::Map(&Kind::Word(&["started", "ready", "completed"]))]),
        "The processes it waits for, and the condition that each must meet.",
    )];
    const OF_ALL: bool = false;
    const PLANNED: Planned = Some(|process| json!(process.rules.needs));

    fn shown(process: &ProcessPlan) -> Option<Value> {
        let needs = process.rules.needs.iter();
        Some(needs.map(|need| (need.on.to_string(), json!(need.until))).collect())
    }

    fn read(view: View<'_, '_>, _: &mut Diagnostics) -> Self::Said {
        let Some(table) = view.table("depends_on") else {
            let ready = |on: Spanned<String>| {
                Spanned::new(on.span(), (on.into_inner(), DependencyCondition::Ready))
            };
            return view.texts("depends_on").into_iter().map(ready).collect();
        };
        in_order(table.get_ref().0)
            .filter_map(|(on, until)| {
                Some(Spanned::new(on.span(), (on.into_inner(), word(until.get_ref())?)))
            })
            .collect()
    }
}
