//! `lazy`: a process that the first request to its name starts.

use super::{
    At, Diagnostics, Key, Planned, ProcessKey, ProcessPlan, ProcessTable, Spanned, Table, Type,
    json, key, value,
};
use crate::model::rules::{LazyStart, Stage};

/// `lazy` as a table.
const LAZY: &[Key] = &[key(
    "idle",
    Type::Time,
    "It is stopped when it has had no connection for so long. By default it runs on.",
)];

pub struct Lazy;

impl ProcessKey for Lazy {
    /// `None` as the value is `lazy = false`.
    type Said = At<Option<LazyStart>>;
    const KEYS: &'static [Key] = &[key(
        "lazy",
        Type::Either(&[Type::Switch, Type::Table(&[LAZY])]),
        "Whether it starts only with the first request to its name (`tmo web`), with `tmo start NAME`, or with a \
         process that depends on it. The request is answered when it is ready. `{ idle = \"30m\" }` also stops it.",
    )
    .or("false")];
    const PLANNED: Planned = Some(|process| json!(process.rules.lazy));

    fn read(view: Table<'_, '_>, mistakes: &mut Diagnostics) -> Self::Said {
        if let Some(is_lazy) = view.switch("lazy") {
            let lazy = is_lazy.get_ref().then(LazyStart::default);
            return Some(Spanned::new(is_lazy.span(), lazy));
        }
        let table = view.table("lazy")?;
        let idle = table.get_ref().time("idle");
        if let Some(zero) = idle.as_ref().filter(|idle| *idle.get_ref() == 0) {
            mistakes.add(zero.span(), "`idle` is at least a moment, such as \"10m\"");
        }
        Some(Spanned::new(table.span(), Some(LazyStart { idle_ms: value(&idle) })))
    }

    fn check(table: &ProcessTable, mistakes: &mut Diagnostics) {
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
