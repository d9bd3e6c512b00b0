//! Keys with one value each: `port`, `display`, `autostart`, `phase`, `on_exit`,
//! `stdin`, `split_stderr` and `notify`.

use super::{
    At, Diagnostics, Key, PORT, Planned, ProcessKey, ProcessPlan, ProcessTable, Table, Type,
};
use super::{json, key, value};
use crate::model::plan;
use crate::model::rules::Stage;

/// A key: its value, name, kind and sentence, the method that reads it, whether `[defaults]` has it, and
/// its field in the plan if no other setting influences that.
macro_rules! scalar_key {
    ($key:ident: $type:ty, $name:literal, $kind:expr, $about:literal, $read:ident, $of_all:literal
        $(, $field:ident $(. $part:ident)?)?) => {
        pub struct $key;

        impl ProcessKey for $key {
            type Said = At<$type>;
            const KEYS: &'static [Key] = &[key($name, $kind, $about)];
            const OF_ALL: bool = $of_all;

            fn read(view: Table<'_, '_>, _: &mut Diagnostics) -> Self::Said {
                view.$read($name)
            }

            $(fn apply(said: &Self::Said, process: &mut ProcessPlan) {
                process.$field $(. $part)? = value(said).map(Into::into).unwrap_or_default();
            }

            const PLANNED: Planned = Some(|process| json!(process.$field $(. $part)?));)?
        }
    };
}

scalar_key!(Port: u16, "port", PORT, "The value of its variable PORT.", number, false);
scalar_key!(Display: String, "display", Type::Text, "A display name.", text, false, rules.display);
scalar_key!(Phase: Stage, "phase", Type::Word(&["dependency", "main", "cleanup"]),
    "The phase of the run in which it runs.", word, true, rules.stage);
scalar_key!(Autostart: bool, "autostart", Type::Switch, "false: it starts only on request.",
    switch, true);
scalar_key!(OnExit: plan::OnExit, "on_exit", Type::Word(&["stop-all", "ignore", "restart"]),
    "What happens when it ends by itself and is not restarted.", word, true);
scalar_key!(StdinKey: plan::Stdin, "stdin", Type::Word(&["terminal", "null"]),
    "What it reads from: its terminal, the default, or /dev/null.", word, true, stdin);
scalar_key!(SplitStderr: bool, "split_stderr", Type::Switch,
    "true: the log keeps its standard error apart; only with tmo's own terminals.", switch, true,
    rules.split_stderr);
scalar_key!(Notify: bool, "notify", Type::Switch, "Whether its crashes are shown on the desktop.",
    switch, true, rules.notify);

impl ProcessTable {
    /// The phase in which it runs.
    pub fn stage(&self) -> Stage {
        value(&self.phase).unwrap_or_default()
    }
}
